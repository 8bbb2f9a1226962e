# shellcheck shell=sh
# delete_model through the command: it is asked for by --yes, seen in status, taken back, and done for good by recover.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# A fleet of two at version 2, and a third operation that deletes.
leaving() {
    fleet 2 a b
    ok migrate
    printf '  - name: gone\n    delete_model: {grace: %s}\n' "${1:-7d}" >>chain.yaml
}

# What stands under a tombstone.
tombstones() {
    find models -name '*.db.mtnt-gone-*' | wc -l | tr -d ' '
}

test_needs_yes() {
    leaving
    before=$(cat models/a.db models/b.db | cksum)
    for command in migrate up; do
        exits 64 $command
        complains 'operation 3 gone deletes the models of the selected tenants: say --yes'
        same "$(cat models/a.db models/b.db | cksum)" "$before" "after $command"
        same "$(sql controller.db "SELECT count(*) FROM mtnt_run")" 1 "no run was begun"
    done
    # One step at a time it is refused of each tenant.
    exits 1 "do"
    says '2 failed' 'say --yes'
    same "$(tombstones)" 0
    ok migrate --to two
    ok plan
    says 'gone' 'the model is put away, and removed for good after 7d'
    ok "do" --yes --tenant a
    same "$(tombstones)" 1
    ok migrate --yes
    same "$(tombstones)" 2
    ok migrate --yes
    says '0 migrated, 2 already current'
}

test_put_away_and_back() {
    leaving
    before=$(sqlite3 models/a.db .dump | cksum)
    ok migrate --yes
    says '2 tenants: 2 migrated'
    same "$(tombstones)" 2
    [ ! -e models/a.db ] || fail "the model is where it was"
    ok status
    says 'version 3 +2' '2 tenants: 2 current, 0 pending, 0 failed' 'models deleted 2 · put away 2 · removed for good 0'
    says_not 'lost'
    run doctor
    says 'was put away by migration'
    ok rewind --steps 1 --tenant a
    same "$(sqlite3 models/a.db .dump | cksum)" "$before"
    same "$(tombstones)" 1
    ok status
    says 'models deleted 1'
    exits 3 status --exit-code
    # Both, and all the way.
    ok rewind --yes
    same "$(tables_of a)$(tables_of b)" ""
    same "$(tombstones)" 0
    ok migrate --to two
    same "$(tables_of a)" "t_one t_two"
}

test_due() {
    leaving
    ok migrate --yes
    ok recover
    says 'Nothing to be recovered'
    same "$(tombstones)" 2
    sql controller.db "UPDATE mtnt_removal SET remove_after_ms = 1 WHERE tenant = 'a'"
    ok status
    says 'the time of 1 put away is over   next: mtnt-model recover'
    ok recover
    says 'a: model removed for good' '1 model removed for good, 0 not removed'
    same "$(tombstones)" 1
    ok status
    says 'put away 1 · removed for good 1'
    sql controller.db "UPDATE mtnt_removal SET remove_after_ms = 1"
    ok migrate --yes
    same "$(tombstones)" 0
    exits 1 rewind --steps 1
    says '2 failed' 'was removed for good on 20'
    # With no grace at all it goes with the migration itself.
    rm -rf models controller.db
    leaving 0
    ok migrate --yes
    same "$(find models -type f | wc -l | tr -d ' ')" 0
}

test_json_of_it() {
    leaving
    ok migrate --yes --format json
    json '.migrated == 2 and .exit == 0'
    ok status --format json
    json '[.tenants[] | .gone] == [true, true] and .summary.gone == 2'
    json '.tenants[0].removed == null and (.tenants[0].remove_after | test("^20.*Z$"))'
    sql controller.db "UPDATE mtnt_removal SET remove_after_ms = 1"
    ok recover --format json
    json '[.tenants[].result] == ["model removed for good", "model removed for good"] and .summary.removed == 2'
    ok status --format json
    json '.tenants[0].removed | test("^20.*Z$")'
}

test_comes_back() {
    project
    tenants
    printf 'defaults: {model: "sqlite:models/{id}.db"}\ntenants: [{id: a}]\n' >tenants.yaml
    printf 'chain: shop\noperations:\n  - {name: create, create_model: {template: "CREATE TABLE t_x(a INTEGER)"}}\n' >chain.yaml
    printf 'chain: farewell\noperations:\n  - {name: gone, delete_model: {grace: 0}}\n' >farewell.yaml
    for round in 1 2; do
        ok migrate
        same "$(tables_of a)" "t_x" "round $round"
        ok migrate --chain farewell.yaml --yes
        same "$(find models -type f | wc -l | tr -d ' ')" 0 "round $round"
    done
    sed -i 's/grace: 0/grace: 1h/' farewell.yaml
    ok migrate
    ok migrate --chain farewell.yaml --yes
    exits 1 migrate
    says 'was put away by migration' 'of chain farewell' 'puts it back'
}

test_file_and_line() {
    fleet 1 a
    printf 'chain: numbers\noperations:\n  - name: gone\n    delete_model: {}\n  - name: late\n    tables: {create: ["t_late(x INTEGER)"]}\n' >chain.yaml
    exits 78 validate
    complains 'chain.yaml:5' 'deletes the model and must be the last of its chain'
    printf 'chain: numbers\noperations:\n  - name: gone\n    delete_model: {grace: soon}\n' >chain.yaml
    exits 78 validate
    complains 'chain.yaml:4' 'must be a time'
}

# What is said in a terminal fits it.
test_in_80_columns() {
    leaving
    for call in "migrate --yes" status "help migrate" "help recover"; do
        # shellcheck disable=SC2086
        ok $call
        [ "$(printf '%s\n' "$out" | wc -L)" -le 80 ] || fail "too wide: $call"
    done
}

cli_main "$@"
