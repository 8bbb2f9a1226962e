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

# Waves and the budget are the run's, whatever is said here; groups are kept by one process.
test_rollout() {
    fleet 1 a b c d
    ok migrate -q --tenant a --canary 1 --max-failures 0
    goes_on 1
    sql models/b.db 'CREATE TABLE t_one(in_the_way INTEGER)'
    ok join --max-failures 0 --tenant a --tenant c
    complains_not 'keeps what it was begun with'
    exits 4 join --max-failures 3 --waves 10%
    complains 'run 1 keeps what it was begun with: waves, max_failures of this process are not used' \
        'the failure budget is spent: 1 tenant failed, and at most 0 may \(max_failures 0\)'
    sql controller.db "UPDATE mtnt_run SET paced = 1"
    exits 2 join
    complains 'groups are kept by one process alone'
}

# A SQLite controller and a second host, as far as a file can tell.
test_second_host() {
    fleet 1 a b
    ok migrate -q --tenant a
    same "$(sql controller.db "SELECT count(*) FROM mtnt_meta WHERE key = 'host' AND value LIKE '%/$(cat /proc/sys/kernel/random/boot_id) %'")" 1
    sql controller.db "UPDATE mtnt_meta SET value = 'far/another-boot ' || $(date +%s)000 WHERE key = 'host'"
    exits 2 migrate
    complains 'controller sqlite:.*controller.db: host far works with it \(last seen at ' 'use a PostgreSQL controller' 'Nothing was changed'
    exits 2 join
    same "$(sql controller.db 'SELECT count(*) FROM mtnt_migration')" 1
    ok status
    # Another container of this machine, the machine after it was started anew, and a host that was not heard of for long.
    for value in "far/$(cat /proc/sys/kernel/random/boot_id) $(date +%s)000" "$(hostname)/another-boot $(date +%s)000" 'far/another-boot 1700000000000'; do
        sql controller.db "UPDATE mtnt_meta SET value = '$value' WHERE key = 'host'"
        ok rewind -q --yes
        ok migrate -q
    done
}

cli_main "$@"
