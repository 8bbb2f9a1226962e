# shellcheck shell=sh
# Folders of other tools, from the command: they are run, gone on with, and taken back.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# chain_of FORMAT: the folder `migrations`.
chain_of() {
    project
    tenants a
    mkdir -p migrations
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: %s}\n' "$1" >chain.yaml
}

goose_file() {
    printf -- '-- +goose Up\n%s\n-- +goose Down\n%s\n' "$2" "$3" >"migrations/$1"
}

# A folder grows: what is new is run; what comes late is refused, or run when that is allowed; all of it goes back.
test_goose() {
    chain_of goose
    goose_file 0002_two.sql "CREATE TABLE t_two(x INTEGER);" "DROP TABLE t_two;"
    goose_file 20260101000000_ten.sql "CREATE TABLE t_ten(x INTEGER);" "DROP TABLE t_ten;"
    ok migrate
    same "$(tables_of a)" "t_ten t_two"
    ok executed
    says '^ +1  0002_two ' '^ +2  20260101000000_ten '
    goose_file 20260102000000_twelve.sql "CREATE TABLE t_twelve(x INTEGER);" "DROP TABLE t_twelve;"
    ok migrate
    same "$(tables_of a)" "t_ten t_twelve t_two"
    goose_file 0001_one.sql "CREATE TABLE t_one(x INTEGER);" "DROP TABLE t_one;"
    exits 1 migrate
    says 'out of order: 1 `0001_one` would run after 4 `20260102000000_twelve`'
    same "$(tables_of a)" "t_ten t_twelve t_two"
    ok migrate --allow-out-of-order
    same "$(tables_of a)" "t_one t_ten t_twelve t_two"
    ok migrate
    says '1 already current'
    ok rewind --yes --to 0001_one
    same "$(tables_of a)" "t_one"
    ok migrate
    ok rewind --yes
    same "$(tables_of a)" ""
}

# A program in Go stops who has to pass it, and nobody else; nothing of what came before it stays.
test_goose_program() {
    chain_of goose
    goose_file 1_one.sql "CREATE TABLE t_one(x INTEGER);" "DROP TABLE t_one;"
    echo "package migrations" >migrations/2_two.go
    goose_file 3_three.sql "CREATE TABLE t_three(x INTEGER);" "DROP TABLE t_three;"
    exits 1 migrate
    says 'failed at 2 2_two' '2_two is a program in Go, which only the binary'
    same "$(tables_of a)" ""
    ok migrate --to 1_one
    same "$(tables_of a)" "t_one"
}

# Without a way back there is none, and rewind says so before anything happens.
test_no_way_back() {
    chain_of goose
    goose_file 1_one.sql "CREATE TABLE t_one(x INTEGER);" "DROP TABLE t_one;"
    printf -- '-- +goose Up\nCREATE TABLE t_two(x INTEGER);\n' >migrations/2_two.sql
    ok migrate
    exits 1 rewind --yes
    says '2_two'
    same "$(tables_of a)" "t_one t_two"
}

# What is wrong in a file is said at its line, before anything is touched.
test_line() {
    chain_of goose
    goose_file 1_one.sql "CREATE TABLE t_one(x INTEGER)" "DROP TABLE t_one;"
    exits 78 validate
    complains 'migrations/1_one.sql:2: the statement that begins here does not end'
    goose_file 1_one.sql "SELECT 'x;" "SELECT 1;"
    exits 78 validate
    complains "migrations/1_one.sql:2: operation \`1_one\`: a string begins here and does not end"
    goose_file 1_one.sql "CREATE TABLE t_one(x INTEGER);" "SELECT 'x;"
    ok migrate
    complains 'migrations/1_one.sql:4: a string begins here and does not end: this migration has no way back'
    goose_file 2_two.sql "SELECT 1;
SELECT missing;" "SELECT 2;"
    exits 1 migrate
    says 'no such column: missing' 'migrations/2_two.sql:3'
}

# An operation of the chain's own comes first; two folders are one history; `order` leaves room.
test_chain() {
    chain_of goose
    mkdir more
    cat >chain.yaml <<'END'
chain: brought
operations:
  - name: base
    create_model: {}
migrations:
  - {dir: migrations, format: goose}
  - {dir: more, format: goose, environment: more}
  - {dir: gone, format: goose}
END
    goose_file 1_one.sql "CREATE TABLE t_one(x INTEGER);" "DROP TABLE t_one;"
    goose_file 3_three.sql "INSERT INTO t_two VALUES(3);" "DELETE FROM t_two;"
    printf -- '-- +goose Up\nCREATE TABLE t_two(x INTEGER);\n-- +goose Down\nDROP TABLE t_two;\n' >more/2_two.sql
    ok migrate
    complains 'chain.yaml:8: the folder `gone` is not there'
    same "$(tables_of a)" "t_one t_two"
    ok executed
    says '^ +1  base ' '^ +2  1_one ' '^ +3  2_two ' '^ +4  3_three '
    # A place of its own.
    sed -i 's/dir: more, format: goose,/dir: more, format: goose, order: 100,/' chain.yaml
    ok migrate
    says '1 already current'
    ok plan --format json
    ok status
    says 'newest 100 2_two'
    mv more/2_two.sql more/3_two.sql
    sed -i 's/ order: 100,//' chain.yaml
    exits 78 validate
    complains 'version 3 is there twice'
    sed -i 's/migrations, format: goose}/migrations, format: native, order: 3}/' chain.yaml
    exits 78 validate
    complains 'chain.yaml:6:.*`order` is not for format native'
}

# The wrong format is told, with the right one; SQL that no one asked for is not passed over in silence.
test_wrong_format() {
    chain_of golang-migrate
    goose_file 1_one.sql "CREATE TABLE t_one(x INTEGER);" "DROP TABLE t_one;"
    exits 78 validate
    complains 'chain.yaml:3:.*there is no file of format golang-migrate .*`1_one.sql` is one of format goose'
    chain_of goose
    echo "SELECT 1;" >migrations/notes.sql
    ok validate
    complains 'migrations/notes.sql: it is not called NUMBER_name.sql and was left out, as goose does'
}

test_dbmate() {
    chain_of dbmate
    printf -- '-- migrate:up\nCREATE TABLE t_one(x INTEGER);\nCREATE TRIGGER t AFTER INSERT ON t_one BEGIN DELETE FROM t_one; SELECT 1; END;\n-- migrate:down\nDROP TABLE t_one;\n' \
        >migrations/20260101_one.sql
    printf -- '-- migrate:up transaction:false\nPRAGMA foreign_keys=OFF;\nBEGIN;\nCREATE TABLE t_two(x INTEGER);\nCOMMIT;\n-- migrate:down\nDROP TABLE t_two;\n' \
        >migrations/20260102_two.sql
    ok migrate
    says_not saga
    same "$(tables_of a)" "t_one t_two"
    ok rewind --yes
    same "$(tables_of a)" ""
}

test_golang_migrate() {
    chain_of golang-migrate
    printf 'BEGIN;\r\nCREATE TABLE t_one(x INTEGER);\r\nCOMMIT;\r\n' >migrations/9_one.up.sql
    printf 'DROP TABLE t_one;\r\n' >migrations/9_one.down.sql
    echo "-- nothing yet" >migrations/10_two.up.sql
    : >migrations/10_two.down.sql
    printf 'VACUUM;\n' >migrations/11_three.up.sql
    ok migrate
    same "$(tables_of a)" "t_one"
    ok executed
    says '^ +1  9_one ' '^ +2  10_two ' '^ +3  11_three '
    rm migrations/11_three.up.sql
    exits 1 migrate
    says 'knows operation 3 `11_three`, which this chain lacks'
}

view() {
    echo "DROP VIEW IF EXISTS t_view; CREATE VIEW t_view AS SELECT $1 AS x;" >migrations/R__view.sql
}

shown() {
    sql models/a.db "SELECT x FROM t_view"
}

# What is repeated runs after all others, again when it has changed, and again when what was before it has been taken back.
test_flyway() {
    chain_of flyway
    mkdir migrations/sub
    echo "CREATE TABLE t_one(x INTEGER);" >migrations/V1__one.sql
    echo "DROP TABLE t_one;" >migrations/U1__one.sql
    echo "CREATE TABLE t_two(x INTEGER);" >migrations/sub/V2.1__two.sql
    echo "DROP VIEW t_view; DROP TABLE t_two;" >migrations/sub/U2.1__two.sql
    view 1
    ok migrate
    same "$(shown)" 1
    ok migrate
    says '1 already current'
    view 2
    ok status --format json
    json '.tenants[0].pending == 1'
    ok migrate --format jsonl
    json -s '[.[] | select(.event == "operation") | .operation] == ["R__view"]'
    same "$(shown)" 2
    ok migrate
    says '1 already current'
    # A version that comes after it was applied, and a script that comes before it.
    echo "CREATE TABLE t_three(x INTEGER);" >migrations/V3__three.sql
    echo "DROP TABLE t_three;" >migrations/U3__three.sql
    echo "SELECT 1;" >migrations/R__another.sql
    ok migrate --format jsonl
    json -s '[.[] | select(.event == "operation") | .operation] == ["V3__three", "R__another"]'
    ok migrate
    says '1 already current'
    # One step back is one version.
    ok rewind --yes --steps 1
    same "$(tables_of a)" "t_one t_two t_view"
    ok migrate
    same "$(tables_of a)" "t_one t_three t_two t_view"
    ok rewind --yes
    same "$(tables_of a)" ""
    ok migrate
    same "$(shown)" 2
    # What fails leaves the one that was there, and its record.
    echo "DROP VIEW t_view; CREATE VIEW t_view AS SELECT 3 AS x; INSERT INTO nowhere VALUES(1);" >migrations/R__view.sql
    exits 1 migrate
    same "$(shown)" 2
    view 2
    ok migrate
    says '1 already current'
    echo "CREATE TABLE t_one(y INTEGER);" >migrations/V1__one.sql
    exits 1 migrate
    says 'V1__one. has been changed since it was applied'
}

test_diesel() {
    chain_of diesel
    mkdir migrations/2026-01-01-000000_one migrations/20260102_two
    echo "CREATE TABLE t_one(x INTEGER);" >migrations/2026-01-01-000000_one/up.sql
    : >migrations/2026-01-01-000000_one/down.sql
    exits 78 validate
    complains 'migrations/20260102_two/: there is no up.sql in it'
    echo "CREATE INDEX i ON t_one(x); VACUUM;" >migrations/20260102_two/up.sql
    echo "DROP INDEX i;" >migrations/20260102_two/down.sql
    echo "run_in_transaction = false" >migrations/20260102_two/metadata.toml
    ok migrate
    says 'saga'
    complains 'down.sql: it is empty'
    ok rewind --yes
    same "$(tables_of a)" "t_one"
}

# sqitch_change NAME UP DOWN VERIFY
sqitch_change() {
    mkdir -p migrations/deploy migrations/revert migrations/verify
    printf -- '-- Deploy %s\n\nBEGIN;\n%s\nCOMMIT;\n' "$1" "$2" >"migrations/deploy/$1.sql"
    printf -- '-- Revert %s\n\nBEGIN;\n%s\nCOMMIT;\n' "$1" "$3" >"migrations/revert/$1.sql"
    printf -- '-- Verify %s\n\nBEGIN;\n%s\nROLLBACK;\n' "$1" "$4" >"migrations/verify/$1.sql"
}

# The plan is the order; what verifies is run, leaves nothing, and when it fails nothing of its change is left either.
test_sqitch() {
    chain_of sqitch
    sqitch_change zusers ".bail on
CREATE TABLE t_users(x INTEGER);" "DROP TABLE t_users;" "INSERT INTO t_users VALUES(1); SELECT x FROM t_users WHERE 0;"
    sqitch_change flips "CREATE TABLE t_flips(x INTEGER);" "DROP TABLE t_flips;" "SELECT y FROM t_flips;"
    cat >migrations/sqitch.plan <<'END'
%syntax-version=1.0.0
%project=flipr

zusers 2026-01-01T00:00:00Z Ada <ada@example.org> # first
@v1 2026-01-01T00:00:00Z Ada <ada@example.org>
flips [zusers] 2026-01-02T00:00:00Z Ada <ada@example.org>
END
    exits 1 migrate
    says 'failed at 2 flips' 'no such column: y' 'migrations/verify/flips.sql:4'
    same "$(tables_of a)" ""
    sqitch_change flips "CREATE TABLE t_flips(x INTEGER);" "DROP TABLE t_flips;" "SELECT x FROM t_flips;"
    ok migrate
    same "$(tables_of a)" "t_flips t_users"
    same "$(sql models/a.db 'SELECT count(*) FROM t_users')" 0
    # Another way to look is no other change.
    sqitch_change flips "CREATE TABLE t_flips(x INTEGER);" "DROP TABLE t_flips;" "SELECT nothing_like_it FROM t_flips;"
    ok migrate
    says '1 already current'
    ok rewind --yes
    same "$(tables_of a)" ""
    exits 1 migrate
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: sqitch, verify: false}\n' >chain.yaml
    ok migrate
    sqitch_change flips '\i more.sql' "" ""
    exits 78 validate
    complains 'migrations/deploy/flips.sql:4: `.i` is a command of psql'
}

# Our own may look, too.
test_native_verify() {
    chain_of native
    mkdir migrations/1_one
    echo "CREATE TABLE t_one(x INTEGER);" >migrations/1_one/model.up.sql
    echo "DROP TABLE t_one;" >migrations/1_one/model.down.sql
    echo "INSERT INTO t_one VALUES(1); SELECT y FROM t_one;" >migrations/1_one/model.sqlite.verify.sql
    exits 1 migrate
    says 'no such column: y' 'migrations/1_one/model.sqlite.verify.sql:1'
    same "$(tables_of a)" ""
    echo "INSERT INTO t_one VALUES(1); SELECT x FROM t_one;" >migrations/1_one/model.sqlite.verify.sql
    ok migrate
    same "$(sql models/a.db 'SELECT count(*) FROM t_one')" 0
    mkdir migrations/2_two
    echo "VACUUM;" >migrations/2_two/model.check.sql
    exits 78 validate
    complains 'migrations/2_two/model.check.sql is none of the files of a migration: .*model.verify.sql'
}

cli_main "$@"
