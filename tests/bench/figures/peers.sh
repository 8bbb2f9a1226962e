# shellcheck shell=sh disable=SC2034,SC2154 # read by bench.sh; here, scratch, mtnt, bin, results, extra are its own
about='other tools on SQLite tenants, each at its best of 1, 2, 4, 8 at a time (first: bench.sh peers-install DIR; then --peers DIR)'
measure() {
    # shellcheck disable=SC2086 # words
    sh "$here/peers.sh" race sqlite "$peers" "$scratch/peers" "$mtnt" "$bin" "$results" $extra
}
