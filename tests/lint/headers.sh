#!/bin/sh
# Each public header, alone in a file, as strict C11 and as C++17.
#   sh headers.sh FOLDER       every *.h below FOLDER, which is the include path
#   sh headers.sh --self-test  checks that a header that cannot stand alone is refused
set -eu

warnings='-pedantic -Wall -Wextra -Wshadow -Werror -fsyntax-only'

check() {
    includes="-I$1 $(pkg-config --cflags libpq sqlite3)"
    failed=0
    found=0
    for header in $(cd "$1" && find . -name '*.h' | sort | sed 's|^\./||'); do
        found=1
        printf '#include "%s"\nextern int alone;\n' "$header" >"$scratch/alone.c"
        cp "$scratch/alone.c" "$scratch/alone.cc"
        # shellcheck disable=SC2086 # lists of words
        "${CC:-cc}" -std=c11 $warnings -Wstrict-prototypes $includes "$scratch/alone.c" ||
            { echo "$header does not compile alone as C11" && failed=1; }
        # shellcheck disable=SC2086
        "${CXX:-c++}" -std=c++17 $warnings $includes "$scratch/alone.cc" ||
            { echo "$header does not compile alone as C++17" && failed=1; }
    done
    [ "$found" -eq 1 ] || { echo "no headers below $1" && failed=1; }
    return "$failed"
}

self_test() {
    mkdir "$scratch/include"
    # Each is wrong in one way only: a missing include, no prototype in C, words of C++, no header at all.
    for text in 'size_t f(void);' 'int f();' 'int f(int class);' ''; do
        rm -rf "$scratch/include"
        mkdir "$scratch/include"
        [ -z "$text" ] || echo "$text" >"$scratch/include/bad.h"
        if (check "$scratch/include" >/dev/null 2>&1); then
            echo "not caught: $text"
            return 1
        fi
    done
    printf '#include <stddef.h>\nsize_t mtnt_good(const char *text);\n' >"$scratch/include/good.h"
    check "$scratch/include"
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
case ${1:-} in
--self-test) self_test ;;
'') echo "usage: headers.sh FOLDER | --self-test" >&2 && exit 64 ;;
*) check "$1" ;;
esac
