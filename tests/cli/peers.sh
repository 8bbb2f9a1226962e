# shellcheck shell=sh
# Beside the tools themselves, where they are to be had: MTNT_TEST_PEERS=1, and dbmate (npm) or sqitch (Debian, with libdbd-sqlite3-perl) in PATH. What
# they make of a folder is what we make of it, forward and back.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

skipped=77

# needs TOOL: or this test is not done.
needs() {
    if [ -z "${MTNT_TEST_PEERS:-}" ] || ! command -v "$1" >/dev/null; then
        echo "skipped: MTNT_TEST_PEERS is not set, or $1 is not there"
        exit $skipped
    fi
}

brought() {
    project
    printf 'tenants:\n  - {id: a, model: "sqlite:a.db"}\n' >tenants.yaml
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: %s}\n' "$1" >chain.yaml
    sqlite3 a.db "VACUUM"
    mkdir migrations
}

# What is in a file, without what is SQLite's, ours and the tools'.
schema_of() {
    sqlite3 "$1" "SELECT type, name, tbl_name, sql FROM sqlite_schema
                  WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name NOT LIKE 'mtnt\\_%' ESCAPE '\\'
                    AND tbl_name <> 'schema_migrations' ORDER BY 1, 2"
}

alike() {
    schema_of a.db >ours
    schema_of peer.db >theirs
    diff -u theirs ours >&2 || fail "the schema is not the tool's"
}

test_dbmate() {
    needs dbmate
    brought dbmate
    cat >migrations/9_late.sql <<'END'
-- by name it is the last

--  migrate:up
CREATE TABLE late(x INTEGER);
CREATE TRIGGER t AFTER INSERT ON late BEGIN DELETE FROM late; SELECT 'a;b'; END;
-- migrate:down
DROP TABLE late;
END
    cat >migrations/10_first.sql <<'END'
-- migrate:up transaction:false
CREATE TABLE first(x INTEGER); -- migrate:down
-- migrate:down
DROP TABLE first;
END
    printf -- '-- migrate:up\r\nCREATE TABLE lines(x INTEGER);\r\n-- migrate:down\r\nDROP TABLE lines;\r\n' >migrations/20_lines.sql
    dbmate --url sqlite:peer.db --migrations-dir migrations --no-dump-schema up
    ok migrate
    alike
    [ -s ours ] || fail "there is nothing to compare"
    for _ in 1 2 3; do
        dbmate --url sqlite:peer.db --migrations-dir migrations --no-dump-schema down
        ok rewind --yes --steps 1
        alike
    done
    [ ! -s ours ] || fail "something is left"
    # What it refuses, we refuse.
    for text in '-- migrate:up\nSELECT 1;\n' 'SELECT 1;\n-- migrate:up\n-- migrate:down\n' '-- migrate:down\n-- migrate:up\n' \
        '-- migrate:up\n-- migrate:down\n-- migrate:down\n'; do
        # shellcheck disable=SC2059 # the text has escapes
        printf -- "$text" >migrations/30_bad.sql
        ! dbmate --url sqlite:peer.db --migrations-dir migrations --no-dump-schema up >/dev/null 2>&1 || fail "dbmate takes: $text"
        exits 78 validate
    done
}

test_sqitch() {
    needs sqitch
    brought sqitch
    export HOME="$PWD"
    sqitch config --user user.name Ada
    sqitch config --user user.email ada@example.org
    (
        cd migrations
        sqitch init flipr --engine sqlite --target db:sqlite:../peer.db >/dev/null
        sqitch add zusers -n "the first" >/dev/null
        sqitch add flips --requires zusers -n "the second" >/dev/null
        printf 'BEGIN;\nCREATE TABLE zusers(x INTEGER);\nCOMMIT;\n' >deploy/zusers.sql
        printf 'BEGIN;\nDROP TABLE zusers;\nCOMMIT;\n' >revert/zusers.sql
        printf 'BEGIN;\nSELECT x FROM zusers WHERE 0;\nROLLBACK;\n' >verify/zusers.sql
        printf '.bail on\nCREATE TABLE flips(x INTEGER);\nCREATE TRIGGER t AFTER INSERT ON flips BEGIN DELETE FROM flips; END;\n' >deploy/flips.sql
        printf 'DROP TABLE flips;\n' >revert/flips.sql
        sqitch tag v1 -n "one" >/dev/null
        sqitch rework zusers -n "again" >/dev/null
        printf 'BEGIN;\nALTER TABLE zusers ADD y INTEGER;\nCOMMIT;\n' >deploy/zusers.sql
        printf 'BEGIN;\nALTER TABLE zusers DROP COLUMN y;\nCOMMIT;\n' >revert/zusers.sql
        sqitch deploy >/dev/null
    )
    ok migrate
    alike
    [ -s ours ] || fail "there is nothing to compare"
    for target in '@v1' zusers; do
        (cd migrations && sqitch revert -y --to "$target" >/dev/null)
        ok rewind --yes --steps 1
        alike
    done
    (cd migrations && sqitch revert -y >/dev/null)
    ok rewind --yes
    alike
    [ ! -s ours ] || fail "something is left"
}

# Half-way by the tool, then by us, with its table in step: it finds nothing to do, goes on from where we have gone back to, and is taken over again.
test_dbmate_adopted() {
    needs dbmate
    brought dbmate
    for n in 1 2 3; do
        printf -- '-- migrate:up\nCREATE TABLE t%s(x INTEGER);\n-- migrate:down\nDROP TABLE t%s;\n' $n $n >migrations/2026010${n}_t$n.sql
    done
    mkdir half
    cp migrations/2026010[12]* half
    peer="dbmate --url sqlite:a.db --no-dump-schema"
    $peer --migrations-dir half up
    ok baseline
    says '1 recorded'
    ok migrate --keep-in-step
    says '1 migrated'
    $peer --migrations-dir migrations status | grep -q 'Pending: 0' || fail "dbmate would do something"
    ok rewind --steps 2 --keep-in-step
    $peer --migrations-dir migrations status | grep -q 'Pending: 2' || fail "dbmate does not see what was taken back"
    $peer --migrations-dir migrations up
    ok baseline
    says '1 recorded'
    ok migrate
    says '1 already current'
    $peer --migrations-dir migrations down
    has_no_t3=$(sqlite3 a.db "SELECT count(*) FROM sqlite_schema WHERE name = 't3'")
    same "$has_no_t3" 0
    # A new tenant, made by us.
    rm a.db
    sqlite3 a.db VACUUM
    ok migrate --keep-in-step --controller sqlite:other.db
    $peer --migrations-dir migrations status | grep -q 'Pending: 0' || fail "dbmate would do something"
}

test_sqitch_adopted() {
    needs sqitch
    brought sqitch
    export HOME="$PWD"
    sqitch config --user user.name Ada
    sqitch config --user user.email ada@example.org
    (
        cd migrations
        sqitch init flipr --uri https://example.org/flipr --engine sqlite --target db:sqlite:../a.db >/dev/null
        for name in users flips last; do
            sqitch add $name -n "# $name, \\ and more" >/dev/null
            echo "CREATE TABLE $name(x INTEGER);" >deploy/$name.sql
            echo "DROP TABLE $name;" >revert/$name.sql
            echo "SELECT x FROM $name WHERE 0;" >verify/$name.sql
        done
        sqitch deploy --to flips >/dev/null
    )
    exits 1 migrate --keep-in-step
    says 'sqitch says that another tool has applied 2 of these operations'
    ok baseline
    says '1 recorded'
    exits 1 migrate --keep-in-step
    says 'in another file, which cannot be kept in step'
    ok migrate
    same "$(sqlite3 a.db "SELECT count(*) FROM sqlite_schema WHERE name IN ('users', 'flips', 'last')")" 3
}

cli_main "$@"
