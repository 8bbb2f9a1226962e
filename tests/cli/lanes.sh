# shellcheck shell=sh
# Lanes: parts of a chain with applied sets and timeouts of their own. E1, E4, E5.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

# lanes OPERATIONS…: chain.yaml with the lanes fast and slow; "name" or "name/slow". Each makes the table of its name.
lanes() {
    {
        echo "chain: numbers"
        echo "operations:"
        for word in "$@"; do
            echo "  - name: ${word%/*}"
            [ "${word%/*}" = "$word" ] || echo "    lane: ${word#*/}"
            echo "    tables: {create: [\"t_${word%/*}(x INTEGER)\"]}"
        done
    } >chain.yaml
}

applied() {
    sql "models/$1.db" "SELECT group_concat(chain || ':' || name, ' ') FROM (SELECT chain, name FROM mtnt_applied ORDER BY chain, name)"
}

# The fast lane of all tenants comes first, whatever the order of the operations in the file.
test_in_their_order() {
    project
    tenants a b
    lanes one/slow two three/slow
    ok migrate
    says '^numbers · lane fast · 1 operation · 2 tenants' '^numbers · lane slow · 2 operations · 2 tenants'
    same "$(sql controller.db 'SELECT group_concat(chain) FROM mtnt_run ORDER BY run')" "numbers,numbers/slow"
    same "$(applied a)" "numbers:two numbers/slow:one numbers/slow:three"
    same "$(applied b)" "$(applied a)"
    ok migrate
    says '2 tenants: 0 migrated, 2 already current'
    same "$(sql controller.db 'SELECT count(*) FROM mtnt_run')" 2
    # A new operation in one lane is no matter of the other.
    lanes one/slow two three/slow four
    ok pending
    says '^ +4  four' '^lane slow' '^No migrations pending'
    ok migrate --lane fast
    says_not 'lane slow'
    same "$(applied a)" "numbers:four numbers:two numbers/slow:one numbers/slow:three"
}

test_separate_sets() {
    project
    tenants a
    lanes one two/slow
    ok migrate --lane fast
    same "$(applied a)" "numbers:one"
    exits 3 status --exit-code
    says 'chain numbers · lane fast, 1 operation, newest 1 one' '1 tenant: 1 current' \
        'chain numbers · lane slow, 1 operation, newest 2 two' '1 tenant: 0 current, 1 pending'
    ok status --exit-code --lane fast
    exits 3 status --exit-code --lane slow
    ok executed
    says 'lane fast' '1  one' 'lane slow' 'No migrations were executed'
    # A late operation is out of order within its own lane only.
    ok migrate
    lanes one two/slow
    cat >>chain.yaml <<'END'
  - {name: late, order: 5, tables: {create: ["t_late(x INTEGER)"]}}
  - {name: six, order: 6, lane: slow, tables: {create: ["t_six(x INTEGER)"]}}
END
    ok migrate
    sed -i 's/order: 5/order: 3, lane: slow/' chain.yaml
    exits 1 migrate
    says 'late. of chain numbers was applied in lane .fast., and the chain now has it in lane .slow.'
}

# What fails in slow leaves what fast has done; it is said, and the next run goes on there.
test_one_fails() {
    project
    tenants a b
    lanes one two/slow
    sql models/a.db 'CREATE TABLE t_two(other TEXT)'
    exits 1 migrate
    says '2 tenants: 2 migrated, 0 already current, 0 failed' '2 tenants: 1 migrated, 0 already current, 1 failed \(1 rolled back\)' \
        'table t_two already exists'
    same "$(applied a)" "numbers:one"
    same "$(applied b)" "numbers:one numbers/slow:two"
    ok status --lane fast --exit-code
    exits 3 status --lane slow --exit-code
    says '1 failed' 't_two already exists'
    sql models/a.db 'DROP TABLE t_two'
    ok migrate
    says '2 tenants: 0 migrated, 2 already current' '2 tenants: 1 migrated, 1 already current'
    same "$(applied a)" "$(applied b)"
}

# A tenant's slow lane waits for its fast one, other tenants' do not.
test_held_back() {
    project
    tenants a b
    lanes one two/slow
    sql models/a.db 'CREATE TABLE t_one(other TEXT)'
    exits 1 migrate
    says '1 failed \(1 rolled back\), 0 untouched' '2 tenants: 1 migrated, 0 already current, 0 failed, 1 untouched \(1 waits for another lane\)'
    complains 'tenant a: lane `slow` runs when lane `fast` is complete, and it is not: +mtnt-model migrate --lane fast --tenant a'
    same "$(applied b)" "numbers:one numbers/slow:two"
    # --on-error stop ends it before the next lane.
    exits 1 migrate --on-error stop --tenant a
    says_not 'lane slow'
    sql models/a.db 'DROP TABLE t_one'
    exits 1 migrate --lane slow
    says '1 untouched \(1 waits for another lane\)'
    ok migrate
    same "$(applied a)" "$(applied b)"
    # Back it goes the other way round.
    exits 1 rewind --lane fast --yes
    complains 'tenant a: lane `slow` is taken back before lane `fast`'
    says '2 untouched \(2 wait for another lane\)'
    same "$(applied a)" "numbers:one numbers/slow:two"
    ok rewind --yes
    same "$(applied a)" ""
    same "$(tables_of b)" ""
    # Beside: it does not depend on what is before it.
    printf 'lanes: [{name: fast}, {name: slow, beside: true}]\n' >>chain.yaml
    ok migrate --lane slow
    same "$(applied a)" "numbers/slow:two"
    ok migrate
    ok rewind --lane fast --yes
    same "$(applied a)" "numbers/slow:two"
}

# One program in each of the lanes fast and slow, and what else they do; a third lane comes after both.
beside() {
    cat >chain.yaml <<END
chain: numbers
lanes: [{name: fast}, {name: slow, beside: true}, {name: last}]
operations:
  - name: one
    exec: {command: [$1], undo: ["true"]}
  - {name: two, tables: {create: ["t_two(x INTEGER)"]}}
  - name: three
    lane: slow
    exec: {command: [$2], undo: ["true"]}
  - {name: four, lane: slow, tables: {create: ["t_four(x INTEGER)"]}}
  - {name: five, lane: last, tables: {create: ["t_five(x INTEGER)"]}}
END
}

in_all="numbers:one numbers:two numbers/last:five numbers/slow:four numbers/slow:three"

# Each of the two programs waits until the other lane's is there: with two tenants they are at it at the same time, or never end well.
test_beside() {
    project
    tenants a b
    cat >meet.sh <<END
#!/bin/sh
touch "$PWD/\$1-is-there"
for i in \$(seq 1 500); do
    [ ! -e "$PWD/\$2-is-there" ] || exit 0
    sleep 0.02
done
exit 1
END
    chmod +x meet.sh
    beside "$PWD/meet.sh, fast, slow" "$PWD/meet.sh, slow, fast"
    ok migrate -j 1
    says '^numbers · lane fast · 2 operations · 2 tenants' '^numbers · lane slow · 2 operations · 2 tenants' \
        '^numbers · lane last · 1 operation · 2 tenants'
    same "$(printf '%s\n' "$out" | sed -En 's/^(lane [a-z]*)$/\1/p; s/^(2 tenants: [0-9]* migrated).*/\1/p' | paste -sd' ')" \
        "lane fast 2 tenants: 2 migrated lane slow 2 tenants: 2 migrated lane last 2 tenants: 2 migrated"
    same "$(applied a)" "$in_all"
    same "$(applied b)" "$in_all"
    same "$(sql controller.db 'SELECT count(*) FROM mtnt_run')" 3
    ok migrate
    says '^2 tenants: 0 migrated, 2 already current'
    ok rewind --yes
    ok migrate --format json
    json '.exit == 0 and (.lanes | keys_unsorted) == ["fast", "slow", "last"] and .lanes.slow.lane == "slow"'
    json '[.lanes[] | .migrated, .exit] == [2, 0, 2, 0, 2, 0]'
    # Every event says whose it is.
    ok rewind --yes
    ok migrate --format jsonl
    json -s 'all(.lane != null) and (map(select(.event == "run_finished") | .lane) == ["fast", "slow", "last"])'
    json -s 'map(select(.event == "tenant_finished") | .lane + " " + .tenant + " " + .result) | sort ==
        ["fast a migrated", "fast b migrated", "last a migrated", "last b migrated", "slow a migrated", "slow b migrated"]'
    ok reset --yes --format json
    json '.exit == 0 and .rewind.lanes.slow.migrated == 2 and .migrate.lanes.slow.migrated == 2'
    # One of them alone, and how far all of them go.
    ok rewind --yes
    ok migrate --lane fast
    says_not 'lane slow'
    same "$(applied a)" "numbers:one numbers:two"
    ok migrate --to three
    says '^lane slow'
    says_not 'lane last'
    same "$(applied a)" "numbers:one numbers:two numbers/slow:three"
    # Standard input is read once for all of them.
    ok migrate --tenants - <tenants.yaml
    same "$(applied b)" "$in_all"
}

# Each sum adds up, a failure says whose it is, and the exit code is over all lanes.
test_beside_fails() {
    project
    tenants a b c d
    beside '"true"' '"true"'
    for id in a b c; do sql "models/$id.db" 'CREATE TABLE t_four(other TEXT)'; done
    sql models/d.db 'CREATE TABLE t_two(other TEXT)'
    exits 1 migrate
    says '^✗ d +failed at 2 two \(model\), lane fast' '^✗ a +failed at 4 four \(model\), lane slow' \
        '^4 tenants: 3 migrated, 0 already current, 1 failed \(1 rolled back\), 0 untouched' \
        '^4 tenants: 1 migrated, 0 already current, 3 failed \(3 rolled back\), 0 untouched' \
        '^4 tenants: 0 migrated, 0 already current, 0 failed, 4 untouched \(4 wait for another lane\)'
    # A block stays in one piece.
    same "$(printf '%s\n' "$out" | grep -A 3 '^✗' | grep -c '^    next: ')" 4
    same "$(applied d)" "numbers/slow:four numbers/slow:three"
    # The budget is each lane's own. After it no lane is begun.
    exits 4 migrate --max-failures 1 -j 1
    says '^stopped: more tenants failed than may; 1 was not begun' '^4 tenants: 0 migrated, 3 already current, 1 failed'
    complains 'the failure budget is spent: 2 tenants failed' 'lane .last. was not begun: more tenants failed in the lane before it than may'
    exits 4 migrate --max-failures 1 -j 1 --format json
    json '.exit == 4 and .lanes.fast.exit == 1 and .lanes.slow.exit == 4 and .lanes.last == null'
    exits 1 migrate --on-error stop
    complains 'lane .last. was not begun: the lane before it has failures'
    for id in a b c; do sql "models/$id.db" 'DROP TABLE t_four'; done
    sql models/d.db 'DROP TABLE t_two'
    # Percentages are of each lane's own tenants.
    ok migrate --waves 50%,100%
    says '^lane slow, wave 1 of 2: 2 tenants, 0 failed' '^lane last, wave 1 of 2: 2 tenants, 0 failed' '^lane last, wave 2 of 2: '
    for id in a b c d; do same "$(applied $id)" "$in_all"; done
}

# The first failure stops all lanes that are at work.
test_beside_stops() {
    project
    tenants a b
    cat >fail.sh <<END
#!/bin/sh
for i in \$(seq 1 500); do [ -e "$PWD/fast-is-there" ] || sleep 0.02; done
touch "$PWD/has-failed"
exit 1
END
    cat >hold.sh <<END
#!/bin/sh
touch "$PWD/fast-is-there"
for i in \$(seq 1 500); do [ -e "$PWD/has-failed" ] || sleep 0.02; done
sleep 0.5
END
    chmod +x fail.sh hold.sh
    beside "$PWD/hold.sh" "$PWD/fail.sh"
    exits 1 migrate --on-error stop -j 1 --format json
    json '.lanes.fast.migrated == 1 and .lanes.fast.untouched == 1 and .lanes.slow.failed == 1 and .lanes.slow.untouched == 1 and .lanes.last == null'
}

# A tenant is in one lane at a time: no lane waits for another's locks, however little patience there is for locks.
test_beside_takes_turns() {
    project
    tenants a b
    sql controller.db 'CREATE TABLE said(id TEXT)'
    long="WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700000) INSERT INTO"
    for both in "" ", controller: {up: \"INSERT INTO said VALUES(:'tenant')\", down: \"DELETE FROM said\"}"; do
        cat >chain.yaml <<END
chain: numbers
lanes: [{name: fast}, {name: slow, beside: true}]
operations:
  - name: one
    sql: {model: {up: "CREATE TABLE t_one(x); $long t_one SELECT max(i) FROM n", down: "DROP TABLE t_one"}$both}
  - name: two
    lane: slow
    sql: {model: {up: "CREATE TABLE t_two(x); $long t_two SELECT max(i) FROM n", down: "DROP TABLE t_two"}$both}
END
        ok migrate --lock-timeout 100ms
        same "$(tables_of a) $(tables_of b)" "t_one t_two t_one t_two"
        ok rewind --yes
    done
}

# The first lane makes the models; the one beside it takes each tenant once that is there.
test_beside_new_models() {
    project
    mkdir models
    {
        echo "defaults: {model: 'sqlite:models/{id}.db'}"
        echo "tenants:"
        for i in $(seq 1 40); do echo "  - id: t$i"; done
    } >tenants.yaml
    beside '"true"' '"true"'
    sed -i 's/^  - name: one/  - {name: base, create_model: {}}\n&/' chain.yaml
    ok migrate
    says_not 'wait'
    same "$(printf '%s\n' "$out" | grep -c '^40 tenants: 40 migrated, 0 already current, 0 failed, 0 untouched')" 3
    same "$(sql controller.db 'SELECT count(*) FROM mtnt_run')" 3
    same "$(applied t40)" "numbers:base numbers:one numbers:two numbers/last:five numbers/slow:four numbers/slow:three"
    # It does not wait for what is never made.
    rm -r controller.db models
    mkdir models
    beside '"false"' '"true"'
    sed -i 's/^  - name: one/  - {name: base, create_model: {}}\n&/' chain.yaml
    exits 1 migrate --tenant t1 --tenant t2
    says '^2 tenants: 0 migrated, 0 already current, 2 failed' '2 untouched \(2 wait for another lane\)'
    same "$(ls models)" ""
}

# A signal is for all lanes.
test_beside_interrupted() {
    project
    tenants a b
    cat >hold.sh <<END
#!/bin/sh
touch "$PWD/\$1-is-there"
for i in \$(seq 1 500); do [ -e "$PWD/open" ] || sleep 0.02; done
END
    chmod +x hold.sh
    beside "$PWD/hold.sh, fast" "$PWD/hold.sh, slow"
    "$MTNT_BIN" migrate -j 1 --format json >run.json 2>run.err &
    pid=$!
    until [ -e fast-is-there ] && [ -e slow-is-there ]; do sleep 0.02; done
    kill -TERM "$pid"
    until grep -q stopping run.err; do sleep 0.02; done
    touch open
    code=0
    wait "$pid" || code=$?
    same "$code" 143 "$(cat run.err)"
    jq -e '.exit == 143 and ([.lanes.fast, .lanes.slow] | map(.migrated, .untouched, .exit) == [1, 1, 143, 1, 1, 143]) and .lanes.last == null' \
        run.json >/dev/null || fail "$(cat run.json)"
    ok migrate
    same "$(applied a)" "$in_all"
    same "$(applied b)" "$in_all"
}

# What is applied stays in its lane: no operation runs twice because the file says another lane.
test_moved() {
    project
    tenants a b
    lanes one two/slow
    ok migrate --tenant a
    cat >>chain.yaml <<'END'
  - name: said
    lane: slow
    sql: {controller: {up: "INSERT INTO said VALUES(:'tenant')", down: "DELETE FROM said WHERE id = :'tenant'"}}
END
    sql controller.db 'CREATE TABLE said(id TEXT)'
    ok migrate --tenant a
    same "$(sql controller.db "SELECT recorded_in FROM mtnt_operation WHERE name = 'said'")" controller
    before=$(fingerprint models/a.db)
    lanes one two
    exits 1 migrate --tenant a
    says 'tenant a: operation 2 `two` of chain numbers was applied in lane `slow`, and the chain now has it in lane `fast`'
    lanes one/slow two/slow
    exits 1 migrate --tenant a
    says 'operation 1 `one` of chain numbers was applied in lane `fast`, and the chain now has it in lane `slow`'
    # A lane that was renamed is another one.
    lanes one two/later
    printf 'lanes: [{name: fast}, {name: later}]\n' >>chain.yaml
    exits 1 migrate --tenant a
    says 'operation 2 `two` of chain numbers was applied in lane `slow`, and the chain now has it in lane `later`'
    # One that only the controller records.
    lanes one two/slow
    cat >>chain.yaml <<'END'
  - name: said
    sql: {controller: {up: "INSERT INTO said VALUES(:'tenant')", down: "DELETE FROM said WHERE id = :'tenant'"}}
END
    exits 1 migrate --tenant a --lane fast
    says 'operation 3 `said` of chain numbers was applied in lane `slow`, and the chain now has it in lane `fast`'
    same "$(sql controller.db 'SELECT count(*) FROM said')" 1
    same "$(fingerprint models/a.db)" "$before"
    # The same when its lane was renamed, or taken away.
    lanes one two/slow
    cat >>chain.yaml <<'END'
  - name: said
    lane: later
    sql: {controller: {up: "INSERT INTO said VALUES(:'tenant')", down: "DELETE FROM said WHERE id = :'tenant'"}}
lanes: [{name: fast}, {name: slow}, {name: later}]
END
    exits 1 migrate --tenant a
    says 'operation 3 `said` of chain numbers was applied in lane `slow`, and the chain now has it in lane `later`'
    cat >chain.yaml <<'END'
chain: numbers
lanes: [{name: fast}, {name: later}]
operations:
  - name: said
    order: 3
    lane: later
    sql: {controller: {up: "INSERT INTO said VALUES(:'tenant')", down: "DELETE FROM said WHERE id = :'tenant'"}}
END
    exits 2 migrate --tenant b
    complains 'tenant a: operation 3 `said` of chain numbers was applied in lane `slow`, and the chain now has it in lane `later`'
    same "$(sql controller.db 'SELECT count(*) FROM said')" 1
    lanes one two/slow
    cat >>chain.yaml <<'END'
  - name: said
    sql: {controller: {up: "INSERT INTO said VALUES(:'tenant')", down: "DELETE FROM said WHERE id = :'tenant'"}}
END
    # Where nothing is applied yet it may be anywhere.
    ok migrate --tenant b --lane fast
    same "$(applied b)" "numbers:one numbers:said"
}

test_to_and_back() {
    project
    tenants a
    lanes one two three/slow four five/slow
    ok migrate --to two
    says_not 'lane slow'
    same "$(applied a)" "numbers:one numbers:two"
    ok migrate --to three
    same "$(applied a)" "numbers:four numbers:one numbers:two numbers/slow:three"
    ok migrate
    # What comes after it by order goes, in every lane, and nothing else.
    ok rewind --to four
    same "$(applied a)" "numbers:four numbers:one numbers:two numbers/slow:three"
    ok rewind --to two
    same "$(applied a)" "numbers:one numbers:two"
    ok migrate
    exits 64 rewind --steps 1
    complains 'the chain numbers has lanes: say with --lane which of them is meant \(slow, fast\)'
    ok rewind --steps 1 --lane slow
    ok undo --lane slow
    same "$(applied a)" "numbers:four numbers:one numbers:two"
    ok --lane slow 'do'
    same "$(applied a)" "numbers:four numbers:one numbers:two numbers/slow:three"
    ok reset --yes
    same "$(applied a)" "numbers:four numbers:one numbers:two numbers/slow:five numbers/slow:three"
}

# E4: each lane has its own times, 0 switches off, and what a caller says comes first.
test_timeouts() {
    project
    tenants a
    cat >chain.yaml <<'END'
chain: numbers
lanes:
  - {name: fast, operation_timeout: 300ms}
  - {name: slow}
operations:
  - name: one
    exec: {command: [sleep, "1"], undo: ["true"]}
  - name: two
    lane: slow
    exec: {command: [sleep, "1"], undo: ["true"]}
END
    exits 1 migrate --lane fast
    says '✗ a +failed at 1 one'
    ok migrate --operation-timeout 0
    # The slow one has no such limit of its own, and gets the caller's.
    ok rewind --yes --lane slow
    exits 1 migrate --operation-timeout 300ms
    says 'failed at 2 two'
    ok migrate
    # The lane's own deadline, and none.
    sed -i 's/operation_timeout: 300ms/operation_timeout: 0, deadline: 300ms/' chain.yaml
    ok rewind --yes
    exits 1 migrate --lane fast
    ok migrate --lane fast --deadline 0
    # The same in the project file.
    sed -i 's/operation_timeout: 0, deadline: 300ms/operation_timeout: 300ms/' chain.yaml
    ok rewind --yes
    project 'operation_timeout: 0'
    ok migrate --lane fast
}

# E1: environments merge by number; only those that are asked for run, and the others stay known.
test_environments() {
    project
    tenants a
    for at in base/1_one trial/2_two base/3_three; do
        mkdir -p "$at"
        echo "CREATE TABLE t_${at#*_}(x INTEGER);" >"$at/model.up.sql"
        echo "DROP TABLE t_${at#*_};" >"$at/model.down.sql"
    done
    cat >chain.yaml <<'END'
chain: numbers
migrations:
  - {dir: base, format: native, environment: base}
  - {dir: trial, format: native, environment: trial, lane: slow}
  - {dir: gone, format: native, environment: gone}
END
    exits 64 migrate --environment prod
    complains '--environment: the chain numbers has no environment .prod.'
    ok migrate --environment base
    same "$(tables_of a)" "t_one t_three"
    ok status --exit-code --environment base
    exits 3 status --exit-code
    MTNT_ENVIRONMENT=base,trial ok migrate
    same "$(tables_of a)" "t_one t_three t_two"
    # The others are known, and not run.
    mkdir base/4_four
    echo "CREATE TABLE t_four(x INTEGER);" >base/4_four/model.up.sql
    ok migrate --environment base
    ok migrate --environment gone
    says '0 migrated, 1 already current'
    same "$(tables_of a)" "t_four t_one t_three t_two"
    # In the project file, which a flag outranks.
    mkdir trial/5_five
    echo "CREATE TABLE t_five(x INTEGER);" >trial/5_five/model.up.sql
    project 'environments: [base]'
    ok migrate
    same "$(tables_of a)" "t_four t_one t_three t_two"
    ok migrate --environment trial
    same "$(tables_of a)" "t_five t_four t_one t_three t_two"
    project 'environments: [prod]'
    exits 78 migrate
    complains 'mtnt.yaml: `environments`: the chain numbers has no environment .prod.'
}

test_json() {
    project
    tenants a b
    lanes one two/slow
    ok migrate --format json
    json '.exit == 0 and (.lanes | keys == ["fast", "slow"]) and .lanes.fast.migrated == 2 and .lanes.slow.lane == "slow"'
    ok status --format json
    json '.lanes.slow.summary.current == 2 and .lanes.fast.tenants[0].version == 1 and .exit == 0'
    ok pending --format jsonl
    json -s 'map(.event) == ["lane", "tenant", "tenant", "summary", "lane", "tenant", "tenant", "summary"]'
    ok reset --yes --format json
    json '.exit == 0 and .rewind.lanes.slow.migrated == 2 and .migrate.lanes.fast.migrated == 2'
    sql models/a.db 'DROP TABLE t_one'
    exits 1 rewind --yes --format json --tenant a
    json '.exit == 1 and .lanes.slow.migrated == 1 and .lanes.fast.failed == 1'
    exits 64 rewind --format json
    [ "$out" = "" ] || json '.exit == 64'
}

test_usage() {
    project
    tenants a
    lanes one two/slow
    exits 64 migrate --lane slwo
    complains '--lane: the chain numbers has no lane slwo; did you mean slow\?'
    exits 64 migrate --lane fast --to two
    complains '--to: operation two is in lane slow, which --lane does not name'
    exits 64 resolve --tenant a --as retry
    complains 'say with --lane which of them is meant'
    exits 64 migrate --steps 1
    exits 64 validate --lane fast
    complains 'validate does not take --lane'
    # A chain without lanes has one.
    chain 1
    ok migrate --lane fast
    exits 64 migrate --lane slow
    complains 'the chain numbers has no lane slow'
}

view() {
    sql controller.db "SELECT lane, state, tenants, complete, running, failed, pending FROM mtnt_lane WHERE chain = 'numbers' ORDER BY place"
}

# An application in any language reads it from the controller.
test_view() {
    project
    tenants a b
    lanes one two/slow
    sql models/b.db 'CREATE TABLE t_two(other TEXT)'
    ok migrate --lane fast
    same "$(view)" "fast|complete|2|2|0|0|0
slow|pending|2|0|0|0|2"
    exits 1 migrate
    same "$(view)" "fast|complete|2|2|0|0|0
slow|failed|2|1|0|1|0"
    same "$(sql controller.db "SELECT tenant, state, version FROM mtnt_lane_tenant WHERE lane = 'slow' ORDER BY tenant")" "a|complete|2
b|failed|0"
    sql controller.db "SELECT error FROM mtnt_lane WHERE lane = 'slow'" | grep -q 't_two already exists' || fail 'the error is not in the view'
    sql models/b.db 'DROP TABLE t_two'
    ok migrate
    same "$(view)" "fast|complete|2|2|0|0|0
slow|complete|2|2|0|0|0"
    # What is new in slow is pending as soon as fast has run with it.
    lanes one two/slow three/slow
    ok migrate --lane fast
    same "$(view)" "fast|complete|2|2|0|0|0
slow|pending|2|0|0|0|2"
    # A slow lane that waits for a fast one that has failed has failed too.
    lanes one two/slow three/slow four
    sql models/a.db 'CREATE TABLE t_four(other TEXT)'
    exits 1 migrate
    same "$(view)" "fast|failed|2|1|0|1|0
slow|failed|2|1|0|1|0"
    same "$(sql controller.db "SELECT count(*) FROM mtnt_lane_tenant WHERE tenant = 'a' AND error LIKE '%t_four%'")" 2
    # One at work is running, as long as its lease holds, then it is waited for.
    sql controller.db "UPDATE mtnt_tenant SET state = 'executing', lease_until_ms = 4000000000000 WHERE chain = 'numbers' AND tenant = 'a'"
    same "$(view)" "fast|running|2|1|1|0|0
slow|pending|2|1|0|0|1"
    sql controller.db "UPDATE mtnt_tenant SET lease_until_ms = 1 WHERE chain = 'numbers' AND tenant = 'a'"
    same "$(view | head -n 1)" "fast|pending|2|1|0|0|1"
    # The file is attached by other programs under other names.
    same "$(sqlite3 -batch other.db "ATTACH 'controller.db' AS fleet; SELECT count(*) FROM fleet.mtnt_lane")" 2
    sql controller.db "UPDATE mtnt_tenant SET state = 'idle' WHERE chain = 'numbers' AND tenant = 'a'"
    # A lane that is gone is not shown.
    lanes one
    exits 1 migrate --tenant b
    same "$(sql controller.db 'SELECT group_concat(lane) FROM mtnt_lane')" fast
}

test_wait() {
    project
    tenants a b
    lanes one two/slow
    exits 3 wait --timeout 1ms
    says '^lane fast pending: 2 tenants, 0 complete, 0 running, 0 failed, 2 pending' '^lane slow pending'
    ok migrate --lane fast
    ok wait --lane fast
    says '^lane fast complete: 2 tenants, 2 complete'
    says_not 'slow'
    exits 3 wait --lane slow --timeout 1ms
    says '^lane slow pending: 2 tenants, 0 complete, 0 running, 0 failed, 2 pending'
    # It ends when the lane does, in another process.
    "$MTNT_BIN" wait --lane slow --timeout 1m --format json >waited.json 2>waited.err &
    waiting=$!
    ok migrate
    wait "$waiting" || fail "wait has not ended well: $(cat waited.json waited.err)"
    jq -e '.state == "complete" and .exit == 0 and .lanes.slow.complete == 2 and (.lanes | has("fast") | not)' waited.json >/dev/null ||
        fail "$(cat waited.json)"
    ok wait
    # And it ends when the lane has failed, with the reason; other tenants are no matter of one's own.
    lanes one two/slow three/slow
    sql models/a.db 'CREATE TABLE t_three(other TEXT)'
    "$MTNT_BIN" wait --lane slow --timeout 1m >waited.txt 2>&1 &
    waiting=$!
    exits 1 migrate
    code=0
    wait "$waiting" || code=$?
    same "$code" 1 "$(cat waited.txt)"
    grep -q '^lane slow failed: 2 tenants, .* 1 failed' waited.txt || fail "$(cat waited.txt)"
    grep -q '1 x  table t_three already exists.*at three     a$' waited.txt || fail "$(cat waited.txt)"
    ok wait --lane slow --tenant b
    exits 1 wait --lane slow --tenant a --format json
    json '.state == "failed" and .exit == 1 and .lanes.slow.failed == 1 and (.lanes.slow.error | test("t_three")) and .lanes.slow.error_operation == "three"'
    # The lane before has failed: then this one will not be complete either.
    sql models/a.db 'DROP TABLE t_three; CREATE TABLE t_four(other TEXT)'
    lanes one two/slow three/slow four five/slow
    exits 1 migrate --lane fast
    sql controller.db "UPDATE mtnt_tenant SET error = NULL WHERE chain = 'numbers/slow'"
    exits 1 wait --lane slow
    says '^lane slow pending: 2 tenants' '^lane fast failed: 2 tenants, 1 complete' 't_four already exists'
    exits 64 wait --lane slwo
    complains 'did you mean slow'
    exits 64 migrate --timeout 1s
    complains 'migrate does not take --timeout'
}

cli_main "$@"
