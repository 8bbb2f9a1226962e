# shellcheck shell=sh
# Whatever is wrong is said with its file, line or tenant, exits with the right code, and nothing is touched.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

plugins=${MTNT_TEST_BUILD_DIR:-}/tests

# refused CODE PATTERN ARGUMENTS…: exit code, message, and that neither controller nor models have changed.
refused() {
    wanted=$1
    pattern=$2
    shift 2
    before=$(fingerprint controller.db models/*)
    exits "$wanted" "$@"
    complains "$pattern"
    silent
    same "$(fingerprint controller.db models/*)" "$before" "something was touched"
}

test_unknown_key() {
    fleet 1 a
    printf 'tenants:\n  - id: a\n    modle: sqlite:models/a.db\n' >tenants.yaml
    refused 78 '^mtnt-model: (\./)?tenants.yaml:3: unknown key `modle`.*did you mean `model`\?' migrate
    tenants a
    sed -i 's/name: one/nmae: one/' chain.yaml
    refused 78 '^mtnt-model: (\./)?chain.yaml:3: .*`nmae`.*did you mean `name`\?' migrate
    chain 1
    project "wrokers: 3"
    refused 78 '^mtnt-model: (\./)?mtnt.yaml:4: unknown key `wrokers`.*did you mean `workers`\?' migrate
}

test_wrong_type() {
    fleet 1 a
    printf 'tenants:\n  - id: [a]\n    model: sqlite:models/a.db\n' >tenants.yaml
    refused 78 'tenants.yaml:2: ' migrate
    tenants a
    printf 'chain: numbers\noperations:\n  - name: one\n    order: first\n    tables: {create: ["t(x)"]}\n' >chain.yaml
    refused 78 'chain.yaml:4: ' migrate
    chain 1
    project "workers: many"
    refused 78 'mtnt.yaml:4: ' migrate
    for line in "deadline: soon" "unlock_deadline: 0" "heartbeat: often" "heartbeat_retries: -1"; do
        project "$line"
        refused 78 'mtnt.yaml:4: ' migrate
    done
    project
    printf 'tenants: {a: [\n' >tenants.yaml
    refused 78 'tenants.yaml:[0-9]+: ' migrate
}

test_duplicates() {
    fleet 2 a b
    printf '  - id: a\n' >>tenants.yaml
    refused 78 'tenants.yaml:6: .*`?a`?.*' migrate
    tenants a b
    sed -i 's/name: two/name: one/' chain.yaml
    refused 78 'chain.yaml:5: .*one' migrate
    chain 2
    sed -i 's/name: two/name: two\n    order: 1/' chain.yaml
    refused 78 'chain.yaml:[56]: ' migrate
}

test_missing_files() {
    fleet 1 a
    refused 78 'nowhere.yaml' migrate --config nowhere.yaml
    refused 78 'nowhere.yaml' migrate --chain nowhere.yaml
    refused 78 'nowhere.yaml' migrate --tenants nowhere.yaml
    refused 78 'nowhere.so' migrate --plugin ./nowhere.so
    printf 'chain: numbers\noperations:\n  - name: one\n    sql:\n      model: {up_file: sql/one.sql}\n' >chain.yaml
    refused 78 'chain.yaml:5: .*sql/one.sql' migrate
    rm mtnt.yaml
    refused 78 'no chain is named' migrate
    chain 1
    refused 78 'no tenants are named' migrate --chain chain.yaml
}

test_bad_dsn() {
    fleet 1 a
    printf 'tenants:\n  - id: a\n    model: mysql://x/y\n' >tenants.yaml
    refused 78 'tenants.yaml:3: ' migrate
    tenants a
    refused 78 '^mtnt-model: ' migrate --controller oracle:x
    sed -i 's|^controller: .*|controller: "postgresql://h:notaport/x"|' mtnt.yaml
    run migrate
    [ "$code" -eq 78 ] || [ "$code" -eq 2 ] || fail "78 or 2 was expected"
    # A password never shows, wherever the DSN came from.
    sed -i 's/^controller: .*/controller: "mysql:\/\/u:topsecret@h\/x"/' mtnt.yaml
    refused 78 'mtnt.yaml:1' migrate
    complains_not topsecret
    printf 'tenants:\n  - id: a\n    model: postgresql://u:topsecret@127.0.0.1:1/x\n' >tenants.yaml
    project
    exits 1 migrate
    says_not topsecret
    complains_not topsecret
    MTNT_CONTROLLER='postgresql://u:topsecret@127.0.0.1:1/x' run migrate
    complains_not topsecret
}

test_bad_id() {
    fleet 1 a
    printf 'defaults: {model: "sqlite:models/{id}.db"}\ntenants:\n  - id: ../../etc/passwd\n' >tenants.yaml
    refused 78 'tenants.yaml:3: ' migrate
}

test_unreachable_server() {
    fleet 1 a
    exits 2 migrate --controller postgresql://127.0.0.1:1/x
    complains '127.0.0.1'
    silent
    printf 'tenants:\n  - {id: a, model: "postgresql://127.0.0.1:1/x"}\n  - {id: b, model: "sqlite:models/b.db"}\n' >tenants.yaml
    sql models/b.db "CREATE TABLE made(at TEXT)"
    exits 1 migrate
    says 'a   failed' 'next: when the database can be reached again' '1 migrated, 0 already current, 1 failed'
    same "$(tables_of b)" "t_one"
}

test_read_only_folder() {
    fleet 1 a
    chmod -R a+rX . && chmod 555 .
    code=0
    out=
    # shellcheck disable=SC2086
    as_nobody ${MTNT_VALGRIND:-} "$MTNT_BIN" migrate >"$scratch/out" 2>"$scratch/err" || code=$?
    err=$(cat "$scratch/err")
    chmod 755 .
    same "$code" 2
    complains 'controller'
    [ ! -e controller.db ] || fail "a controller was made"

    ok migrate --to one
    chain 2
    chmod a+rwX . controller.db
    chmod 555 models
    chmod 444 models/a.db
    code=0
    as_nobody "$MTNT_BIN" migrate >"$scratch/out" 2>"$scratch/err" || code=$?
    out=$(cat "$scratch/out")
    err=$(cat "$scratch/err")
    same "$code" 1
    says 'a   failed' 'next: '
    same "$(tables_of a)" "t_one"
}

test_no_database() {
    fleet 1 text cut empty good
    ok migrate --tenant cut
    head -c 300 </dev/urandom | base64 -w 0 >models/text.db
    head -c 5000 models/cut.db >truncated.db
    mv truncated.db models/cut.db
    : >models/empty.db
    chain 2
    before=$(fingerprint models/text.db models/cut.db models/empty.db)
    exits 1 migrate
    says 'text   failed' 'cut   failed' 'empty   failed' '^4 tenants: 1 migrated, 0 already current, 3 failed' \
        'next: restore the database from a backup'
    same "$(fingerprint models/text.db models/cut.db models/empty.db)" "$before"
    rm models/text.db
    exits 1 migrate --tenant text
    says 'models/text.db'
    [ ! -e models/text.db ] || fail "a model was made"

    echo "this is text, and text is no database" >controller.db
    exits 2 migrate
    complains 'controller'
    same "$(cat controller.db)" "this is text, and text is no database"
}

test_plugin() {
    fleet 1 alpha
    ok migrate --plugin "$plugins/cli_plugin.so"
    same "$(sql models/alpha.db "SELECT x FROM t_one")" 5
    ok executed
    says '50  seats'
    ok rewind --steps 1 --plugin "$plugins/cli_plugin.so"
    same "$(sql models/alpha.db "SELECT count(*) FROM t_one")" 0
    refused 78 'lacks the symbol' migrate --plugin "$plugins/cli_plugin_without_symbol.so"
    refused 78 'compiled for version' migrate --plugin "$plugins/cli_plugin_of_another_abi.so"
    refused 78 'chain.yaml' migrate --plugin ./chain.yaml
    refused 78 'slash' migrate --plugin chain.yaml
    sed -i '/^chain:/d' mtnt.yaml
    echo "plugin: $plugins/cli_plugin.so" >>mtnt.yaml
    ok validate
    says '1 operation'
}

# A controller that a newer version has written.
test_newer_controller() {
    fleet 1 a
    ok migrate
    table=$(sql controller.db "SELECT name FROM sqlite_master WHERE name LIKE 'mtnt_meta%'")
    [ -n "$table" ] || fail "where does the controller keep its version?"
    sql controller.db "UPDATE $table SET value = '9999' WHERE key = 'schema_version'"
    same "$(sql controller.db "SELECT value FROM $table WHERE key = 'schema_version'")" 9999
    chain 2
    for command in migrate status pending doctor; do
        refused 2 'newer' "$command"
    done
}

# A second controller does not touch the models of the first.
test_foreign_model() {
    fleet 1 a
    ok migrate
    chain 2
    before=$(fingerprint models/a.db)
    exits 1 migrate --controller sqlite:second.db
    says 'another controller'
    same "$(fingerprint models/a.db)" "$before"
}

test_sql_position() {
    fleet 1 a
    mkdir sql
    printf -- '-- first\nCREATE TABLE t_x(a);\n\n  SELECT * FROM nowhere;\n' >sql/x.sql
    printf 'chain: numbers\noperations:\n  - name: x\n    sql:\n      model: {up_file: sql/x.sql}\n' >chain.yaml
    exits 1 migrate
    says 'sql/x.sql:4   SELECT \* FROM nowhere;' '^ +\^$' 'no such table'
    same "$(tables_of a)" ""
    exits 1 migrate --format json
    json '.failures[0].error | .file == "sql/x.sql" and .line == 4 and .code == "MTNT_E_DATABASE"'
    printf 'SELECT 1;\nBEGIN;\n' >sql/x.sql
    refused 78 '(chain.yaml|sql/x.sql):[0-9]+: ' migrate
    printf "SELECT 'open;\n" >sql/x.sql
    refused 78 '(chain.yaml|sql/x.sql):[0-9]+: ' migrate
}

test_unknown_variable() {
    fleet 1 a
    printf "chain: numbers\noperations:\n  - name: x\n    sql:\n      model: {up: \"SELECT :'plan'\"}\n" >chain.yaml
    exits 78 validate
    complains 'chain.yaml:3: operation `x`, for tenant a: .*plan'
    exits 1 migrate
    says 'plan'
}

test_validate() {
    fleet 2 a b
    ok validate
    says 'chain numbers: 2 operations' 'tenants: 2' 'All files are fine'
    printf '  - id: a\n' >>tenants.yaml
    sed -i 's/name: two/nmae: two/' chain.yaml
    exits 78 validate
    complains 'chain.yaml:5' 'tenants.yaml:6'
    says '2 problems'
    exits 78 validate --format json
    json '.valid == false and .problems == 2'
    [ ! -e controller.db ] || fail "validate has opened the controller"
}

test_outside_transaction() {
    fleet 1 a
    printf 'chain: numbers\noperations:\n  - name: x\n    transaction: none\n    sql:\n      model: {up: "VACUUM"}\n' >chain.yaml
    run migrate
    [ "$code" -eq 1 ] || fail "a refusal was expected"
    printf '%s\n%s\n' "$out" "$err" | grep -q 'runs outside a transaction and has no way back' || fail "the reason is not told"
    printf '%s\n%s\n' "$out" "$err" | grep -q 'chain.yaml:3' || fail "the place is not told"
    printf 'chain: numbers\noperations:\n  - name: x\n    transaction: none\n    retriable: true\n    sql:\n      model: {up: "VACUUM"}\n' >chain.yaml
    run migrate
    [ "$code" -eq 0 ] || fail "a VACUUM that may run again is fine"
    printf 'chain: numbers\noperations:\n  - name: x\n    mode: sagas\n    sql:\n      model: {up: "SELECT 1"}\n' >chain.yaml
    refused 78 'chain.yaml:4: .*saga' migrate
}

cli_main "$@"
