# shellcheck shell=sh
# Everything once: a fleet with one broken tenant, forward, back, asked about, repaired.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

test_end_to_end() {
    project
    tenants a b c broken
    sql models/broken.db "CREATE TABLE ready(in_the_way INTEGER)"
    sql controller.db "CREATE TABLE customers(id TEXT PRIMARY KEY, ready INTEGER DEFAULT 0); INSERT INTO customers(id) VALUES('a'), ('b'), ('c'), ('broken')"
    cat >chain.yaml <<'END'
chain: shop
operations:
  - name: contacts
    tables: {create: ["contacts(id INTEGER PRIMARY KEY, name TEXT)", "notes(at TEXT)"]}
  - name: ready
    sql:
      model: {up: "CREATE TABLE ready(x INTEGER)", down: "DROP TABLE ready"}
      controller: {up: "UPDATE customers SET ready = 1 WHERE id = :'tenant'", down: "UPDATE customers SET ready = 0 WHERE id = :'tenant'"}
  - name: program
    exec: {command: ["true"], undo: ["true"]}
  - name: check
    verify: [{model: "SELECT count(*) FROM contacts", expect: "0"}]
END
    ok validate
    ok plan
    exits 1 migrate -j 3 --log-file log
    says '4 tenants: 3 migrated, 0 already current, 1 failed \(1 rolled back\), 0 untouched'
    ok status
    ok status --format json
    json '.summary.current == 3 and .summary.failed == 1'
    ok doctor --format json
    ok new loyalty
    exits 1 migrate --format jsonl
    sql models/broken.db "DROP TABLE ready"
    ok migrate --format json
    json '.migrated == 1 and .current == 3'
    ok undo --tenant a
    ok rewind --to contacts
    ok executed
    ok pending
    ok reset --yes
    ok recover
    exits 78 migrate --chain nowhere.yaml
    exits 64 migrate --tenant nobody
}

cli_main "$@"
