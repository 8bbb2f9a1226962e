# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='1, 2, 4, 8 processes on one controller on PostgreSQL, and four of which one is killed'
measure() {
    need_server
    bench processes --server "$MTNT_TEST_PG" --kill yes
}
