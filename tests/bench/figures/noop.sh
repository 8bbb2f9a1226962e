# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='1,000,000 tenants that are current, from a query and from a list, controller on SQLite and PostgreSQL; memory beside that of 10,000'
measure() {
    need_server
    bench noop --source query
    bench noop --source list
    bench noop --source query --server "$MTNT_TEST_PG"
}
