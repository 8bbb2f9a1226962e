#!/bin/sh
# The programs of operations/examples do what they say.
set -eu

examples=$MTNT_TEST_BUILD_DIR/examples
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

complain() {
    echo "$*" >&2
    exit 1
}
expect() { # WHAT FOUND EXPECTED
    [ "$2" = "$3" ] || complain "$1: expected \`$3\`, found \`$2\`"
}

# ---- signup.c: a service that embeds the library ----

expect "sign-up" "$("$examples/signup" acme sqlite:shop.db sqlite:acme.db)" "acme: 3 operations, mode provisional"
expect "owner" "$(sqlite3 acme.db "SELECT value FROM settings WHERE name = 'owner'")" acme
expect "customers" "$(sqlite3 shop.db "SELECT id FROM customers")" acme
case $("$examples/signup" acme sqlite:shop.db sqlite:acme.db) in
"acme: 0 operations,"*) ;;
*) complain "a second sign-up has done something" ;;
esac
expect "customers after the second time" "$(sqlite3 shop.db "SELECT count(*) FROM customers")" 1

# Neither database has anything of a sign-up that fails.
sqlite3 shop.db "CREATE TRIGGER no BEFORE INSERT ON customers BEGIN SELECT RAISE(ABORT, 'no room'); END"
if "$examples/signup" globex sqlite:shop.db sqlite:globex.db 2>refused; then
    complain "a sign-up that cannot be noted has succeeded"
fi
grep -q "no room" refused || complain "$(cat refused)"
[ -z "$(find . -name 'globex*')" ] || complain "left behind: $(find . -name 'globex*')"
sqlite3 shop.db "DROP TRIGGER no"
expect "after the failure" "$("$examples/signup" globex sqlite:shop.db sqlite:globex.db)" \
    "globex: 3 operations, mode provisional"

# ---- on_access.c: a service whose customers are brought up to date when they come ----

mkdir access access/customers
cd access
cat >chain.yaml <<END
chain: shop
operations:
  - {name: make, create_model: {}}
  - name: contacts
    sql: {model: {up: "CREATE TABLE contacts(name TEXT)", down: "DROP TABLE contacts"}}
END
expect "on access" "$("$examples/on_access" sqlite:shop.db chain.yaml customers acme globex acme)" \
    "acme is served
globex is served
acme is served
2 migrated, 1 remembered"
expect "contacts" "$(sqlite3 customers/acme.db "SELECT count(*) FROM contacts")" 0
expect "on access again" "$("$examples/on_access" sqlite:shop.db chain.yaml customers acme)" \
    "acme is served
0 migrated, 0 remembered"
sqlite3 customers/late.db "CREATE TABLE contacts(name TEXT)"
if "$examples/on_access" sqlite:shop.db chain.yaml customers late acme >out 2>refused; then
    complain "a customer whose migration fails was served"
fi
grep -q "late: .*contacts" refused || complain "$(cat refused)"
expect "the others" "$(cat out)" "acme is served
0 migrated, 0 remembered"
cd "$scratch"

# ---- plugin.c: the same operations for the command ----

mkdir fleet
cd fleet
cat >mtnt.yaml <<END
controller: sqlite:controller.db
tenants: tenants.yaml
chain: chain.yaml
plugin: $examples/libshop.so
END
cat >tenants.yaml <<END
tenants:
  - {id: acme, model: "sqlite:acme.db"}
  - {id: globex, model: "sqlite:globex.db"}
END
cat >chain.yaml <<END
chain: shop
operations:
  - name: make
    create_model: {}
END
sqlite3 controller.db "CREATE TABLE customers(id TEXT)"
"$MTNT_BIN" migrate >out 2>&1 || complain "$(cat out)"
expect "customers" "$(sqlite3 controller.db "SELECT group_concat(id, ' ') FROM (SELECT id FROM customers ORDER BY id)")" \
    "acme globex"
expect "owner" "$(sqlite3 globex.db "SELECT value FROM settings")" globex
"$MTNT_BIN" rewind --to make --yes >out 2>&1 || complain "$(cat out)"
expect "customers after rewind" "$(sqlite3 controller.db "SELECT count(*) FROM customers")" 0
expect "tables after rewind" "$(sqlite3 globex.db "SELECT count(*) FROM sqlite_schema WHERE name = 'settings'")" 0

# ---- seats.c: a binary of one's own ----

cd "$scratch"
mkdir own
cd own
cat >mtnt.yaml <<END
controller: sqlite:controller.db
tenants: tenants.yaml
chain: chain.yaml
END
cat >tenants.yaml <<END
tenants:
  - {id: acme, model: "sqlite:acme.db"}
END
cat >chain.yaml <<END
chain: shop
operations:
  - name: settings
    order: 1
    sql:
      model: {up: "CREATE TABLE settings(name TEXT, value INTEGER)", down: "DROP TABLE settings"}
END
sqlite3 controller.db "CREATE TABLE customers(id TEXT, seats INTEGER); INSERT INTO customers VALUES ('acme', 42)"
sqlite3 acme.db "CREATE TABLE contacts(name TEXT)"
"$examples/seats" migrate >out 2>&1 || complain "$(cat out)"
expect "seats" "$(sqlite3 acme.db "SELECT value FROM settings WHERE name = 'seats'")" 42
"$examples/seats" undo >out 2>&1 || complain "$(cat out)"
expect "seats after undo" "$(sqlite3 acme.db "SELECT count(*) FROM settings")" 0
