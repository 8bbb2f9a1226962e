# shellcheck shell=sh
# A project for what another tool has begun: whose migrations they are, which tenants there are, and what is written.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"

# goose_folder DIR
goose_folder() {
    mkdir -p "$1"
    printf -- '-- +goose Up\nCREATE TABLE one(x INTEGER);\n-- +goose Down\nDROP TABLE one;\n' >"$1/00001_one.sql"
    printf -- '-- +goose Up\nCREATE TABLE two(x INTEGER);\n-- +goose Down\nDROP TABLE two;\n' >"$1/00002_two.sql"
}

goose_table="CREATE TABLE goose_db_version(id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL,
    tstamp TIMESTAMP DEFAULT (datetime('now')))"

is_goose() {
    ok import-project --from-dir "$1"
    says "^$2: [0-9]+ migrations? in $1\$"
    grep -q "format: $2" chain.yaml || fail "chain.yaml says something else"
    ok validate
    rm mtnt.yaml tenants.yaml chain.yaml
}

test_formats() {
    goose_folder g
    is_goose g goose
    mkdir -p d f s/deploy s/revert n/0001_one i/2024-01-01-000000_one
    printf -- '-- migrate:up\nCREATE TABLE one(x INTEGER);\n-- migrate:down\nDROP TABLE one;\n' >d/20240101_one.sql
    is_goose d dbmate
    echo 'CREATE TABLE one(x INTEGER);' | tee f/V1__one.sql n/0001_one/model.up.sql i/2024-01-01-000000_one/up.sql >s/deploy/one.sql
    is_goose f flyway
    is_goose n native
    is_goose i diesel
    printf '%%syntax-version=1.0.0\n%%project=shop\n\none 2024-01-01T00:00:00Z A <a@b> # one\n' >s/sqitch.plan
    echo 'DROP TABLE one;' >s/revert/one.sql
    is_goose s sqitch
}

test_ambiguous() {
    mkdir -p migrations tenants
    echo 'CREATE TABLE one(x INTEGER);' >migrations/000001_one.up.sql
    echo 'DROP TABLE one;' >migrations/000001_one.down.sql
    exits 64 import-project
    complains 'could be golang-migrate, morph or pop.s, .* --from-format'
    [ ! -e mtnt.yaml ] && [ ! -e chain.yaml ] || fail "something was written"
    exits 64 import-project --from-format flyway
    complains 'no files of format flyway'
    exits 78 import-project --from-format goose
    complains 'cannot be read as one' 'SQL before'
    # The tables of the tenants tell.
    sql tenants/a.db "CREATE TABLE schema_migrations(version uint64, dirty bool)"
    sql tenants/b.db "CREATE TABLE schema_migrations(version uint64, dirty bool)"
    sql tenants/c.db "CREATE TABLE other(x)"
    ok import-project --glob 'tenants/*.db'
    says '^golang-migrate: 1 migration in migrations$' \
        '^3 tenants: 2 with schema_migrations \(golang-migrate\), 1 without a tool.s table$' \
        '^    mtnt-model baseline '
    ok validate
    says 'tenants: 3'
    rm mtnt.yaml tenants.yaml chain.yaml
    ok import-project --from-format morph --format json
    json '.format == "morph" and .tenants == 0 and .written == ["mtnt.yaml", "tenants.yaml", "chain.yaml"]'
    ok validate
}

test_somewhere_else() {
    goose_folder db/migrations
    mkdir -p tenants
    sql tenants/acme.db "$goose_table"
    exits 78 import-project ops/fleet --glob 'tenants/*.db'
    complains 'cannot make the folder ops/fleet'
    mkdir ops
    ok import-project ops/fleet --glob 'tenants/*.db' --name shop
    says 'cd ops/fleet'
    same "$(cat ops/fleet/chain.yaml)" 'chain: "shop"
migrations:
  - {dir: "../../db/migrations", format: goose}'
    grep -q '  glob: "../../tenants/\*.db"' ops/fleet/tenants.yaml || fail "$(cat ops/fleet/tenants.yaml)"
    (cd ops/fleet && ok validate && says 'tenants: 1' && says 'chain shop: 2 operations')
    # Nothing is overwritten, whichever of the three is there.
    exits 78 import-project ops/fleet --glob 'tenants/*.db'
    complains 'is there already, and nothing is overwritten'
    rm ops/fleet/mtnt.yaml ops/fleet/chain.yaml
    before=$(fingerprint ops/fleet/tenants.yaml)
    exits 78 import-project ops/fleet
    same "$(fingerprint ops/fleet/tenants.yaml)" "$before"
    [ ! -e ops/fleet/mtnt.yaml ] || fail "half a project was written"
}

test_refused() {
    exits 64 import-project
    complains 'no folder of migrations is found here'
    exits 78 import-project --from-dir nowhere
    mkdir migrations
    echo hello >migrations/README
    exits 78 import-project --from-dir migrations
    complains 'no migrations of a known tool'
    printf -- '-- +goose Up\n-- +goose Sideways\n' >migrations/00001_one.sql
    exits 78 import-project
    complains 'looks like a folder of goose' 'migrations/00001_one.sql:2'
    goose_folder migrations
    exits 78 import-project --glob 'none/*.db'
    complains 'there is no folder'
    exits 78 import-project --glob '*.db'
    complains 'no file is like'
    exits 64 import-project --glob 'x/*' --server postgresql://h/d
    exits 64 import-project --database-like x
    exits 64 import-project --server 'postgresql://u:secret@h/d' --database-like x
    complains 'no flag takes a password'
    complains_not secret
    MTNT_CONTROLLER=postgresql://u:secret@h/d exits 64 import-project
    complains 'none is written into a file'
    complains_not secret
    [ ! -e mtnt.yaml ] || fail "something was written"
    # A file that could not be loaded is not left there.
    touch "migrations/00001_again.sql"
    exits 78 import-project --from-format goose
    [ ! -e mtnt.yaml ] && [ ! -e chain.yaml ] && [ ! -e tenants.yaml ] || fail "something was written"
}

test_server() {
    with_server
    create_database ta tb_1 tc ctl
    query "${base}_ta" -c "CREATE TABLE goose_db_version(id int, version_id bigint, is_applied boolean)"
    goose_folder migrations
    exits 64 import-project --server "$(uri ta)"
    complains 'say which are the tenants' "${base}_ta"
    ok import-project --server "$(uri ta)" --database-like "${base}\\_t%"
    says '^3 tenants: 1 with goose_db_version \(goose\), 2 without'
    ok validate
    says 'tenants: 3'
    ok migrate --tenant "${base}_tc" --tenant "${base}_tb_1"
    same "$(has_table tc two)$(has_table tb_1 two)$(has_table ta two)" 110
    # What would find them by itself finds the same.
    { sed -n '/^defaults/,/^  model/p' tenants.yaml; sed -n 's/^#   source/source/p' tenants.yaml; } >query.yaml
    exits 64 adopt --controller "$(uri ctl)" --tenants query.yaml
    says '^3 tenants: 2 would be taken over, .* 1 refused'
    rm mtnt.yaml tenants.yaml chain.yaml
    query "${base}_ta" -c "CREATE SCHEMA s_one" -c "CREATE SCHEMA s_two" -c "CREATE TABLE s_two.__diesel_schema_migrations(version varchar(50))"
    ok import-project --server "$(uri ta)" --schema-like 's\_%'
    says '^2 tenants: 1 with __diesel_schema_migrations \(diesel\), 1 without'
    ok validate
    ok migrate --tenant s_one
    same "$(query "${base}_ta" -c "SELECT count(*) FROM information_schema.tables WHERE table_schema = 's_one' AND table_name = 'two'")" 1
    rm mtnt.yaml tenants.yaml chain.yaml
    exits 78 import-project --server "$(uri ta)" --database-like 'nothing like it'
}

cli_main "$@"
