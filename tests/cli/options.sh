# shellcheck shell=sh
# Options, environment, project file, help: what a caller meets before anything is done.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

commands="migrate rewind do undo reset recover resolve adopt pending executed status plan verify checksums import-project new validate doctor help"

test_typos() {
    exits 64 migrate --tennants tenants.yaml
    same "$err" "mtnt-model: unknown option --tennants; did you mean --tenants?"
    exits 64 migrate --wokers=3
    same "$err" "mtnt-model: unknown option --wokers; did you mean --workers?"
    exits 64 migrate --frobnicate
    complains 'unknown option --frobnicate; `mtnt-model help`'
    exits 64 migrate -x
    complains 'unknown option -x'
    exits 64 statsu
    complains 'unknown command statsu; did you mean status\?'
    exits 64
    complains 'no command'
    # A beginning is not enough: a later version may have another option that begins like it.
    exits 64 migrate --work 3
    complains 'unknown option --work'
    silent
}

test_values() {
    exits 64 migrate --workers
    complains '--workers needs a value: N'
    exits 64 migrate --workers three
    exits 64 migrate --workers 99999999999999999999
    exits 64 migrate -j 1025
    exits 64 migrate --deadline 5
    complains 'write 200ms, 5s, 2m or 1h'
    exits 64 migrate --lock-timeout 0
    exits 64 migrate --unlock-deadline 0
    exits 64 migrate --heartbeat 0
    complains '--heartbeat: it has to be more than 0'
    exits 64 migrate --heartbeat 366d
    exits 64 migrate --heartbeat-retries -1
    complains "--heartbeat-retries: '-1' is no number from 0 to 1000"
    MTNT_HEARTBEAT=often exits 64 migrate
    complains "MTNT_HEARTBEAT: 'often' is no time"
    MTNT_HEARTBEAT_RETRIES=some exits 64 migrate
    complains "MTNT_HEARTBEAT_RETRIES: 'some' is no number"
    MTNT_UNLOCK_DEADLINE=0 exits 64 migrate
    MTNT_DEADLINE=soon exits 64 migrate
    exits 64 status --heartbeat 5s
    complains 'status does not take --heartbeat'
    exits 64 migrate --format xml
    complains 'none of text\|json\|jsonl'
    exits 64 migrate --tenants ''
    exits 64 migrate --steps 0
    exits 64 status --yes
    complains 'status does not take --yes'
    exits 64 migrate --yes=1
    exits 64 migrate extra
    complains 'takes no argument: extra'
    exits 64 migrate --atomicity both
    fleet 1 a
    exits 64 rewind --run last
    complains 'is no number of a run'
}

test_plan_and_isolate() {
    fleet 1 a
    exits 0 plan --save plan.json
    exits 64 migrate --plan plan.json --isolate
    complains 'exclude each other'
    exits 0 migrate --plan plan.json
}

test_later_versions() {
    for command in history report serve; do
        exits 64 "$command"
        complains "this version does not have the command $command yet"
    done
}

test_passwords() {
    for dsn in 'postgresql://u:pw@h/x' 'postgresql://h/x?password=pw' 'postgresql://h/x?a=b&sslpassword=pw' \
        'postgresql://h/x?%70assword=pw'; do
        exits 64 migrate --controller "$dsn"
        complains 'no flag takes a password'
        complains_not 'pw'
    done
    # These are none.
    for dsn in 'postgresql://u@127.0.0.1:1/password' 'sqlite:password=1.db'; do
        fleet 1 a
        run status --controller "$dsn"
        complains_not 'no flag takes a password'
    done
}

test_help() {
    ok help
    for command in $commands; do
        printf '%s\n' "$out" | grep -q "^  $command" || fail "help lacks $command"
    done
    ok --help
    for command in $commands; do
        ok "$command" --help
        says "^mtnt-model $command" '^Examples:' '^Options:'
        first=$out
        ok help "$command"
        same "$out" "$first"
        wide=$(printf '%s\n' "$out" | awk 'length > 80')
        same "$wide" "" "wider than 80 columns"
    done
    ok help up
    says 'mtnt-model migrate'
    exits 64 help nothing
    exits 64 help serve
    ok --version
    says '^mtnt-model [0-9]+\.[0-9]+\.[0-9]+$'
}

# flag > environment > project file > default
test_precedence() {
    fleet 1 a
    workers() {
        ok migrate --format json "$@"
        json ".workers == $wanted"
        ok rewind --yes -q
    }
    project "workers: 3"
    wanted=3 workers
    export MTNT_WORKERS=4
    wanted=4 workers
    wanted=5 workers -j 5
    unset MTNT_WORKERS

    MTNT_FORMAT=json ok status
    json '.summary.tenants == 1'
    MTNT_FORMAT=xml exits 64 status
    complains '^mtnt-model: MTNT_FORMAT: '
    MTNT_YES=1 ok rewind
    MTNT_YES=0 exits 64 rewind
    mv mtnt.yaml elsewhere.yaml
    MTNT_CONFIG=elsewhere.yaml ok status --format json
    json '.summary.tenants == 1'
    # What a command does not take, it does not read either.
    MTNT_EXIT_CODE=1 MTNT_TO=nowhere ok doctor --config elsewhere.yaml
}

test_aliases() {
    fleet 1 a
    ok up
    same "$(tables_of a)" "t_one"
    ok down --yes
    same "$(tables_of a)" ""
    # Options may stand before the command, too.
    ok --tenant a -j 2 up
    same "$(tables_of a)" "t_one"
}

test_destroying_needs_yes() {
    fleet 2 a
    ok migrate
    exits 64 rewind
    complains 'say --yes'
    same "$(tables_of a)" "t_one t_two"
    ok rewind --steps 1
    ok rewind --to one
    exits 64 rewind --to nowhere
    exits 64 rewind --to noe
    complains 'did you mean one\?'
    ok rewind --yes
    same "$(tables_of a)" ""
}

test_deadline() {
    project
    tenants a
    printf 'chain: numbers\noperations:\n  - name: slow\n    exec: {command: [sleep, "30"]}\n' >chain.yaml
    exits 1 migrate --operation-timeout 300ms
    says 'a   failed at 1 slow' 'next: with more time'
    exits 1 migrate --deadline 300ms
}

cli_main "$@"
