# shellcheck shell=sh
# Operations outside transactions, as their users meet them.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

start() {
    project
    tenants "$@"
}

# operations OPERATION…: each as YAML in one line, without the dash.
operations() {
    printf 'chain: numbers\noperations:\n' >chain.yaml
    for operation in "$@"; do
        printf '  - %s\n' "$operation" >>chain.yaml
    done
}
contacts='{name: contacts, sql: {model: {up: "CREATE TABLE contacts(id INTEGER)", down: "DROP TABLE contacts"}}}'
compact='{name: compact, transaction: none, retriable: true, sql: {model: {up: VACUUM}}}'
seats='{name: seats, transaction: none, sql: {model: {up: "CREATE TABLE seats(id INTEGER); INSERT INTO seats VALUES (1)", down: "DROP TABLE seats"}}}'
broken='{name: broken, sql: {model: {up: "INSERT INTO nowhere VALUES (1)", down: "SELECT 1"}}}'
tables() {
    sql "models/$1.db" "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'mtnt_%' ORDER BY name)"
}

test_forward() {
    start a b
    operations "$contacts" "$compact" "$seats"
        ok migrate
    says 'guarantee: step by step, taken back in reverse when one fails \(saga\)' '2 migrated'
    same "$(tables a)" "contacts made seats"
    ok migrate
    says '2 already current'
    # There is no way back through what goes forward only; up to it there is.
    exits 1 rewind --yes
    says 'compact' 'has no rollback' 'chain.yaml:4'
    ok rewind --to compact
    same "$(tables a)" "contacts made"
}

# Each operation by itself, however many there are before the one that makes a saga of it.
test_by_operation() {
    start a
    operations
    for name in one two three four five six; do
        echo "  - {name: $name, tables: {create: [\"$name(x INTEGER)\"]}}" >>chain.yaml
    done
    echo "  - $compact" >>chain.yaml
    ok migrate --atomicity operation
    same "$(tables a)" "five four made one six three two"
}

test_failure() {
    start a b
        operations "$contacts" "$seats" "$broken"
    exits 1 migrate
    says 'a +failed at 3 broken' 'rolled back' 'no such table: nowhere'
    same "$(tables a)" made
    ok status
    says 'version 0 +2 '
    # What goes forward only is final, and so is what comes before it.
    operations "$contacts" "$compact" "$seats" "$broken"
    exits 1 migrate
    says 'kept up to 2' '2 kept in part'
    same "$(tables a)" "contacts made"
    operations "$contacts" "$compact" "$seats"
    ok migrate
}

test_refused() {
    start a
    operations "$contacts" '{name: one, sql: {model: {up: "CREATE TABLE one(id INTEGER)"}}}' "$seats"
    exits 1 migrate
    says 'chain.yaml:4' 'operation 2 `one` has no way back' 'seats'
    operations '{name: one, transaction: none, sql: {model: {up: "CREATE TABLE one(id INTEGER)"}}}'
    exits 1 migrate
    says 'runs outside a transaction and has no way back' 'retriable: true'
}

# A rollback that keeps failing: the tenant waits for a person, the others do not.
test_rollback_fails() {
    start a b
    operations '{name: seats, transaction: none, sql: {model: {up: "CREATE TABLE seats(id INTEGER)", down: "DROP TABLE seats_of_old; DELETE FROM precious"}}}' "$broken"
    sql models/b.db 'CREATE TABLE seats_of_old(id INTEGER); CREATE TABLE precious(id INTEGER)'
    exits 1 migrate
    same "$(sql controller.db "SELECT state FROM mtnt_tenant WHERE tenant = 'a'")" rollback_failed
    same "$(sql controller.db "SELECT state FROM mtnt_tenant WHERE tenant = 'b'")" idle
    ok status
    says 'rollback_failed 1 +a$' 'mtnt-model resolve --tenant a --as retry'
    exits 1 migrate --tenant a
    says 'resolve --tenant a --as retry'
    # Its reason is gone, and the rollbacks are tried again.
    sql models/a.db 'CREATE TABLE seats_of_old(id INTEGER); CREATE TABLE precious(id INTEGER)'
    ok resolve --tenant a --as retry --yes --reason 'made the table that it misses'
    ok recover
    same "$(sql controller.db "SELECT state FROM mtnt_tenant WHERE tenant = 'a'")" idle
    same "$(sql controller.db 'SELECT count(*) FROM mtnt_audit')" 1
}

# The halves of an operation that writes both, one after the other.
test_mode_saga() {
    start a b
    sql controller.db 'CREATE TABLE customers(id TEXT, ready INTEGER); INSERT INTO customers VALUES ("a", 0), ("b", 0)'
    both="sql: {model: {up: \"CREATE TABLE plan(id INTEGER)\", down: \"DROP TABLE plan\"}, controller: {up: \"UPDATE customers SET ready = 1 WHERE id = :'tenant'\", down: \"UPDATE customers SET ready = 0 WHERE id = :'tenant'\"}}"
    operations "{name: plan, mode: saga, $both}" "$broken"
    exits 1 migrate
    same "$(sql controller.db 'SELECT sum(ready) FROM customers')" 0
    same "$(sql controller.db 'SELECT count(*) FROM mtnt_step WHERE half = 1')" 4
    operations "{name: plan, mode: saga, $both}"
    ok migrate
    same "$(sql controller.db 'SELECT sum(ready) FROM customers')" 2
    operations "{name: plan, $both}"
    ok rewind --yes
    same "$(sql controller.db 'SELECT sum(ready) FROM customers')" 0
    ok migrate --mode saga
    says 'guarantee: .*\(saga\)'
    exits 64 migrate --mode sage
}

cli_main "$@"
