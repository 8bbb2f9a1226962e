# shellcheck shell=sh
# What doctor and plan say of the guarantee: which holds, and why not, on servers whose settings are the test's own.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

server=$MTNT_TEST_SOURCE_DIR/tests/postgres.sh

stop_servers() {
    for name in standby pg; do
        sh "$server" stop "$scratch/$name"
    done
}

# start_server [SETTINGS]: $psql asks it, $address is a URI without the database.
start_server() {
    undo=stop_servers
    settings=$(MTNT_TEST_PG_SETTINGS=${1:-} sh "$server" start "$scratch/pg")
    eval "$settings"
    primary=$MTNT_TEST_PG
    address="host=$scratch/pg/socket&port=$MTNT_TEST_PG_PORT&user=mtnt"
    query postgres -c "CREATE DATABASE ctl" -c "CREATE DATABASE acme" -c "CREATE DATABASE globex"
    query ctl -c "CREATE TABLE seen(id TEXT)"
}

query() {
    database=$1
    shift
    psql -X -q -A -t -v ON_ERROR_STOP=1 "$primary dbname=$database" "$@"
}

# controller_and_models CONTROLLER MODEL: {id} in MODEL; tenants acme and globex.
controller_and_models() {
    printf 'controller: "%s"\nchain: chain.yaml\ntenants: tenants.yaml\n' "$1" >mtnt.yaml
    printf 'defaults: {model: "%s"}\ntenants: [{id: acme}, {id: globex}]\n' "$2" >tenants.yaml
}

# chain_writing [controller]: the model, and the controller too.
chain_writing() {
    {
        printf 'chain: both\noperations:\n  - name: one\n    sql:\n'
        printf '      model: {up: "CREATE TABLE t_one(x INTEGER)", down: "DROP TABLE t_one"}\n'
        [ $# -eq 0 ] || printf '      controller: {up: "INSERT INTO seen VALUES('"'x'"')", down: "DELETE FROM seen"}\n'
    } >chain.yaml
}

sqlite_models() {
    mkdir -p models
    for id in "$@"; do
        sql "models/$id.db" "CREATE TABLE made(at TEXT)"
    done
}

test_no_prepared() {
    start_server 'max_prepared_transactions = 0'
    sqlite_models acme globex
    chain_writing controller
    # The controller would be prepared …
    controller_and_models "postgresql:///ctl?$address" "sqlite:models/{id}.db"
    exits 1 doctor
    says '2 tenants: 0 ready, 2 with a problem' \
        'atomic across controller and model \(two-phase\) does not hold: .*the controller .*max_prepared_transactions = 0' '^      acme, globex$'
    exits 1 doctor --format json
    json '[.tenants[] | .mode == "two-phase" and .decider == "model" and .holds == false and .error.code == "MTNT_E_REFUSED"] == [true, true]'
    ok plan
    says 'guarantee: .*two-phase' 'does not hold, as acme shows \(.*doctor.*\): .*max_prepared_transactions = 0'
    ok plan --format json
    json '.groups[0].examination | .holds == false and .mode == "two-phase" and .opened == "acme" and (.problem | test("max_prepared"))'
    # … or the models: the same of both, and not an address in sight to tell them apart.
    controller_and_models "sqlite:controller.db" "postgresql:///{id}?$address"
    sql controller.db "CREATE TABLE seen(id TEXT)"
    exits 1 doctor
    says ' 2 .*does not hold: .*the model.s server has max_prepared_transactions = 0'
    # One database alone needs none, and migrate says what doctor said.
    exits 1 migrate
    says 'max_prepared_transactions'
    chain_writing
    ok doctor
    says '2 ready, 0 with a problem' 'atomic in each model \(single\), decided by the model; PostgreSQL .*fsync=on'
    ok plan
    says 'holds, as acme shows'
    ok migrate
}

test_fsync_off() {
    start_server 'fsync = off'
    sqlite_models acme globex
    chain_writing
    controller_and_models "sqlite:controller.db" "postgresql:///{id}?$address"
    sql controller.db "CREATE TABLE seen(id TEXT)"
    exits 1 doctor
    says '0 ready, 2 with a problem' 'atomic in each model \(single\) does not hold: the model.s server runs with fsync=off'
    exits 1 migrate
    says 'fsync = off'
    # The controller's word has to last whoever decides.
    controller_and_models "postgresql:///ctl?$address" "sqlite:models/{id}.db"
    exits 1 doctor
    says 'does not hold: the controller .* runs with fsync=off'
    exits 2 migrate
    complains 'fsync = off'
}

test_synchronous_commit_off() {
    start_server 'synchronous_commit = off'
    chain_writing controller
    controller_and_models "postgresql:///ctl?$address" "postgresql:///{id}?$address"
    ok doctor
    says '2 ready, 0 with a problem$' 'two-phase' 'synchronous_commit=off \(switched on for migrations\)'
}

# wait_for SQL: until it answers t.
wait_for() {
    tries=0
    until [ "$(query postgres -c "$1")" = t ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "never true: $1"
        sleep 0.1
    done
}

test_standby() {
    start_server
    chain_writing controller
    controller_and_models "postgresql:///ctl?$address" "postgresql:///{id}?$address"
    ok doctor
    says '2 ready, 0 with a problem$'
    settings=$(sh "$server" standby "$scratch/standby" "$scratch/pg")
    wait_for "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'"

    # Asynchronous: everything holds, but for a failover.
    ok doctor
    says '2 ready, 0 with a problem, 2 with a warning' \
        '! 2 .*the controller .* only asynchronous standbys: a failover can lose a decision that was acknowledged' \
        "! 2 .*the model's server has only asynchronous standbys: a failover can lose its part"
    ok doctor --format json
    json '.summary.warned == 2 and ([.tenants[] | .holds and (.warnings | length == 2)] | all)'
    ok plan
    says 'holds, as acme shows' 'warning: .*asynchronous'

    # Who may not see it does not say that all is well.
    query postgres -c "CREATE ROLE plain LOGIN" -c "GRANT ALL ON DATABASE ctl, acme, globex TO plain"
    controller_and_models "postgresql:///ctl?$(echo "$address" | sed 's/user=mtnt/user=plain/')" "postgresql:///{id}?$address"
    ok doctor
    says '! 2 .*not known whether standbys of the controller .* are synchronous: .*pg_read_all_stats'
    controller_and_models "postgresql:///ctl?$address" "postgresql:///{id}?$address"

    # Synchronous: nothing to be said.
    query postgres -c "ALTER SYSTEM SET synchronous_standby_names = '*'" -c "SELECT pg_reload_conf()" >/dev/null
    wait_for "SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
    ok doctor
    says '2 ready, 0 with a problem$'

    # A standby takes no writes.
    eval "$settings"
    controller_and_models "postgresql:///ctl?$address" \
        "postgresql:///{id}?host=$scratch/standby/socket&port=$MTNT_TEST_PG_PORT&user=mtnt"
    exits 1 doctor
    says ' 2 .*does not hold: the model.s server is a hot standby'

    # Set, and nobody is there: commits would wait for ever.
    sh "$server" stop "$scratch/standby"
    wait_for "SELECT count(*) = 0 FROM pg_stat_replication"
    controller_and_models "postgresql:///ctl?$address" "postgresql:///{id}?$address"
    ok doctor
    says '! 2 .*the controller .* has synchronous_standby_names set, and no such standby is connected'
}

# An asynchronous standby takes over that has not heard the end: what the models hold and it does not know is found.
test_failover() {
    start_server
    settings=$(sh "$server" standby "$scratch/standby" "$scratch/pg")
    wait_for "SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()"
    both="host=$scratch/pg/socket,$scratch/standby/socket&port=$MTNT_TEST_PG_PORT,$(cat "$scratch/standby/port")&user=mtnt"
    sqlite_models acme globex
    cat >chain.yaml <<END
chain: failover
operations:
  - {name: one, sql: {model: {up: "CREATE TABLE one(x INTEGER)", down: "DROP TABLE one"}}}
  - {name: two, sql: {model: {up: "CREATE TABLE two(x INTEGER)", down: "DROP TABLE two"}}}
  - name: three
    sql:
      model: {up: "CREATE TABLE three(x INTEGER)", down: "DROP TABLE three"}
      controller: {up: "INSERT INTO seen VALUES (:'tenant')", down: "DELETE FROM seen WHERE id = :'tenant'"}
END
    controller_and_models "postgresql:///ctl?$both" "sqlite:models/{id}.db"
    ok doctor
    says '! 2 .*names several hosts, and after a failover a standby may be taken for the primary'
    controller_and_models "postgresql:///ctl?$both&target_session_attrs=read-write" "sqlite:models/{id}.db"
    ok doctor
    says 'only asynchronous standbys'
    ok migrate --to one
    ok recover --audit
    says 'audit: 2 models compared, 0 ahead of the controller, 0 out of step with it, 0 not compared'

    wait_for "SELECT count(*) = 1 FROM pg_stat_replication WHERE replay_lsn = pg_current_wal_lsn()"
    eval "$settings"
    psql -X -q -v ON_ERROR_STOP=1 "$MTNT_TEST_PG" -c "ALTER SYSTEM SET primary_conninfo = ''" -c "SELECT pg_reload_conf()" >/dev/null
    wait_for "SELECT count(*) = 0 FROM pg_stat_replication"
    ok migrate --tenant acme
    ok migrate --tenant globex --to two
    sh "$server" halt "$scratch/pg"
    exits 2 migrate
    sh "$server" promote "$scratch/standby"

    exits 3 recover --audit --tenant globex
    says '^globex: was ahead of the controller, which knows it now$' '1 ahead of the controller, 0 out of step'
    exits 1 recover --audit --format json
    json '.summary.audit | .out_of_step == 1 and .ahead == 0 and .tenants == 2'
    ok status --format json
    json '[.tenants[] | select(.id == "acme") | .state] == ["diverged"]'
    exits 1 migrate
    says 'acme' 'migrated'
    ok resolve --tenant acme --as committed --yes
    ok recover --audit
    ok migrate
    says '2 already current'
}

# Ten thousand tenants are a few lines; -v and JSON list each.
test_many() {
    count=400
    mkdir models
    sql models/1.db "CREATE TABLE made(at TEXT)"
    : >list
    for id in $(seq $count); do
        [ "$id" = 1 ] || cp models/1.db "models/$id.db"
        printf '  - {id: "%s"}\n' "$id" >>list
    done
    { printf 'defaults: {model: "sqlite:models/{id}.db"}\ntenants:\n' && cat list; } >tenants.yaml
    project
    chain_writing controller
    sql controller.db "CREATE TABLE seen(id TEXT)"
    for id in 7 70 300; do
        sql "models/$id.db" "PRAGMA journal_mode = wal" >/dev/null
    done
    exits 1 doctor
    says '^400 tenants: 397 ready, 3 with a problem$' ' 397 .*super-journal\), decided by the controller; SQLite' '1, 2, 3 and 394 more' \
        ' 3 .*WAL|wal'
    [ "$(printf '%s\n' "$out" | wc -l)" -le 10 ] || fail "more lines than anybody reads"
    exits 1 doctor -v
    says '^5   super-journal, decided by the controller   holds: atomic across' '^70   super-journal.*   does not hold: .*(WAL|wal)'
    [ "$(printf '%s\n' "$out" | grep -c '   holds: ')" -eq 397 ] || fail "not each on a line of its own"
    exits 1 doctor --format json
    json '(.tenants | length) == 400 and ([.tenants[] | select(.holds)] | length) == 397'
    ok plan
    says '^400 tenants at version 0' 'holds, as 1 shows'
}

cli_main "$@"
