#!/bin/sh
# Installs into an empty folder, and builds a small program against what is there: through
# pkg-config, and through find_package, shared and static. Both run.
#   sh installed.sh BUILD_FOLDER
set -eu

[ $# -eq 1 ] || { echo "usage: installed.sh BUILD_FOLDER" >&2 && exit 64; }
build=$1
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

fail() {
    echo "installed.sh: $*" >&2
    exit 1
}

cmake --install "$build" --prefix "$prefix" >"$scratch/log" || { cat "$scratch/log" && exit 1; }
pkgconfig=$(dirname "$(find "$prefix" -name mtnt.pc)")
libraries=$(dirname "$(find "$prefix" -name libmtnt.so)")
[ -x "$prefix/bin/mtnt-model" ] || fail "no mtnt-model in $prefix/bin"
if grep -rl "$here" "$prefix/include" "$libraries/cmake" "$pkgconfig" 2>/dev/null; then
    fail "installed files name the source tree"
fi

export PKG_CONFIG_PATH="$pkgconfig"
flags='-std=c11 -Wall -Wextra -Werror'
# shellcheck disable=SC2086,SC2046 # lists of words
"${CC:-cc}" $flags $(pkg-config --cflags mtnt) -o "$scratch/library" "$here/consumer/library.c" $(pkg-config --libs mtnt)
# shellcheck disable=SC2086,SC2046
"${CC:-cc}" $flags $(pkg-config --cflags mtnt-command) -o "$scratch/command" "$here/consumer/command.c" \
    $(pkg-config --libs mtnt-command)
LD_LIBRARY_PATH="$libraries" "$scratch/library"
LD_LIBRARY_PATH="$libraries" "$scratch/command" --version

if ! cmake -S "$here/consumer" -B "$scratch/consumer" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >"$scratch/log" 2>&1 ||
    ! cmake --build "$scratch/consumer" >>"$scratch/log" 2>&1; then
    cat "$scratch/log"
    fail "find_package(mtnt) does not work"
fi
"$scratch/consumer/library"
"$scratch/consumer/library_static"
"$scratch/consumer/command" --version

# Installed, the command finds its libraries by itself.
"$prefix/bin/mtnt-model" --version
