# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='the same for 1,000 databases'
measure() {
    need_server
    bench postgres --server "$MTNT_TEST_PG" --best 1,2,4,8 --tenants 1000 --rounds 3
}
