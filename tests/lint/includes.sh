#!/bin/sh
# Which file may include what: the import directions of the source tree.
#   sh includes.sh TOP          checks the tree below TOP; prints every offence, exit 1 when there is one
#   sh includes.sh --self-test  checks that each rule catches an offender
set -eu

# Folders of lib/ that each folder may include from. config builds chains and knows no database.
rules='
base        base
db          base db
chain       base db chain
state       base db chain state
coordinate  base db chain state coordinate
fleet       base db chain state coordinate fleet
config      base chain config
'

check() {
    cd "$1"
    find lib cmd operations -name '*.[ch]' 2>/dev/null | sort | while read -r file; do
        awk -v file="$file" -v rules="$rules" '
        BEGIN {
            count = split(rules, lines, "\n")
            for (i = 1; i <= count; i++) {
                words = split(lines[i], word, " ")
                if (words == 0)
                    continue
                folders[word[1]] = 1
                for (j = 2; j <= words; j++)
                    allowed[word[1], word[j]] = 1
            }
            split(file, part, "/")
            here = part[1] == "lib" ? part[2] : part[1]
            public = file ~ /^lib\/include\//
            if (part[1] == "lib" && !public && !(here in folders))
                offend("lib/" here " is not a folder of the architecture", "")
        }
        function offend(why, name) {
            printf "%s:%d: %s%s\n", file, FNR, why, name == "" ? "" : ": " name
        }
        /^[ \t]*#[ \t]*include/ {
            if (match($0, /[<"][^>"]*[>"]/) == 0) {
                offend("an include that is a macro", $0)
                next
            }
            quoted = substr($0, RSTART, 1) == "\""
            name = substr($0, RSTART + 1, RLENGTH - 2)
            slash = index(name, "/")
            folder = slash ? substr(name, 1, slash - 1) : ""
            ours = name == "mtnt.h" || folder == "mtnt"

            if (name ~ /\.\./)
                offend("no ..: includes are relative to lib/ or lib/include", name)
            if (name ~ /^(libpq-fe|libpq-events|pg_config|sqlite3|sqlite3ext)\.h$/ || name ~ /(^|\/)(libpq|postgresql)\//)
                if (here != "db" && file != "lib/include/mtnt/native.h")
                    offend("a database header outside lib/db", name)
            if (name == "mtnt/native.h" && part[1] == "lib" && here != "db" && !public)
                offend("a database header outside lib/db", name)
            if (name ~ /(^|\/)c?yaml\.h$/ && here != "config")
                offend("a YAML header outside lib/config", name)

            if (public) {
                if ((quoted || folder in folders) && !ours)
                    offend("a public header may include public headers only", name)
            } else if (part[1] == "lib") {
                if (folder in folders) {
                    if (!((here, folder) in allowed))
                        offend("against the direction of imports", name)
                } else if (quoted && name == "schemas.h") {
                    if (here != "state")
                        offend("the embedded SQL belongs to lib/state", name)
                } else if (quoted && !ours) {
                    offend("write it relative to lib/, such as \"" here "/" name "\"", name)
                }
            } else if (folder in folders || folder == "lib" || name == "schemas.h") {
                offend(part[1] "/ sees the public headers only", name)
            }
        }' "$file"
    done
    find . -name build -prune -o \( -name CMakeLists.txt -o -name '*.cmake' \) -print | sort |
        xargs grep -nE 'file *\( *GLOB' 2>/dev/null | sed 's/^\.\///; s/$/   (sources are listed one by one)/' || true
}

report() {
    offences=$(check "$1")
    [ -n "$offences" ] || return 0
    echo "$offences"
    return 1
}

# expect FILE LINE: a tree with only that line in that file must be refused.
expect_offence() {
    rm -rf "$scratch/tree"
    mkdir -p "$scratch/tree/$(dirname "$1")"
    echo "$2" >"$scratch/tree/$1"
    if (report "$scratch/tree" >/dev/null); then
        echo "not caught: $2   in $1"
        failed=1
    fi
}
expect_fine() {
    rm -rf "$scratch/tree"
    mkdir -p "$scratch/tree/$(dirname "$1")"
    echo "$2" >"$scratch/tree/$1"
    if ! (report "$scratch/tree"); then
        echo "wrongly refused: $2   in $1"
        failed=1
    fi
}

self_test() {
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    failed=0
    expect_offence lib/base/a.c '#include "db/database.h"'
    expect_offence lib/db/a.c '#include "chain/chain.h"'
    expect_offence lib/chain/a.h '#  include "state/state.h"'
    expect_offence lib/state/a.c '#include "coordinate/x.h"'
    expect_offence lib/coordinate/a.c '#include "fleet/x.h"'
    expect_offence lib/fleet/a.c '#include "config/x.h"'
    expect_offence lib/config/a.c '#include "db/database.h"'
    expect_offence lib/config/a.c '#include "state/state.h"'
    expect_offence lib/config/a.c '#include <db/database.h>'
    expect_offence lib/db/a.c '#include "backend.h"'
    expect_offence lib/db/a.c '#include "../base/text.h"'
    expect_offence lib/chain/a.c '#include "schemas.h"'
    expect_offence lib/other/a.c '#include <stdio.h>'
    expect_offence lib/state/a.c '#include <libpq-fe.h>'
    expect_offence lib/state/a.c '#include <postgresql/libpq-fe.h>'
    expect_offence lib/fleet/a.c '#include <sqlite3.h>'
    expect_offence lib/chain/a.c '#include "mtnt/native.h"'
    expect_offence cmd/mtnt-model/a.c '#include <sqlite3.h>'
    expect_offence operations/a.c '#include <libpq-fe.h>'
    expect_offence lib/include/mtnt/db.h '#include <sqlite3.h>'
    expect_offence lib/chain/a.c '#include <cyaml/cyaml.h>'
    expect_offence cmd/mtnt-model/a.c '#include <yaml.h>'
    expect_offence lib/include/mtnt/db.h '#include "base/text.h"'
    expect_offence operations/a.c '#include "base/text.h"'
    expect_offence operations/a.c '#include <db/database.h>'
    expect_offence operations/a.c '#include "../lib/base/text.h"'
    expect_offence cmd/mtnt-model/a.c '#include "fleet/executor.h"'
    expect_offence lib/db/CMakeLists.txt 'file(GLOB sources *.c)'

    expect_fine lib/db/a.c '#include <libpq-fe.h>'
    expect_fine lib/db/a.c '#include "base/text.h"'
    expect_fine lib/state/a.c '#include "schemas.h"'
    expect_fine lib/config/a.c '#include <cyaml/cyaml.h>'
    expect_fine lib/include/mtnt/native.h '#include <sqlite3.h>'
    expect_fine operations/a.c '#include <mtnt.h>'
    expect_fine operations/a.c '#include "mtnt/native.h"'
    expect_fine cmd/mtnt-model/a.c '#include "options.h"'
    return "$failed"
}

case ${1:-} in
--self-test) self_test ;;
'') echo "usage: includes.sh TOP | --self-test" >&2 && exit 64 ;;
*) report "$1" ;;
esac
