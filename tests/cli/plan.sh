# shellcheck shell=sh
# plan: groups, locks, warnings; plan --rehearse; plans that are saved, and migrate --plan.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# An operation of each kind; the fourth cannot be rehearsed.
shop() {
    mkdir -p sql
    cat >chain.yaml <<'YAML'
chain: shop
operations:
  - name: customers
    sql:
      model: {up: "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT)", down: "DROP TABLE customers"}
  - name: seats
    sql:
      model: {up_file: sql/seats.sql, down: "SELECT 1"}
      controller: {up: "INSERT INTO seen VALUES(:'tenant')", down: "DELETE FROM seen"}
  - name: by_name
    transaction: none
    sql:
      model: {up: "CREATE INDEX by_name ON customers(name)", down: "DROP INDEX by_name"}
YAML
    printf -- '-- seats\nALTER TABLE customers ADD COLUMN seats INTEGER;\nUPDATE customers SET seats = 1;\n' >sql/seats.sql
    sql controller.db "CREATE TABLE seen(id TEXT)"
}

# Everything but what is ours.
dump() {
    for file in "$@"; do
        echo "$file"
        for table in $(sql "$file" "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'mtnt%' AND name NOT LIKE 'sqlite%'"); do
            sqlite3 -batch "$file" ".dump $table"
        done
    done
}

test_groups() {
    project
    tenants acme globex initech umbrella hooli
    shop
    ok migrate -q --to customers --tenant acme --tenant umbrella --tenant initech --tenant hooli
    ok plan
    says '^4 tenants at version 1: acme, initech, umbrella and 1 more$' '^1 tenant at version 0: globex$' \
        '^        locks       the whole file, the whole file \(controller\)$' \
        '^        warning     sql/seats\.sql:3 update-without-where$' '^                    instead: say WHERE' \
        '^5 tenants: 5 to migrate, 0 with nothing to do, 0 would be refused$' '^1 warning; '
    printf '%s\n' "$out" | awk 'length > 80 { exit 1 }' || fail "wider than 80 columns"
    ok plan -v
    says '^4 tenants at version 1: acme, initech, umbrella, hooli$'
    ok plan --format json
    json '.groups | length == 2 and (map(.tenants) | add) == 5'
    json '.groups[0] | .version == 1 and .backend == "sqlite" and .mode == "saga" and (.digest | length) == 64'
    json '.groups[0].operations[0] | .name == "seats" and .warnings[0].rule == "update-without-where" and .warnings[0].line == 3
        and .locks == [{side: "model", mode: "EXCLUSIVE", table: null, statement: null},
                       {side: "controller", mode: "EXCLUSIVE", table: null, statement: null}]'
    json '.groups[1].operations | map(.warnings) | add == []'
    json 'has("rehearsal") | not'
}

test_allowed() {
    project
    tenants acme
    shop
    ok validate
    says '^warning: sql/seats\.sql:3 update-without-where, operation seats$' '^All files are fine\.$' '^1 warning; '
    ok validate --format json
    json '.valid and (.warnings | length) == 1 and .warnings[0].file != null'
    printf 'ALTER TABLE customers ADD COLUMN seats INTEGER;\n-- mtnt:allow update-without-where\nUPDATE customers SET seats = 1;\n' \
        >sql/seats.sql
    ok validate
    says_not 'warning'
    printf 'ALTER TABLE customers ADD COLUMN seats INTEGER NOT NULL;\n' >sql/seats.sql
    ok validate
    says 'sql/seats\.sql:1 add-column-not-null'
}

test_rehearse() {
    project
    tenants acme globex initech
    shop
    ok migrate -q --to customers --tenant acme
    before=$(dump controller.db models/*.db)
    ok plan --rehearse
    says '^rehearsed from version 1 to 2: 1 tenant, SQLite, super-journal$' \
        '^rehearsed from version 0 to 2: 2 tenants, SQLite, super-journal$' '^  2 went through, 0 failed; ' \
        '^  passed over: 3 by_name, which runs outside a transaction$' \
        '^nothing of it is left: every database is as it was$' '^3 tenants: 3 rehearsed, 0 already current, 0 failed'
    same "$(dump controller.db models/*.db)" "$before"
    ok status --format json
    json '.tenants | map(.version) == [1, 0, 0] and map(.error) == [null, null, null]'
    ok plan --rehearse --format json
    json '.rehearsal | .migrated == 3 and .exit == 0 and .passed_over == [{order: 3, name: "by_name", why: "runs outside a transaction"}]'
    json '.rehearsal.groups | map(.tenants) | add == 3'
    ok plan --rehearse --canary 1
    says '^2 tenants at version 0: globex, initech$' '^2 tenants: 2 rehearsed'
    # One of them would fail.
    sql models/globex.db "CREATE TABLE customers(id INTEGER)"
    before=$(dump controller.db models/*.db)
    exits 1 plan --rehearse
    says 'globex +failed at 1 customers' '^3 tenants: 2 rehearsed, 0 already current, 1 failed' \
        'mtnt-model plan --rehearse .*--tenant globex$'
    same "$(dump controller.db models/*.db)" "$before"
    ok status --format json
    json '.tenants | map(.error) == [null, null, null]'
    exits 64 migrate --rehearse
    sql models/globex.db "DROP TABLE customers"
    ok migrate
    ok plan --rehearse
    says '^3 tenants: 0 to migrate'
    says_not 'rehears'
}

test_rehearse_new_models() {
    project
    cat >tenants.yaml <<'YAML'
defaults: {model: "sqlite:models/{id}.db"}
tenants: [{id: acme}, {id: globex}]
YAML
    mkdir models
    cat >chain.yaml <<'YAML'
chain: shop
operations:
  - name: create
    create_model: {}
  - name: customers
    sql: {model: {up: "CREATE TABLE customers(id INTEGER)", down: "DROP TABLE customers"}}
  - name: gone
    delete_model: {}
YAML
    ok plan --rehearse
    says 'from version 0 to 2: 2 tenants, SQLite, provisional' 'passed over: 3 gone, which deletes the model'
    same "$(ls models)" ""
}

test_saved() {
    project
    tenants acme globex initech
    shop
    ok plan --save p.json
    complains 'migrate --plan p\.json'
    jq -e '.mtnt_plan == 1 and .tenants == 3 and (.states | length) == 48 and .groups[0].operations == ["customers", "seats", "by_name"]' \
        p.json >/dev/null || fail "the plan: $(cat p.json)"
    ok migrate --plan p.json
    says '3 migrated'
    # It says what is done, and all that is done.
    ok rewind --yes -q
    ok plan --to customers --save p.json
    exits 64 migrate --plan p.json --to seats
    complains '--to: the plan p\.json was made with another one'
    exits 64 migrate --plan p.json --steps 2
    ok migrate --plan p.json --tenant acme
    says '^1 tenant: 1 migrated'
    ok status --format json
    json '.tenants | map(.version) == [1, 0, 0]'
}

test_moved_on() {
    project
    tenants acme globex initech
    shop
    ok plan --save p.json
    ok migrate -q --tenant globex --to customers
    before=$(dump controller.db models/acme.db models/globex.db models/initech.db)
    exits 2 migrate --plan p.json
    complains 'the fleet has moved on .*1 tenant \(globex\) is not where it has them' 'plan --save p\.json'
    same "$(dump controller.db models/acme.db models/globex.db models/initech.db)" "$before"
    ok plan --save p.json
    tenants acme globex initech hooli
    exits 2 migrate --plan p.json
    complains '1 tenant \(hooli\)'
    tenants acme globex
    exits 2 migrate --plan p.json
    complains '1 of its 3 tenants is no longer there'
    tenants acme globex initech
    cp sql/seats.sql kept
    echo 'SELECT 1;' >>sql/seats.sql
    exits 2 migrate --plan p.json
    complains 'the chain has moved on .*operation `seats` does something else'
    cp kept sql/seats.sql
    printf '  - {name: more, sql: {model: {up: "SELECT 1"}}}\n' >>chain.yaml
    exits 2 migrate --plan p.json
    complains 'operation `more` is new'
    same "$(dump controller.db models/acme.db models/globex.db models/initech.db)" "$before"
    echo '{}' >p.json
    exits 78 migrate --plan p.json
    exits 78 migrate --plan none.json
    exits 64 plan --save
}

# What the controller says is as planned, and the model says otherwise: it has the last word, under its lock.
test_asked_under_the_lock() {
    project
    tenants acme globex
    chain 2
    ok migrate -q --to one
    cp controller.db before.db
    ok plan --save p.json
    ok migrate -q --tenant acme
    cat before.db >controller.db
    before=$(dump models/acme.db)
    exits 1 migrate --plan p.json
    says 'acme +failed' 'its model stands at version 2, and not where the plan takes it from' '^2 tenants: 1 migrated, 0 already current, 1 failed'
    same "$(dump models/acme.db)" "$before"
}

cli_undo() {
    [ -z "${databases:-}" ] || for database in $databases; do
        psql -X -q "$MTNT_TEST_PG" -c "DROP DATABASE IF EXISTS \"$database\"" || true
    done
}

test_locks_seen() {
    name=mtnt_plan_$$
    databases="$name ${name}_acme"
    undo=cli_undo
    for database in $databases; do
        psql -X -q "$MTNT_TEST_PG" -c "CREATE DATABASE \"$database\""
    done
    rest=$(printf '%s' "$MTNT_TEST_PG" | sed 's/ *dbname=[^ ]*//; s/ /\&/g')
    printf 'controller: "postgresql:///%s?%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$name" "$rest" >mtnt.yaml
    printf 'tenants: [{id: acme, model: "postgresql:///%s_acme?%s"}]\n' "$name" "$rest" >tenants.yaml
    psql -X -q "$MTNT_TEST_PG dbname=${name}_acme" -c "CREATE TABLE customers(id int)"
    psql -X -q "$MTNT_TEST_PG dbname=$name" -c "CREATE TABLE seen(id text)"
    cat >chain.yaml <<'YAML'
chain: shop
operations:
  - name: seats
    sql:
      model: {up: "CREATE INDEX by_id ON customers(id); ALTER TABLE customers ADD COLUMN seats int; CREATE TABLE more(a int)", down: "SELECT 1"}
      controller: {up: "INSERT INTO seen VALUES(:'tenant')", down: "DELETE FROM seen"}
YAML
    before=$(pg_dump "$MTNT_TEST_PG dbname=${name}_acme")
    ok plan --rehearse
    says '^        locks       ACCESS EXCLUSIVE on customers, ROW EXCLUSIVE on seen$' \
        'warning     chain\.yaml:5 create-index$' '^  locks seen: ACCESS EXCLUSIVE on customers, ROW EXCLUSIVE on seen \(controller\)$' \
        'PostgreSQL, two-phase$' '1 rehearsed'
    same "$(pg_dump "$MTNT_TEST_PG dbname=${name}_acme" | grep -v '^.\(un\)\?restrict')" "$(printf '%s\n' "$before" | grep -v '^.\(un\)\?restrict')"
    same "$(psql -X -q -A -t "$MTNT_TEST_PG" -c "SELECT count(*) FROM pg_prepared_xacts WHERE database LIKE '$name%'")" 0
    same "$(psql -X -q -A -t "$MTNT_TEST_PG dbname=$name" -c "SELECT count(*) FROM seen")" 0
    ok migrate
}

cli_main "$@"
