# shellcheck shell=sh disable=SC2154
# Beside the tools themselves on PostgreSQL (see peers.sh): half-way by the tool, then by us with its table in step, and back to the tool.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"

skipped=77

needs() {
    if [ -z "${MTNT_TEST_PEERS:-}" ] || ! command -v "$1" >/dev/null; then
        echo "skipped: MTNT_TEST_PEERS is not set, or $1 is not there"
        exit $skipped
    fi
}

brought() {
    with_server
    create_database peer
    project
    printf 'tenants:\n  - {id: a, model: "%s"}\n' "$(uri peer)" >tenants.yaml
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: %s, keep_in_step: true}\n' "$1" >chain.yaml
    mkdir migrations
    PGHOST=$(query postgres -c "SHOW unix_socket_directories")
    PGPORT=$(query postgres -c "SHOW port")
    PGUSER=$(query postgres -c "SELECT current_user")
}

tables() {
    query "${base}_peer" -c "SELECT count(*) FROM pg_tables WHERE tablename IN ('t1', 't2', 't3')"
}

dbmate_here() {
    dbmate --url "postgres://$PGUSER@127.0.0.1:$PGPORT/${base}_peer?socket=$PGHOST&sslmode=disable" --migrations-dir "$1" --no-dump-schema "$2"
}

test_dbmate() {
    needs dbmate
    brought dbmate
    mkdir half
    for n in 1 2 3; do
        printf -- '-- migrate:up\nCREATE TABLE t%s(x INTEGER);\n-- migrate:down\nDROP TABLE t%s;\n' $n $n >migrations/2026010${n}_t$n.sql
    done
    cp migrations/2026010[12]* half
    dbmate_here half up
    ok baseline
    says '1 recorded'
    ok migrate
    dbmate_here migrations status | grep -q 'Pending: 0' || fail "dbmate would do something"
    ok rewind --steps 2
    dbmate_here migrations status | grep -q 'Pending: 2' || fail "dbmate does not see what was taken back"
    dbmate_here migrations up
    ok baseline
    ok migrate
    says '1 already current'
    dbmate_here migrations down
    same "$(tables)" 2
}

sqitch_here() {
    (cd migrations && PGHOST=$PGHOST PGPORT=$PGPORT PGUSER=$PGUSER sqitch "$@" "db:pg:${base}_peer")
}

test_sqitch() {
    needs sqitch
    brought sqitch
    export HOME="$PWD"
    sqitch config --user user.name Ada
    sqitch config --user user.email ada@example.org
    (
        cd migrations
        sqitch init flipr --uri https://example.org/flipr --engine pg >/dev/null
        for n in 1 2 3; do
            if [ $n = 1 ]; then
                sqitch add t1 -n "table 1" >/dev/null
            else
                sqitch add t$n -n "table $n" --requires t$((n - 1)) >/dev/null
            fi
            echo "BEGIN; CREATE TABLE t$n(x INTEGER); COMMIT;" >deploy/t$n.sql
            echo "BEGIN; DROP TABLE t$n; COMMIT;" >revert/t$n.sql
            echo "SELECT x FROM t$n WHERE false;" >verify/t$n.sql
            [ $n != 2 ] || sqitch tag v1 -n "one" >/dev/null
        done
    )
    sqitch_here deploy --to t1
    ok baseline
    says '1 recorded'
    ok migrate
    sqitch_here status | grep -q 'Nothing to deploy (up-to-date)' || fail "sqitch would do something"
    sqitch_here verify
    sqitch_here status --show-tags | grep -q '@v1' || fail "sqitch does not know the tag"
    ok rewind --steps 1
    sqitch_here status | grep -q 't3' || fail "sqitch does not see what was taken back"
    sqitch_here deploy
    ok baseline
    says '1 recorded'
    sqitch_here revert -y --to @v1
    same "$(tables)" 2
    # A new tenant, made by us from the beginning: its registry is the tool's.
    query postgres -c "DROP DATABASE ${base}_peer" -c "CREATE DATABASE ${base}_peer"
    ok migrate --controller sqlite:other.db
    sqitch_here status | grep -q 'Nothing to deploy (up-to-date)' || fail "sqitch would do something"
    sqitch_here verify
    sqitch_here revert -y
    same "$(tables)" 0
}

cli_main "$@"
