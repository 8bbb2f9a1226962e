# shellcheck shell=sh disable=SC2034,SC2154 # read by bench.sh; here, scratch, mtnt, bin, results, extra are its own
about='psql with xargs -P and, from --peers DIR, other tools on PostgreSQL databases, each at its best of 1, 2, 4, 8 at a time'
measure() {
    need_server
    # Whoever only looks whether it works has no time for many databases.
    few=$([ "$mode" != smoke ] || echo "--tenants 4")
    # shellcheck disable=SC2086 # words
    sh "$here/peers.sh" race postgres "$peers" "$scratch/peers_postgres" "$mtnt" "$bin" "$results" --server "$MTNT_TEST_PG" --tenants 50 $extra $few
}
