#!/bin/sh
# How fast, each figure beside its baseline in the same run: sh tests/bench/bench.sh [options] [figure…]     (no figure: all of them)
#
#   --list            the figures (tests/bench/figures/NAME.sh)
#   --json FILE       also write the results to FILE: {"host": …, "results": [{"figure": …, "value": …, "baseline_value": …, "ratio": …}, …]}
#   --fsyncs          count the fsyncs of a SQLite tenant instead, and say of which files (needs strace)
#   --smoke           a few tenants, end states checked, no time worth a look: what ctest runs
#   --build-dir DIR   a build to measure (default: build/release, built first)
#   --folder DIR      where to make the fleets: a folder on the disk in question (default: TMPDIR or /tmp)
#   --peers DIR       where `bench.sh peers-install DIR` has put other tools: for the figures peers and peers_postgres
#   --rounds N, --workers N, --tenants N, --controller DSN, --best 1,2,4,8      instead of what the figure has; --best: races (sqlite, postgres, schemas)
#                     give each contender as many workers as suit it best, of these; --workers: as many for all
#
# Rounds are interleaved and medians told: the same figure moves by a factor of two within an hour. Nothing else should run on the machine.
# PostgreSQL is a server of its own, with fsync on.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
all="sqlite sqlite_10000 postgres postgres_1000 schemas noop memory pairs clones ensure processes link peers peers_postgres"
build_dir=
folder=${TMPDIR:-/tmp}
json=
mode=race
extra=
which=
peers=${MTNT_BENCH_PEERS:-}

usage() {
    sed -n '2,15p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 64
}

# Sets about, and defines measure.
load() { # FIGURE
    [ -f "$here/figures/$1.sh" ] || { echo "bench.sh: there is no figure $1: sh tests/bench/bench.sh --list" >&2 && exit 64; }
    # shellcheck disable=SC1090 # figures/*.sh
    . "$here/figures/$1.sh"
}

list() {
    for name in $all; do
        about=
        load "$name"
        printf '%-15s %s\n' "$name" "$about"
    done
}

while [ $# -gt 0 ]; do
    case $1 in
    --list) list && exit 0 ;;
    --fsyncs) mode=fsyncs ;;
    --smoke) mode=smoke ;;
    --build-dir | --folder | --json | --peers | --rounds | --workers | --tenants | --controller | --best)
        [ $# -ge 2 ] || usage
        # shellcheck disable=SC2034 # peers: for figures/peers.sh
        case $1 in
        --build-dir) build_dir=$2 ;;
        --folder) folder=$2 ;;
        --json) json=$2 ;;
        --peers) peers=$2 ;;
        *) extra="$extra $1 $2" ;;
        esac
        shift
        ;;
    peers-install)
        [ $# -eq 2 ] || usage
        exec sh "$here/peers.sh" install "$2"
        ;;
    -*) usage ;;
    *) which="$which $1" ;;
    esac
    shift
done

if [ -z "$build_dir" ]; then
    build_dir=$top/build/release
    sh "$top/tests/run.sh" --preset release --no-tests
fi
bin=$build_dir/tests
mtnt=$build_dir/bin/mtnt-model

scratch=$(mktemp -d "$folder/mtnt-bench.XXXXXX")
results=$scratch/results.jsonl
own_server=
cleanup() {
    [ -z "$own_server" ] || sh "$top/tests/postgres.sh" stop "$scratch/pg" || true
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
: >"$results"

# ---- for figures ----

# Sets MTNT_TEST_PG.
need_server() {
    [ -z "${MTNT_TEST_PG:-}" ] || return 0
    chmod 711 "$scratch"
    own_server=yes
    settings=$(sh "$top/tests/postgres.sh" start "$scratch/pg")
    eval "$settings"
}

# A program of this folder, with the figure's options; what the caller has asked for comes after them, and wins.
bench() { # PROGRAM [option…]
    program=$1
    shift
    # shellcheck disable=SC2086 # a list of words
    "$bin/bench_$program" --folder "$scratch/$program" --mtnt "$mtnt" --json "$results" "$@" $extra
}

# ---- fsyncs ----

# Of which file, by what is left of its name without the tenant's part.
# shellcheck disable=SC2016 # awk's own variables
kinds='
    match($0, /(fsync|fdatasync)\([0-9]+<[^>]*>/) == 0 { next }
    { $0 = substr($0, RSTART, RLENGTH); sub(/^[^<]*</, ""); sub(/>$/, "") }
    /controller\.db-journal$|controller\.db-wal$/ { count["journal of the controller"]++; next }
    /controller\.db/ { count["controller"]++; next }
    /tenants\/[^\/]*-(journal|wal)$/ { count["journal of the model"]++; next }
    /tenants\/[^\/]*\.db/ { count["model"]++; next }
    /tenants$/ { count["folder of the models"]++; next }
    { count["folder of the controller, and others"]++ }
    END { for (kind in count) print count[kind] "\t" kind }'

count_fsyncs() { # CONTENDER TENANTS
    strace -f -y -qq -e trace=fsync,fdatasync -e signal=none -o "$scratch/trace" \
        "$bin/bench_sqlite" --folder "$scratch/fsyncs" --mtnt "$mtnt" --only "$1" --tenants "$2" --workers 4
    awk "$kinds" "$scratch/trace" | sort -k 2
}

# What a run pays once does not count: the difference between two sizes of fleet.
fsyncs() {
    for contender in bare mtnt; do
        count_fsyncs "$contender" 20 >"$scratch/few"
        count_fsyncs "$contender" 120 >"$scratch/many"
        echo "$contender: fsyncs for each tenant (SQLite, 10 operations)"
        awk -F'\t' 'NR == FNR { few[$2] = $1; next }
            { each = ($1 - few[$2]) / 100; sum += each; printf "  %6.2f  %s\n", each, $2 }
            END { printf "  %6.2f  in all\n\n", sum }' "$scratch/few" "$scratch/many"
    done
}

# ---- results ----

table() {
    jq -r '[.figure, .of, .what, .value, .baseline, .baseline_value, .ratio, (.target // ""),
        (if .reached == null then "" elif .reached then "reached" else "missed" end)] | @tsv' "$results" |
        awk -F'\t' '
            NR == 1 { printf "%-15s %-58s %-10s %12s   %-38s %12s %7s %7s\n", "figure", "of", "what", "mtnt-model", "baseline", "", "ratio", "target" }
            { printf "%-15s %-58s %-10s %12.3f   %-38s %12.3f %7.2f %7s %s\n", $1, $2, $3, $4, $5, $6, $7, $8, $9 }'
}

write_json() {
    jq -s --arg host "$(uname -srm), $(nproc) processors" --arg commit "$(git -C "$top" describe --always --dirty 2>/dev/null || echo unknown)" \
        --arg at "$(date -u +%Y-%m-%dT%H:%M:%SZ)" '{host: $host, commit: $commit, at: $at, results: .}' "$results" >"$json"
}

[ "$mode" != fsyncs ] || { fsyncs && exit 0; }
if [ "$mode" = smoke ]; then
    extra=" --tenants 12 --rounds 1 --workers 3$extra"
    export MTNT_BENCH_SMOKE=yes
fi
for figure in ${which:-$all}; do
    load "$figure"
    measure
done
# shellcheck disable=SC2015 # jq makes the table, and no figure
command -v jq >/dev/null && table || echo "(no jq: no table)"
[ -z "$json" ] || write_json
