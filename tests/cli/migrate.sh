# shellcheck shell=sh
# Forward, back, and what they leave: rows A and C of the conformance list, through the command.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# A1: 3 operations on 4 tenants, with 1 and with 3 workers: 12 executions, each tenant reported once.
test_A1() {
    for workers in 1 3; do
        rm -rf models controller.db
        fleet 3 a b c d
        ok migrate -j "$workers" --format jsonl
        json -s '[.[] | select(.event == "operation" and .status == "COMPLETED")] | length == 12'
        json -s '[.[] | select(.event == "tenant_started") | .tenant] | sort == ["a", "b", "c", "d"]'
        json -s '[.[] | select(.event == "tenant_finished") | .tenant] | sort == ["a", "b", "c", "d"]'
        json -s ".[0].event == \"run_started\" and .[0].total == 4 and .[-1].event == \"run_finished\""
        for id in a b c d; do
            same "$(tables_of $id)" "t_one t_three t_two"
        done
    done
}

# A2: the first operation is executed; migrate runs the second and third.
test_A2() {
    fleet 3 a
    ok migrate --to one
    same "$(tables_of a)" "t_one"
    ok migrate --format jsonl
    json -s '[.[] | select(.event == "operation") | .operation] == ["two", "three"]'
    ok status --format json
    json '.tenants == [.tenants[] | select(.version == 3 and .pending == 0)]'
}

# A3: a failure in the middle, kept: the version is 1 and the third is not run.
test_A3() {
    fleet 3 a
    cat >chain.yaml <<'END'
chain: numbers
operations:
  - name: one
    tables: {create: ["t_one(x INTEGER)"]}
  - name: two
    sql:
      model: {up: "INSERT INTO nowhere VALUES(1)"}
  - name: three
    tables: {create: ["t_three(x INTEGER)"]}
END
    exits 1 migrate --on-failure keep
    says 'failed at 2 two' 'kept up to 1' 'no such table: nowhere' '1 failed \(1 kept in part\)'
    same "$(tables_of a)" "t_one"
    ok status --format json
    json '.tenants[0].version == 1 and .tenants[0].pending == 2 and .summary.failed == 1'
    exits 64 migrate --on-failure keep --atomicity chain
    complains 'needs --atomicity operation'
}

# A4: the second is recorded and the first is pending: nothing runs, and the offenders are named.
test_A4() {
    fleet 2 a
    ok migrate
    cat >chain.yaml <<'END'
chain: numbers
operations:
  - {name: late, order: 1, tables: {create: ["t_late(x INTEGER)"]}}
  - {name: one, order: 2, tables: {create: ["t_one(x INTEGER)"]}}
  - {name: two, order: 3, tables: {create: ["t_two(x INTEGER)"]}}
END
    rm controller.db models/a.db
    tenants a
    chain 1
    sed -i 's/- name: one/- {name: one, order: 2/; s/    tables: {create: \["t_one(x INTEGER)"\]}/    , tables: {create: ["t_one(x INTEGER)"]}}/' chain.yaml
    ok migrate
    cat >>chain.yaml <<'END'
  - {name: late, order: 1, tables: {create: ["t_late(x INTEGER)"]}}
END
    for command in migrate "do"; do
        exits 1 "$command"
        says 'late' '1 failed'
        same "$(tables_of a)" "t_one" "after $command"
    done
    ok plan
    says 'refused: operation 1 `late` comes before 2' '1 would be refused'
}

# A5: rewind goes 3, 2, 1; a rollback that fails stops there, and what it was to take back stays.
test_A5() {
    fleet 3 a
    ok migrate
    ok rewind --yes --format jsonl
    json -s '[.[] | select(.event == "operation") | .order] == [3, 2, 1]'
    json -s '[.[] | select(.event == "operation") | .direction] | unique == ["down"]'
    same "$(tables_of a)" ""

    cat >chain.yaml <<'END'
chain: numbers
operations:
  - name: one
    tables: {create: ["t_one(x INTEGER)"]}
  - name: two
    sql:
      model: {up: "CREATE TABLE t_two(x INTEGER)", down: "DROP TABLE nowhere"}
  - name: three
    tables: {create: ["t_three(x INTEGER)"]}
END
    ok migrate
    exits 1 rewind --yes --atomicity operation --on-failure keep
    says 'failed at 2 two'
    same "$(tables_of a)" "t_one t_two"
    ok executed
    says '1  one' '2  two'
    says_not 'three'
}

# A7: reset takes 3 back, then does 3.
test_A7() {
    fleet 3 a b
    ok migrate
    exits 64 reset
    complains 'say --yes'
    ok reset --yes
    says '2 tenants: 2 taken back' '2 tenants: 2 migrated'
    ok reset --yes --format json
    json '.rewind.migrated == 2 and .migrate.migrated == 2 and .rewind.operations == 6 and .exit == 0'
    same "$(tables_of a)" "t_one t_three t_two"
}

# A8: executed in any order, listed by order.
test_A8() {
    fleet 1 a
    cat >chain.yaml <<'END'
chain: numbers
operations:
  - {name: third, order: 30, tables: {create: ["t_3(x INTEGER)"]}}
  - {name: first, order: 10, tables: {create: ["t_1(x INTEGER)"]}}
END
    ok migrate
    cat >>chain.yaml <<'END'
  - {name: second, order: 20, tables: {create: ["t_2(x INTEGER)"]}}
END
    ok migrate --allow-out-of-order
    ok executed --format json
    json '[.tenants[0].operations[].order] == [10, 20, 30]'
    ok executed
    same "$(printf '%s\n' "$out" | sed -n 's/^ *[0-9]*  \([a-z]*\) .*/\1/p' | tr '\n' ' ')" "first second third "
}

# A9: do and undo with nothing left.
test_A9() {
    fleet 2 a
    ok undo
    says '^Nothing to be done$'
    ok "do"
    same "$(tables_of a)" "t_one"
    ok "do"
    same "$(tables_of a)" "t_one t_two"
    ok "do"
    says '^Nothing to be done$'
    ok undo
    same "$(tables_of a)" "t_one"
}

# A10: pending and executed list order and name, or say that there is nothing.
test_A10() {
    fleet 2 a
    ok executed
    same "$out" "No migrations were executed."
    ok pending
    says '^ *1  one$' '^ *2  two$'
    ok migrate
    ok pending
    same "$out" "No migrations pending."
    ok executed
    says '^ *1  one  ' '^ *2  two  '
}

# A12: new refuses to overwrite, and uses a template that is there.
test_A12() {
    fleet 2 a
    mkdir -p sql templates
    echo "by hand" >sql/0003_loyalty.down.sql
    exits 2 new loyalty
    complains 'sql/0003_loyalty.down.sql exists already'
    same "$(cat sql/0003_loyalty.down.sql)" "by hand"
    [ ! -e sql/0003_loyalty.up.sql ] || fail "the other file was written"
    rm sql/0003_loyalty.down.sql

    echo "-- {name} is {order}; UPDATE made SET at = '{name}'" >templates/operation.up.sql
    echo "UPDATE made SET at = 'template {name} {order}';" >templates/operation.up.sql
    ok new loyalty
    same "$(cat sql/0003_loyalty.up.sql)" "UPDATE made SET at = 'template loyalty 3';"
    exits 2 new loyalty
    complains 'has an operation loyalty already'
}

# A13: a query with a row that is no tenant is refused as a whole, naming the row, and nothing is touched. (A source that
# fails midway is the executor's test: the command has none.)
test_A13() {
    fleet 1 a b
    sql controller.db "CREATE TABLE customers(id TEXT); INSERT INTO customers VALUES('a'), (NULL), ('b')"
    cat >tenants.yaml <<'END'
defaults: {model: "sqlite:models/{id}.db"}
source: {query: "SELECT id FROM customers"}
END
    exits 78 migrate
    complains 'tenants.yaml:2: row 2 of the query has no `id`'
    same "$(tables_of a)" ""
    same "$(sql controller.db "SELECT count(*) FROM sqlite_master")" 1
}

# A14
test_A14() {
    fleet 1 a
    exits 64 migrate --workers 0
    complains '--workers: .0. is no number from 1 to 1024'
    [ ! -e controller.db ] || fail "a controller was made"
}

# C1: fresh, all are down; after up, all have started before they finished.
test_C1() {
    fleet 3 a
    ok pending --format json
    json '[.tenants[0].operations[] | select(.started == null and .finished == null)] | length == 3'
    ok migrate
    ok executed --format json
    json '[.tenants[0].operations[] | select(.started != null and .started <= .finished)] | length == 3'
}

# C2: a fourth is appended: it is down, and up runs only it.
test_C2() {
    fleet 3 a
    ok migrate
    chain 4
    ok pending --format json
    json '[.tenants[0].operations[].name] == ["four"]'
    ok migrate --format jsonl
    json -s '[.[] | select(.event == "operation") | .operation] == ["four"]'
}

# C3: down to 0, up again with new times, down to 2.
test_C3() {
    fleet 4 a
    ok migrate
    ok executed --format json
    first=$(jq -r '.tenants[0].operations[0].finished' "$scratch/out")
    ok rewind --yes
    ok executed
    same "$out" "No migrations were executed."
    sleep 0.05
    ok migrate
    ok executed --format json
    [ "$first" != "$(jq -r '.tenants[0].operations[0].finished' "$scratch/out")" ] || fail "the times are the old ones"
    ok rewind --to two
    ok executed --format json
    json '[.tenants[0].operations[].name] == ["one", "two"]'
    ok pending --format json
    json '[.tenants[0].operations[].name] == ["three", "four"]'
}

# C4: the model knows more than the chain, or another name: refused before anything is changed.
test_C4() {
    fleet 3 a
    ok migrate
    chain 2
    before=$(fingerprint models/a.db)
    exits 1 migrate
    says 'knows operation 3 `three`, which this chain lacks' 'newer'
    chain 3
    sed -i 's/name: three/name: drei/' chain.yaml
    exits 1 migrate
    says 'three' 'drei' '1 failed \(1 not begun\)|1 failed \(1 rolled back\)'
    same "$(fingerprint models/a.db)" "$before"
}

# C8: new writes numbered files and adds them to the chain; what comes out can be run both ways.
# Two environments, merged by number: all of both are applied in order; what is not there is warned of, what is empty is
# nothing, and a number or name that stands twice is refused before anything is touched.
test_E1() {
    project
    tenants a
    mkdir -p base/0001_first base/0003_third trial/0002_second empty
    echo "CREATE TABLE t_one(x INTEGER);" >base/0001_first/model.up.sql
    echo "DROP TABLE t_one;" >base/0001_first/model.down.sql
    echo "INSERT INTO t_one SELECT count(*) FROM t_two;" >base/0003_third/model.up.sql
    echo "DELETE FROM t_one;" >base/0003_third/model.down.sql
    echo "CREATE TABLE t_two(x INTEGER);" >trial/0002_second/model.sqlite.up.sql
    echo "DROP TABLE t_two;" >trial/0002_second/model.sqlite.down.sql
    cat >chain.yaml <<'END'
chain: numbers
migrations:
  - {dir: base, format: native, environment: base}
  - {dir: trial, format: native, environment: trial}
  - {dir: empty, format: native}
  - {dir: gone, format: native, environment: later}
END
    ok migrate
    complains 'chain.yaml:6: the folder `gone` of environment `later` is not there: nothing was taken from it'
    same "$(tables_of a)" "t_one t_two"
    ok executed
    says '^ +1  first ' '^ +2  second ' '^ +3  third '
    mkdir trial/0003_again
    echo "CREATE TABLE t_three(x INTEGER);" >trial/0003_again/model.up.sql
    exits 78 migrate
    complains '/trial/0003_again: .*3.*`third`'
    mv trial/0003_again trial/0004_first
    exits 78 migrate
    complains '/trial/0004_first: .*`first`'
    mv trial/0004_first trial/fourth
    exits 78 migrate
    complains '/trial/fourth: a migration.s folder is called NUMBER_NAME'
    mv trial/fourth trial/0004_fourth
    mv trial/0004_fourth/model.up.sql trial/0004_fourth/up.sql
    exits 78 migrate
    complains '/trial/0004_fourth/up.sql is none of the files of a migration'
    rm -r trial/0004_fourth
    ok rewind --yes
    same "$(tables_of a)" ""
}

# An environment whose last migration fails takes nothing with it.
test_E2() {
    project
    tenants a
    mkdir -p base/1_first base/2_second
    echo "CREATE TABLE t_one(x INTEGER);" >base/1_first/model.up.sql
    echo "CREATE TABLE t_one(x INTEGER);" >base/2_second/model.up.sql
    printf 'chain: numbers\nmigrations:\n  - {dir: base, format: native}\n' >chain.yaml
    exits 1 migrate
    says 'table t_one already exists' 'base/2_second/model.up.sql:1'
    same "$(tables_of a)" ""
    ok status
    says 'version 0 +1 '
}

test_C8() {
    project
    tenants a
    cat >chain.yaml <<'END'
# our chain
chain: shop # a name
operations:
  # the first of all
  - name: one
    tables: {create: ["t_one(x INTEGER)"]}

# what follows the operations
END
    ok new t_loyalty
    says '^sql/0002_t_loyalty.up.sql$' '^sql/0002_t_loyalty.down.sql$' 'operation 2 t_loyalty added'
    grep -q '^# our chain$' chain.yaml && grep -q '  # the first of all' chain.yaml ||
        fail "a comment is gone: $(cat chain.yaml)"
    same "$(tail -n 1 chain.yaml)" "# what follows the operations"
    ok validate
    ok migrate
    same "$(tables_of a)" "t_loyalty t_one"
    ok rewind --yes
    same "$(tables_of a)" ""
    exits 64 new "no name"
    exits 64 new
}

# new finds its place in chains of several layouts, or says what to add by hand.
test_new_layouts() {
    project
    tenants a
    printf 'chain: shop\noperations: []\n' >chain.yaml
    ok new one
    ok new two
    ok pending --format json
    json '[.tenants[0].operations[].name] == ["one", "two"]'

    printf 'operations:\n- name: one\n  sql:\n    model: {up: "SELECT 1"}\nchain: shop' >chain.yaml
    rm -rf sql
    ok new two
    ok pending --format json
    json '[.tenants[0].operations[].name] == ["one", "two"]'

    # Explicit orders: the new one comes last all the same.
    printf 'chain: shop\r\noperations:\r\n  - {name: one, order: 40, sql: {model: {up: "SELECT 1"}}}\r\n' >chain.yaml
    rm -rf sql
    ok new two
    says 'sql/0041_two.up.sql'
    ok pending --format json
    json '[.tenants[0].operations[] | [.order, .name]] == [[40, "one"], [41, "two"]]'

    printf 'chain: shop\noperations: [{name: one, sql: {model: {up: "SELECT 1"}}}]\n' >chain.yaml
    rm -rf sql
    before=$(cat chain.yaml)
    exits 78 new two
    complains 'add this at the end of its operations' '- name: two' 'up_file: sql/0002_two.up.sql'
    same "$(cat chain.yaml)" "$before"
    [ -z "$(find . -name '.mtnt-new-*')" ] || fail "a temporary file is left"
}

# E6: an operation that arrives late is refused, or allowed by the flag; never skipped in silence.
test_E6() {
    fleet 1 a
    printf 'chain: numbers\noperations:\n  - {name: two, order: 2, tables: {create: ["t_two(x INTEGER)"]}}\n' >chain.yaml
    ok migrate
    printf '  - {name: one, order: 1, tables: {create: ["t_one(x INTEGER)"]}}\n' >>chain.yaml
    exits 1 migrate
    says '`one`|one'
    same "$(tables_of a)" "t_two"
    ok migrate --allow-out-of-order
    same "$(tables_of a)" "t_one t_two"
    ok pending
    same "$out" "No migrations pending."
}

# One tenant fails in the middle of the fleet: it is whole, the others are done, the sums add up, and the next run has
# only it left.
test_one_fails() {
    project
    tenants a b broken c d
    sql models/broken.db "CREATE TABLE t_two(in_the_way INTEGER)"
    chain 3
    exits 1 migrate -j 2
    says 'broken   failed at 2 two \(model\) +rolled back, nothing changed' \
        'already exists' \
        'next: .*mtnt-model migrate --tenant broken' \
        '^5 tenants: 4 migrated, 0 already current, 1 failed \(1 rolled back\), 0 untouched   in ' \
        '^run 1 . exit 1$'
    same "$(tables_of broken)" "t_two"
    for id in a b c d; do
        same "$(tables_of $id)" "t_one t_three t_two"
    done
    exits 1 migrate --format json
    json '.total == .migrated + .current + .failed + .untouched and .current == 4 and .failed == 1'
    json '.failures | length == 1 and .[0].tenant == "broken" and .[0].failed.operation == "two"'
    sql models/broken.db "DROP TABLE t_two"
    ok migrate
    says '1 migrated, 4 already current, 0 failed'
    ok migrate
    says '0 migrated, 5 already current, 0 failed'
}

test_on_error_stop() {
    project
    tenants a1 a2 a3 a4 a5 a6 a7 a8
    sql models/a1.db "CREATE TABLE t_one(in_the_way INTEGER)"
    chain 1
    exits 1 migrate -j 1 --on-error stop --format json
    json '.failed == 1 and .untouched > 0 and .total == 8 and .total == .migrated + .current + .failed + .untouched'
    ok migrate --exclude a1
}

test_selection() {
    project
    chain 1
    mkdir models
    cat >tenants.yaml <<'END'
defaults: {model: "sqlite:models/{id}.db"}
tenants:
  - {id: a, labels: [tier=gold, region=eu]}
  - {id: b, labels: [tier=gold, region=us]}
  - {id: c, labels: [tier=free]}
END
    for id in a b c; do sql "models/$id.db" "CREATE TABLE made(at TEXT)"; done
    ok migrate --tenant a --tenant c --format json
    json '.total == 2 and .migrated == 2'
    same "$(tables_of b)" ""
    ok migrate --where tier=gold --format json
    json '.total == 2 and .migrated == 1 and .current == 1'
    ok rewind --where tier=gold --where region=us --yes --format json
    json '.total == 1 and .migrated == 1'
    ok status --exclude b --format json
    json '[.tenants[].id] == ["a", "c"]'
    ok migrate --where tier=none
    says '^0 tenants: 0 migrated'
    complains 'no tenant is selected'
    before=$(fingerprint models/a.db models/b.db models/c.db)
    exits 64 migrate --tenant b --tenant x --tenant cc
    complains 'has no tenant x$' 'has no tenant cc; did you mean c\?'
    same "$(fingerprint models/a.db models/b.db models/c.db)" "$before"
    MTNT_TENANT=a,b ok status --format json
    json '[.tenants[].id] == ["a", "b"]'
}

test_sources() {
    fleet 1 a b
    ok migrate --tenants - --format json <tenants.yaml
    json '.migrated == 2'
    printf '{"tenants": [{"id": "c", "model": "sqlite:models/c.db"}]}' >c.json
    sql models/c.db "CREATE TABLE made(at TEXT)"
    ok migrate --tenants - --format json <c.json
    json '.total == 1 and .migrated == 1'

    printf 'source: {glob: "models/*.db"}\n' >glob.yaml
    sql models/d.db "CREATE TABLE made(at TEXT)"
    ok migrate --tenants glob.yaml --format json
    json '.total == 4 and .migrated == 1 and .current == 3'

    sql controller.db "CREATE TABLE customers(id TEXT, active INTEGER); INSERT INTO customers VALUES('a', 1), ('e', 1), ('f', 0)"
    sql models/e.db "CREATE TABLE made(at TEXT)"
    printf 'defaults: {model: "sqlite:models/{id}.db"}\nsource: {query: "SELECT id FROM customers WHERE active"}\n' >query.yaml
    ok migrate --tenants query.yaml --format json
    json '.migrated == 1 and .current == 1'
    same "$(tables_of e)" "t_one"
    ok status --format json --tenants query.yaml
    json '[.tenants[].id] | sort == ["a", "e"]'
}

# rewind --run takes back what one run has applied, and nothing else.
test_rewind_run() {
    fleet 1 a b
    ok migrate --tenant a
    chain 2
    ok migrate --format json
    number=$(jq .run "$scratch/out")
    ok rewind --run "$number" --format json
    same "$(tables_of a)" "t_one"
    same "$(tables_of b)" ""
}

# The controller says what the models are at; nothing is opened for tenants that are current.
test_current_is_not_opened() {
    fleet 1 a b
    ok migrate
    mv models elsewhere
    ok migrate
    says '0 migrated, 2 already current'
    ok status --exit-code
    chain 2
    exits 3 status --exit-code
    exits 3 pending --exit-code
    exits 3 plan --exit-code
}

# One whose place has changed since is looked at there, and said to be current by its own tables.
test_current_elsewhere_is_opened() {
    fleet 2 a b
    ok migrate
    mv models elsewhere
    ok migrate
    tenant_places=$(sed 's/models/elsewhere/' tenants.yaml)
    echo "$tenant_places" >tenants.yaml
    mv elsewhere/b.db hidden
    exits 1 migrate
    says '0 migrated, 1 already current, 1 failed'
    mv hidden elsewhere/b.db
    ok migrate
    says '0 migrated, 2 already current'
}

# An operation that writes both sides: they are in step whatever happens.
test_both_sides() {
    project
    tenants a b
    sql models/b.db "CREATE TABLE t_two(in_the_way INTEGER)"
    sql controller.db "CREATE TABLE customers(id TEXT PRIMARY KEY, ready INTEGER DEFAULT 0); INSERT INTO customers(id) VALUES('a'), ('b')"
    cat >chain.yaml <<'END'
chain: both
operations:
  - name: one
    sql:
      model: {up: "CREATE TABLE t_one(x INTEGER)", down: "DROP TABLE t_one"}
      controller: {up: "UPDATE customers SET ready = 1 WHERE id = :'tenant'", down: "UPDATE customers SET ready = 0 WHERE id = :'tenant'"}
  - name: two
    tables: {create: ["t_two(x INTEGER)"]}
END
    exits 1 migrate
    says 'guarantee: atomic across controller and model \(super-journal\)'
    same "$(sql controller.db "SELECT group_concat(id || ready) FROM customers")" "a1,b0"
    same "$(tables_of a)" "t_one t_two"
    same "$(tables_of b)" "t_two"
    ok rewind --yes
    same "$(sql controller.db "SELECT group_concat(id || ready) FROM customers")" "a0,b0"
}

test_plan() {
    fleet 2 a b
    ok migrate --tenant a
    chain 3
    ok plan
    says '1 tenant at version 2: a' '1 tenant at version 0: b' 'guarantee: atomic in each model \(single\)' \
        'CREATE TABLE t_three' '^2 tenants: 2 to migrate, 0 with nothing to do, 0 would be refused$'
    ok plan --to two
    says '1 to migrate, 1 with nothing to do'
    says_not 't_three'
    ok plan --format json
    json '.summary.to_migrate == 2 and ([.groups[].operations | length] | sort == [1, 3])'
    before=$(fingerprint controller.db models/a.db models/b.db)
    ok plan
    same "$(fingerprint controller.db models/a.db models/b.db)" "$before"
}

test_doctor() {
    fleet 2 a b
    ok doctor
    says 'not there yet' '2 tenants, not opened'
    [ ! -e controller.db ] || fail "doctor has made a controller"
    ok migrate
    ok doctor
    says 'SQLite 3\.' '2 tenants: 2 ready, 0 with a problem' 'atomic in each model'
    echo "this is no database, and it is long enough to have a header" >models/b.db
    exits 1 doctor
    says '1 ready, 1 with a problem' 'file is not a database'
    exits 1 doctor --format json
    json '.summary.problems == 1 and (.tenants[] | select(.id == "b") | .holds == false)'
}

# Two files in one transaction need rollback journals: refused before any work otherwise, and doctor knows it.
test_guarantee_refused() {
    fleet 1 a b
    sql models/b.db "PRAGMA journal_mode = wal" >/dev/null
    sql controller.db "CREATE TABLE seen(id TEXT)"
    cat >chain.yaml <<'END'
chain: both
operations:
  - name: one
    sql:
      model: {up: "CREATE TABLE t_one(x INTEGER)"}
      controller: {up: "INSERT INTO seen VALUES(:'tenant')"}
END
    exits 1 migrate
    says 'b   failed +nothing changed' 'wal|WAL' '1 migrated, 0 already current, 1 failed'
    same "$(tables_of b)" ""
    exits 1 doctor
    says '1 ready, 1 with a problem' 'wal|WAL'
}

# A binary of one's own has the whole command line, with its operations in C beside those of the files.
test_own_binary() {
    fleet 1 a b
    sql controller.db "CREATE TABLE customers(id TEXT, seats INTEGER); INSERT INTO customers VALUES('a', 3), ('b', 4)"
    cat >chain.yaml <<'END'
chain: shop
operations:
  - name: settings
    tables: {create: ["settings(name TEXT, value INTEGER)"]}
END
    MTNT_BIN=$MTNT_TEST_BUILD_DIR/examples/seats
    ok migrate
    says '2 operations' '2 migrated'
    same "$(sql models/b.db "SELECT value FROM settings WHERE name = 'seats'")" 4
    ok undo
    same "$(sql models/b.db "SELECT count(*) FROM settings")" 0
}

# C5: a backup before the first change, none for a new model and none when nothing is to be done; by flag, environment, file.
test_C5() {
    fleet 3 a b
    for id in a b; do
        sql "models/$id.db" "DROP TABLE made"
    done
    ok migrate --to one --backup saved
    [ ! -e saved ] || fail "new models were backed up"
    ok migrate --to two --backup saved
    for id in a b; do
        same "$(find "saved/$id" -type f | wc -l)" 1
        file=$(echo "saved/$id"/*-v1-*.db)
        same "$(sql "$file" "SELECT name FROM mtnt_applied")" one
        same "$(sql "$file" "SELECT count(*) FROM sqlite_schema WHERE name IN ('t_one', 't_two')")" 1
        same "$(sql "$file" "PRAGMA integrity_check")" ok
    done
    MTNT_BACKUP=saved ok migrate
    same "$(find saved -name '*-v2-*.db' | wc -l)" 2
    MTNT_BACKUP=saved ok migrate
    same "$(find saved -type f | wc -l)" 4
    # A backup is a model like any other: put back, it is migrated on.
    file=$(echo saved/a/*-v1-*.db)
    cp "$file" models/a.db
    sql controller.db "UPDATE mtnt_tenant SET digest = '' WHERE tenant = 'a'"
    echo "backup: elsewhere" >>mtnt.yaml
    ok migrate
    same "$(tables_of a)" "t_one t_three t_two"
    same "$(find elsewhere -type f | wc -l)" 1
    echo >taken
    exits 1 undo --backup taken
    says 'taken is not a folder' 'nothing changed'
    same "$(tables_of a)" "t_one t_three t_two"
}

# A snapshot before what cannot be rolled back. What a later failure leaves as it was saved needs no restore; what nobody can tell apart from
# somebody else's writes is not restored, and the tenant waits for a person, who is told where the snapshot is.
test_snapshot() {
    fleet 1 a
    cat >chain.yaml <<'END'
chain: numbers
operations:
  - name: one
    tables: {create: ["t_one(x INTEGER)"]}
  - name: before_vacuum
    snapshot: {dir: kept}
  - name: vacuum
    transaction: none
    sql:
      model: {up: "VACUUM", down: "SELECT 1"}
  - name: bad
    sql:
      model: {up: "INSERT INTO nowhere VALUES(1)", down: "SELECT 1"}
END
    ok migrate --to one
    before=$(sql models/a.db .dump)
    exits 1 migrate
    says 'failed at 4 bad' 'no such table: nowhere'
    same "$(sql models/a.db .dump | grep -v mtnt_)" "$(echo "$before" | grep -v mtnt_)"
    same "$(find kept/a -name 'v2-before_vacuum-*.db' | wc -l)" 1
    same "$(sql "$(echo kept/a/*.db)" "SELECT at FROM made")" before
    ok status --format json
    json '.tenants[0].version == 1 and .summary.failed == 1'
    sed -i 's/INSERT INTO nowhere VALUES(1)/SELECT 1/' chain.yaml
    ok migrate
    same "$(find kept/a -name '*.db' | wc -l)" 2
    # Back: nothing is restored, and nothing is written over.
    ok rewind --to one
    same "$(tables_of a)" "t_one"
    sed -i 's/up: "VACUUM"/up: "DELETE FROM made"/; s/up: "SELECT 1"/up: "INSERT INTO nowhere VALUES(1)"/' chain.yaml
    # What only this migration has written is restored, an operation without a way back included.
    sed -i 's/, down: "SELECT 1"//' chain.yaml
    exits 1 migrate
    says 'failed at 4 bad' 'no such table: nowhere'
    same "$(sql models/a.db "SELECT at FROM made")" before
    same "$(find kept/a -name '*.db' | wc -l)" 3
    ok status --format json
    json '.tenants[0].state == "idle" and .tenants[0].version == 1'
    # Somebody else, between two of its steps.
    cat >beside.sh <<'END'
#!/bin/sh
sqlite3 "$PWD/models/a.db" "INSERT INTO made VALUES('customer')"
END
    chmod +x beside.sh
    sed -i "s|^  - name: bad|  - name: beside\n    transaction: none\n    exec: {command: [\"$PWD/beside.sh\"], undo: [\"true\"]}\n&|" chain.yaml
    exits 1 migrate
    says 'Nothing was restored' 'kept/a/v2-before_vacuum-'
    same "$(sql models/a.db "SELECT at FROM made")" customer
    same "$(find kept/a -name '*.db' | wc -l)" 4
    ok status --format json
    json '.tenants[0].state == "rollback_failed"'
}

test_recover_nothing() {
    fleet 1 a
    ok migrate
    ok recover
    same "$out" "Nothing to be recovered"
    ok recover --format json
    json '.summary.interrupted == 0'
}

cli_main "$@"
