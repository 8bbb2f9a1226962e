#!/bin/sh
# Embedded texts are the files, byte for byte, under the promised names; a changed file is embedded again.
#   sh embed.sh TOP
set -eu

top=$1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/src/controller/sqlite"
cd "$scratch/src"

# What a quoting mistake would change: quotes, backslashes, CMake's own ; [ ] ${}, UTF-8, hexadecimal
# digits after an escape, trigraphs, line ends of both kinds, no line end at the end.
# shellcheck disable=SC2016 # nothing here is to be expanded
printf '%s\n' '-- "a" '\''b'\'' \ \n \x41 ; [x] [[y]] ${z} @v@ $$ ??/ é𝄞 abcdef0123' 'CREATE TABLE t(x);' >controller/sqlite/0001_initial.sql
printf 'SELECT 1;\r\n\r\n--end' >last.sql
: >empty.sql
printf '{"a": "\\u0041"}\n' >tenants.schema.json

cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.25)
project(embedding LANGUAGES C)
include("$top/schemas/embed.cmake")
mtnt_embed(texts OUT texts FILES controller/sqlite/0001_initial.sql last.sql empty.sql tenants.schema.json)
add_executable(show show.c)
target_link_libraries(show PRIVATE texts)
END
cat >show.c <<'END'
#include <stdio.h>
#include <string.h>
#include "texts.h"

#define SHOW(path, text) \
    if (strcmp(argv[1], path) == 0) \
    return strlen(text) != sizeof(text) - 1 || fwrite(text, 1, sizeof(text) - 1, stdout) != sizeof(text) - 1

int main(int argc, char **argv)
{
    (void)argc;
    SHOW("controller/sqlite/0001_initial.sql", mtnt__sql_controller_sqlite_0001_initial);
    SHOW("last.sql", mtnt__sql_last);
    SHOW("empty.sql", mtnt__sql_empty);
    SHOW("tenants.schema.json", mtnt__schema_tenants);
    return 2;
}
END

build() {
    cmake --build ../build >../log 2>&1 || { cat ../log && exit 1; }
}
compare() {
    for file in controller/sqlite/0001_initial.sql last.sql empty.sql tenants.schema.json; do
        ../build/show "$file" >../shown
        cmp "$file" ../shown
    done
}

cmake -S . -B ../build -G Ninja >../log 2>&1 || { cat ../log && exit 1; }
build
compare
sleep 1
printf 'SELECT 2;' >last.sql
build
compare

printf 'a\000b' >last.sql
if cmake --build ../build >../log 2>&1; then
    echo "a NUL byte was embedded"
    exit 1
fi
grep -q "NUL byte" ../log
