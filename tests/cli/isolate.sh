# shellcheck shell=sh
# --isolate: an operation that ends its process, or never returns, costs its tenant; both databases hold all or nothing of it.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"

plugin=${MTNT_TEST_BUILD_DIR:-}/tests/cli_crashing.so
# A sanitizer that meets the crash first would turn it into an exit.
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:handle_segv=0:handle_abort=0:use_sigaltstack=0:detect_leaks=0"
export TSAN_OPTIONS="${TSAN_OPTIONS:-}:handle_segv=0:handle_abort=0"
# shellcheck disable=SC3045
ulimit -c 0 || true

victims="segv abort exit kill stack setup"
others="a b c d"

# victim ID: its vars.
vars_of() {
    case $1 in
    segv | abort | exit | kill | stack | heap | spin | sleep) echo "does=$1" ;;
    setup) echo "does=segv, in=setup" ;;
    teardown) echo "does=segv, in=teardown" ;;
    back) echo "does=abort, in=rollback" ;;
    *) echo "does=none" ;;
    esac
}

# seats CONTROLLER MODEL ID…: a project with the plugin and one operation before it; MODEL has an {id}.
seats() {
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\nplugin: %s\nworkers: 3\n' "$1" "$plugin" >mtnt.yaml
    chain 1
    {
        printf 'defaults: {model: "%s"}\ntenants:\n' "$2"
        shift 2
        for id in "$@"; do
            echo "  - {id: $id, vars: [$(vars_of "$id")]}"
        done
    } >tenants.yaml
}

sqlite_models() {
    mkdir -p models
    for id in "$@"; do
        sql "models/$id.db" "CREATE TABLE made(at TEXT)"
    done
}

# What the controller and the models say of a tenant: seats in the controller, rows in t_one of the model.
model_rows() {
    case $models in
    sqlite) sql "models/$1.db" "SELECT count(*) FROM sqlite_master WHERE name = 't_one'" ;;
    postgres) has_table "$1" t_one ;;
    esac
}
controller_says() {
    case $controller in
    sqlite) sql controller.db "$1" ;;
    postgres) query "${base}_ctl" -c "$1" ;;
    esac
}

# Nothing of a victim is left anywhere, everybody else is done, and no migration is unended.
all_or_nothing() {
    for id in $others; do
        same "$(model_rows "$id")" 1 "$id was to be migrated"
    done
    for id in "$@"; do
        same "$(model_rows "$id")" 0 "something of $id is left"
    done
    same "$(controller_says "SELECT count(*) FROM mtnt_migration WHERE state NOT IN ('committed', 'aborted')")" 0
    same "$(controller_says "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle'")" 0
    if [ "${SEATS_WRITES:-}" = both ]; then
        same "$(controller_says "SELECT tenant FROM seats ORDER BY tenant" | tr '\n' ' ')" "$others "
    fi
}

count() { echo $#; }

# crashes: the run with all victims between others.
crashes() {
    # shellcheck disable=SC2086
    failed=$(count $victims) done=$(count $others)
    exits 1 migrate --isolate --retries 3
    says "^$((failed + done)) tenants: $done migrated, 0 already current, $failed failed \\($failed rolled back\\), 0 untouched" 'exit 1' \
        'segv   failed at 50 seats' 'setup   failed at 50 seats.*, setup' 'was ended by signal 11' \
        'ended by itself, with exit code 0' 'was ended by signal 9'
    # shellcheck disable=SC2086
    all_or_nothing $victims
    # One attempt each: a crash is not tried again.
    same "$(controller_says "SELECT count(*) FROM mtnt_migration WHERE tenant = 'segv'")" 1
    ok status
    says "$done current, 0 pending, $failed failed, 0 interrupted"
}

test_sqlite() {
    controller=sqlite models=sqlite
    # shellcheck disable=SC2086
    seats sqlite:controller.db 'sqlite:models/{id}.db' a segv b abort exit c kill stack setup d
    # shellcheck disable=SC2086
    sqlite_models a b c d $victims
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    crashes
    # The next run meets the same, and changes nothing; without the crash they are done.
    sed -i 's/does=[a-z]*/does=none/' tenants.yaml
    MTNT_ISOLATE=1 ok migrate
    says '6 migrated, 4 already current, 0 failed'
    same "$(controller_says "SELECT count(*) FROM seats")" 10
}

# What the process of an attempt finds in a model that is ahead of its controller is told by it, and written by ours.
test_controller_behind() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' a b
    sqlite_models a b
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    ok migrate --tenant a
    ok migrate --tenant b --to one
    for table in tenant operation migration decision; do
        sql controller.db "DELETE FROM mtnt_$table"
    done
    exits 1 migrate --isolate
    says '1 migrated, 0 already current, 1 failed' 'which the controller does not know' 'resolve --tenant a'
    same "$(controller_says "SELECT tenant, state FROM mtnt_tenant ORDER BY tenant" | tr '\n' ' ')" 'a|diverged b|idle '
    same "$(controller_says "SELECT tenant FROM seats ORDER BY tenant" | tr '\n' ' ')" 'a b '
    ok recover --audit --tenant b
    says '1 model compared, 0 ahead'
}

test_model_only() {
    controller=sqlite models=sqlite
    # shellcheck disable=SC2086
    seats sqlite:controller.db 'sqlite:models/{id}.db' a segv b abort exit c kill stack setup d
    # shellcheck disable=SC2086
    sqlite_models a b c d $victims
    echo 'isolate: true' >>mtnt.yaml
    export SEATS_WRITES=model
    crashes
    exits 1 migrate --format json
    json '.failed == 6 and .current == 4 and .migrated == 0'
    exits 4 migrate --max-failures 1 -j 1
    says '2 failed' '4 untouched'
    exits 1 migrate --atomicity operation
    for id in $victims; do
        same "$(model_rows "$id")" 0 "an operation before the crash was not taken back"
    done
}

test_sqlite_and_postgres() {
    with_server
    victims='segv kill exit setup' others='a b'
    controller=sqlite models=postgres
    # shellcheck disable=SC2086
    create_database $others $victims
    # shellcheck disable=SC2086
    seats sqlite:controller.db "$(uri '{id}')" a $victims b
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    crashes
    same "$(prepared)" 0
}

test_postgres() {
    with_server
    victims='segv kill exit setup' others='a b'
    controller=postgres models=postgres
    # shellcheck disable=SC2086
    create_database ctl $others $victims
    query "${base}_ctl" -c "CREATE TABLE seats(tenant TEXT)"
    # shellcheck disable=SC2086
    seats "$(uri ctl)" "$(uri '{id}')" a $victims b
    export SEATS_WRITES=both
    crashes
    same "$(prepared)" 0
    query postgres -c "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE '${base}_%'" >left
    same "$(cat left)" 0
}

# Its heap is spoilt: it may crash at once, or with whoever comes next; nobody is left half done.
test_heap() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' a heap b c d
    sqlite_models a heap b c d
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    run migrate --isolate -j 1
    [ "$code" -le 1 ] || fail "exit 0 or 1 was expected"
    same "$(controller_says "SELECT count(*) FROM mtnt_migration WHERE state NOT IN ('committed', 'aborted')")" 0
    for id in a heap b c d; do
        same "$(model_rows "$id")" "$(controller_says "SELECT count(*) FROM seats WHERE tenant = '$id'")" "$id is half done"
    done
}

# It has committed, and crashes after that: it is done, and that is said.
test_after_the_commit() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' a teardown b c d
    sqlite_models a teardown b c d
    export SEATS_WRITES=model
    ok migrate --isolate -j 1
    says '5 migrated, 0 already current, 0 failed'
    complains 'tenant teardown: all of it is committed, but teardown operation seats: its process was ended by signal 11'
    same "$(model_rows teardown)" 1
}

# A rewind whose rollback crashes, in one transaction: nothing is taken back.
test_rollback() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' a back b c d
    sqlite_models a back b c d
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    ok migrate --isolate
    exits 1 rewind --isolate --yes
    says 'back   failed at 50 seats' 'was ended by signal 6' '4 taken back|4 rewound'
    same "$(controller_says "SELECT group_concat(tenant) FROM seats")" back
    same "$(sql models/back.db "SELECT count(*) FROM t_one")" 1
    same "$(model_rows a)" 0
    ok status
    says '0 interrupted'
}

# Units that commit one by one: what was committed before the crash is taken back, by rollbacks in another process.
test_saga() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' a segv b c d
    sqlite_models a segv b c d
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    exits 1 migrate --isolate --mode saga
    says '4 migrated, 0 already current, 1 failed' 'segv   failed at 50 seats' 'was ended by signal 11'
    all_or_nothing segv
}

# A rollback that ends every process that tries it: in doubt, said so, and settled once the reason has gone.
test_saga_rollback() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' back
    sqlite_models back
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    cat >>chain.yaml <<'END'
  - name: late
    order: 60
    sql: {model: {up: "INSERT INTO nowhere VALUES(1)", down: "SELECT 1"}, controller: {up: "SELECT 1", down: "SELECT 1"}}
END
    exits 1 migrate --isolate --mode saga
    says 'was ended by signal 6' '0 migrated, 0 already current, 1 failed'
    ok status
    says '1 interrupted'
    exits 1 migrate --isolate --mode saga
    says 'was ended by signal 6' '1 failed'
    sed -i 's/does=[a-z]*/does=none/' tenants.yaml
    exits 1 migrate --isolate --mode saga
    says '1 tenant was interrupted earlier' 'nowhere'
    same "$(model_rows back)$(controller_says 'SELECT count(*) FROM seats')" 00
    same "$(controller_says "SELECT count(*) FROM mtnt_migration WHERE state NOT IN ('committed', 'aborted')")" 0
}

test_never_returns() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' a spin b c sleep d
    sqlite_models a spin b c sleep d
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    exits 1 migrate --isolate --operation-timeout 500ms --unlock-deadline 500ms
    says 'spin   failed at 50 seats' 'it did not return within 500 ms after its time was over, and its process was ended' \
        '4 migrated, 0 already current, 2 failed'
    all_or_nothing spin sleep
}

# A child that is killed from outside, and the supervisor: the first costs a tenant, the second ends them all.
test_killed() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' a b c d sleep
    sqlite_models a b c d sleep
    export SEATS_WRITES=model
    for victim in child supervisor; do
        "$MTNT_BIN" migrate --isolate -j 2 --log-file log >"$scratch/out" 2>"$scratch/err" &
        supervisor=$!
        tries=0
        until [ "$(pgrep -c -P "$supervisor" || true)" -ge 1 ] && [ "$(sql controller.db "SELECT count(*) FROM mtnt_tenant WHERE version = 50" 2>/dev/null)" = 4 ] &&
            [ "$(sql controller.db "SELECT count(*) FROM mtnt_tenant WHERE state = 'executing'")" = 1 ]; do
            tries=$((tries + 1))
            [ "$tries" -lt 300 ] || fail "it never came to its last tenant"
            sleep 0.1
        done
        sleep 0.3
        children=$(pgrep -P "$supervisor")
        if [ $victim = child ]; then
            # shellcheck disable=SC2086
            kill -9 $children
        else
            kill -9 "$supervisor"
        fi
        code=0
        wait "$supervisor" || code=$?
        out=$(cat "$scratch/out") err=$(cat "$scratch/err")
        if [ $victim = child ]; then
            same "$code" 1
            says 'sleep   failed at 50 seats' 'was ended by signal 9' '4 migrated, 0 already current, 1 failed'
            all_or_nothing sleep
        fi
        sleep 0.3
        for pid in $children; do
            # Gone, or waiting for an init that looks after it.
            case $(sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null) in
            '' | Z | X) ;;
            *) fail "child $pid is still there" ;;
            esac
        done
    done
    ok status
    says '1 interrupted'
    sed -i 's/does=[a-z]*/does=none/' tenants.yaml
    ok migrate --isolate
    says '1 tenant was interrupted earlier' '1 migrated, 4 already current, 0 failed'
}

# Children killed at any point, of the commit too: whoever fails has nothing of it, and the next run does the rest.
test_killed_at_random() {
    controller=sqlite models=sqlite ids=
    for number in $(seq 60); do
        ids="$ids t$number"
    done
    # shellcheck disable=SC2086
    seats sqlite:controller.db 'sqlite:models/{id}.db' $ids
    mkdir models
    sql models/t1.db "CREATE TABLE made(at TEXT)"
    for id in $ids; do
        [ -e "models/$id.db" ] || cp models/t1.db "models/$id.db"
    done
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    export SEATS_WRITES=both
    "$MTNT_BIN" migrate --isolate -j 3 >"$scratch/out" 2>"$scratch/err" &
    supervisor=$!
    while kill -0 "$supervisor" 2>/dev/null; do
        pkill -9 -o -P "$supervisor" || true
        sleep 0.07
    done
    code=0
    wait "$supervisor" || code=$?
    out=$(cat "$scratch/out") err=$(cat "$scratch/err")
    [ "$code" -eq 1 ] || [ "$code" -eq 0 ] || [ "$code" -eq 78 ] || fail "exit 0, 1 or 78 was expected"
    whole() {
        same "$(controller_says "SELECT count(*) FROM mtnt_migration WHERE state NOT IN ('committed', 'aborted', 'in_doubt')")" 0
        for id in $ids; do
            case $(controller_says "SELECT count(*) FROM mtnt_tenant WHERE tenant = '$id' AND state <> 'idle'") in
            0) same "$(sql "models/$id.db" "SELECT count(*) FROM sqlite_master WHERE name = 't_one'")" "$(controller_says "SELECT count(*) FROM seats WHERE tenant = '$id'")" "$id is half done" ;;
            esac
        done
    }
    [ "$code" -eq 78 ] || whole
    ok migrate --isolate
    whole
    same "$(controller_says "SELECT count(*), count(DISTINCT tenant) FROM seats")" "60|60"
    # Who was said to have it, and nobody else, has it.
    same "$(controller_says "SELECT count(*), count(DISTINCT tenant) FROM mtnt_migration WHERE state = 'committed'")" "60|60"
}

# The second Ctrl-C reaches what never returns, too.
test_interrupted() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' spin
    sqlite_models spin
    export SEATS_WRITES=both
    sql controller.db "CREATE TABLE seats(tenant TEXT)"
    env --default-signal=INT "$MTNT_BIN" migrate --isolate -j 1 --unlock-deadline 500ms >"$scratch/out" 2>"$scratch/err" &
    supervisor=$!
    tries=0
    until grep -q 'seats of spin' "$scratch/err"; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail "it never began"
        sleep 0.1
    done
    kill -INT "$supervisor"
    sleep 0.3
    kill -INT "$supervisor"
    code=0
    wait "$supervisor" || code=$?
    out=$(cat "$scratch/out") err=$(cat "$scratch/err")
    same "$code" 130
    says 'it did not return within 500 ms after it was cancelled'
    same "$(model_rows spin)$(controller_says 'SELECT count(*) FROM seats')" 00
}

# Before any work: a plugin that ends the process that loads it.
test_load() {
    controller=sqlite models=sqlite
    seats sqlite:controller.db 'sqlite:models/{id}.db' a
    sqlite_models a
    before=$(fingerprint models/a.db controller.db)
    SEATS_LOAD=abort exits 78 migrate --isolate
    complains "--isolate: the process that loads the chain was ended by signal 6.*the plugin is .*cli_crashing.so. Nothing was changed"
    SEATS_LOAD="exit" exits 78 migrate --isolate
    complains 'ended by itself, with exit code 0'
    # What is wrong with the files is said once, by the supervisor.
    echo 'nonsense: 1' >>chain.yaml
    exits 78 migrate --isolate
    same "$(printf '%s\n' "$err" | grep -c nonsense)" 1
    same "$(fingerprint models/a.db controller.db)" "$before"
}

# The chain of a binary's own, in a program that is started anew; what children print is no result; no DSN in sight.
test_own_binary() {
    fleet 1 a b
    sql controller.db "CREATE TABLE customers(id TEXT, seats INTEGER); INSERT INTO customers VALUES('a', 3), ('b', 4)"
    cat >chain.yaml <<'END'
chain: shop
operations:
  - name: settings
    tables: {create: ["settings(name TEXT, value INTEGER)"]}
  - name: look
    exec: {command: [sh, -c, "tr '\\0' ' ' </proc/$PPID/cmdline >args; tr '\\0' '\\n' </proc/$PPID/environ >env; env | grep -c MTNT_ISOLATED_BY >inherited || true"]}
END
    MTNT_BIN=$MTNT_TEST_BUILD_DIR/examples/seats
    ok migrate --isolate -j 1 --format json
    json '.migrated == 2 and .failed == 0'
    same "$(sql models/b.db "SELECT value FROM settings WHERE name = 'seats'")" 4
    grep -q 'migrate --isolate' args || fail "it was called otherwise: $(cat args)"
    ! grep -Eq 'sqlite:|postgresql:' args env || fail "a DSN is to be seen"
    same "$(cat inherited)" 0
}

cli_main "$@"
