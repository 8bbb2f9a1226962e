# shellcheck shell=sh
# What is printed where, and in which shape.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

escape=$(printf '\033')

# in_terminal COLUMNS COMMAND…: as on a terminal so wide; what it shows is in the file $scratch/screen, carriage returns
# and all.
in_terminal() {
    columns=$1
    shift
    words=
    for word in "$@"; do
        words="$words '$word'"
    done
    script -qec "stty cols $columns rows 25; $words" /dev/null >"$scratch/screen" 2>&1 </dev/null || true
    out=$(cat "$scratch/screen")
    err=
}

# Each state of the progress line, one a line.
drawn() {
    tr '\r' '\n' <"$scratch/screen" | sed "s/$escape\[[0-9;]*[mK]//g"
}

# Those that take more than N columns; the bar's characters take one each.
wider_than() {
    drawn | grep '/8 ' | sed 's/[█░]/x/g' | awk -v most="$1" 'length > most'
}

# Slow enough to be seen.
slow_fleet() {
    project
    tenants a b c d e f g h
    printf 'chain: numbers\noperations:\n  - name: slow\n    exec: {command: [sleep, "0.15"]}\n' >chain.yaml
}

# Every command that has a format gives JSON, and nothing but JSON, on success and on failure of a tenant.
test_json() {
    fleet 2 a b
    sql models/b.db "CREATE TABLE t_two(in_the_way INTEGER)"
    for words in "validate" "plan" "pending" "executed" "status" "doctor" "migrate" "pending" "executed" "status" "doctor" \
        "recover" "undo" "do" "rewind --yes" "reset --yes" "plan"; do
        # shellcheck disable=SC2086 # words
        run $words --format json
        [ "$code" -le 1 ] || fail "$words: exit $code"
        same "$(jq -s length "$scratch/out" 2>&1)" 1 "$words: one JSON value"
        # shellcheck disable=SC2086
        run $words --format jsonl
        [ "$code" -le 1 ] || fail "$words: exit $code"
        while read -r line; do
            printf '%s\n' "$line" | jq -e 'type == "object"' >/dev/null 2>&1 || fail "$words: no object: $line"
        done <"$scratch/out"
    done
}

test_json_of_status() {
    fleet 3 a b c
    ok migrate --tenant a
    ok migrate --tenant b --to one
    ok status --format json
    json '[.tenants[] | keys] | all(contains(["id", "state", "version", "pending", "error"]))'
    json '.summary | .tenants == .current + .pending + .failed + .interrupted'
    json '.summary | .tenants == ([.versions[].tenants] | add)'
    json '.summary.current == 1 and .summary.pending == 2'
    json '.tenants == (.tenants | sort_by(.id))'
}

test_json_times() {
    fleet 1 a
    ok migrate --format jsonl
    json -s 'all(.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z$"))'
    json -s '.[-1] | .duration_ms >= 0 and .exit == 0 and .migrated == 1'
    json -s 'all(keys | all(test("^[a-z_]+$")))'
}

test_streams() {
    fleet 1 a
    ok migrate
    same "$err" "" "nothing went wrong, and there is no terminal"
    ok migrate -v
    complains 'finished'
    chain 2
    ok migrate -q
    same "$err" ""
    says '^1 tenant: 1 migrated'
    says_not 'workers'
    ok status
    same "$err" ""
}

test_log_file() {
    fleet 1 a
    echo "what was there before" >log
    ok migrate --log-file log
    grep -q '^what was there before$' log || fail "the log was overwritten"
    grep -Eq '^[0-9T:.-]+Z run 1 a operation 1 one COMPLETED in [0-9]+ ms$' log || fail "$(cat log)"
    grep -Eq '^[0-9T:.-]+Z run 1 a migrated, version 0 to 1, single, in [0-9]+ ms$' log || fail "$(cat log)"
    exits 2 migrate --log-file no/such/log
    complains 'no/such/log'
}

# A reader that leaves is no failure, and no signal.
test_pipe() {
    fleet 2 a b c
    { "$MTNT_BIN" migrate --format jsonl || echo $? >"$scratch/code"; } | true
    [ ! -e "$scratch/code" ] || fail "exit $(cat "$scratch/code")"
    same "$(tables_of c)" "t_one t_two"
    { "$MTNT_BIN" status || echo $? >"$scratch/code"; } | true
    [ ! -e "$scratch/code" ] || fail "exit $(cat "$scratch/code")"
}

test_full_disk() {
    fleet 1 a
    [ -w /dev/full ] || fail "no /dev/full here"
    code=0
    "$MTNT_BIN" status >/dev/full 2>"$scratch/err" || code=$?
    err=$(cat "$scratch/err")
    same "$code" 2
    complains 'cannot write the result'
}

test_no_escapes_in_pipes() {
    fleet 2 a b
    sql models/b.db "CREATE TABLE t_two(in_the_way INTEGER)"
    exits 1 migrate
    ! printf '%s%s' "$out" "$err" | grep -q "$escape" || fail "escapes in a pipe"
    says '^✗ b   failed'
    LC_ALL=C exits 1 migrate
    says '^x b   failed' 'run 2 - exit 1'
    ! printf '%s' "$out" | LC_ALL=C grep -q '[^ -~]' || fail "not ASCII in the C locale"
}

test_colour() {
    fleet 2 a b
    sql models/b.db "CREATE TABLE t_two(in_the_way INTEGER)"
    in_terminal 80 "$MTNT_BIN" migrate
    says "$escape\[31m"
    NO_COLOR=1 in_terminal 80 "$MTNT_BIN" migrate
    says_not "$escape\[[0-9;]*m"
    TERM=dumb in_terminal 80 "$MTNT_BIN" migrate
    says_not "$escape"
}

test_progress() {
    slow_fleet
    in_terminal 80 "$MTNT_BIN" migrate -j 2
    drawn | grep -Eq '^    █+░+  [1-7]/8   [0-9.]+/s   failed 0   eta [0-9]+s$' || fail "no progress: $(drawn)"
    says '8 tenants: 8 migrated'
    same "$(wider_than 79)" "" "too wide"
    # At most ten a second: 8 tenants in 0.6 s are no more than 16 drawings.
    [ "$(drawn | grep -c '/8 ')" -le 20 ] || fail "redrawn too often: $(drawn)"
}

test_narrow() {
    for columns in 60 40 24; do
        rm -rf models controller.db
        slow_fleet
        in_terminal $columns "$MTNT_BIN" migrate -j 4
        drawn | grep -Eq '[1-7]/8' || fail "no progress at $columns columns: $(drawn)"
        same "$(wider_than $((columns - 1)))" "" "too wide for $columns columns"
    done
}

test_quiet_terminal() {
    slow_fleet
    in_terminal 80 "$MTNT_BIN" migrate -j 8 -q
    says '8 tenants: 8 migrated'
    [ "$(drawn | grep -c '/8 ')" -eq 0 ] || fail "progress in spite of -q"
}

# Texts from outside cannot steer the terminal.
test_control_characters() {
    project
    tenants a
    # shellcheck disable=SC2016
    printf 'chain: numbers\noperations:\n  - name: evil\n    exec: {command: [sh, -c, "printf '"'"'\\\\033[2J\\\\007oops'"'"' >&2; exit 3"]}\n' >chain.yaml
    exits 1 migrate
    ! printf '%s%s' "$out" "$err" | grep -q "$escape" || fail "an escape sequence came through"
    says 'oops'
    exits 1 migrate --format json
    json '.failed == 1'
    exits 64 migrate --tenant "$(printf 'x\033[2Jy')"
    ! printf '%s%s' "$out" "$err" | grep -q "$escape" || fail "an escape sequence came through"
    complains 'x\\x1b\[2Jy'
}

test_failures_are_grouped() {
    project
    tenants a b c d e f
    chain 2
    for id in a b c d e; do
        sql "models/$id.db" "CREATE TABLE t_two(in_the_way INTEGER)"
    done
    exits 1 migrate
    # Three examples in full, and a line for all of them.
    same "$(printf '%s\n' "$out" | grep -c 'failed at 2 two')" 3
    says '^  5 ×  .*already exists.*   at 2 two     [a-e], [a-e], [a-e] and 2 more$'
    exits 1 migrate --format json
    json '(.failures | length) == 5 and .failures_unlisted == 0'
    json '[.failure_groups[] | [.tenants, .operation, (.examples | length)]] == [[5, "two", 3]]'
    exits 1 migrate --format jsonl
    json -s '.[-1].failure_groups[0].tenants == 5'
    ok status
    says 'chain numbers, 2 operations, newest 2 two' 'version 2 +1  █' 'version 0 +5  █████' \
        '^failed 5 . interrupted 0 . prepared transactions 0$' '  5 ×  .*already exists.*   at 2 two     a, b, c and 2 more$' \
        '^6 tenants: 1 current, 0 pending, 5 failed, 0 interrupted$'
}

# Without a tenants file, what the controller knows.
test_status_of_the_known() {
    fleet 1 a b
    ok migrate
    sed -i '/^tenants:/d' mtnt.yaml
    ok status --format json
    json '[.tenants[].id] == ["a", "b"] and .summary.current == 2'
    ok status --tenant a --format json
    json '[.tenants[].id] == ["a"]'
    exits 64 status --tenant x
    exits 64 status --where k=v
    ok executed --exclude a --format json
    json '[.tenants[].id] == ["b"]'
}

# The sums fit a narrow terminal, whole words on each line, and stay one line in a pipe.
test_sums_in_narrow() {
    fleet 2 a b
    sql models/b.db "CREATE TABLE t_two(in_the_way INTEGER)"
    in_terminal 70 "$MTNT_BIN" migrate
    drawn | grep -q '^2 tenants: 1 migrated, 0 already current, 1 failed (1 rolled back),$' || fail "$(drawn)"
    drawn | grep -q '^  0 untouched   in ' || fail "$(drawn)"
    run migrate
    says '^2 tenants: 0 migrated, 1 already current, 1 failed \(1 rolled back\), 0 untouched   in '
}

cli_main "$@"
