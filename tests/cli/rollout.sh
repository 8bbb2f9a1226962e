# shellcheck shell=sh
# A run in waves, in groups, within a budget, with retries: exit codes, and tenants that were not begun are looked at in their databases.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# broken ID…: in these the first operation fails.
broken() {
    for id in "$@"; do
        sql "models/$id.db" "CREATE TABLE t_one(in_the_way INTEGER)"
    done
}

# as_made ID…: their databases have nothing of ours in them.
as_made() {
    for id in "$@"; do
        same "$(sql "models/$id.db" "SELECT group_concat(name) FROM sqlite_master")" "made" "tables of $id"
    done
}

# untouched ID…: nor has the controller ever claimed them.
untouched() {
    as_made "$@"
    for id in "$@"; do
        same "$(sql controller.db "SELECT count(*) FROM mtnt_tenant WHERE tenant = '$id'")" "0" "$id in the controller"
    done
}

test_canary_fails() {
    fleet 2 a b c d e f
    broken b
    exits 4 migrate --canary 2
    says 'wave 1 of 2: 2 tenants, 1 failed$' 'stopped: more tenants failed than may; 4 were not begun' \
        'next: see to the failures, then   mtnt-model migrate' '1 migrated, .* 1 failed .*, 4 untouched' 'exit 4$'
    complains 'wave 1 of 2 has not passed: 1 of its 2 tenants failed, and none may'
    same "$(tables_of a)" "t_one t_two"
    untouched c d e f
    sql models/b.db "DROP TABLE t_one"
    ok migrate --canary 1 --format jsonl
    json -s '[.[] | select(.event == "wave_finished") | [.wave, .waves, .tenants, .migrated]] == [[1, 2, 1, 1], [2, 2, 4, 4]]'
    # The canary was the first that had something to do.
    json -s '[.[] | select(.event == "wave_started" or .event == "tenant_finished") | .tenant // .event] | index("b") > index("wave_started")'
    json -s '.[-1].current == 1 and .[-1].migrated == 5 and .[-1].stopped_by == null'
}

test_waves() {
    fleet 1 a b c d e f g h i j
    ok migrate --waves 1,50% --soak 100ms --format jsonl --log-file log
    json -s '[.[] | select(.event == "wave_started") | .tenants] == [1, 4, 5]'
    json -s '[.[] | select(.event == "wave_finished") | .soak_ms] == [100, 100, 0]'
    json -s '[.[] | select(.event == "tenant_finished" or .event == "wave_finished") | .wave // 0] == [0,1,0,0,0,0,2,0,0,0,0,0,3]'
    grep -q 'wave 2 of 3 finished, 4 tenants: 4 migrated, 0 current, 0 failed, the next one in 100 ms' log || fail "$(cat log)"
    # Percentages are of those that have something to do.
    ok rewind --yes --exclude a --exclude b -q
    ok migrate --waves 25% --format jsonl
    json -s '[.[] | select(.event == "wave_started") | .tenants] == [2, 6]'
    ok migrate --waves 25% --format jsonl
    json -s '.[-1].current == 10'
    # Standard input is read once, and gone through twice.
    ok rewind --yes -q
    ok migrate --waves 10% --tenants - --format jsonl <tenants.yaml
    json -s '[.[] | select(.event == "wave_started") | .tenants] == [1, 9]'
}

test_budget() {
    fleet 1 a b c d e f g h
    broken b d f
    exits 4 migrate -j 1 --max-failures 1 --format json
    json '.exit == 4 and .failed == 2 and .migrated == 2 and .untouched == 4 and .stopped_by == "max_failures"'
    as_made e g h
    same "$(tables_of c)" "t_one"
    # As many as may: some failed, and that is all.
    exits 1 migrate -j 1 --max-failures 3 --format json
    json '.exit == 1 and .failed == 3 and .untouched == 0 and .stopped_by == null'
    sql models/b.db "DROP TABLE t_one"
    # 50 % of the 3 that have something to do are 1.
    exits 4 migrate -j 1 --max-failures 20%
    complains 'the failure budget is spent: 1 tenant failed, and at most 0 may \(max_failures 20%\)'
    exits 1 migrate -j 1 --max-failures 100%
    MTNT_MAX_FAILURES=0 exits 4 migrate -j 1 --format json
    project "max_failures: 0"
    exits 4 migrate -j 1 --format json
}

test_source_without_a_total() {
    fleet 1 a b c d
    printf 'source: {glob: "models/*.db"}\n' >tenants.yaml
    ok migrate --waves 50% --format jsonl
    json -s '[.[] | select(.event == "wave_started") | .tenants] == [2, 2]'
}

# groups of a: gold, b: eu and the rest.
groups() {
    project "groups:" \
        "  - {name: small, match: [size=s], order: 1, on_error: stop}" \
        "  - {name: large, match: [size=l], depends_on: [small], order: 1}"
    mkdir -p models
    {
        echo "defaults: {model: \"sqlite:models/{id}.db\"}"
        echo "tenants:"
        for id in x l1 l2 s1 s2; do
            case $id in
            l*) echo "  - {id: $id, labels: [size=l]}" ;;
            s*) echo "  - {id: $id, labels: [size=s]}" ;;
            *) echo "  - {id: $id}" ;;
            esac
            sql "models/$id.db" "CREATE TABLE made(at TEXT)"
        done
    } >tenants.yaml
    chain 1
}

test_groups() {
    groups
    ok migrate -j 4 --format jsonl
    json -s '[.[] | select(.event == "tenant_finished") | .tenant] | (.[0:2] | sort) == ["s1", "s2"] and (.[2:4] | sort) == ["l1", "l2"] and .[4] == "x"'
    rm -r models controller.db
    groups
    broken s1 s2
    exits 1 migrate -j 4 --format json
    json '.untouched >= 3 and .migrated == 0 and .stopped_by == null'
    untouched l1 l2 x
}

test_groups_refused() {
    fleet 1 a
    project "groups:" "  - {name: a, match: [x=y]}" "  - name: b" "    match: [x=z]" "    depends_on: [c]"
    exits 78 migrate
    complains 'mtnt.yaml:8: group `b` depends on `c`, and there is no such group'
    project "groups:" "  - {name: a, match: [x=y], depends_on: [b]}" "  - {name: b, match: [x=z], depends_on: [a]}"
    exits 78 migrate
    complains 'mtnt.yaml:5: group `a` depends on itself, by way of `depends_on`'
    project "groups:" "  - {name: a, match: [x], order: 1}"
    exits 78 validate
    complains 'mtnt.yaml:5: group `a`: `x` is not of the form key=value'
    project "groups:" "  - {name: a, match: [x=1], parralel: 1}"
    exits 78 migrate
    complains 'unknown key `parralel` in group `a`; did you mean `parallel`\?'
    project "waves: 10%,5%"
    exits 78 migrate
    complains 'mtnt.yaml:4: `10%,5%`: each wave goes further'
    project "retries: 101"
    exits 78 migrate
    untouched_controller=$(ls)
    same "$(echo "$untouched_controller" | grep -c controller.db || true)" "0"
}

test_usage() {
    for option in '--canary 0' '--canary x' '--waves 5,1' '--waves 0' '--max-failures many' '--max-failures 101%' \
        '--retries -1' '--rate 10' '--rate 0/s' '--soak soon' '--retry-pause 0'; do
        # shellcheck disable=SC2086 # two words
        exits 64 migrate $option
    done
    complains '--retry-pause: it has to be more than 0'
    MTNT_WAVES=1,1 exits 64 migrate
    complains 'MTNT_WAVES: `1,1`: each wave goes further than the one before'
    exits 64 status --canary 1
    complains 'status does not take --canary'
    silent
}

# A lock that somebody else holds for a while passes; --retries gets over it.
test_retries() {
    fleet 1 a b
    sql models/a.db "PRAGMA journal_mode = WAL" >/dev/null
    mkfifo go
    (
        exec 3>go
        printf 'BEGIN IMMEDIATE;\nINSERT INTO made VALUES(1);\n.shell touch locked\n' >&3
        tries=0
        until grep -q 'a try 1 failed' log 2>/dev/null || [ "$tries" -gt 300 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
        printf 'ROLLBACK;\n' >&3
    ) &
    sqlite3 -batch models/a.db <go &
    tries=0
    until [ -e locked ] || [ "$tries" -gt 300 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    ok migrate --retries 20 --retry-pause 200ms --lock-timeout 200ms --log-file log
    says '^[0-9]+ tr(y|ies) failed and (was|were) repeated$' '2 migrated'
    wait
    same "$(tables_of a)" "t_one"
    # What does not pass is not tried again.
    fleet 2 a b
    sql models/b.db "CREATE TABLE t_two(in_the_way INTEGER)"
    exits 1 migrate --retries 5 --format json
    json '.failed == 1 and .retries == 0'
}

# Ctrl-C while it waits for the next wave: at once, and the rest is untouched.
test_ctrl_c_in_a_soak() {
    fleet 1 a b c d
    # shellcheck disable=SC2086
    env --default-signal=INT ${MTNT_VALGRIND:-} "$MTNT_BIN" migrate --canary 1 --soak 1h --log-file log >"$scratch/out" 2>"$scratch/err" &
    child=$!
    tries=0
    until grep -q 'the next one in 3600000 ms' log 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || fail "no soak"
        sleep 0.1
    done
    kill -s INT "$child"
    code=0
    wait "$child" || code=$?
    out=$(cat "$scratch/out")
    err=$(cat "$scratch/err")
    same "$code" 130
    says 'wave 1 of 2: 1 tenant, 0 failed; the next one in 1 h' '1 migrated, .* 3 untouched'
    untouched b c d
}

# A13 with waves and workers: a source that gives a NULL in the middle is refused before the first wave; the library's tests have those that break
# off later.
test_A13() {
    fleet 1 a b
    sql controller.db "CREATE TABLE customers(id TEXT); INSERT INTO customers VALUES('a'), (NULL), ('b')"
    cat >tenants.yaml <<'END'
defaults: {model: "sqlite:models/{id}.db"}
source: {query: "SELECT id FROM customers"}
END
    for way in '-j 1' '-j 4' '--canary 1 -j 2' '--waves 50%'; do
        # shellcheck disable=SC2086 # words
        exits 78 migrate $way
        complains 'tenants.yaml:2: row 2 of the query has no `id`'
        same "$(tables_of a)" ""
        same "$(tables_of b)" ""
    done
    sql controller.db "DELETE FROM customers WHERE id IS NULL"
    ok migrate --waves 50% --format jsonl
    json -s '[.[] | select(.event == "wave_finished") | .migrated] == [1, 1]'
}

cli_main "$@"
