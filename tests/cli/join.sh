# shellcheck shell=sh
# Working on a run that another process has begun.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# As if its process were still at work.
goes_on() {
    sql controller.db "UPDATE mtnt_run SET finished_ms = NULL WHERE run = $1;
        UPDATE mtnt_run_process SET finished_ms = NULL, beat_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) WHERE run = $1"
}

test_nothing_to_join() {
    fleet 2 a b
    exits 2 join
    complains 'no process is at work on a run of chain numbers in controller sqlite:.*controller.db'
    ok migrate -q
    exits 2 join
    complains 'no process is at work'
    exits 2 join --run 7
    complains 'knows no run 7'
    exits 2 join --run 1
    complains 'run 1 has ended: there is nothing to join' 'mtnt-model migrate'
    exits 64 join --run x
}

test_joined() {
    fleet 2 a b c
    ok migrate -q --to one --tenant a --tenant b
    goes_on 1
    ok join
    complains 'run 1 \(migrate\): 1 process is at work on it'
    # As the run was begun: up to one, and no further.
    same "$(sql controller.db 'SELECT tenant, version FROM mtnt_tenant ORDER BY 1' | tr '\n' ' ')" "a|1 b|1 c|1 "
    same "$(sql controller.db 'SELECT count(*), count(DISTINCT run) FROM mtnt_migration')" "3|1"
    says '3 tenants: 3 migrated, 0 already current, 0 failed, 0 untouched' 'by 2 processes, this one: 1 migrated, 0 failed; 1 other is still at work' 'run 1 '
    # The other one has the last word.
    same "$(sql controller.db 'SELECT migrated, already_current, finished_ms IS NULL FROM mtnt_run')" "3|0|1"
    ok join --format json
    json '.run == 1 and .command == "join" and .processes == 3 and .at_work == 1 and .migrated == 0 and .whole.migrated == 3 and .whole.total == 3'
}

test_terms() {
    fleet 2 a
    ok migrate -q --to one
    goes_on 1
    exits 64 join --atomicity operation
    complains 'join: --atomicity is what the run was begun with'
    chain 3
    exits 2 join
    complains 'run 1 works with other operations in chain numbers than this process'
    same "$(sql models/a.db 'SELECT count(*) FROM mtnt_applied')" 1
    chain 2
    sql controller.db "UPDATE mtnt_run SET backs_up = 1"
    exits 2 join
    complains 'give it one with --backup DIR'
    sql controller.db "UPDATE mtnt_run SET direction = NULL"
    exits 2 join
    complains 'begun by an earlier release'
}

cli_main "$@"
