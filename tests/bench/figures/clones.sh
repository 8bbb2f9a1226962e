# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='new tenants by running the chain, and as copies of a template, beside bare C that makes them'
measure() {
    need_server
    bench clones --server "$MTNT_TEST_PG"
}
