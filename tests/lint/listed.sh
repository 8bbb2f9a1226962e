#!/bin/sh
# Every C source of the library, the operations and the command is built: a file that nobody listed
# in a CMakeLists.txt is neither compiled nor tested.
#   sh listed.sh TOP compile_commands.json
#   sh listed.sh --self-test
set -eu

check() {
    unlisted=$(cd "$1" && find lib operations cmd -name '*.c' | sort | while read -r file; do
        grep -qF "\"file\": \"$1/$file\"" "$2" || echo "$file is in no CMakeLists.txt"
    done)
    [ -n "$unlisted" ] || return 0
    echo "$unlisted"
    return 1
}

self_test() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    mkdir -p "$scratch/lib/db" "$scratch/operations" "$scratch/cmd"
    : >"$scratch/lib/db/a.c"
    printf '[{"file": "%s/lib/db/a.c"}]' "$scratch" >"$scratch/commands.json"
    check "$scratch" "$scratch/commands.json" || return 1
    : >"$scratch/lib/db/forgotten.c"
    if (check "$scratch" "$scratch/commands.json" >/dev/null); then
        echo "not caught: a source that is not listed"
        return 1
    fi
}

case ${1:-} in
--self-test) self_test ;;
'') echo "usage: listed.sh TOP COMMANDS | --self-test" >&2 && exit 64 ;;
*) check "$1" "$2" ;;
esac
