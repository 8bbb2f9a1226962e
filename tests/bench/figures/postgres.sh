# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='PostgreSQL, 100 databases × 10 operations, beside a bare loop on libpq, each at its best of 1, 2, 4, 8 workers'
measure() {
    need_server
    bench postgres --server "$MTNT_TEST_PG" --best 1,2,4,8
}
