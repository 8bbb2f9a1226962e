#!/bin/sh
# How fast, against a bare loop that does the same durable work: sh tests/bench/bench.sh [options] [sqlite] [postgres] [noop] [pairs] [ensure]
#
#   --fsyncs          count the fsyncs of a tenant instead, and say of which files (needs strace)
#   --smoke           a few tenants, end states checked, no time worth a look: what ctest runs
#   --build-dir DIR   a build to measure (default: build/release, built first)
#   --folder DIR      where to make the fleets: a folder on the disk in question (default: TMPDIR or /tmp)
#   --json DIR        also write DIR/sqlite.json, DIR/postgres.json, DIR/noop.json, DIR/pairs.json, DIR/ensure.json
#   --rounds N, --workers N, --tenants N
#   --controller DSN  (default: SQLite for SQLite tenants, a database of the same server for PostgreSQL tenants)
#
# Nothing else should run on the machine. PostgreSQL is a server of its own, with fsync on.
set -eu

top=$(cd "$(dirname "$0")/../.." && pwd)
build_dir=
folder=${TMPDIR:-/tmp}
json_dir=
mode=race
extra=
which=

usage() {
    sed -n '2,12p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 64
}

while [ $# -gt 0 ]; do
    case $1 in
    --fsyncs) mode=fsyncs ;;
    --smoke) mode=smoke ;;
    --build-dir | --folder | --json | --rounds | --workers | --tenants | --controller)
        [ $# -ge 2 ] || usage
        case $1 in
        --build-dir) build_dir=$2 ;;
        --folder) folder=$2 ;;
        --json) json_dir=$2 ;;
        *) extra="$extra $1 $2" ;;
        esac
        shift
        ;;
    sqlite | postgres | noop | pairs | ensure) which="$which $1" ;;
    *) usage ;;
    esac
    shift
done
which=${which:-sqlite postgres noop pairs ensure}

if [ -z "$build_dir" ]; then
    build_dir=$top/build/release
    sh "$top/tests/run.sh" --preset release --no-tests
fi
bin=$build_dir/tests
mtnt=$build_dir/bin/mtnt-model

scratch=$(mktemp -d "$folder/mtnt-bench.XXXXXX")
own_server=
cleanup() {
    [ -z "$own_server" ] || sh "$top/tests/postgres.sh" stop "$scratch/pg" || true
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

need_server() {
    [ -z "${MTNT_TEST_PG:-}" ] || return 0
    chmod 711 "$scratch"
    own_server=yes
    settings=$(sh "$top/tests/postgres.sh" start "$scratch/pg")
    eval "$settings"
}

run() { # NAME [option…]
    name=$1
    shift
    if [ "$name" = postgres ] || [ "$name" = pairs ]; then
        need_server
        set -- "$@" --server "$MTNT_TEST_PG"
    fi
    if [ -n "$json_dir" ]; then
        mkdir -p "$json_dir"
        set -- "$@" --json "$json_dir/$name.json"
    fi
    # shellcheck disable=SC2086 # a list of words
    "$bin/bench_$name" --folder "$scratch/$name" --mtnt "$mtnt" "$@" $extra
}

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

case $mode in
fsyncs) fsyncs ;;
smoke)
    for name in $which; do
        run "$name" --tenants 12 --rounds 1 --workers 3
    done
    ;;
race)
    for name in $which; do
        run "$name"
    done
    ;;
esac
