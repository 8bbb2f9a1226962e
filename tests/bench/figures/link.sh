# shellcheck shell=sh disable=SC2034,SC2154 # read by bench.sh; scratch, bin, results are its own
about='PostgreSQL, 200 databases over a link of 5 ms each way, beside the same without it, 32 workers'

# "host=… port=… …" as the path of its socket.
socket_of() { echo "$1" | sed 's#.*host=\([^ ]*\).*port=\([^ ]*\).*#\1/.s.PGSQL.\2#'; }

# The times of mtnt-model in these results.
times_in() { jq -s -c '[.[] | select(.baseline == "same durable work") | .values[]]' "$1"; }

one_way() { # NAME SERVER
    bench postgres --server "$2" --tenants 200 --workers 32 --rounds 1 --json "$scratch/link.$1"
}

measure() {
    need_server
    mkfifo "$scratch/link.end"
    exec 9<>"$scratch/link.end"
    "$bin/bench_delay" "$(socket_of "$MTNT_TEST_PG")" 5 <"$scratch/link.end" >"$scratch/link.port" 9>&- &
    link=$!
    while [ ! -s "$scratch/link.port" ]; do
        kill -0 $link || exit 1
        sleep 0.05
    done
    far=$(echo "$MTNT_TEST_PG" | sed "s#host=[^ ]*#host=127.0.0.1#; s#port=[^ ]*#port=$(cat "$scratch/link.port")#")
    for round in $(seq "$([ "$mode" = smoke ] && echo 1 || echo 3)"); do
        one_way near "$MTNT_TEST_PG"
        one_way far "$far"
    done
    exec 9>&-
    wait
    jq -n -c --argjson far "$(times_in "$scratch/link.far")" --argjson near "$(times_in "$scratch/link.near")" '
        def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
        (($near | median) / ($far | median)) as $ratio |
        {figure: "link", of: "200 databases, 5 ms each way", what: "clock, s", value: ($far | median), baseline: "the same without the link",
         baseline_value: ($near | median), ratio: $ratio, target: 0.8, reached: ($ratio >= 0.8), values: $far, baseline_values: $near}' >>"$results"
}
