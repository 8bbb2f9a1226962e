# shellcheck shell=sh
# verify: what it finds in models that somebody else has touched, and what --repair makes of the controller's rows.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

version_of() {
    sql controller.db "SELECT version FROM mtnt_tenant WHERE tenant = '$1'"
}

# found ID KIND: alone, in JSON.
found() {
    exits 3 verify --exit-code --format json
    json --arg id "$1" --arg kind "$2" '[.tenants[] | select(.findings != []) | {id, kinds: [.findings[].kind]}] == [{id: $id, kinds: [$kind]}]'
}

test_sound() {
    fleet 3 a b c
    ok migrate -q
    before=$(fingerprint controller.db models/*)
    ok verify --exit-code
    says '^3 tenants: 3 sound, 0 not as they should be, 0 could not be looked at; 0 unlike their siblings$'
    says_not 'compared with nothing'
    ok verify -v --tenant b
    says '^b: sound, version 3$'
    ok verify --format json
    json '[.tenants[] | [.id, .sound, .version, .known_version, .recorded, .findings]] == [["a", true, 3, 3, true, []], ["b", true, 3, 3, true, []], ["c", true, 3, 3, true, []]]'
    json '[.tenants[].schema] | unique | length == 1'
    json '.summary == {tenants: 3, sound: 3, unsound: 0, failed: 0, unlike: 0, repaired: 0, put_away: 0, alone: 0, variants: []}'
    ok verify --format jsonl -j 1
    json -s 'length == 4 and .[3].event == "summary"'
    same "$(fingerprint controller.db models/*)" "$before"
    # Those that were never migrated are nobody's drift.
    tenants a b c later
    ok verify --exit-code
    says '^4 tenants: 4 sound'
}

test_changed_by_hand() {
    fleet 3 a b c d e
    ok migrate -q
    for id in b d; do
        sql models/$id.db "CREATE INDEX by_hand ON t_one (x); ALTER TABLE t_two ADD COLUMN y TEXT"
    done
    ok verify
    says '^. b   changed: its schema is not what its last migration has left' '^. d   changed: ' \
        '^schema: 2 tenants at version 3 \(SQLite\) are unlike the 3 others$' '^    b, d$' \
        '^    \+ index t_one.by_hand on t_one\(x\)$' '^    \+ column t_two.y text$' \
        '^5 tenants: 3 sound, 2 not as they should be, 0 could not be looked at; 2 unlike their siblings$'
    says_not '^    - '
    exits 3 verify --exit-code --format json
    json '.summary.variants[0] | {version, backend, tenants, siblings, changed, undecided, examples, diff}
          == {version: 3, backend: "sqlite", tenants: 2, siblings: 3, changed: 2, undecided: false, examples: ["b", "d"],
              diff: ["+ column t_two.y text", "+ index t_one.by_hand on t_one(x)"]}'
    # Data are no schema, and what is taken back by hand is forgotten.
    sql models/a.db "INSERT INTO t_one VALUES (1)"
    for id in b d; do
        sql models/$id.db "DROP INDEX by_hand; ALTER TABLE t_two DROP COLUMN y"
    done
    ok verify --exit-code
}

test_without_records() {
    fleet 2 a b c
    ok migrate -q --fingerprint never
    sql models/c.db "CREATE TABLE more (x INTEGER)"
    exits 3 verify --exit-code
    says '^schema: 1 tenant at version 2 \(SQLite\) is unlike the 2 others$' '^    \+ table more$' '^3 tenants: 3 sound, .* 1 unlike its siblings'
    ok verify --tenant c
    says '^1 schema was compared with nothing'
    # Two and two: nothing says which.
    sql models/b.db "CREATE TABLE more (x INTEGER)"
    ok verify --exclude a --exit-code
    sql models/b.db "DROP TABLE more"
    exits 3 verify --exclude a --exit-code
    says 'nothing says which is right'
    # A record that would not hold any more goes.
    chain 3
    ok migrate -q
    same "$(sql models/a.db "SELECT count(*) FROM mtnt_meta WHERE key = 'fingerprint'")" 1
    chain 4
    ok migrate -q --fingerprint never
    same "$(sql models/a.db "SELECT count(*) FROM mtnt_meta WHERE key = 'fingerprint'")" 0
}

test_restored() {
    fleet 2 a b c
    ok migrate -q
    cp models/b.db b.backup
    chain 3
    ok migrate -q
    cp b.backup models/b.db
    found b behind
    ok verify
    says 'b   behind: it is at version 2, and the controller says 3 \(it lacks `three`\): restored from an older backup' \
        'next: if the model is right:   mtnt-model verify --repair --yes --tenant b; else restore it'
    # migrate believes the controller: that is why it has to be put right.
    ok migrate -q
    same "$(tables_of b)" "t_one t_two"
    exits 64 verify --repair
    complains 'nothing was changed; with --yes'
    same "$(version_of b)" 3
    before=$(fingerprint models/*)
    ok verify --repair --yes --reason 'the disk of Monday'
    says 'b   behind, repaired: ' '^1 repaired in the controller$'
    same "$(fingerprint models/*)" "$before"
    same "$(version_of b) $(version_of a)" "2 3"
    same "$(sql controller.db "SELECT status FROM mtnt_operation WHERE tenant = 'b' ORDER BY position" | tr '\n' ' ')" "COMPLETED COMPLETED ROLLED_BACK "
    same "$(sql controller.db "SELECT tenant, reason FROM mtnt_audit")" "b|verify --repair: version 3 → 2: the disk of Monday"
    ok verify --exit-code
    ok migrate -q
    same "$(tables_of b)" "t_one t_three t_two"
    ok verify --exit-code
}

test_controller_restored() {
    fleet 2 a b
    ok migrate -q
    cp controller.db controller.backup
    chain 3
    ok migrate -q
    cp controller.backup controller.db
    ok verify
    says 'a   ahead: it is at version 3 \(with `three`\), and the controller says 2: ' 'b   ahead: '
    ok verify --repair --yes
    says '2 repaired in the controller'
    same "$(version_of a) $(version_of b)" "3 3"
    ok verify --exit-code
    ok status --exit-code
}

test_swapped() {
    fleet 2 a b c
    ok migrate -q
    mv models/a.db x
    mv models/b.db models/a.db
    mv x models/b.db
    exits 3 verify --exit-code
    says 'a   swapped: it belongs to tenant b: ' 'b   swapped: it belongs to tenant a: ' 'next: put the model of a at ' '^3 tenants: 1 sound, 2 not as'
    # Nobody's word makes one tenant's data another's.
    ok verify --repair --yes
    says_not 'repaired'
    exits 3 verify --exit-code
}

test_who_it_is() {
    fleet 2 a b c d e
    ok migrate -q
    rm models/a.db
    rm models/b.db
    sql models/b.db "CREATE TABLE t_one (x INTEGER)"
    sql models/c.db "UPDATE mtnt_meta SET value = '0123456789abcdef0123456789abcdef' WHERE key = 'model_uuid'"
    sql models/d.db "UPDATE mtnt_meta SET value = '0123456789abcdef0123456789abcdef' WHERE key = 'controller'"
    echo rubbish >models/e.db
    exits 1 verify --exit-code --format json
    json '[.tenants[] | .findings[0].kind] == ["missing", "unmarked", "replaced", "foreign", "unreachable"]'
    json '[.tenants[].findings | length] == [1, 1, 1, 1, 1]'
    json '.summary | [.sound, .unsound, .failed] == [0, 4, 1]'
    exits 1 verify --repair --yes
    says 'c   replaced, repaired' '^1 repaired in the controller'
    same "$(sql controller.db "SELECT model_uuid FROM mtnt_tenant WHERE tenant = 'c'")" 0123456789abcdef0123456789abcdef
    ok migrate -q --tenant c
}

test_history() {
    fleet 3 a b
    ok migrate -q
    chain 2
    ok verify
    says 'a   history: tenant a knows operation 3 `three`, which this chain lacks'
    chain 3
    sed 's/t_two(x INTEGER)/t_two(y TEXT)/' chain.yaml >c && mv c chain.yaml
    ok verify
    says 'a   history: tenant a: operation 2 `two` has been changed since it was applied'
    # Nobody can say where a model stands whose operations are other ones by now.
    sql controller.db "UPDATE mtnt_tenant SET version = 9, digest = 'x' WHERE tenant = 'a'"
    exits 3 verify --exit-code --repair --yes
    says 'a   history' 'a   behind'
    says_not 'repaired'
    same "$(version_of a)" 9
    chain 3
    ok verify --exit-code --repair --yes
    sql models/a.db "DELETE FROM mtnt_applied WHERE name = 'two'"
    ok verify
    says 'a   out_of_order: ' 'a   other_set: '
}

test_interrupted() {
    fleet 2 a b
    ok migrate -q
    sql controller.db "UPDATE mtnt_tenant SET state = 'in_doubt', lease_until_ms = 0 WHERE tenant = 'a'"
    found a interrupted
    says 'mtnt-model recover --tenant a'
}

test_usage() {
    fleet 1 a
    exits 2 verify
    complains 'there is none'
    exits 64 verify --as committed
    exits 64 verify -j 0
    ok migrate -q
    exits 64 verify --tenant nobody
    rm chain.yaml
    exits 78 verify
}

cli_main "$@"
