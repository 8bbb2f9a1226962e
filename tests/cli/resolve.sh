# shellcheck shell=sh
# The states that only a person ends: what status says of them, what migrate refuses, and what resolve does about them.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# stands STATE ID: as if an attempt had ended there.
stands() {
    sql controller.db "UPDATE mtnt_tenant SET state = '$1', lease_until_ms = 0, error = 'as the test wants it' WHERE tenant = '$2'"
    sql controller.db "UPDATE mtnt_migration SET state = '$1' WHERE tenant = '$2'"
}
state_of() {
    sql controller.db "SELECT state FROM mtnt_tenant WHERE tenant = '$1'"
}

test_next_steps() {
    fleet 1 a b c d e
    ok migrate -q
    stands diverged a
    stands blocked b
    stands in_doubt c
    stands rollback_failed d
    ok status
    says 'diverged 1 +a$' 'blocked 1 +b$' 'in_doubt 1 +c$' 'rollback_failed 1 +d$' \
        'next: bring both databases to the same state, then   mtnt-model resolve --tenant a --as committed\|aborted' \
        'next: move what stands at .* mtnt-model recover --tenant b$' \
        'mtnt-model recover --tenant c .* mtnt-model resolve --tenant c --as committed\|aborted' \
        'mtnt-model resolve --tenant d --as retry$' \
        '5 tenants: 1 current, 0 pending, 3 failed, 1 interrupted'
    ok status --format json
    json '.summary.waiting == {"diverged": 1, "blocked": 1, "in_doubt": 1, "rollback_failed": 1}'
    json '[.tenants[] | select(.id == "a").next | test("mtnt-model resolve --tenant a ")] == [true]'
    json '[.tenants[] | select(.id == "e").next] == [null]'
    # Nothing goes on, and both verbs say what would.
    exits 1 migrate -q --tenant a --tenant d
    says 'mtnt-model resolve --tenant a --as committed' 'mtnt-model resolve --tenant d --as retry' 'a person has to decide'
    says_not 'next: ask the decision register'
    exits 1 recover --tenant a --tenant d
    says 'mtnt-model resolve --tenant a' 'mtnt-model resolve --tenant d'
    same "$(state_of a) $(state_of d)" "diverged rollback_failed"
}

test_usage() {
    fleet 1 a b
    ok migrate -q
    exits 64 resolve --as aborted
    complains 'name it with --tenant ID'
    exits 64 resolve --tenant a --tenant b --as aborted
    exits 64 resolve --tenant a
    complains '--as committed .*--as aborted .*--as retry'
    exits 64 resolve --tenant a --as 'done'
    exits 64 resolve --tenant x --as aborted
    exits 1 resolve --tenant a --as aborted --yes
    complains 'there is nothing to resolve'
    stands diverged a
    exits 1 resolve --tenant a --as retry --yes
    complains 'it is diverged, where only committed or aborted can be said'
    same "$(state_of a) $(sql controller.db 'SELECT count(*) FROM mtnt_audit')" "diverged 0"
}

test_word() {
    fleet 1 a b
    ok migrate -q
    stands diverged a
    before=$(fingerprint controller.db models/a.db)
    exits 64 resolve --tenant a --as aborted
    says '^a: diverged -> aborted \(migration [0-9a-f]{32}\), if you say --yes' 'its decision register says commit and stays' 'at version 1'
    complains 'nothing was changed; it is done with --yes'
    same "$(fingerprint controller.db models/a.db)" "$before"
    # The word is about the migration. What is applied is read from the model.
    ok resolve --tenant a --as committed --yes --reason "it's all there"
    says '^a: diverged -> committed \(migration [0-9a-f]{32}\)$' 'says commit too'
    same "$(sql controller.db "SELECT tenant, from_state, to_state, reason, who LIKE '%@%', at_ms > 0 FROM mtnt_audit")" \
        "a|diverged|committed|it's all there|1|1"
    same "$(sql controller.db "SELECT state, version, error IS NULL FROM mtnt_tenant WHERE tenant = 'a'")" "idle|1|1"
    ok migrate -q
    stands rollback_failed b
    ok resolve --tenant b --as aborted --yes --format json
    json '.id == "b" and .from == "rollback_failed" and .to == "aborted" and .done and .version == 1'
    ok status
    says '2 tenants: '
    same "$(state_of b)" idle
    stands rollback_failed b
    ok resolve --tenant b --as retry --yes
    same "$(state_of b)" compensating
}

cli_main "$@"
