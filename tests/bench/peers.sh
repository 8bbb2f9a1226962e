#!/bin/sh
# Other tools on the same work, each at its best of 1, 2, 4 and 8 at a time: sh tests/bench/bench.sh --peers DIR peers peers_postgres
#   sh peers.sh install DIR      what npm and Debian have, into a folder of yours; nothing else of the machine is changed
#   sh peers.sh race sqlite|postgres DIR SCRATCH MTNT BIN RESULTS [--server SERVER] [--tenants N] [--rounds N]      DIR may be empty: none of them
#
# Each brings tenants (copies of one small file, or databases of one template: peers_sqlite.sh, peers_postgres.sh) through the same ten operations, and the
# tables, indexes and rows at the end have to be the same. What is not installed, or does not work, is left out, and said.
# shellcheck disable=SC2154 # what the engine's file sets
set -eu

here=$(cd "$(dirname "$0")" && pwd)

install() { # DIR
    mkdir -p "$1/debs" "$1/root"
    # One by one: better-sqlite3 has to be built where its binaries cannot be fetched, and may fail.
    for package in dbmate knex drizzle-orm better-sqlite3 pg node-pg-migrate; do
        (cd "$1" && npm install --no-audit --no-fund --prefix . "$package") || echo "npm: $package is not there"
    done
    (cd "$1" && apt-get -y -o Dir::Cache::archives="$(pwd)/debs" --no-install-recommends --download-only --reinstall install \
        sqitch libdbd-sqlite3-perl libdbd-pg-perl python3-alembic python3-psycopg2) || echo "apt: not all of them are there"
    for package in "$1"/debs/*.deb; do
        [ ! -e "$package" ] || dpkg -x "$package" "$1/root"
    done
}

# ---- what they do ----

# The operations, one a file, from the chain that bench_sqlite writes: the same text for both engines.
write_operations() {
    mkdir -p "$scratch/sql"
    # Keeps the chain, instead of migrating.
    printf '#!/bin/sh\ncp chain.yaml %s/chain.yaml\n' "$scratch" >"$scratch/keep.sh"
    chmod +x "$scratch/keep.sh"
    "$bin/bench_sqlite" --folder "$scratch/chain" --mtnt "$scratch/keep.sh" --only mtnt --tenants 1 >/dev/null
    sed -n 's/^      model: {up: "\(.*\)"}$/\1/p' "$scratch/chain.yaml" >"$scratch/operations"
    [ "$(wc -l <"$scratch/operations")" = 10 ] || { echo "peers: not ten operations" >&2 && exit 1; }
    number=10
    while read -r sql; do
        number=$((number + 1))
        echo "$sql;" >"$scratch/sql/$number.sql"
    done <"$scratch/operations"
}

# One tenant as mtnt-model leaves it: what the others have to come to.
migrate_reference() { # DSN, from the folder $scratch/reference, which is there
    (
        cd "$scratch/reference"
        cp ../chain.yaml .
        printf 'controller: sqlite:controller.db\ntenants: tenants.yaml\nchain: chain.yaml\n' >mtnt.yaml
        printf 'tenants:\n  - {id: reference, model: "%s"}\n' "$1" >tenants.yaml
        "$mtnt" migrate >output 2>&1 || { cat output >&2 && exit 1; }
    )
}

# ---- the tools: prepare_NAME, which fails where it is not installed, and run_NAME AT_A_TIME. Of the engine: each_tenant, url_before and
# url_after (around a tenant's name: dbmate and alembic), sqitch_engine, sqitch_target, has_driver, and the tools that know only it ----

# For tools that take many tenants in one process.
in_shares() { # AT_A_TIME command…
    at_a_time=$1
    shift
    each_tenant | xargs -P "$at_a_time" -n $(((tenants + at_a_time - 1) / at_a_time)) "$@"
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
    each_tenant | xargs -P "$1" -I TENANT "$dbmate" --no-dump-schema --url "${url_before}TENANT$url_after" --migrations-dir "$scratch/dbmate" up
}

prepare_knex() {
    [ -d "$peers/node_modules/knex" ] && has_driver || return 1
    mkdir -p "$scratch/knex"
    for file in "$scratch"/sql/*.sql; do
        printf 'exports.up = knex => knex.raw(%s);\nexports.down = () => {};\n' "$(jq -Rs . "$file")" >"$scratch/knex/$(basename "$file" .sql).js"
    done
    cat >"$scratch/knex.js" <<'END'
const make = require("knex");
const engines = {
    sqlite: filename => ({client: "better-sqlite3", connection: {filename}, useNullAsDefault: true}),
    postgres: database => ({client: "pg", connection: {host: process.env.PGHOST, port: +process.env.PGPORT, user: process.env.PGUSER, database}}),
};
(async () => {
    for (const tenant of process.argv.slice(2)) {
        const knex = make({...engines[process.env.ENGINE](tenant), migrations: {directory: process.env.MIGRATIONS}});
        await knex.migrate.latest();
        await knex.destroy();
    }
})().catch(error => { console.error(error); process.exit(1); });
END
}
run_knex() { ENGINE=$engine MIGRATIONS=$scratch/knex in_shares "$1" node "$scratch/knex.js"; }

prepare_drizzle() {
    [ -d "$peers/node_modules/drizzle-orm" ] && has_driver || return 1
    mkdir -p "$scratch/drizzle/meta"
    cp "$scratch"/sql/*.sql "$scratch/drizzle/"
    # shellcheck disable=SC2012 # names of our own
    ls "$scratch/sql" | jq -R '{idx: (.[:2] | tonumber - 11), version: "6", when: (1577836800000 + (.[:2] | tonumber)), tag: .[:2], breakpoints: true}' |
        jq -s --arg dialect "$drizzle_dialect" '{version: "7", dialect: $dialect, entries: .}' >"$scratch/drizzle/meta/_journal.json"
    cat >"$scratch/drizzle.js" <<'END'
const migrationsFolder = process.env.MIGRATIONS;
const engines = {
    sqlite: file => {
        const database = new (require("better-sqlite3"))(file);
        require("drizzle-orm/better-sqlite3/migrator").migrate(require("drizzle-orm/better-sqlite3").drizzle(database), {migrationsFolder});
        database.close();
    },
    postgres: async database => {
        const client = new (require("pg").Client)({database});
        await client.connect();
        await require("drizzle-orm/node-postgres/migrator").migrate(require("drizzle-orm/node-postgres").drizzle(client), {migrationsFolder});
        await client.end();
    },
};
(async () => {
    for (const tenant of process.argv.slice(2))
        await engines[process.env.ENGINE](tenant);
})().catch(error => { console.error(error); process.exit(1); });
END
}
run_drizzle() { ENGINE=$engine MIGRATIONS=$scratch/drizzle in_shares "$1" node "$scratch/drizzle.js"; }

prepare_alembic() {
    PYTHONPATH=$peers/root/usr/lib/python3/dist-packages python3 -c "import alembic.command, $python_driver" 2>/dev/null || return 1
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
for tenant in sys.argv[1:]:
    config = Config()
    config.set_main_option("script_location", os.environ["MIGRATIONS"])
    config.set_main_option("sqlalchemy.url", os.environ["BEFORE"] + tenant + os.environ["AFTER"])
    command.upgrade(config, "head")
END
}
run_alembic() {
    PYTHONPATH=$peers/root/usr/lib/python3/dist-packages MIGRATIONS=$scratch/alembic BEFORE=$alembic_before AFTER=$url_after PYTHONDONTWRITEBYTECODE=1 \
        in_shares "$1" python3 "$scratch/alembic.py"
}

with_sqitch() {
    PERL5LIB=$peers/root/usr/share/perl5:$(echo "$peers"/root/usr/lib/*/perl5/*) PATH=$peers/root/usr/bin:$PATH \
        SQITCH_SYSTEM_CONFIG=/dev/null SQITCH_USER_CONFIG=/dev/null SQITCH_FULLNAME=bench SQITCH_EMAIL=bench@localhost "$@"
}
prepare_sqitch() {
    [ -x "$peers/root/usr/bin/sqitch" ] && with_sqitch sqitch --version >/dev/null 2>&1 && with_sqitch perl -e "require DBD::$perl_driver" 2>/dev/null || return 1
    mkdir -p "$scratch/sqitch"
    (
        cd "$scratch/sqitch"
        with_sqitch sqitch init bench --engine "$sqitch_engine" >/dev/null
        for file in "$scratch"/sql/*.sql; do
            with_sqitch sqitch add "step_$(basename "$file" .sql)" -n step >/dev/null
            cp "$file" "deploy/step_$(basename "$file" .sql).sql"
        done
    ) || return 1
}
run_sqitch() {
    (cd "$scratch/sqitch" && each_tenant | with_sqitch xargs -P "$1" -n 1 sh -c "$sqitch_deploy")
}

# ---- the race ----

function_of() { echo "$1" | tr - _; } # NAME

# Sets seconds; fails, having said why, where the tool does or leaves another state.
timed() { # NAME AT_A_TIME
    make_fleet
    begun=$(date +%s.%N)
    "run_$(function_of "$1")" "$2" >"$scratch/output" 2>&1 || { echo "peers: $1 has failed, and is left out:" >&2 && tail -20 "$scratch/output" >&2 && return 1; }
    ended=$(date +%s.%N)
    check_fleet "$1" || return 1
    seconds=$(echo "$begun $ended" | awk '{ printf "%.4f", $2 - $1 }')
}

# Sets best, how many at a time.
find_best() { # NAME
    : >"$scratch/tries"
    for at_a_time in $tries; do
        timed "$1" "$at_a_time" || return 1
        echo "$seconds $at_a_time" >>"$scratch/tries"
    done
    best=$(sort -n "$scratch/tries" | head -1 | cut -d ' ' -f 2)
}

# The bare loops and mtnt-model, as one round of the engine's own race.
own_round() { # option…
    rm -f "$scratch/own.jsonl"
    [ -z "$server" ] || set -- --server "$server" "$@"
    "$bin/bench_$engine" --folder "$scratch/own" --mtnt "$mtnt" --tenants "$tenants" --rounds 1 --json "$scratch/own.jsonl" "$@" >/dev/null
}

# Sets own_workers and bare_workers, and what keeps to them.
find_own_best() {
    own_workers=$tries bare_workers=$tries
    if [ "$tries" != "${tries#* }" ]; then
        own_round --best "$(echo "$tries" | tr ' ' ,)"
        own_workers=$(jq 'select(.baseline == "operations alone") | .workers' "$scratch/own.jsonl")
        bare_workers=$(jq 'select(.baseline == "operations alone") | .baseline_workers' "$scratch/own.jsonl")
    fi
    echo "peers: $baseline is at its best with $bare_workers at a time, mtnt-model with $own_workers"
}

tell() { # NAME OF
    jq -n -c --arg figure "$figure" --arg of "$tenants $unit, $2" --arg baseline "operations alone, $baseline, $bare_workers at a time" \
        --slurpfile values "$scratch/times.$1" --slurpfile base "$scratch/times.bare" '
        def median: sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2;
        {figure: $figure, of: $of, what: "clock, s", value: ($values | median), baseline: $baseline, baseline_value: ($base | median),
         ratio: (($base | median) / ($values | median)), values: $values, baseline_values: $base}' >>"$results"
}

# One that fails is left out; the engine's own shell is always there, and must not.
left_out() { # NAME
    [ "$1" != "$shell" ] || exit 1
    there=$(echo "$there" | tr ' ' '\n' | grep -v "^$1:" | tr '\n' ' ')
}

race() {
    write_operations
    cat "$scratch"/sql/*.sql >"$scratch/all.sql"
    prepare_engine
    find_own_best
    there=
    for name in $names; do
        if ! "prepare_$(function_of "$name")"; then
            echo "peers: $name is not installed, and skipped"
        elif find_best "$name"; then
            echo "peers: $name is at its best with $best at a time"
            there="$there $name:$best"
        else
            left_out "$name"
        fi
    done
    for round in $(seq "$rounds"); do
        own_round --each "$bare_workers,$own_workers,$own_workers"
        jq 'select(.baseline == "operations alone") | .baseline_value' "$scratch/own.jsonl" >>"$scratch/times.bare"
        jq 'select(.baseline == "operations alone") | .value' "$scratch/own.jsonl" >>"$scratch/times.mtnt-model"
        for one in $there; do
            if timed "${one%:*}" "${one#*:}"; then
                echo "$seconds" >>"$scratch/times.${one%:*}"
            else
                left_out "${one%:*}"
            fi
        done
        echo "peers: round $round"
    done
    tell mtnt-model "mtnt-model, $own_workers workers"
    for one in $there; do
        tell "${one%:*}" "${one%:*}, ${one#*:} at a time"
    done
    remove_fleet
}

usage() {
    sed -n '3,4p' "$0" | sed 's/^# *//' >&2
    exit 64
}

case "${1:-} $#" in
"install 2") install "$2" ;;
race*)
    [ $# -ge 7 ] || usage
    engine=$2 peers=$3 scratch=$4 mtnt=$5 bin=$6 results=$7
    shift 7
    server='' tenants=200 rounds=3
    while [ $# -ge 2 ]; do
        case $1 in
        --server) server=$2 ;;
        --tenants) tenants=$2 ;;
        --rounds) rounds=$2 ;;
        esac
        shift 2
    done
    tries=$([ -z "${MTNT_BENCH_SMOKE:-}" ] && echo "1 2 4 8" || echo 2)
    mkdir "$scratch"
    # shellcheck disable=SC1090 # peers_sqlite.sh or peers_postgres.sh
    . "$here/peers_$engine.sh"
    if [ -n "$peers" ]; then
        peers=$(cd "$peers" && pwd)
        ln -s "$peers/node_modules" "$scratch/node_modules" # whoever is in scratch finds them
    else
        echo "peers: skipped, none of them is installed:$(echo " $names" | sed "s/ $shell//"): sh tests/bench/bench.sh peers-install DIR, then --peers DIR"
        names=$shell
    fi
    race
    ;;
*) usage ;;
esac
