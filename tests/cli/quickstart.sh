# shellcheck shell=sh
# The README's first command, with the command that is under test instead of a build.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

quickstart() {
    code=0
    MTNT_BIN=$MTNT_BIN sh "$MTNT_TEST_SOURCE_DIR/cmd/quickstart.sh" "$@" >"$scratch/out" 2>"$scratch/err" || code=$?
    out=$(cat "$scratch/out")
    err=$(cat "$scratch/err")
}

test_demo() {
    quickstart
    same "$code" 0
    says '^shop . 4 operations . 24 tenants . 8 workers . controller sqlite:controller.db$' \
        '^guarantee: atomic across controller and model \(super-journal\)$' \
        '^✗ globex   failed at 3 plan \(model\) +rolled back, nothing changed$' \
        'UNIQUE constraint failed: plan.customer   \(SQLITE_CONSTRAINT_UNIQUE\)' \
        '^    sql/plan.up.sql:7   INSERT INTO plan SELECT' \
        '^    next: fix the data, then   mtnt-model migrate --tenant globex$' \
        '^24 tenants: 23 migrated, 0 already current, 1 failed \(1 rolled back\), 0 untouched   in ' \
        '23 shops have their plan; 23 of 24 models have the whole chain; globex has nothing'
    # Once more over its own folder; then what it advises.
    quickstart
    same "$code" 0
    cd demo
    sql shops/globex.db "DELETE FROM sales_list WHERE customer = 'ada' AND booked = 'pro'"
    ok migrate --tenant globex
    ok status --exit-code
    ok new loyalty
    ok migrate
    says '24 migrated'
}

test_foreign_folder() {
    mkdir demo
    echo "mine" >demo/chain.yaml
    quickstart
    same "$code" 1
    complains 'was not made by this script'
    same "$(cat demo/chain.yaml)" mine
    quickstart other
    same "$code" 0
    [ -e other/shops/acme.db ] || fail "no demo in other"
}

cli_main "$@"
