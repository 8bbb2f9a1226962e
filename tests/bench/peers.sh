#!/bin/sh
# Other tools on the same work, each at its best of 1, 2, 4 and 8 at a time: sh tests/bench/bench.sh --peers DIR peers
#   sh peers.sh install DIR      what npm and Debian have, into a folder of yours; nothing else of the machine is changed
#   sh peers.sh race DIR SCRATCH MTNT BENCH_SQLITE RESULTS [--tenants N] [--rounds N]
#
# Each brings SQLite tenants, copies of one small file, through the same ten operations, and the tables, indexes and rows at the end have to be those that
# the sqlite3 shell leaves. What is not installed is left out, and said.
set -eu

names="sqlite3 dbmate knex drizzle alembic sqitch"

install() { # DIR
    mkdir -p "$1/debs" "$1/root"
    # One by one: better-sqlite3 has to be built where its binaries cannot be fetched, and may fail.
    for package in dbmate knex drizzle-orm better-sqlite3; do
        (cd "$1" && npm install --no-audit --no-fund --prefix . "$package") || echo "npm: $package is not there"
    done
    (cd "$1" && apt-get -y -o Dir::Cache::archives="$1/debs" --no-install-recommends --download-only --reinstall install \
        sqitch libdbd-sqlite3-perl python3-alembic) || echo "apt: not all of them are there"
    for package in "$1"/debs/*.deb; do
        [ ! -e "$package" ] || dpkg -x "$package" "$1/root"
    done
}

# ---- what they work on ----

tables="'account', 'customers', 'products', 'orders', 'lines', 'notes'"
state_sql="SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name IN ($tables) ORDER BY type, name; SELECT * FROM account;
SELECT count(*), total(id) FROM customers; SELECT count(*), total(id) FROM products; SELECT count(*), total(id) FROM orders;
SELECT count(*), total(id) FROM lines; SELECT count(*), total(id) FROM notes"

# The operations, one a file, from the chain that bench_sqlite writes: the same text.
write_operations() {
    mkdir -p "$scratch/sql"
    "$bench_sqlite" --folder "$scratch/chain" --mtnt "$scratch/keep.sh" --only mtnt --tenants 1 >/dev/null
    sed -n 's/^      model: {up: "\(.*\)"}$/\1/p' "$scratch/chain.yaml" >"$scratch/operations"
    [ "$(wc -l <"$scratch/operations")" = 10 ] || { echo "peers: not ten operations" >&2 && exit 1; }
    number=10
    while read -r sql; do
        number=$((number + 1))
        echo "$sql;" >"$scratch/sql/$number.sql"
    done <"$scratch/operations"
}

make_fleet() { # FOLDER
    rm -rf "$1"
    mkdir -p "$1"
    for number in $(seq -w 1 "$tenants"); do
        cp "$scratch/first.db" "$1/$number.db"
    done
    sync
}

check_fleet() { # NAME FOLDER
    for model in "$2"/[0-9]*.db; do
        [ "$(sqlite3 "$model" "$state_sql" | md5sum)" = "$expected" ] ||
            { echo "peers: $1 has left another state in $model:" >&2 && sqlite3 "$model" "$state_sql" >&2 && exit 1; }
    done
}

# ---- the tools: prepare_NAME, which fails where it is not installed, and run_NAME FOLDER AT_A_TIME ----

each_file() { find "$1" -maxdepth 1 -name '[0-9]*.db' | sort; }
# For tools that take many files in one process.
in_shares() { # FOLDER AT_A_TIME command…
    folder=$1 at_a_time=$2
    shift 2
    each_file "$folder" | xargs -P "$at_a_time" -n $(((tenants + at_a_time - 1) / at_a_time)) "$@"
}

prepare_sqlite3() {
    { echo "BEGIN IMMEDIATE;" && cat "$scratch"/sql/*.sql && echo "COMMIT;"; } >"$scratch/all.sql"
}
run_sqlite3() {
    # shellcheck disable=SC2016 # the inner shell's
    each_file "$1" | xargs -P "$2" -n 1 sh -c 'sqlite3 "$1" <"$0"' "$scratch/all.sql"
}

prepare_dbmate() {
    [ -x "$peers/node_modules/.bin/dbmate" ] || return 1
    # The program itself: what npm starts it by costs more than it does.
    dbmate=$(find "$peers/node_modules/@dbmate" -type f -name dbmate | head -1)
    [ -n "$dbmate" ] || return 1
    mkdir -p "$scratch/dbmate"
    for file in "$scratch"/sql/*.sql; do
        { echo "-- migrate:up" && cat "$file" && echo "-- migrate:down"; } >"$scratch/dbmate/202001010000$(basename "$file" .sql)_step.sql"
    done
}
run_dbmate() {
    each_file "$1" | xargs -P "$2" -I FILE "$dbmate" --no-dump-schema --url sqlite:FILE --migrations-dir "$scratch/dbmate" up >"$scratch/output" 2>&1
}

prepare_knex() {
    [ -d "$peers/node_modules/knex" ] && (cd "$peers" && node -e 'require("better-sqlite3")(":memory:")') 2>/dev/null || return 1
    mkdir -p "$scratch/knex"
    for file in "$scratch"/sql/*.sql; do
        printf 'exports.up = knex => knex.raw(%s);\nexports.down = () => {};\n' "$(jq -Rs . "$file")" >"$scratch/knex/$(basename "$file" .sql).js"
    done
    cat >"$scratch/knex.js" <<'END'
const make = require(process.env.PEERS + "/node_modules/knex");
(async () => {
    for (const filename of process.argv.slice(2)) {
        const knex = make({client: "better-sqlite3", connection: {filename}, useNullAsDefault: true, migrations: {directory: process.env.MIGRATIONS}});
        await knex.migrate.latest();
        await knex.destroy();
    }
})().catch(error => { console.error(error); process.exit(1); });
END
}
run_knex() { PEERS=$peers MIGRATIONS=$scratch/knex in_shares "$1" "$2" node "$scratch/knex.js" >"$scratch/output" 2>&1; }

prepare_drizzle() {
    [ -d "$peers/node_modules/drizzle-orm" ] && (cd "$peers" && node -e 'require("better-sqlite3")(":memory:")') 2>/dev/null || return 1
    mkdir -p "$scratch/drizzle/meta"
    cp "$scratch"/sql/*.sql "$scratch/drizzle/"
    # shellcheck disable=SC2012 # names of our own
    ls "$scratch/sql" | jq -R '{idx: (.[:2] | tonumber - 11), version: "6", when: (1577836800000 + (.[:2] | tonumber)), tag: .[:2], breakpoints: true}' |
        jq -s '{version: "7", dialect: "sqlite", entries: .}' >"$scratch/drizzle/meta/_journal.json"
    cat >"$scratch/drizzle.js" <<'END'
const {drizzle} = require(process.env.PEERS + "/node_modules/drizzle-orm/better-sqlite3");
const {migrate} = require(process.env.PEERS + "/node_modules/drizzle-orm/better-sqlite3/migrator");
const Database = require(process.env.PEERS + "/node_modules/better-sqlite3");
for (const file of process.argv.slice(2)) {
    const database = new Database(file);
    migrate(drizzle(database), {migrationsFolder: process.env.MIGRATIONS});
    database.close();
}
END
}
run_drizzle() { PEERS=$peers MIGRATIONS=$scratch/drizzle in_shares "$1" "$2" node "$scratch/drizzle.js" >"$scratch/output" 2>&1; }

prepare_alembic() {
    PYTHONPATH=$peers/root/usr/lib/python3/dist-packages python3 -c 'import alembic.command' 2>/dev/null || return 1
    mkdir -p "$scratch/alembic/versions"
    previous=None
    for file in "$scratch"/sql/*.sql; do
        number=$(basename "$file" .sql)
        printf 'from alembic import op\nrevision = "%s"\ndown_revision = %s\ndef upgrade():\n    op.execute(%s)\ndef downgrade():\n    pass\n' \
            "$number" "$previous" "$(jq -Rs 'rtrimstr("\n") | rtrimstr(";")' "$file")" >"$scratch/alembic/versions/$number.py"
        previous="\"$number\""
    done
    cat >"$scratch/alembic/env.py" <<'END'
from alembic import context
from sqlalchemy import create_engine
with create_engine(context.config.get_main_option("sqlalchemy.url")).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
END
    cat >"$scratch/alembic.py" <<'END'
import os, sys
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
from alembic import command
from alembic.config import Config
for file in sys.argv[1:]:
    config = Config()
    config.set_main_option("script_location", os.environ["MIGRATIONS"])
    config.set_main_option("sqlalchemy.url", "sqlite:///" + file)
    command.upgrade(config, "head")
END
}
run_alembic() {
    PYTHONPATH=$peers/root/usr/lib/python3/dist-packages MIGRATIONS=$scratch/alembic PYTHONDONTWRITEBYTECODE=1 \
        in_shares "$1" "$2" python3 "$scratch/alembic.py" >"$scratch/output" 2>&1
}

with_sqitch() {
    PERL5LIB=$peers/root/usr/share/perl5:$(echo "$peers"/root/usr/lib/*/perl5/*) PATH=$peers/root/usr/bin:$PATH \
        SQITCH_SYSTEM_CONFIG=/dev/null SQITCH_USER_CONFIG=/dev/null SQITCH_FULLNAME=bench SQITCH_EMAIL=bench@localhost "$@"
}
prepare_sqitch() {
    [ -x "$peers/root/usr/bin/sqitch" ] && with_sqitch sqitch --version >/dev/null 2>&1 || return 1
    mkdir -p "$scratch/sqitch"
    (
        cd "$scratch/sqitch"
        with_sqitch sqitch init bench --engine sqlite >/dev/null
        for file in "$scratch"/sql/*.sql; do
            with_sqitch sqitch add "step_$(basename "$file" .sql)" -n step >/dev/null
            cp "$file" "deploy/step_$(basename "$file" .sql).sql"
        done
    ) || return 1
}
# Its register is a file of its own beside the tenant's.
run_sqitch() {
    # shellcheck disable=SC2016 # the inner shell's
    (cd "$scratch/sqitch" && each_file "$1" | with_sqitch xargs -P "$2" -n 1 sh -c 'sqitch deploy --registry "register-$(basename "$0" .db)" "db:sqlite:$0"') \
        >"$scratch/output" 2>&1
}

# ---- the race ----

timed() { # NAME AT_A_TIME: seconds
    make_fleet "$scratch/fleet"
    begun=$(date +%s.%N)
    "run_$1" "$scratch/fleet" "$2" || { echo "peers: $1 has failed:" >&2 && tail -20 "$scratch/output" >&2 && exit 1; }
    ended=$(date +%s.%N)
    check_fleet "$1" "$scratch/fleet" && echo "$begun $ended" | awk '{ printf "%.4f", $2 - $1 }'
}

best_of() { # NAME: how many at a time
    for at_a_time in 1 2 4 8; do
        echo "$(timed "$1" $at_a_time) $at_a_time"
    done | sort -n | head -1 | cut -d ' ' -f 2
}

# The bare loops and mtnt-model, as one round of bench_sqlite: {bare, records, mtnt}.
own_round() {
    rm -f "$scratch/own.jsonl"
    "$bench_sqlite" --folder "$scratch/own" --mtnt "$mtnt" --tenants "$tenants" --rounds 1 --json "$scratch/own.jsonl" >/dev/null
    jq -r 'select(.baseline == "operations alone") | .baseline_value' "$scratch/own.jsonl" >>"$scratch/times.bare"
    jq -r 'select(.baseline == "operations alone") | .value' "$scratch/own.jsonl" >>"$scratch/times.mtnt-model"
}

tell() { # NAME OF
    jq -n -c --arg of "$tenants tenants, $2" --slurpfile values "$scratch/times.$1" --slurpfile base "$scratch/times.bare" '
        def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
        {figure: "peers", of: $of, what: "clock, s", value: ($values | median), baseline: "operations alone, bare C", baseline_value: ($base | median),
         ratio: (($base | median) / ($values | median)), values: $values, baseline_values: $base}' >>"$results"
}

race() {
    write_operations
    sqlite3 "$scratch/first.db" "CREATE TABLE account(name TEXT); INSERT INTO account VALUES ('there before')"
    prepare_sqlite3
    cp "$scratch/first.db" "$scratch/expected.db"
    sqlite3 "$scratch/expected.db" <"$scratch/all.sql"
    expected=$(sqlite3 "$scratch/expected.db" "$state_sql" | md5sum)
    there=
    for name in $names; do
        if ! "prepare_$name"; then
            echo "peers: $name is not installed"
            continue
        fi
        best=$(best_of "$name")
        echo "peers: $name is at its best with $best at a time"
        there="$there $name:$best"
    done
    for round in $(seq "$rounds"); do
        own_round
        for one in $there; do
            seconds=$(timed "${one%:*}" "${one#*:}")
            echo "$seconds" >>"$scratch/times.${one%:*}"
        done
        echo "peers: round $round"
    done
    tell mtnt-model mtnt-model
    for one in $there; do
        tell "${one%:*}" "${one%:*}, ${one#*:} at a time"
    done
}

case ${1:-} in
install) install "$2" ;;
race)
    peers=$2 scratch=$3 mtnt=$4 bench_sqlite=$5 results=$6
    shift 6
    tenants=200 rounds=3
    while [ $# -ge 2 ]; do
        case $1 in
        --tenants) tenants=$2 ;;
        --rounds) rounds=$2 ;;
        esac
        shift 2
    done
    mkdir "$scratch"
    # Keeps the chain that bench_sqlite writes, instead of migrating.
    printf '#!/bin/sh\ncp chain.yaml %s/chain.yaml\n' "$scratch" >"$scratch/keep.sh"
    chmod +x "$scratch/keep.sh"
    race
    ;;
*) echo "usage: peers.sh install DIR | race DIR SCRATCH MTNT BENCH_SQLITE RESULTS [--tenants N] [--rounds N]" >&2 && exit 64 ;;
esac
