# shellcheck shell=sh
# Histories that other projects have written for other tools, where there are any ($MTNT_CORPORA: a folder for each, with `migrations` and the schema
# that they lead to). They are not ours, and no part of this project: without them a test says what it skips.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"

skipped=77

# corpus NAME: where it is, or this test is not done.
corpus() {
    folder=${MTNT_CORPORA:-}/$1
    if [ -z "${MTNT_CORPORA:-}" ] || [ ! -d "$folder/migrations" ]; then
        echo "skipped: $1 is not there (MTNT_CORPORA: ${MTNT_CORPORA:-not set})"
        exit $skipped
    fi
}

# brings FORMAT [SUBFOLDER…]: chain.yaml of the corpus.
brings() {
    format=$1
    shift
    {
        echo "chain: brought"
        echo "migrations:"
        [ $# -gt 0 ] || echo "  - {dir: \"$folder/migrations\", format: $format}"
        for below; do
            echo "  - {dir: \"$folder/migrations/$below\", format: $format}"
        done
    } >chain.yaml
}

# ---- SQLite ----

on_sqlite() {
    project
    printf 'tenants:\n  - {id: a, model: "sqlite:a.db"}\n' >tenants.yaml
    sqlite3 a.db "VACUUM"
}

# The schema of a file without what is SQLite's and ours.
schema_of() {
    sqlite3 "$1" "SELECT type, name, tbl_name, sql FROM sqlite_schema
                  WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'mtnt\\_%' ESCAPE '\\' ORDER BY 1, 2"
}

# is_sqlite FILE: the model has the schema that the file of SQL makes.
is_sqlite() {
    rm -f wanted.db
    grep -v '^CREATE TABLE sqlite_sequence' "$folder/$1" | sqlite3 wanted.db
    schema_of wanted.db >wanted
    schema_of a.db >found
    diff -u wanted found >&2 || fail "the schema is not that of $1"
    [ "$1" != final.schema.sql ] || [ -e alike_done ] || alike_sqlite
    : >alike_done
}

# alike MODEL OTHER: two DSNs of the same schema, made in two ways, have one fingerprint; ours are out of it by then.
alike() {
    mkdir alike
    (
        cd alike
        project
        printf 'chain: marker\noperations:\n  - {name: nothing, sql: {model: {up: "SELECT 1", down: "SELECT 1"}}}\n' >chain.yaml
        printf 'tenants:\n  - {id: ours, model: "%s"}\n  - {id: wanted, model: "%s"}\n' "$1" "$2" >tenants.yaml
        ok migrate -q --fingerprint always
        ok verify --exit-code --format json
        json '[.tenants[].schema] | unique | length == 1'
        json '.tenants | map(.recorded) == [true, true]'
    ) || exit 1
}

alike_sqlite() {
    sqlite3 a.db "VACUUM INTO 'ours.db'"
    sqlite3 ours.db "DROP TABLE mtnt_meta; DROP TABLE mtnt_applied; DROP TABLE mtnt_decision"
    alike sqlite:../ours.db sqlite:../wanted.db
    (
        cd alike
        sqlite3 ../wanted.db "CREATE TABLE more (x INTEGER)"
        exits 3 verify --exit-code
        says 'wanted   changed' '^    . table more$'
    ) || exit 1
    rm -r alike ours.db
}

# ---- PostgreSQL ----

# on_postgres [SQL]: the SQL has to be there before.
on_postgres() {
    with_server
    create_database corpus
    [ $# -eq 0 ] || query "${base}_corpus" -c "$1"
    project
    printf 'tenants:\n  - {id: a, model: "%s"}\n' "$(uri corpus)" >tenants.yaml
}

plain() {
    sed -e '/^--/d' -e '/^$/d' -e '/^\\restrict/d' -e '/^\\unrestrict/d' "$1"
}

is_postgres() {
    pg_dump -s --no-owner -T '*.mtnt_*' "$MTNT_TEST_PG dbname=${base}_corpus" >dumped
    plain "$folder/$1" >wanted
    plain dumped >found
    diff -u wanted found >&2 || fail "the schema is not that of $1"
    [ "$1" != final.schema.sql ] || [ -e alike_done ] || alike_postgres "$1"
    : >alike_done
}

alike_postgres() {
    create_database ours wanted
    pg_dump --no-owner -T '*.mtnt_*' "$MTNT_TEST_PG dbname=${base}_corpus" >dumped
    query "${base}_ours" -f dumped >/dev/null
    # psql of another version wrote it, perhaps.
    sed -e '/^\\restrict/d' -e '/^\\unrestrict/d' "$folder/$1" >wanted
    query "${base}_wanted" -f wanted >/dev/null
    alike "$(uri ours)" "$(uri wanted)"
    query "${base}_wanted" -c "CREATE TABLE more (x INTEGER)"
    (
        cd alike
        exits 3 verify --exit-code
        says 'wanted   changed' '^    . table more$'
    ) || exit 1
    rm -r alike
}

# Forward to the end, and there is nothing left to do.
forward() {
    ok migrate
    ok migrate
    says '1 already current'
}

test_openfga_sqlite() {
    corpus openfga-sqlite
    on_sqlite
    brings goose
    forward
    is_sqlite final.schema.sql
    ok rewind --yes
    is_sqlite after_down.schema.sql
}

test_openfga_pg() {
    corpus openfga-pg
    on_postgres
    brings goose
    forward
    is_postgres final.schema.sql
    ok rewind --yes
    is_postgres after_down.schema.sql
    ok migrate --atomicity operation
    is_postgres final.schema.sql
}

test_ncps_sqlite() {
    corpus ncps-sqlite
    on_sqlite
    brings dbmate
    forward
    is_sqlite final.schema.sql
    ok rewind --yes
    is_sqlite after_down.schema.sql
}

test_ncps_pg() {
    corpus ncps-pg
    on_postgres
    brings dbmate
    forward
    is_postgres final.schema.sql
    ok rewind --yes
    is_postgres after_down.schema.sql
}

test_chirpstack_sqlite() {
    corpus chirpstack-sqlite
    on_sqlite
    brings diesel
    forward
    is_sqlite final.schema.sql
    ok rewind --yes
    is_sqlite after_down.schema.sql
}

test_chirpstack_pg() {
    corpus chirpstack-pg
    on_postgres "CREATE EXTENSION pg_trgm"
    brings diesel
    forward
    is_postgres final.schema.sql
    ok rewind --yes
    is_postgres after_down.schema.sql
}

test_cratesio_pg() {
    corpus cratesio-pg
    on_postgres
    brings diesel
    forward
    is_postgres final.schema.sql
    # One that does not work stops there: what had been committed before it stays taken back, and comes again.
    exits 1 rewind --yes
    says 'failed at 235 2024-10-25-112826_make-unique-version-unique' 'taking it back' '42704'
    forward
    is_postgres final.schema.sql
}

test_pocketid_pg() {
    corpus pocketid-pg
    on_postgres
    brings golang-migrate
    forward
    is_postgres final.schema.sql
    # The first has no way back, and one of the others has one that does not work: all or nothing.
    exits 1 rewind --yes
    says '20241211111554_init. has no rollback'
    exits 1 rewind --yes --to 20241211111554_init
    says 'taking it back' 'rolled back|nothing changed'
    is_postgres final.schema.sql
}

test_marquez_pg() {
    corpus marquez-pg
    on_postgres
    brings flyway
    forward
    is_postgres final.schema.sql
}

test_conductor_pg() {
    corpus conductor-pg
    on_postgres
    brings flyway migration_postgres migration_postgres_notify migration_postgres_data
    forward
    is_postgres final.schema.sql
}

test_conductor_sqlite() {
    corpus conductor-sqlite
    on_sqlite
    brings flyway
    forward
    is_sqlite final.schema.sql
}

cli_main "$@"
