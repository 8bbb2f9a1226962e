# shellcheck shell=sh
# Histories that other projects have written for other tools, where there are any ($MTNT_CORPORA: a folder for each, with `migrations` and the schema
# that they lead to). They are not ours, and no part of this project: without them a test says what it skips.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"
. "$MTNT_TEST_SOURCE_DIR/tests/cli/histories.sh"

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

# ---- half-way by another tool ----

# to_model: SQL from standard input, as somebody else runs it.
to_model() {
    if [ "$backend" = sqlite ]; then
        sqlite3 -bail a.db
    else
        query "${base}_corpus" -f -
    fi
}

# ups FORMAT: the files with what goes up, in the tool's order.
ups() {
    case $1 in
    goose | dbmate) (cd "$folder/migrations" && printf '%s\n' *.sql | sort) ;;
    golang-migrate) (cd "$folder/migrations" && printf '%s\n' *.up.sql | sort -n) ;;
    diesel) (cd "$folder/migrations" && printf '%s\n' */up.sql | awk -F/ '{v = $1; sub(/_.*/, "", v); gsub(/-/, "", v); print v, $0}' | LC_ALL=C sort -k1,1 | cut -d' ' -f2-) ;;
    flyway) (cd "$folder/migrations" && printf '%s\n' V*.sql | sort -V) ;;
    esac
}

# The version of a file, as the tool's table has it.
version_of() {
    case $1 in
    diesel) echo "${2%%_*}" | tr -d - ;;
    flyway) echo "${2%%__*}" | sed -e 's/^V//' -e 's/_/./g' ;;
    *) echo "${2%%_*}" ;;
    esac
}

row_of() {
    version=$(version_of "$1" "$2")
    case $1 in
    goose) echo "INSERT INTO goose_db_version(version_id, is_applied) VALUES ($version, TRUE);" ;;
    dbmate) echo "INSERT INTO schema_migrations VALUES ('$version');" ;;
    golang-migrate) echo "DELETE FROM schema_migrations; INSERT INTO schema_migrations VALUES ($version, FALSE);" ;;
    diesel) echo "INSERT INTO __diesel_schema_migrations(version) VALUES ('$version');" ;;
    flyway) echo "INSERT INTO flyway_schema_history(installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
        SELECT count(*) + 1, '$version', 'x', 'SQL', '$2', $(flyway_sum "$folder/migrations/$2"), 'ada', 1, TRUE FROM flyway_schema_history;" ;;
    esac
}

# halfway FORMAT: the first half of its files is applied, and the table says so.
halfway() {
    count=$(ups "$1" | wc -l)
    {
        empty_table "$1" "$backend"
        [ "$1" != goose ] || echo "INSERT INTO goose_db_version(version_id, is_applied) VALUES (0, TRUE);"
        for file in $(ups "$1" | head -n $((count / 2))); do
            case $1 in
            goose) sed -n '/+goose Up/,/+goose Down/p' "$folder/migrations/$file" ;;
            dbmate) sed -n '/migrate:up/,/migrate:down/p' "$folder/migrations/$file" ;;
            *) cat "$folder/migrations/$file" ;;
            esac
            echo
            row_of "$1" "$file"
        done
    } >half.sql
    to_model <half.sql
    ok baseline
    says '1 recorded'
    ok executed --format json
    same "$(jq '[.tenants[0].operations[]] | length' "$scratch/out")" $((count / 2))
}

# goes_on FORMAT SCHEMA: to the schema that the whole history leads to, without the tool's table, which is in step.
goes_on() {
    halfway "$1"
    ok migrate --keep-in-step
    says '1 migrated'
    ok migrate
    says '1 already current'
    case $1 in
    golang-migrate) wanted=1 ;;
    goose) wanted=$((count + 1)) ;;
    flyway) wanted=$((count + $(find "$folder/migrations" -name 'R__*.sql' | wc -l))) ;;
    *) wanted=$count ;;
    esac
    echo "SELECT count(*) FROM $2" | to_model >rows_found
    same "$(cat rows_found)" "$wanted" "rows of $2"
    echo "DROP TABLE $2" | to_model
    "is_$backend" final.schema.sql
}

test_openfga_sqlite_halfway() {
    corpus openfga-sqlite
    on_sqlite
    brings goose
    backend=sqlite
    goes_on goose goose_db_version
}

test_openfga_pg_halfway() {
    corpus openfga-pg
    on_postgres
    brings goose
    backend=postgres
    goes_on goose goose_db_version
}

test_ncps_sqlite_halfway() {
    corpus ncps-sqlite
    on_sqlite
    brings dbmate
    backend=sqlite
    goes_on dbmate schema_migrations
}

test_chirpstack_pg_halfway() {
    corpus chirpstack-pg
    on_postgres "CREATE EXTENSION pg_trgm"
    brings diesel
    backend=postgres
    goes_on diesel __diesel_schema_migrations
}

test_cratesio_pg_halfway() {
    corpus cratesio-pg
    on_postgres
    brings diesel
    backend=postgres
    goes_on diesel __diesel_schema_migrations
}

test_pocketid_pg_halfway() {
    corpus pocketid-pg
    on_postgres
    brings golang-migrate
    backend=postgres
    goes_on golang-migrate schema_migrations
}

test_conductor_sqlite_halfway() {
    corpus conductor-sqlite
    on_sqlite
    brings flyway
    backend=sqlite
    goes_on flyway flyway_schema_history
}

test_ncps_pg_halfway() {
    corpus ncps-pg
    on_postgres
    brings dbmate
    backend=postgres
    goes_on dbmate schema_migrations
}

test_chirpstack_sqlite_halfway() {
    corpus chirpstack-sqlite
    on_sqlite
    brings diesel
    backend=sqlite
    goes_on diesel __diesel_schema_migrations
}

test_marquez_pg_halfway() {
    corpus marquez-pg
    on_postgres
    brings flyway
    backend=postgres
    goes_on flyway flyway_schema_history
}

cli_main "$@"
