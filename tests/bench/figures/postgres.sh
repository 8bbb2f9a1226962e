# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='PostgreSQL, 100 databases × 10 operations, beside a bare loop on libpq'
measure() {
    need_server
    bench postgres --server "$MTNT_TEST_PG"
}
