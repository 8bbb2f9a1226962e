#!/bin/sh
# Verifies the protocol's models with spin, one line for each configuration:
#   sh check.sh MODEL [FLAG…]    one, e.g. sh check.sh m1 GC_NO_FLOOR; TRAIL=1 shows the steps to the error
#   sh check.sh --list MODEL     those of the file `configurations` marked fast; all with MTNT_TEST_MODEL_ALL=1
#   sh check.sh --all            all of them, of every model (needs 9 GB)
#   sh check.sh --self-test      that a wrong expectation, a search cut short and a flag that nobody knows are failures
# Without LIVE: assertions and states that nothing leaves. With LIVE: the ltl property, under weak fairness.
# A search that did not look at everything is a failure, whatever it has found: LIMIT seconds (600; 1800 where all are run), MEMLIM megabytes (9000).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 143' INT TERM HUP

# MODEL FLAG…: leaves $errors (a number, or a word for what went wrong) and $said.
verify() {
    model=$(basename "$(ls "$here/$1"_*.pml)")
    shift
    live=no
    definitions=
    errors='not run'
    said=
    for flag; do
        # Misspelt, a mutation would be the protocol itself.
        grep -qw "${flag%%=*}" "$scratch"/flags || { errors='no such flag' said=$flag && return 0; }
        definitions="$definitions -D$flag"
        [ "$flag" != LIVE ] || live=yes
    done
    options='-DSAFETY'
    how=
    if [ "$live" = yes ]; then
        options='-DNFAIR=4'
        how='-a -f'
    fi
    rm -rf "$scratch/pan"
    mkdir "$scratch/pan"
    cp "$here"/*.pml "$scratch/pan"
    # shellcheck disable=SC2086 # lists of words
    (
        cd "$scratch/pan"
        spin $definitions -a "$model" >spin.out 2>&1 || { cat spin.out && exit 1; }
        cc "-O${OPTIMISE:-1}" -w -DCOLLAPSE -DVECTORSZ=2048 -DMEMLIM="${MEMLIM:-9000}" $options -o pan pan.c
        timeout "${LIMIT:-600}" ./pan -m"${DEPTH:-2000000}" $how >pan.out 2>&1 || echo "pan: exit $?" >>pan.out
        [ -z "${TRAIL:-}" ] || [ ! -e "$model.trail" ] || spin $definitions -t -p -g "$model"
    ) || { errors='not built' && return 0; }
    judge "$scratch/pan/pan.out"
}

judge() {
    errors=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$1" | head -n 1)
    said=$(sed -n 's/^pan:1: \(.*\) (at depth.*/\1/p' "$1" | cut -c 1-100 | head -n 1)
    states=$(awk '/states, stored/ {print $1; exit}' "$1")
    memory=$(awk '/total actual memory usage/ {print $1; exit}' "$1")
    said="${states:-?} states, ${memory:-?} MB${said:+, $said}"
    if [ -z "$errors" ]; then
        errors="no result: $(tail -n 1 "$1")"
    elif [ "$errors" = 0 ] && grep -Eq 'not completed|too small|out of memory|reached -DMEMLIM|pan: exit' "$1"; then
        errors='not all was looked at'
    fi
}

# WANTED MODEL FLAG…: one line, and success when spin says what is wanted.
expect() {
    wanted=$1
    shift
    verify "$@"
    case $wanted:$errors in
    ok:0 | err:[1-9]*) verdict=as-expected ;;
    *) verdict=WRONG ;;
    esac
    echo "$verdict  $wanted  $*  errors: $errors  ($said)"
    [ "$verdict" = as-expected ]
}

# Every word that a model tests with #if, #ifdef, #ifndef or defined().
cat "$here"/*.pml | grep -E '^ *# *(if|elif|ifdef|ifndef)' | grep -oE '[A-Z][A-Z0-9_]+' | sort -u >"$scratch/flags"

list() {
    wrong=0
    count=0
    grep -E "^(ok|err) +($1) +($2)( |\$)" "$here/configurations" >"$scratch/list"
    while read -r wanted _ rest; do
        count=$((count + 1))
        # shellcheck disable=SC2086 # a list of words
        expect "$wanted" $rest || wrong=$((wrong + 1))
    done <"$scratch/list"
    echo "$count configurations, $wrong wrong"
    [ "$count" -gt 0 ] && [ "$wrong" -eq 0 ]
}

self_test() {
    ! expect ok m4 TOMBSTONE NO_FORWARD_FENCE || return 1
    ! expect err m4 TOMBSTONE || return 1
    ! expect err m4 TOMBSTONE NO_FORWARD_FENZE || return 1
    ! DEPTH=50 expect ok m4 TOMBSTONE || return 1
    ! LIMIT=0.01 expect ok m4 TOMBSTONE || return 1
    ! LIMIT=0.01 expect err m4 TOMBSTONE || return 1
    ! MEMLIM=1 expect ok m4 TOMBSTONE || return 1
}

case ${1:-} in
--list)
    speed=fast
    if [ "${MTNT_TEST_MODEL_ALL:-0}" = 1 ]; then
        speed='fast|slow'
        OPTIMISE=2
        LIMIT=${LIMIT:-1800}
    fi
    list "$speed" "$2"
    ;;
--all) OPTIMISE=2 LIMIT=${LIMIT:-1800} && list 'fast|slow' 'm[0-9]' ;;
--self-test) self_test ;;
m[0-9]) verify "$@" && echo "$* errors: $errors ($said)" ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 64 ;;
esac
