# shellcheck shell=sh
# The same on PostgreSQL ($MTNT_TEST_PG: a private server): databases and schemas as models, PostgreSQL as controller.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"

two_operations() {
    cat >chain.yaml <<'END'
chain: crm
operations:
  - name: contacts
    sql:
      model: {up: "CREATE TABLE contacts(id INTEGER PRIMARY KEY, name TEXT NOT NULL)", down: "DROP TABLE contacts"}
  - name: ready
    sql:
      model: {up: "CREATE TABLE ready(x INTEGER)", down: "DROP TABLE ready"}
      controller: {up: "UPDATE customers SET ready = 1 WHERE id = :'tenant'", down: "UPDATE customers SET ready = 0 WHERE id = :'tenant'"}
END
}

customers="CREATE TABLE customers(id TEXT PRIMARY KEY, ready INTEGER NOT NULL DEFAULT 0); INSERT INTO customers(id) VALUES('a'), ('b')"

# A database for each tenant; controller and models are both written: two-phase.
test_databases() {
    with_server
    create_database ctl a b
    query "${base}_ctl" -c "$customers"
    query "${base}_b" -c "CREATE TABLE ready(in_the_way INTEGER)"
    two_operations
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(uri ctl)" >mtnt.yaml
    printf 'tenants:\n  - {id: a, model: "%s"}\n  - {id: b, model: "%s"}\n' "$(uri a)" "$(uri b)" >tenants.yaml
    ok validate
    exits 1 migrate
    says 'guarantee: atomic across controller and model \(two-phase\)' \
        'b   failed at 2 ready \(model\) +rolled back, nothing changed' '\(42P07\)' \
        '^2 tenants: 1 migrated, 0 already current, 1 failed \(1 rolled back\), 0 untouched'
    same "$(query "${base}_ctl" -c "SELECT string_agg(id || ready, ',' ORDER BY id) FROM customers")" "a1,b0"
    same "$(has_table a contacts)$(has_table b contacts)" 10
    same "$(prepared)" 0
    # Another controller's on the same server is not counted; one of ours is.
    query "${base}_ctl" -c BEGIN -c "PREPARE TRANSACTION 'mtnt:no-other:a:$base'"
    ok status
    says 'prepared transactions 0' '1 current, 0 pending, 1 failed'
    ours=$(query "${base}_ctl" -c "SELECT left(value, 8) FROM mtnt_meta WHERE key = 'controller'")
    query "${base}_ctl" -c BEGIN -c "PREPARE TRANSACTION 'mtnt:$ours:a:$base'"
    ok status
    says 'prepared transactions 1'
    query "${base}_ctl" -c "ROLLBACK PREPARED 'mtnt:no-other:a:$base'" -c "ROLLBACK PREPARED 'mtnt:$ours:a:$base'"
    query "${base}_b" -c "DROP TABLE ready"
    ok migrate
    says '1 migrated, 1 already current'
    ok doctor
    says 'PostgreSQL [0-9]+' '2 ready, 0 with a problem' 'two-phase'
    ok rewind --yes
    same "$(query "${base}_ctl" -c "SELECT string_agg(id || ready, ',' ORDER BY id) FROM customers")" "a0,b0"
    same "$(has_table a contacts)$(has_table b contacts)" 00
}

# A schema for each tenant in the controller's own database: one transaction.
test_schemas() {
    with_server
    create_database ctl
    query "${base}_ctl" -c "$customers; CREATE SCHEMA a; CREATE SCHEMA b"
    two_operations
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(uri ctl)" >mtnt.yaml
    printf 'tenants:\n  - {id: a, model: "%s", schema: a}\n  - {id: b, model: "%s", schema: b}\n' "$(uri ctl)" "$(uri ctl)" >tenants.yaml
    # The controller's customers are not on the model's search path, and the other way round.
    sed -i 's/UPDATE customers/UPDATE public.customers/g' chain.yaml
    ok migrate
    says 'guarantee: atomic across controller and model \(single transaction\)' '2 migrated'
    same "$(has_table ctl contacts a)$(has_table ctl contacts b)$(has_table ctl contacts public)" 110
    same "$(query "${base}_ctl" -c "SELECT string_agg(id || ready, ',' ORDER BY id) FROM customers")" "a1,b1"
    ok rewind --yes
    same "$(has_table ctl contacts a)" 0
}

# PostgreSQL controller, SQLite models: the controller is prepared, the model decides.
test_postgres_and_sqlite() {
    with_server
    create_database ctl
    query "${base}_ctl" -c "$customers"
    two_operations
    tenants a b
    sql models/b.db "CREATE TABLE ready(in_the_way INTEGER)"
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(uri ctl)" >mtnt.yaml
    exits 1 migrate
    says 'two-phase' '1 migrated, 0 already current, 1 failed'
    same "$(query "${base}_ctl" -c "SELECT string_agg(id || ready, ',' ORDER BY id) FROM customers")" "a1,b0"
    same "$(prepared)" 0
    ok doctor --tenant a
    says 'two-phase'
}

# ---- through a pgbouncer in transaction mode ----

leave_pgbouncer() {
    sh "$MTNT_TEST_SOURCE_DIR/tests/pgbouncer.sh" stop "$scratch/pgbouncer" || true
    drop_databases
}

# with_pgbouncer POOL
with_pgbouncer() {
    undo=leave_pgbouncer
    chmod 711 "$scratch"
    settings=$(sh "$MTNT_TEST_SOURCE_DIR/tests/pgbouncer.sh" start "$scratch/pgbouncer" "$1")
    eval "$settings"
}

# The URI of a database of this test, through it.
pooled() {
    echo "postgresql:///${base}_$1?$(echo "$MTNT_TEST_PG_THROUGH" | tr ' ' '&')"
}

# One server connection for all of it: nothing waits for what it holds itself, and no session keeps anything.
test_pgbouncer() {
    with_pgbouncer 1
    create_database ctl a b
    query "${base}_ctl" -c "$customers"
    two_operations
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(pooled ctl)" >mtnt.yaml
    printf 'tenants:\n  - {id: a, model: "%s"}\n  - {id: b, model: "%s"}\n' "$(pooled a)" "$(pooled b)" >tenants.yaml
    ok doctor
    says '2 ready, 0 with a problem' 'two-phase'
    ok migrate -j 2
    says 'guarantee: atomic across controller and model \(two-phase\)' '2 migrated'
    same "$(query "${base}_ctl" -c "SELECT string_agg(id || ready, ',' ORDER BY id) FROM customers")" "a1,b1"
    same "$(has_table a contacts)$(has_table b contacts)$(prepared)" 110
    ok status
    says '2 current, 0 pending, 0 failed' 'prepared transactions 0'
    ok rewind --yes
    same "$(query "${base}_ctl" -c "SELECT string_agg(id || ready, ',' ORDER BY id) FROM customers")" "a0,b0"
    ok recover
    says 'Nothing to be recovered'
    # What another client has left in the only session is not ours.
    psql -X -q "$MTNT_TEST_PG_THROUGH dbname=${base}_ctl" -c "SET lock_timeout = '1ms'; SET default_transaction_read_only = on"
    ok migrate
    says '2 migrated'
    same "$(query "${base}_ctl" -c "SELECT string_agg(id || ready, ',' ORDER BY id) FROM customers")" "a1,b1"
}

# The same with SQLite models: the controller is prepared through it. Killed in the middle, and settled.
test_pgbouncer_killed() {
    with_pgbouncer 3
    create_database ctl
    query "${base}_ctl" -c "$customers"
    two_operations
    sed -i "s/model: {up: \"CREATE TABLE ready/controller_postgres: {up: \"SELECT pg_sleep(600)\", down: \"SELECT 1\"}\n      &/; /controller: {up/d" chain.yaml
    tenants a b
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(pooled ctl)" >mtnt.yaml
    "$MTNT_BIN" migrate -j 1 >"$scratch/out" 2>"$scratch/err" &
    child=$!
    waited=0
    until [ "$(query postgres -c "SELECT count(*) FROM pg_stat_activity WHERE datname = '${base}_ctl' AND query LIKE 'SELECT pg_sleep%'")" = 1 ]; do
        sleep 0.1
        waited=$((waited + 1))
        [ "$waited" -lt 300 ] || fail "it does not come to the operation that takes long"
    done
    kill -s KILL "$child"
    wait "$child" 2>/dev/null || true
    sed -i "s/pg_sleep(600)/1/" chain.yaml
    ok status --format json
    json '.summary.interrupted >= 1'
    ok recover
    says '^a: rolled back$'
    same "$(tables_of a)$(prepared)" 0
    ok migrate
    says '2 migrated'
    same "$(prepared)" 0
    ok status
    says '2 current'
}

# A model cannot be made through it, and that is said before anything happens.
test_pgbouncer_no_model() {
    with_pgbouncer 2
    create_database ctl
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(pooled ctl)" >mtnt.yaml
    printf 'tenants:\n  - {id: new, model: "%s"}\n' "$(pooled new)" >tenants.yaml
    printf 'chain: c\noperations:\n  - name: make\n    create_model: {template: "CREATE TABLE t(x INTEGER)"}\n' >chain.yaml
    exits 1 migrate
    says 'its address leads through a pooler \(pgbouncer\)' "give the server's own address"
    same "$(query postgres -c "SELECT count(*) FROM pg_database WHERE datname LIKE '${base}_new' OR datname LIKE 'mtnt_new_%'")" 0
    # With the server's own address for the model it is made.
    made="$made ${base}_new"
    printf 'tenants:\n  - {id: new, model: "%s"}\n' "$(uri new)" >tenants.yaml
    ok migrate
    says '1 migrated'
}

# The fleet comes from a table of the controller.
test_query() {
    with_server
    create_database ctl a
    query "${base}_ctl" -c "CREATE TABLE customers(id TEXT PRIMARY KEY, dsn TEXT, active BOOLEAN)" \
        -c "INSERT INTO customers VALUES('a', '$(uri a)', true), ('gone', 'postgresql:///no_such_database', false)"
    cat >chain.yaml <<'END'
chain: crm
operations:
  - name: contacts
    tables: {create: ["contacts(id INTEGER PRIMARY KEY)"]}
END
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(uri ctl)" >mtnt.yaml
    printf 'source: {query: "SELECT id, dsn AS model FROM customers WHERE active"}\n' >tenants.yaml
    ok migrate --format json
    json '.total == 1 and .migrated == 1'
    ok status --format json
    json '[.tenants[].id] == ["a"] and .summary.prepared_transactions == 0'
}

test_failures() {
    with_server
    create_database ctl
    cat >chain.yaml <<'END'
chain: crm
operations:
  - name: contacts
    tables: {create: ["contacts(id INTEGER PRIMARY KEY)"]}
END
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(uri ctl)" >mtnt.yaml
    printf 'tenants:\n  - {id: a, model: "%s"}\n' "$(uri not_made)" >tenants.yaml
    exits 1 migrate
    says 'a   failed' "${base}_not_made" '1 failed \(1 (not begun|rolled back)\)'
    exits 1 doctor
    says '0 ready, 1 with a problem'
    exits 2 migrate --controller "$(uri no_controller)"
    complains "${base}_no_controller"
    exits 2 status --controller "$(uri no_controller)"

    # An error of several lines stays in the tenant's block.
    create_database b
    query "${base}_b" -c "CREATE TABLE t(x INTEGER UNIQUE); INSERT INTO t VALUES(1)"
    printf 'chain: crm\noperations:\n  - name: twice\n    sql:\n      model: {up: "INSERT INTO t VALUES(2);\\n\\n  INSERT INTO t VALUES(1);"}\n' >chain.yaml
    printf 'tenants:\n  - {id: b, model: "%s"}\n' "$(uri b)" >tenants.yaml
    exits 1 migrate
    says 'duplicate key value' '23505' 'next: fix the data, then   mtnt-model migrate --tenant b'
    same "$(query "${base}_b" -c "SELECT count(*) FROM t")" 1
    ok status
    says '1 ×  .*duplicate key value'
}

# Lanes on PostgreSQL: each has its own applied set, and psql reads from the controller where they stand.
test_lanes() {
    with_server
    create_database control a b
    cat >chain.yaml <<'END'
chain: crm
operations:
  - name: contacts
    sql: {model: {up: "CREATE TABLE contacts(id INTEGER PRIMARY KEY, name TEXT)", down: "DROP TABLE contacts"}}
  - name: by_name
    lane: slow
    transaction: none
    sql: {model: {up: "CREATE INDEX CONCURRENTLY by_name ON contacts(name)", down: "DROP INDEX CONCURRENTLY IF EXISTS by_name"}}
END
    printf 'tenants:\n  - {id: a, model: "%s"}\n  - {id: b, model: "%s"}\n' "$(uri a)" "$(uri b)" >tenants.yaml
    printf 'controller: %s\nchain: chain.yaml\ntenants: tenants.yaml\n' "$(uri control)" >mtnt.yaml
    lanes="SELECT lane, state, tenants, complete, failed, pending FROM mtnt_lane WHERE chain = 'crm' ORDER BY place"
    ok migrate --lane fast
    same "$(query "${base}_control" -c "$lanes")" "fast|complete|2|2|0|0
slow|pending|2|0|0|2"
    exits 3 wait --lane slow --timeout 1ms
    # Something else has the name in b.
    query "${base}_b" -c 'CREATE INDEX by_name ON contacts(id)'
    exits 1 migrate
    same "$(query "${base}_control" -c "$lanes")" "fast|complete|2|2|0|0
slow|failed|2|1|1|0"
    same "$(query "${base}_control" -c "SELECT tenant || state FROM mtnt_lane_tenant WHERE lane = 'slow' ORDER BY tenant")" "acomplete
bfailed"
    query "${base}_control" -c "SELECT error FROM mtnt_lane WHERE lane = 'slow'" | grep -q by_name || fail 'no error in the view'
    exits 1 wait --lane slow
    ok wait --lane slow --tenant a
    query "${base}_b" -c 'DROP INDEX IF EXISTS by_name'
    ok migrate
    ok wait
    same "$(query "${base}_control" -c "$lanes")" "fast|complete|2|2|0|0
slow|complete|2|2|0|0"
    same "$(query "${base}_a" -c "SELECT chain || ':' || name FROM mtnt_applied ORDER BY name DESC")" "crm:contacts
crm/slow:by_name"
    # Not run again because the file says another lane.
    sed -i '/lane: slow/d' chain.yaml
    exits 1 migrate --tenant a
    says 'operation 2 .by_name. of chain crm was applied in lane .slow., and the chain now has it in lane .fast.'
}

# Another tool's migrations are transactions of their own: what a value of an enum needs before it can be used.
test_brought() {
    with_server
    create_database a
    project
    printf 'tenants:\n  - {id: a, model: "%s"}\n' "$(uri a)" >tenants.yaml
    printf 'chain: brought\nmigrations:\n  - {dir: m, format: golang-migrate}\n' >chain.yaml
    mkdir m
    echo "CREATE TYPE colour AS ENUM ('blue'); CREATE TABLE t(c colour);" >m/1_a.up.sql
    ok migrate
    echo "ALTER TYPE colour ADD VALUE 'red';" >m/2_b.up.sql
    echo "INSERT INTO t VALUES('red');" >m/3_c.up.sql
    echo "CREATE INDEX CONCURRENTLY i ON t(c);" >m/4_d.up.sql
    echo "SELECT application_function();" >m/5_e.up.sql
    exits 1 migrate
    says 'failed at 5 5_e' 'function application_function\(\) does not exist' 'm/5_e.up.sql:1'
    echo "SELECT 1;" >m/5_e.up.sql
    ok migrate
    same "$(query "${base}_a" -c "SELECT c FROM t")" red
}

# More connections than the server has, and how many this process may have.
test_connections() {
    with_server
    create_database ctl a
    printf 'chain: crm\noperations:\n  - {name: one, sql: {model: {up: "CREATE TABLE one(x INTEGER)", down: "DROP TABLE one"}}}\n' >chain.yaml
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\nworkers: 100\n' "$(uri ctl)" >mtnt.yaml
    printf 'tenants:\n  - {id: a, model: "%s"}\n' "$(uri a)" >tenants.yaml
    ok migrate --connections 5 --format jsonl
    json -s '.[-1] | .workers == 1 and .migrated == 1'
    room=$(($(query postgres -c 'SHOW max_connections') - $(query postgres -c 'SHOW superuser_reserved_connections')))
    ok doctor
    says "a run with 100 workers may need 302 connections at the same time, and the controller's server has $room for all: fewer --workers, or --connections $room"
    ok doctor --format json
    json ".summary.connections == {workers: 100, needed: 302, available: $room}"
    echo 'connections: 60' >>mtnt.yaml
    ok doctor
    says_not 'may need'
    exits 78 migrate --connections 4
    complains 'connections: 4 are too few: a run with one worker may need 5 at the same time'
    sed -i 's/^connections.*/connections: 1/' mtnt.yaml
    exits 78 migrate
    complains 'mtnt.yaml:5.*connections. must be 2 to'
}

# The catalogue of a server: databases that have records, and schemas that have none.
test_verify() {
    with_server
    create_database ctl a b c
    cat >chain.yaml <<'CHAIN'
chain: crm
operations:
  - name: contacts
    sql:
      model:
        up: |
          CREATE TABLE contacts(id SERIAL PRIMARY KEY, name TEXT NOT NULL);
          CREATE FUNCTION shout(x TEXT) RETURNS TEXT LANGUAGE plpgsql AS $$
          BEGIN
            RETURN upper(x);
          END $$;
          CREATE VIEW loud AS SELECT shout(name) AS name FROM contacts
        down: DROP TABLE contacts CASCADE
CHAIN
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\nfingerprint: always\n' "$(uri ctl)" >mtnt.yaml
    printf 'tenants:\n' >tenants.yaml
    for id in a b c; do
        printf '  - {id: %s, model: "%s"}\n' "$id" "$(uri $id)" >>tenants.yaml
    done
    for id in d e f; do
        query "${base}_ctl" -c "CREATE SCHEMA $id"
        printf '  - {id: %s, model: "%s", schema: %s}\n' "$id" "$(uri ctl)" "$id" >>tenants.yaml
    done
    ok migrate -q
    ok verify --exit-code --format json
    json '[.tenants[] | .recorded] == [true, true, true, true, true, true]'
    json '[.tenants[] | .schema] | unique | length == 2'
    query "${base}_b" -c "CREATE OR REPLACE FUNCTION shout(x TEXT) RETURNS TEXT LANGUAGE plpgsql AS 'BEGIN
  RETURN lower(x);
END '"
    query "${base}_ctl" -c "ALTER TABLE e.contacts ADD COLUMN phone TEXT"
    exits 3 verify --exit-code
    says 'b   changed: ' 'e   changed: ' '^    - *RETURN upper\(x\);$' '^    \+ *RETURN lower\(x\);$' '^    \+ column contacts.phone text$' \
        '^schema: 1 tenant at version 1 \(PostgreSQL\) is unlike the 2 others$' '^6 tenants: 4 sound, 2 not as they should be, .* 2 unlike'
    # Nobody's record is of use any more, and nobody needs it.
    for id in a b c; do
        query "${base}_$id" -c "DELETE FROM mtnt_meta WHERE key = 'fingerprint'"
    done
    exits 3 verify --exit-code --tenant a --tenant b --tenant c
    says '^3 tenants: 3 sound, .* 1 unlike'
    # Swapped, restored, repaired.
    query "${base}_ctl" -c "UPDATE mtnt_tenant SET version = 9, digest = 'x' WHERE tenant = 'a'"
    exits 3 verify --exit-code --tenant a
    says 'a   behind: it is at version 1, and the controller says 9'
    ok verify --exit-code --tenant a --repair --yes
    same "$(query "${base}_ctl" -c "SELECT version FROM mtnt_tenant WHERE tenant = 'a'")" 1
    same "$(query "${base}_ctl" -c "SELECT count(*) FROM mtnt_audit")" 1
    sed -i "s/_b\([\"?]\)/_x\1/; s/_c\([\"?]\)/_b\1/; s/_x\([\"?]\)/_c\1/" tenants.yaml
    exits 3 verify --exit-code --tenant b --tenant c
    says 'b   swapped: it belongs to tenant c' 'c   swapped: it belongs to tenant b'
}

cli_main "$@"
