# shellcheck shell=sh disable=SC2034,SC2154 # read by peers.sh
# PostgreSQL tenants for other tools: a database each, of one template.

of_server() { echo " $server" | sed -n "s/.* $1=\([^ ]*\).*/\1/p"; } # WORD
PGHOST=$(of_server host) PGPORT=$(of_server port) PGUSER=$(of_server user)
export PGHOST PGPORT PGUSER
# The programs themselves: what Debian starts them by costs more than they do.
PATH=${MTNT_TEST_PG_BINDIR:-$(pg_config --bindir)}:$PATH

figure=peers_postgres shell=psql unit=databases baseline="bare libpq"
names="psql node-pg-migrate dbmate knex drizzle alembic sqitch"
# dbmate, alembic: the socket's folder or a host is a parameter for both.
url_before=postgresql://$PGUSER@/ url_after="?host=$PGHOST&port=$PGPORT"
alembic_before=$url_before
python_driver=psycopg2 perl_driver=Pg drizzle_dialect=postgresql sqitch_engine=pg
# shellcheck disable=SC2016 # the inner shell's
sqitch_deploy='sqitch deploy "db:pg:$0"'

has_driver() { (cd "$peers" && node -e 'require("pg")') 2>/dev/null; }

query() { # DATABASE option…
    database=$1
    shift
    psql -X -q -v ON_ERROR_STOP=1 -d "$database" "$@"
}

each_tenant() { seq -f 'bench_peer_%06.0f' "$tenants"; }

remove_fleet() {
    { each_tenant && echo bench_peer_reference && echo bench_peer_template; } | sed 's/.*/DROP DATABASE IF EXISTS & WITH (FORCE);/' |
        PGOPTIONS='-c client_min_messages=warning' query postgres
}

prepare_engine() {
    remove_fleet # of a race that was stopped
    query postgres -c "CREATE DATABASE bench_peer_template" -c "CREATE DATABASE bench_peer_reference"
    for database in bench_peer_template bench_peer_reference; do
        query $database -c "CREATE TABLE account(name TEXT); INSERT INTO account VALUES ('there before')"
    done
    mkdir "$scratch/reference"
    migrate_reference "postgresql://$PGUSER@/bench_peer_reference$url_after"
    # Everything but one tool's own tables: tables, indexes, constraints, rows. pg_dump's own key for psql changes from time to time.
    cat >"$scratch/dump.sh" <<'END'
pg_dump --inserts --schema public --exclude-table "$1" -d "$2" >"$3/$2.sql" && sed -i '/^\\\(un\)\{0,1\}restrict /d' "$3/$2.sql"
END
    dump mtnt-model "$scratch/reference" bench_peer_reference
    grep -q "CREATE INDEX lines_by_booking" "$scratch/reference/bench_peer_reference.sql"
}

# As a pattern of pg_dump. drizzle and sqitch have schemas of their own.
own_tables() { # NAME
    case $1 in
    mtnt-model) echo 'mtnt_*' ;;
    node-pg-migrate) echo 'pgmigrations*' ;;
    dbmate) echo 'schema_migrations' ;;
    knex) echo 'knex_migrations*' ;;
    alembic) echo 'alembic_version' ;;
    *) echo 'none' ;;
    esac
}

dump() { # NAME FOLDER DATABASE…
    own=$(own_tables "$1") dumps=$2
    shift 2
    echo "$@" | tr ' ' '\n' | xargs -P "$(nproc)" -I DATABASE sh "$scratch/dump.sh" "$own" DATABASE "$dumps"
}

make_fleet() {
    each_tenant | sed 's/.*/DROP DATABASE IF EXISTS & WITH (FORCE);\nCREATE DATABASE & TEMPLATE bench_peer_template;/' |
        PGOPTIONS='-c client_min_messages=warning' query postgres
    query postgres -c CHECKPOINT
}

check_fleet() { # NAME
    rm -rf "$scratch/dumps"
    mkdir "$scratch/dumps"
    # shellcheck disable=SC2046 # words
    dump "$1" "$scratch/dumps" $(each_tenant)
    for database in $(each_tenant); do
        diff -u "$scratch/reference/bench_peer_reference.sql" "$scratch/dumps/$database.sql" >"$scratch/difference" ||
            { echo "peers: $1 has left another state in $database, and is left out:" >&2 && head -40 "$scratch/difference" >&2 && return 1; }
    done
}

prepare_psql() { command -v psql >/dev/null; }
run_psql() { each_tenant | xargs -P "$1" -n 1 psql -X -q -1 -v ON_ERROR_STOP=1 -f "$scratch/all.sql" -d; }

prepare_node_pg_migrate() {
    [ -d "$peers/node_modules/node-pg-migrate" ] && has_driver || return 1
    mkdir -p "$scratch/node-pg-migrate"
    for file in "$scratch"/sql/*.sql; do
        # The name begins with the time, in milliseconds.
        { echo "-- Up Migration" && cat "$file" && echo "-- Down Migration"; } >"$scratch/node-pg-migrate/15778368000$(basename "$file" .sql)_step.sql"
    done
    cat >"$scratch/node-pg-migrate.mjs" <<'END'
import {runner} from "node-pg-migrate";
const quiet = {debug() {}, info() {}, warn: console.error, error: console.error};
for (const database of process.argv.slice(2))
    await runner({databaseUrl: {database}, dir: process.env.MIGRATIONS, direction: "up", migrationsTable: "pgmigrations", logger: quiet});
END
}
run_node_pg_migrate() { MIGRATIONS=$scratch/node-pg-migrate in_shares "$1" node "$scratch/node-pg-migrate.mjs"; }
