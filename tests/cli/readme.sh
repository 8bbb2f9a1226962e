# shellcheck shell=sh
# What the README and the guide show, done as they say.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

readme=$MTNT_TEST_SOURCE_DIR/README.md
guide=$MTNT_TEST_SOURCE_DIR/cmd/mtnt-model/GUIDE.md

# block LANGUAGE PATTERN [FILE]: the first code block of that language with such a line, in the README.
block() {
    awk -v language="$1" -v pattern="$2" '
        $0 == "```" language && !inside { inside = 1; text = ""; next }
        $0 ~ /^```/ { if (inside && text ~ pattern) { printf "%s", text; exit } inside = 0; next }
        inside { text = text $0 "\n" }' "${3:-$readme}"
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
    block yaml "# farewell.yaml" "$guide" >farewell.yaml
    [ -s farewell.yaml ] || fail "the guide has no farewell.yaml"
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

# Every file that a link leads to is there.
test_links() {
    for page in "$readme" "$guide"; do
        grep -o '](\([^)#:]*\))' "$page" | sed 's/^](//; s/)$//' | while read -r link; do
            [ -e "$(dirname "$page")/$link" ] || fail "$page leads to $link, which is not there"
        done
    done
}

cli_main "$@"
