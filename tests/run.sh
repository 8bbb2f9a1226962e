#!/bin/sh
# Builds and tests everything: sh tests/run.sh [--preset NAME] [--build-dir DIR] [--target NAME] [-- ctest arguments]
#
#   --preset NAME     a preset of CMakePresets.json (default: dev)
#   --build-dir DIR   where to build (default: build/NAME)
#   --target NAME     build this target only (default: all)
#   --no-tests        build, and do not test
#
# The tests get a PostgreSQL server of their own, which is gone when they are. As root, on Debian,
# what is missing is installed first.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
preset=dev
build_dir=
target=all
run_tests=yes

usage() {
    sed -n '2,7p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 64
}

while [ $# -gt 0 ]; do
    case $1 in
    --preset | --build-dir | --target)
        [ $# -ge 2 ] || usage
        case $1 in
        --preset) preset=$2 ;;
        --build-dir) build_dir=$2 ;;
        --target) target=$2 ;;
        esac
        shift 2
        ;;
    --no-tests)
        run_tests=no
        shift
        ;;
    --)
        shift
        break
        ;;
    *) usage ;;
    esac
done
build_dir=${build_dir:-$top/build/$preset}

# ---- what is needed ----

missing=
need() {
    case " $missing " in *" $1 "*) ;; *) missing="$missing $1" ;; esac
}
need_command() { command -v "$1" >/dev/null 2>&1 || need "$2"; }
need_module() { pkg-config --exists "$1" 2>/dev/null || need "$2"; }

have_postgres() {
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [ ! -x "$initdb" ] || return 0
    done
    [ -n "${MTNT_TEST_PG_BINDIR:-}" ] || command -v initdb >/dev/null 2>&1
}

find_missing() {
    missing=
    need_command cmake cmake
    need_command ninja ninja-build
    need_command cc gcc
    need_command c++ g++
    need_command pkg-config pkg-config
    need_command nm binutils
    need_command setsid util-linux
    need_command jq jq
    need_command python3 python3
    need_command sqlite3 sqlite3
    need_command spin spin
    need_module libpq libpq-dev
    need_module sqlite3 libsqlite3-dev
    need_module libcyaml libcyaml-dev
    need_module yaml-0.1 libyaml-dev
    need_module jansson libjansson-dev
    need_module libcrypto libssl-dev
    need_module cmocka libcmocka-dev
    have_postgres || need postgresql
    [ -x /usr/sbin/pgbouncer ] || need_command pgbouncer pgbouncer
    case $preset in clang | fuzz) need_command clang clang ;; esac
    if [ "$preset" = fuzz ] && command -v clang >/dev/null 2>&1; then
        # libFuzzer comes in a package of clang's own version.
        set -- "$(clang -print-runtime-dir)"/libclang_rt.fuzzer*.a
        [ -e "$1" ] || need "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
    fi
}

find_missing
# Twice: what one package needs can be seen only when another is there.
for round in 1 2; do
    if [ -z "$missing" ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
        break
    fi
    echo "installing:$missing"
    [ "$round" -gt 1 ] || apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    find_missing
done
if [ -n "$missing" ]; then
    echo "run.sh: these are missing; on Debian:   sudo apt-get install$missing" >&2
    exit 1
fi

# ---- run, and leave nothing behind ----

scratch=
child=

# Each step is a session of its own, so that it can be ended together with all that it has started.
step() {
    setsid "$@" &
    child=$!
    status=0
    wait "$child" || status=$?
    child=
    return "$status"
}

end_child() {
    [ -n "$child" ] || return 0
    kill -s TERM -- "-$child" 2>/dev/null || return 0
    tries=0
    while [ "$tries" -lt 50 ] && kill -s 0 -- "-$child" 2>/dev/null; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -s KILL -- "-$child" 2>/dev/null || true
}

cleanup() {
    trap '' INT TERM HUP
    end_child
    if [ -n "$scratch" ]; then
        sh "$top/tests/postgres.sh" stop "$scratch/pg" || true
        rm -rf "$scratch"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

cd "$top"
step cmake --preset "$preset" -B "$build_dir" --log-level=WARNING
step cmake --build "$build_dir" --target "$target"
[ "$run_tests" = yes ] || exit 0

# In memory where there is room: what these tests end are processes, never the machine, and disks are slow at being synced.
where=${TMPDIR:-/tmp}
if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 3000000 ]; then
    where=/dev/shm
fi
scratch=$(mktemp -d "$where/mtnt-tests.XXXXXX")
chmod 711 "$scratch"
mkdir "$scratch/tmp"
settings=$(sh "$top/tests/postgres.sh" start "$scratch/pg")
eval "$settings"
export TMPDIR="$scratch/tmp"

step ctest --test-dir "$build_dir" --output-on-failure --no-tests=error --no-label-summary \
    --parallel "${MTNT_TEST_JOBS:-3}" "$@"
