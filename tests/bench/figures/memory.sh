# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='memory does not grow with the number of tenants, whatever their source: 20,000 beside 1,000, or it fails'
measure() {
    for source in query list glob; do
        # Behind what --smoke says: fewer would show nothing.
        extra="$extra --tenants 20000 --few 1000 --rounds 1 --growth 1.4"
        bench noop --source $source
    done
}
