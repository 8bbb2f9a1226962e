# shellcheck shell=sh
# Ctrl-C: the first drains, the second interrupts, and the next run takes up where this one stopped.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# start COMMAND…: in the background, with signals as a shell at a terminal has them.
start() {
    # shellcheck disable=SC2086
    env --default-signal=INT ${MTNT_VALGRIND:-} "$MTNT_BIN" "$@" >"$scratch/out" 2>"$scratch/err" &
    child=$!
}

# Until the log file has a line with this, for at most a minute.
wait_for() {
    tries=0
    until grep -q "$1" log 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "it never came to: $1; $(cat log)"
        sleep 0.1
    done
}

finish() {
    code=0
    wait "$child" || code=$?
    out=$(cat "$scratch/out")
    err=$(cat "$scratch/err")
}

# slow SECONDS ID…: each tenant takes so long.
slow() {
    seconds=$1
    shift
    project
    tenants "$@"
    cat >chain.yaml <<END
chain: slow
operations:
  - name: one
    tables: {create: ["t_one(x INTEGER)"]}
  - name: sleep
    exec: {command: [sleep, "$seconds"]}
END
}

test_drain() {
    for signal in INT TERM; do
        rm -rf models controller.db log
        slow 0.5 a b c d e f g h
        start migrate -j 2 --log-file log
        wait_for 'b migrated'
        kill -s $signal "$child"
        finish
        case $signal in
        INT) same "$code" 130 ;;
        TERM) same "$code" 143 ;;
        esac
        complains 'stopping: running tenants finish'
        says '^8 tenants: [2-6] migrated, 0 already current, 0 failed, [2-6] untouched' "exit $code"
        same "$(tables_of a)" "t_one"
        same "$(tables_of h)" ""
        sed -i 's/sleep, "0.5"/sleep, "0"/' chain.yaml
        run migrate -j 4 --format json
        json '.total == 8 and .migrated + .current + .failed == 8'
    done
}

test_resume() {
    slow 0.4 a b c d e f
    start migrate -j 2 --log-file log
    wait_for 'b migrated'
    kill -s INT "$child"
    finish
    same "$code" 130
    ok migrate -j 6 --format json
    json '.total == 6 and .migrated > 0 and .current > 0 and .migrated + .current == 6'
}

test_interrupt() {
    slow 100 a b c
    start migrate -j 2 --log-file log --format json
    wait_for 'b started'
    sleep 0.5
    began=$(date +%s)
    kill -s INT "$child"
    sleep 0.3
    kill -s INT "$child"
    finish
    [ $(($(date +%s) - began)) -lt 30 ] || fail "it took too long"
    same "$code" 130
    complains 'interrupted: running tenants are rolled back'
    json '.failed == 2 and .untouched == 1 and .rolled_back == 2'
    for id in a b c; do
        same "$(tables_of $id)" ""
    done
    sed -i 's/sleep, "100"/sleep, "0"/' chain.yaml
    ok migrate --format json
    json '.migrated == 3'
}

# A job in the background of a script ignores Ctrl-C, and keeps doing so.
test_ignored() {
    slow 0.3 a b c d
    (
        trap '' INT
        exec "$MTNT_BIN" migrate -j 2 --log-file log >"$scratch/out" 2>"$scratch/err"
    ) &
    child=$!
    wait_for 'a started'
    kill -s INT "$child"
    finish
    same "$code" 0
    says '4 migrated'
}

# kill -9 in the middle: the next run settles what was left, and says so.
test_killed() {
    slow 10 a b c
    start migrate -j 2 --log-file log
    wait_for 'b started'
    sleep 0.5
    kill -s KILL "$child"
    finish
    sed -i 's/sleep, "10"/sleep, "0"/' chain.yaml
    ok status --format json
    json '.summary.interrupted >= 2 and .summary.tenants == 3'
    ok recover
    says '^a: rolled back$' '^b: rolled back$' '^[23] tenants were interrupted: [23] rolled back, 0 completed, 0 not settled$'
    ok recover
    says 'Nothing to be recovered'
    ok migrate
    says '3 migrated'
}

test_killed_then_migrate() {
    slow 10 a b c
    start migrate -j 2 --log-file log
    wait_for 'b started'
    sleep 0.5
    kill -s KILL "$child"
    finish
    sed -i 's/sleep, "10"/sleep, "0"/' chain.yaml
    ok migrate
    says '^[23] tenants were interrupted earlier; recovered: [23] rolled back, 0 completed$' '3 migrated'
}

cli_main "$@"
