# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='chains that write both databases: rate, fsyncs, round trips, beside bare C for each pair'
measure() {
    need_server
    bench pairs --server "$MTNT_TEST_PG"
}
