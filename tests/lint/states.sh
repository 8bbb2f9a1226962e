#!/bin/sh
# lib/state/STATES.md is what the tables of transitions make it.
#   sh states.sh TOP GENERATOR
#   sh states.sh --self-test GENERATOR
set -eu

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

check() {
    "$2" >"$scratch/made" || { echo "$2 failed" && return 1; }
    diff -u "$1/lib/state/STATES.md" "$scratch/made" && return 0
    echo "lib/state/STATES.md is not what lib/state/transitions.c says; write it anew:   cmake --build build/dev --target states"
    return 1
}

self_test() {
    mkdir -p "$scratch/lib/state"
    "$1" >"$scratch/lib/state/STATES.md"
    grep -q 'executing --> committed: commit' "$scratch/lib/state/STATES.md" || return 1
    grep -q 'STARTED --> FAILED: fail' "$scratch/lib/state/STATES.md" || return 1
    check "$scratch" "$1" || return 1
    sed 's/--> aborted/--> committed/' "$scratch/made" >"$scratch/lib/state/STATES.md"
    ! check "$scratch" "$1" >/dev/null || { echo 'not caught: another edge' && return 1; }
    rm "$scratch/lib/state/STATES.md"
    ! check "$scratch" "$1" >/dev/null 2>&1 || { echo 'not caught: no page' && return 1; }
    ! check "$scratch" false >/dev/null || { echo 'not caught: a generator that fails' && return 1; }
}

case ${1:-} in
--self-test) self_test "$2" ;;
'') echo "usage: states.sh TOP GENERATOR | --self-test GENERATOR" >&2 && exit 64 ;;
*) check "$1" "$2" ;;
esac
