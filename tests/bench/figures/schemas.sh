# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='PostgreSQL, 1,000 schemas of one database, beside a bare loop that keeps a connection for each thread'
measure() {
    need_server
    bench postgres --server "$MTNT_TEST_PG" --best 1,2,4,8 --schemas yes --tenants 1000 --rounds 3
}
