# shellcheck shell=sh disable=SC2154
# The same on PostgreSQL: one database with a schema for each tool, whose table is there.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"
. "$MTNT_TEST_SOURCE_DIR/tests/cli/histories.sh"

has() {
    [ "$1" = "$2" ] || fail "expected: $2"
}

# in_schema NAME: SQL from standard input.
in_schema() {
    { echo "SET search_path = $1;"; cat; } | query "${base}_tools"
}

like_tool() {
    query "${base}_tools" -c "DROP SCHEMA IF EXISTS peer CASCADE" -c "CREATE SCHEMA peer" 2>/dev/null
    table_of "$1" postgres "$2" | in_schema peer
    told_by "$1" | in_schema peer >wanted
    told_by "$1" | in_schema tenant >found
    diff -u wanted found >&2 || fail "the table is not as $1 would have it after $2 versions"
}

prepare() {
    with_server
    create_database tools
    project
    query "${base}_tools" -c "CREATE SCHEMA tenant"
    printf 'tenants:\n  - {id: a, model: "%s", schema: tenant}\n' "$(uri tools)" >tenants.yaml
}

tool() {
    prepare
    history "$1"
    table_of "$1" postgres 2 | in_schema tenant
    ok baseline
    says '1 recorded'
    has "$(query "${base}_tools" -c "SELECT string_agg(name, ' ' ORDER BY position) FROM tenant.mtnt_applied")" "$one $two"
    ok migrate --keep-in-step
    says '1 migrated'
    like_tool "$1" 3
    ok rewind --keep-in-step --steps 2
    like_tool "$1" 1
    # Without a table there is one.
    query "${base}_tools" -c "DROP SCHEMA tenant CASCADE" -c "CREATE SCHEMA tenant" 2>/dev/null
    ok migrate --keep-in-step --controller sqlite:other.db
    like_tool "$1" 3
}

for format in goose dbmate golang-migrate morph diesel pop flyway; do
    eval "test_$(echo "$format" | tr - _)() { tool $format; }"
done

# The registry of sqitch is made by us, by the tool's definitions, and read by another controller.
test_sqitch() {
    prepare
    mkdir -p migrations/deploy migrations/revert
    for name in users flips; do
        echo "CREATE TABLE $name(x integer);" >migrations/deploy/$name.sql
        echo "DROP TABLE $name;" >migrations/revert/$name.sql
    done
    {
        printf '%%syntax-version=1.0.0\n%%project=shop\n\n'
        echo 'users 2026-01-01T00:00:00Z Ada <ada@example.org> # the first'
        echo '@v1 2026-01-01T00:00:01Z Ada <ada@example.org> # a tag'
        echo 'flips [users] 2026-01-01T00:00:02Z Ada <ada@example.org> # the second'
    } >migrations/sqitch.plan
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: sqitch, keep_in_step: true}\n' >chain.yaml
    ok migrate
    has "$(query "${base}_tools" -c "SELECT change, planner_name, note FROM sqitch.changes ORDER BY committed_at" | tr '\n' ' ')" \
        "users|Ada|the first flips|Ada|the second "
    has "$(query "${base}_tools" -c "SELECT type, dependency, change FROM sqitch.dependencies d JOIN sqitch.changes c ON c.change_id = d.dependency_id")" \
        "require|users|users"
    ok rewind --steps 1
    has "$(query "${base}_tools" -c "SELECT event, change, requires, tags FROM sqitch.events ORDER BY committed_at" | tr '\n' ' ')" \
        "deploy|users|{}|{@v1} deploy|flips|{users}|{} revert|flips|{users}|{} "
    query "${base}_tools" -c "DROP TABLE tenant.mtnt_applied, tenant.mtnt_meta, tenant.mtnt_decision"
    ok baseline --controller sqlite:other.db
    says '1 recorded'
    ok executed --controller sqlite:other.db
    says '1 +users'
    says_not flips
    query "${base}_tools" -c "DROP TABLE tenant.mtnt_applied, tenant.mtnt_meta, tenant.mtnt_decision" \
        -c "UPDATE sqitch.changes SET change_id = 'abcdef0123456789'"
    exits 1 baseline --controller sqlite:third.db
    says 'users .change abcdef01…. is applied, which the chain.s folder of format sqitch lacks'
}

# Controller and model on one server, in one transaction, and in two databases.
test_controller_on_postgres() {
    prepare
    create_database controller
    history goose
    table_of goose postgres 2 | in_schema tenant
    for at in tools controller; do
        printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(uri $at)" >mtnt.yaml
        ok baseline
        says '1 recorded'
        ok status --format json
        json '.tenants[0].version == 2 and .tenants[0].state == "idle"'
        query "${base}_tools" -c "DROP TABLE tenant.mtnt_applied, tenant.mtnt_meta, tenant.mtnt_decision"
    done
}

cli_main "$@"
