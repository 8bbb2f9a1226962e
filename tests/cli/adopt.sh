# shellcheck shell=sh
# Models of another controller: what they say of it, what adopt would do, does and refuses, and what is left of it in both controllers.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"

# old ARGUMENTS…: the options of the first controller. new: of the second.
old=controller.db
new=new.db
id_of() { sql "$1" "SELECT value FROM mtnt_meta WHERE key = 'controller'"; }
bearer() { sql "models/$1.db" "SELECT value FROM mtnt_meta WHERE key = 'controller'"; }
audits() { sql "$1" "SELECT count(*) FROM mtnt_audit"; }

# moved N ID…: a fleet that $old has migrated.
moved() {
    fleet "$@"
    ok migrate -q
}

test_taken_over() {
    moved 2 a b c
    cp models/c.db c.before
    exits 1 migrate --controller sqlite:$new --tenant a
    says 'last written by another controller' 'mtnt-model adopt --tenant a'

    # Without --yes it says what it would do.
    exits 64 adopt --controller sqlite:$new --exclude c
    says "^a: would be taken over from controller $(id_of $old | cut -c1-8)…, at version 2 \(2 operations\)" \
        '^2 tenants: 2 would be taken over, 0 this controller.s already, 0 refused'
    complains 'not asked whether it has finished.*--from' 'nothing was changed; it is done with --yes'
    exits 64 adopt --controller sqlite:$new --exclude c --format json
    json '.summary.would_be_adopted == 2 and .tenants[0].id == "a" and .tenants[0].result == "would_be_adopted"'
    json --arg id "$(id_of $old)" '.tenants[0].controller == $id and .tenants[0].version == 2 and .tenants[0].operations == 2'
    same "$(bearer a) $(bearer b)" "$(id_of $old) $(id_of $old)"
    same "$(audits $new)" 0
    same "$(sql $new "SELECT count(*) FROM mtnt_tenant WHERE version > 0")" 0

    ok adopt --controller sqlite:$new --exclude c --from sqlite:$old --yes --reason 'the fleet has moved'
    says 'guarantee: each model changes hands whole' \
        "^2 tenants: 2 taken over, 0 this controller.s already, 0 failed, 0 untouched"
    same "$(bearer a) $(bearer b)" "$(id_of $new) $(id_of $new)"
    same "$(sql $new "SELECT tenant || version || state || (digest = (SELECT max(digest) FROM mtnt_tenant)) FROM mtnt_tenant WHERE tenant <> 'c'")" "a2idle1
b2idle1"
    same "$(sql $new "SELECT count(*) FROM mtnt_operation WHERE status = 'COMPLETED'")" 4
    same "$(sql $new "SELECT from_state || '>' || to_state || ':' || reason FROM mtnt_audit WHERE tenant = 'a'")" \
        "controller $(id_of $old)>controller $(id_of $new):the fleet has moved"
    same "$(sql $new "SELECT who LIKE '%@%' FROM mtnt_audit WHERE tenant = 'a'")" 1
    ok executed --controller sqlite:$new --tenant a
    says 'one' 'two'
    fingerprint models/c.db >c.now
    cmp -s models/c.db c.before || fail "c was not selected, and is another one now"

    # It goes on from there, and the other one is refused.
    chain 3
    ok migrate --controller sqlite:$new --exclude c
    says '^2 tenants: 2 migrated'
    same "$(tables_of a)" "t_one t_three t_two"
    exits 1 migrate --tenant a --tenant c
    says 'last written by another controller' '1 migrated, .*1 failed'
    # Once more is nothing.
    ok adopt --controller sqlite:$new --exclude c --yes
    says '^2 tenants: 0 taken over, 2 this controller.s already'
    same "$(audits $new)" 2
    # And back.
    ok adopt --from sqlite:$new --yes --tenant a
    says '1 taken over'
    ok status
    says 'version 3 +2'
}

test_refused() {
    moved 2 a b c d e
    sql models/plain.db "CREATE TABLE made(x)"
    printf '  - {id: plain}\n  - {id: lost}\n' >>tenants.yaml
    # Not done with there: every state that is not idle.
    sql $old "UPDATE mtnt_tenant SET state = 'executing' WHERE tenant = 'a'"
    sql $old "UPDATE mtnt_tenant SET state = 'rollback_failed' WHERE tenant = 'b'"
    # An operation that the chain lacks; a swapped model.
    sql models/c.db "INSERT INTO mtnt_applied SELECT chain, 'nine', 9, checksum, 0, 0, migration, run FROM mtnt_applied LIMIT 1"
    mv models/d.db models/x.db && mv models/e.db models/d.db && mv models/x.db models/e.db
    before=$(fingerprint models/a.db models/b.db models/c.db models/d.db models/e.db models/plain.db)
    set -- --controller sqlite:$new --from sqlite:$old
    exits 64 adopt "$@"
    says '^7 tenants: 0 would be taken over, 0 this controller.s already, 7 refused'
    exits 1 adopt "$@" --yes --log-file log
    says '^7 tenants: 0 taken over, 0 .*7 failed'
    for said in 'tenant a is executing there \(migration [0-9a-f]{32}, chain numbers\).*mtnt-model recover --tenant a' \
        'tenant b is rollback_failed there .*or resolve' \
        'tenant c knows operation 9 .nine., which this chain lacks' \
        'its model is tenant e.s, .*swapped.*mtnt-model adopt --tenant d --as-renamed' \
        'no controller has written its model.*baseline' 'there is nothing to take over'; do
        grep -Eq -e "$said" log || fail "the log lacks $said: $(cat log)"
    done
    same "$(fingerprint models/a.db models/b.db models/c.db models/d.db models/e.db models/plain.db)" "$before"
    [ ! -e models/lost.db ] || fail "a model was made"
    same "$(audits $new) $(sql $new "SELECT count(*) FROM mtnt_operation") $(sql $new "SELECT max(version) FROM mtnt_tenant")" "0 0 0"
    # Which controller is meant is checked, too.
    ok status -q --controller sqlite:third.db
    ok migrate -q --controller sqlite:third.db --tenant plain
    exits 1 adopt --controller sqlite:$new --from sqlite:third.db --yes --tenant e --as-renamed
    says 'name the one that it bears with --from'
    exits 1 adopt --controller sqlite:$new --from sqlite:nowhere.db --yes --tenant e --as-renamed
    says 'the other controller .* cannot be asked'
    # Explicitly.
    ok adopt --controller sqlite:$new --from sqlite:$old --yes --tenant d --tenant e --as-renamed
    says '2 taken over'
    same "$(sql models/d.db "SELECT value FROM mtnt_meta WHERE key = 'tenant'")" d
    ok migrate --controller sqlite:$new --tenant d --tenant e
    # Once it is this controller's, no option makes another tenant's of it.
    mv models/d.db models/x.db && mv models/e.db models/d.db && mv models/x.db models/e.db
    exits 1 adopt --controller sqlite:$new --yes --tenant d --as-renamed
    says 'this is not the model that the controller knows'
    # A model on its way.
    cp models/a.db "models/a.db.mtnt-gone-0123456789abcdef0123456789abcdef"
    printf 'tenants:\n  - {id: a, model: "sqlite:models/a.db.mtnt-gone-0123456789abcdef0123456789abcdef"}\n' >gone.yaml
    exits 1 adopt --controller sqlite:$new --yes --tenants gone.yaml
    says 'put away: let it be put back'
    exits 64 adopt --from 'postgresql://u:pw@h/x'
    complains 'no flag takes a password'
    exits 64 migrate --as-renamed
}

test_lanes() {
    moved 2 a
    printf '    lane: slow\n' >>chain.yaml
    rm -f controller.db models/a.db
    tenants a
    ok migrate -q
    ok adopt --controller sqlite:$new --from sqlite:$old --yes --format json
    json '.lanes.fast.migrated == 1 and .lanes.slow.current == 1'
    same "$(sql $new "SELECT group_concat(chain || version, ' ') FROM (SELECT * FROM mtnt_tenant ORDER BY chain)")" "numbers1 numbers/slow2"
    ok adopt --controller sqlite:$new --from sqlite:$old --yes --format jsonl
    ok status --exit-code --controller sqlite:$new
}

# kill -9 in the middle, with a few dozen: each is one controller's or the other's, and says so in both places after recovery.
test_killed() {
    ids=$(seq -f 't%03g' 1 60)
    # shellcheck disable=SC2086 # a list of words
    moved 1 $ids
    for after in 0.02 0.04 0.06; do
        "$MTNT_BIN" adopt -q --controller sqlite:$new --from sqlite:$old --yes -j 4 >/dev/null 2>&1 &
        pid=$!
        sleep "$after"
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    ok recover --controller sqlite:$new
    ours=$(id_of $new)
    for id in $ids; do
        theirs=$(sql $new "SELECT coalesce(max(version), 0) || ' ' || (SELECT count(*) FROM mtnt_audit WHERE tenant = '$id') || ' ' ||
            (SELECT count(*) FROM mtnt_operation WHERE tenant = '$id') || ' ' || coalesce(max(state), 'idle') FROM mtnt_tenant WHERE tenant = '$id'")
        case $(bearer "$id") in
        "$ours") same "$theirs" "1 1 1 idle" "$id, which is ours" ;;
        *) same "$theirs" "0 0 0 idle" "$id, which is not ours" ;;
        esac
    done
    ok adopt -q --controller sqlite:$new --from sqlite:$old --yes
    same "$(audits $new)" 60
    ok migrate --controller sqlite:$new
    says '0 migrated, 60 already current'
}

# Databases and schemas on PostgreSQL; what the other controller has prepared there.
test_on_postgres() {
    with_server
    create_database old new a
    query "${base}_a" -c "CREATE SCHEMA s1" -c "CREATE SCHEMA s2"
    chain 2
    printf 'chain: chain.yaml\ntenants: tenants.yaml\n' >mtnt.yaml
    printf 'tenants:\n  - {id: s1, model: "%s", schema: s1}\n  - {id: s2, model: "%s", schema: s2}\n' "$(uri a)" "$(uri a)" >tenants.yaml
    ok migrate -q --controller "$(uri old)"
    theirs=$(query "${base}_old" -c "SELECT left(value, 8) FROM mtnt_meta WHERE key = 'controller'")
    gid="mtnt:$theirs:s1:0123456789abcdef0123456789abcdef"
    query "${base}_a" -c BEGIN -c "INSERT INTO s1.t_one VALUES (1)" -c "PREPARE TRANSACTION '$gid'"
    exits 64 adopt --controller "$(uri new)" --tenant s1
    says "s1: refused: .*unfinished in its model: $gid is prepared there.*mtnt-model recover"
    exits 1 adopt --controller "$(uri new)" --from "$(uri old)" --yes
    says '1 taken over, .*1 failed' "$gid is prepared there"
    query "${base}_a" -c "ROLLBACK PREPARED '$gid'"
    ok adopt --controller "$(uri new)" --from "$(uri old)" --yes
    says '1 taken over, 1 this controller.s already'
    same "$(query "${base}_new" -c "SELECT count(*) FROM mtnt_audit WHERE from_state LIKE 'controller $theirs%'")" 2
    ok status --controller "$(uri new)" --exit-code
    exits 1 migrate --controller "$(uri old)" --tenant s1 --tenants tenants.yaml --chain /dev/stdin <<'END'
chain: numbers
operations:
  - {name: one, tables: {create: ["t_one(x INTEGER)"]}}
  - {name: two, tables: {create: ["t_two(x INTEGER)"]}}
  - {name: three, tables: {create: ["t_three(x INTEGER)"]}}
END
    says 'last written by another controller'
}

cli_main "$@"
