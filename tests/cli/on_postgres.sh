# shellcheck shell=sh
# Databases of a test's own on PostgreSQL ($MTNT_TEST_PG: a private server), for scripts that are sourced with this one.
# shellcheck disable=SC2034
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

: "${MTNT_TEST_PG:?how to reach the private server}"

# Databases of this test alone; dropped at its end.
base="cli_$$"
made=

query() {
    database=$1
    shift
    psql -X -q -A -t -v ON_ERROR_STOP=1 "$MTNT_TEST_PG dbname=$database" "$@"
}

create_database() {
    for name in "$@"; do
        query postgres -c "CREATE DATABASE ${base}_$name"
        made="$made ${base}_$name"
    done
}

drop_databases() {
    for name in $made; do
        for gid in $(query postgres -c "SELECT gid FROM pg_prepared_xacts WHERE database = '$name'"); do
            query "$name" -c "ROLLBACK PREPARED '$gid'" || true
        done
        query postgres -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" || true
    done
}

# The URI of a database of this test.
uri() {
    host=$(query postgres -c "SHOW unix_socket_directories")
    port=$(query postgres -c "SHOW port")
    echo "postgresql:///${base}_$1?host=$host&port=$port&user=$(query postgres -c 'SELECT current_user')"
}

has_table() {
    query "${base}_$1" -c "SELECT count(*) FROM pg_tables WHERE tablename = '$2'${3:+ AND schemaname = '$3'}"
}

prepared() {
    query postgres -c "SELECT count(*) FROM pg_prepared_xacts WHERE database LIKE '${base}%'"
}

with_server() {
    undo=drop_databases
}
