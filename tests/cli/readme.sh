# shellcheck shell=sh
# What the README shows, done as it says.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

readme=$MTNT_TEST_SOURCE_DIR/README.md

# block LANGUAGE PATTERN: the first code block of that language with such a line.
block() {
    awk -v language="$1" -v pattern="$2" '
        $0 == "```" language && !inside { inside = 1; text = ""; next }
        $0 ~ /^```/ { if (inside && text ~ pattern) { printf "%s", text; exit } inside = 0; next }
        inside { text = text $0 "\n" }' "$readme"
}

test_first_chain() {
    for file in chain.yaml tenants.yaml mtnt.yaml; do
        block yaml "# $file" >$file
        [ -s $file ] || fail "the README has no $file"
    done
    mkdir models
    for id in acme globex; do sql models/$id.db "CREATE TABLE made(at TEXT)"; done
    sql controller.db "CREATE TABLE customers(id TEXT, ready INTEGER DEFAULT 0); INSERT INTO customers(id) VALUES('acme'), ('globex')"
    ok validate
    ok plan
    ok migrate
    says '2 migrated'
    same "$(sql controller.db "SELECT sum(ready) FROM customers")" 2
    ok status --where tier=gold --exit-code
    ok new loyalty_points
    ok migrate
    ok rewind --steps 1
    says '2 taken back'
}

test_farewell() {
    block yaml "# farewell.yaml" >farewell.yaml
    [ -s farewell.yaml ] || fail "the README has no farewell.yaml"
    fleet 1 acme
    sql controller.db "CREATE TABLE customers(id TEXT, closed INTEGER DEFAULT 0); INSERT INTO customers(id) VALUES('acme')"
    ok migrate
    exits 64 migrate --chain farewell.yaml --tenant acme
    ok migrate --chain farewell.yaml --tenant acme --yes
    same "$(sql controller.db "SELECT closed FROM customers")" 1
    [ ! -e models/acme.db ] || fail "the model is there"
    ok rewind --chain farewell.yaml --tenant acme --steps 1
    [ -e models/acme.db ] || fail "the model is not back"
    ok migrate --chain farewell.yaml --tenant acme --yes
    ok recover --chain farewell.yaml
    says 'Nothing to be recovered'
}

test_operation_in_c() {
    block c MTNT_CHAIN_PLUGIN >seats.c
    [ -s seats.c ] || fail "the README has no operation in C"
    [ "$(grep -c . seats.c)" -le 40 ] || fail "that is long"
    cc -shared -fPIC -Wall -Wextra -Werror -I"$MTNT_TEST_SOURCE_DIR/lib/include" seats.c -o seats.so
    fleet 1 a
    printf 'chain: numbers\noperations:\n  - name: settings\n    tables: {create: ["settings(name TEXT, value INTEGER)"]}\n' >chain.yaml
    sql controller.db "CREATE TABLE customers(id TEXT, seats INTEGER); INSERT INTO customers VALUES('a', 7)"
    ok migrate --plugin ./seats.so
    same "$(sql models/a.db "SELECT value FROM settings")" 7
}

cli_main "$@"
