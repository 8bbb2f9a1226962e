# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='other tools on SQLite tenants, each at its best of 1, 2, 4, 8 at a time (first: bench.sh peers-install DIR; then --peers DIR)'
measure() {
    # shellcheck disable=SC2154 # of bench.sh
    [ -n "$peers" ] || { echo "peers: skipped, none are installed: sh tests/bench/bench.sh peers-install DIR, then --peers DIR" && return 0; }
    # shellcheck disable=SC2154,SC2086 # of bench.sh; words
    sh "$here/peers.sh" race "$peers" "$scratch/peers" "$mtnt" "$bin/bench_sqlite" "$results" $extra
}
