# shellcheck shell=sh disable=SC2154
# Databases that another tool has migrated are taken over: what its own table says is recorded. The tables are made here, to the tools' letter.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"
. "$MTNT_TEST_SOURCE_DIR/tests/cli/histories.sh"

tenants() {
    project
    echo 'tenants:' >tenants.yaml
    for id; do
        printf '  - {id: %s, model: "sqlite:%s.db"}\n' "$id" "$id" >>tenants.yaml
        sqlite3 "$id.db" VACUUM
    done
}

# applied ID: the names of what is recorded in the model.
applied() {
    sqlite3 "$1.db" "SELECT group_concat(name, ' ') FROM (SELECT name FROM mtnt_applied ORDER BY position)"
}
has() {
    [ "$1" = "$2" ] || fail "expected: $2"
}

# The table as another database of the tool would have it after N versions.
like_tool() {
    rm -f peer.db
    table_of "$1" sqlite "$2" | sqlite3 peer.db
    sqlite3 peer.db "$(told_by "$1")" >wanted
    sqlite3 a.db "$(told_by "$1")" >found
    diff -u wanted found >&2 || fail "the table is not as $1 would have it after $2 versions"
}

# One tenant half-way, one new: taken over, gone on with, and the table left alone.
takes_over() {
    tenants a new
    history "$1"
    table_of "$1" sqlite 2 | sqlite3 a.db
    sqlite3 a.db ".dump $table" >before
    exits 0 baseline
    says '2 tenants: 1 recorded, 1 with nothing to record, 0 failed' "1 . +its model is empty.*$table.*migrate begins at the beginning +new"
    has "$(applied a)" "$one $two"
    ok baseline --format json
    json '.migrated == 0 and .current == 2 and .command == "baseline" and (.notes | length) == 1'
    ok executed --tenant a
    says "1 +$one" "2 +$two"
    says_not "$three"
    ok migrate
    says '2 migrated'
    has "$(applied a)" "$one $two $three"
    sqlite3 a.db ".dump $table" | diff -u before - >&2 || fail "the table was not left alone"
    ok baseline
    says '0 recorded, 2 with nothing to record'
    ok rewind --yes --tenant a
    has "$(sqlite3 a.db "SELECT count(*) FROM sqlite_schema WHERE name IN ('a', 'b', 'c')")" 0
}

# The table follows, for a tenant that was taken over and for a new one, to the letter; then the tool could go on from there.
keeps_in_step() {
    tenants a
    history "$1"
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: %s, keep_in_step: true}\n' "$1" >chain.yaml
    table_of "$1" sqlite 1 | sqlite3 a.db
    ok baseline
    like_tool "$1" 1
    ok migrate --steps 1
    like_tool "$1" 2
    ok migrate
    like_tool "$1" 3
    ok rewind --steps 2
    like_tool "$1" 1
    ok migrate --atomicity operation
    like_tool "$1" 3
    ok rewind --yes
    like_tool "$1" 0
    # Without a table there is one.
    rm a.db
    sqlite3 a.db VACUUM
    ok migrate --tenant a --controller sqlite:other.db
    like_tool "$1" 3
}

for format in goose dbmate golang-migrate morph diesel pop flyway; do
    name=$(echo "$format" | tr - _)
    eval "test_$name() { takes_over $format; }
          test_${name}_in_step() { keeps_in_step $format; }"
done

# ---- what does not go together ----

# refused TEXT…: the only tenant is, and nothing is recorded.
refused() {
    exits 1 baseline
    says "$@"
    has "$(sqlite3 a.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'mtnt%'")" 0
}

test_goose_details() {
    tenants a
    history goose
    # The last row of a version tells, and one that was taken back is not there.
    table_of goose sqlite 2 | sqlite3 a.db
    sqlite3 a.db "INSERT INTO goose_db_version(version_id, is_applied) VALUES (3, TRUE), (9, TRUE), (3, FALSE), (9, FALSE), (2, FALSE), (2, TRUE)"
    ok baseline
    has "$(applied a)" "$one $two"
    # What the tool has done since is added.
    sqlite3 a.db "INSERT INTO goose_db_version(version_id, is_applied) VALUES (3, TRUE); CREATE TABLE c(x INTEGER)"
    ok baseline
    says '1 recorded'
    ok migrate
    says '1 already current'
}

test_unknown_versions() {
    tenants a
    history goose
    table_of goose sqlite 1 | sqlite3 a.db
    sqlite3 a.db "INSERT INTO goose_db_version(version_id, is_applied) VALUES (7, TRUE), (8, TRUE)"
    refused 'the table goose_db_version says that 7, 8 is applied, which the chain.s folder of format goose lacks'
    history_less_than_golang
}
history_less_than_golang() {
    rm -rf migrations a.db
    sqlite3 a.db VACUUM
    history golang-migrate
    table_of golang-migrate sqlite 2 | sqlite3 a.db
    sqlite3 a.db "UPDATE schema_migrations SET version = 20"
    refused 'schema_migrations says that 20 is applied'
}

test_gaps() {
    tenants a
    history dbmate
    table_of dbmate sqlite 3 | sqlite3 a.db
    sqlite3 a.db "DELETE FROM schema_migrations WHERE version = '$v2'; DROP TABLE b"
    refused "out of order: 2 .$two. would run after 3 .$three."
    ok baseline --allow-out-of-order
    has "$(applied a)" "$one $three"
    exits 1 migrate
    ok migrate --allow-out-of-order
    has "$(sqlite3 a.db "SELECT count(*) FROM b")" 0
}

test_dirty() {
    tenants a
    history golang-migrate
    table_of golang-migrate sqlite 2 | sqlite3 a.db
    sqlite3 a.db "UPDATE schema_migrations SET dirty = TRUE"
    refused 'version 2 was begun and has not succeeded \(dirty\).*migrate force'
}

test_whose_table() {
    tenants a
    history dbmate
    sqlite3 a.db "CREATE TABLE schema_migrations(version uint64, dirty bool); INSERT INTO schema_migrations VALUES (20260101, FALSE)"
    refused "the table schema_migrations is golang-migrate's .it has a column .dirty.., and the chain's folder is of format dbmate"
    rm -rf migrations
    history golang-migrate
    sqlite3 a.db "DROP TABLE schema_migrations; CREATE TABLE schema_migrations(version varchar(128) PRIMARY KEY)"
    refused 'the table schema_migrations is none of that tool .it has no column .dirty..'
}

test_flyway_failures() {
    tenants a
    history flyway
    table_of flyway sqlite 2 | sqlite3 a.db
    sqlite3 a.db "UPDATE flyway_schema_history SET success = FALSE WHERE installed_rank = 2"
    refused 'V1_1__b_b.sql has failed \(installed_rank 2\).*flyway repair'
    sqlite3 a.db "UPDATE flyway_schema_history SET success = TRUE, checksum = 7 WHERE installed_rank = 2"
    refused 'V1_1__b_b.sql has been changed since flyway applied it .checksum .*, in the table flyway_schema_history 7.' 'migrations/V1_1__b_b.sql'
    ok baseline --accept-checksums
    has "$(applied a)" "$one $two"
    ok migrate
}

# BASELINE stands for what is below it; what was undone or struck off is not applied; a program has no file.
test_flyway_kinds() {
    tenants a
    history flyway
    table_of flyway sqlite 0 | sqlite3 a.db
    sqlite3 a.db "INSERT INTO flyway_schema_history(installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
        VALUES (0, NULL, '<< Flyway Schema Creation >>', 'SCHEMA', '', NULL, '', 0, TRUE),
               (1, '1.1.0', '<< Flyway Baseline >>', 'BASELINE', '<< Flyway Baseline >>', NULL, '', 0, TRUE),
               (2, '1.5', 'code', 'JDBC', 'db.V1_5__Code', NULL, '', 0, TRUE),
               (3, '2', 'c', 'SQL', 'V2__c.sql', $(flyway_sum migrations/V2__c.sql), '', 0, TRUE),
               (4, '2', 'c', 'UNDO_SQL', 'U2__c.sql', 5, '', 0, TRUE),
               (5, '8', 'gone', 'SQL', 'V8__gone.sql', 5, '', 0, TRUE),
               (6, '8', 'gone', 'DELETE', 'V8__gone.sql', 5, '', 0, TRUE);
        CREATE TABLE a(x); CREATE TABLE b(x)"
    ok baseline
    says '1 recorded' 'version 1.5 is a program .JDBC., and none of the folder.s'
    has "$(applied a)" "$one $two"
    # Under its former name, which is a usual word.
    rm -f a.db
    sqlite3 a.db VACUUM
    table_of flyway sqlite 1 | sed 's/flyway_schema_history/schema_version/' | sqlite3 a.db
    ok baseline --controller sqlite:other.db
    has "$(applied a)" "$one"
    rm -f a.db
    sqlite3 a.db "CREATE TABLE schema_version(version INTEGER)"
    exits 1 baseline --controller sqlite:third.db
    says 'its model is not empty.*looked for: flyway_schema_history'
}

# What is repeated runs again when its text is another one than the table has the sum of.
test_flyway_repeatable() {
    tenants same other
    history flyway
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: flyway, placeholders: [col=x], keep_in_step: true}\n' >chain.yaml
    printf 'DROP VIEW IF EXISTS v;\nCREATE VIEW v AS SELECT ${col} FROM a;\n' >migrations/R__some_view.sql
    sed 's/..col./x/' migrations/R__some_view.sql >filled
    for id in same other; do
        table_of flyway sqlite 3 | sqlite3 $id.db
        sum=$(flyway_sum filled)
        [ $id = same ] || sum=12
        sqlite3 $id.db "CREATE VIEW v AS SELECT x FROM a; INSERT INTO flyway_schema_history(installed_rank, version, description, type, script,
            checksum, installed_by, execution_time, success) VALUES (4, NULL, 'some view', 'SQL', 'R__some_view.sql', $sum, '', 0, TRUE)"
    done
    ok baseline
    says '2 recorded'
    ok migrate
    says '1 migrated, 1 already current'
    has "$(sqlite3 other.db "SELECT checksum FROM flyway_schema_history WHERE version IS NULL ORDER BY installed_rank" | tr '\n' ' ')" "12 $(flyway_sum filled) "
    ok migrate
    says '2 already current'
}

# Nobody migrates over what another tool has done.
test_not_taken_over() {
    tenants a b
    history goose
    table_of goose sqlite 2 | sqlite3 a.db
    sqlite3 b.db "CREATE TABLE goose_db_version(id INTEGER PRIMARY KEY, version_id, is_applied); CREATE TABLE of_somebody(x)"
    exits 1 migrate
    says '2 tenants: 1 migrated' 'goose_db_version says that another tool has applied 2 of these operations' 'mtnt-model baseline --tenant a '
    has "$(sqlite3 a.db "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'mtnt%' OR name = 'c'")" 0
    ok baseline --tenant a
    ok migrate
}

# A registry of sqitch beside several databases speaks of one of them, and not of one that is empty.
test_sqitch_registry() {
    tenants a b
    mkdir -p migrations/deploy migrations/revert
    for name in users flips; do
        echo "CREATE TABLE $name(x INTEGER);" >migrations/deploy/$name.sql
        echo "DROP TABLE $name;" >migrations/revert/$name.sql
    done
    printf '%%syntax-version=1.0.0\n%%project=shop\n\nusers 2026-01-01T00:00:00Z Ada <ada@example.org> # the first\n' >migrations/sqitch.plan
    printf 'flips [users] 2026-01-01T00:00:02Z Ada <ada@example.org> # the second\n' >>migrations/sqitch.plan
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: sqitch}\n' >chain.yaml
    # As sqitch 1.3.1 has called the first change of this plan.
    sqlite3 sqitch.db "CREATE TABLE changes(change_id TEXT PRIMARY KEY, script_hash TEXT, change TEXT, project TEXT, committed_at DATETIME);
        INSERT INTO changes VALUES ('$(first_change)', '$(sha1sum <migrations/deploy/users.sql | cut -d' ' -f1)', 'users', 'shop', '2026-01-01 00:00:05'),
                                   ('0123456789abcdef0123456789abcdef01234567', NULL, 'other', 'another', '2026-01-01 00:00:06')"
    sqlite3 a.db "CREATE TABLE users(x INTEGER)"
    exits 1 baseline
    says '1 recorded' '. b ' 'its model is empty, and sqitch says that something is applied'
    has "$(applied a)" users
    ok migrate
    says '2 migrated'
    sqlite3 sqitch.db "UPDATE changes SET script_hash = 'abc' WHERE change = 'users'"
    rm a.db
    sqlite3 a.db "CREATE TABLE users(x INTEGER)"
    exits 1 baseline --tenant a --controller sqlite:third.db
    says 'deploy/users.sql has been changed since sqitch applied it'
}
# Hashed as git hashes its objects.
first_change() {
    printf 'project shop\nchange users\nplanner Ada <ada@example.org>\ndate 2026-01-01T00:00:00Z\n\nthe first' >info
    { printf 'change %s\0' "$(wc -c <info | tr -d ' ')"; cat info; } | sha1sum | cut -d' ' -f1
}

# ---- a person's word ----

test_to() {
    tenants a b
    history goose
    sqlite3 a.db "CREATE TABLE a(x INTEGER)"
    table_of goose sqlite 2 | sqlite3 b.db
    exits 1 baseline
    says 'a +failed' 'looked for: goose_db_version'
    ok baseline --to "$one" --tenant a
    has "$(applied a)" "$one"
    ok migrate --tenant a
    # A table that is there has to agree.
    rm b.db
    table_of goose sqlite 2 | sqlite3 b.db
    exits 1 baseline --to "$one" --tenant b --controller sqlite:other.db
    says "operation .$two. comes after .$one., and goose_db_version says that it is applied as well"
    exits 1 baseline --to "$three" --tenant b --controller sqlite:other.db
    says "operation .$three. is to be taken as applied .--to $three., but goose_db_version says that it is not"
    exits 64 baseline --to nothing
    # A chain of our own has no table to go by.
    printf 'chain: own\noperations:\n  - {name: first, sql: {model: {up: "CREATE TABLE a(x)", down: "DROP TABLE a"}}}\n' >chain.yaml
    exits 78 baseline --tenant b
    complains 'no operation of chain own comes from another tool.s folder'
    rm b.db
    sqlite3 b.db "CREATE TABLE a(x)"
    ok baseline --to first --tenant b --controller sqlite:fourth.db
    has "$(applied b)" first
}

# A chain that makes its models: what is there was made, and what is not is left for migrate.
test_create_model() {
    tenants a
    printf '  - {id: b, model: "sqlite:b.db"}\n' >>tenants.yaml
    history goose
    printf 'chain: brought\noperations:\n  - {name: make, create_model: {}}\nmigrations:\n  - {dir: migrations, format: goose}\n' >chain.yaml
    table_of goose sqlite 2 | sqlite3 a.db
    ok baseline
    says '1 recorded, 1 with nothing to record' 'its model is not there yet: nothing was recorded, migrate makes it +b'
    has "$(applied a)" "make $one $two"
    [ ! -e b.db ] || fail "the model was made"
    ok migrate
    says '2 migrated'
    ok migrate
    says '2 already current'
}

test_table_by_another_name() {
    tenants a
    history goose
    table_of goose sqlite 2 | sed 's/goose_db_version/our_versions/' | sqlite3 a.db
    refused 'looked for: goose_db_version'
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: goose, table: our_versions, keep_in_step: true}\n' >chain.yaml
    ok baseline
    ok migrate
    has "$(sqlite3 a.db "SELECT max(version_id) FROM our_versions")" 3
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: goose, table: "a b"}\n' >chain.yaml
    exits 78 validate
    complains 'chain.yaml:3:.*`table` is a name'
    printf 'chain: brought\nmigrations:\n  - {dir: migrations, format: goose}\n  - {dir: more, format: goose, keep_in_step: true}\n' >chain.yaml
    exits 78 validate
    complains 'chain.yaml:4:.*`keep_in_step` is the same for all folders of format goose'
    printf 'chain: brought\nmigrations:\n  - {dir: more, format: native, keep_in_step: true}\n' >chain.yaml
    exits 78 validate
    complains 'chain.yaml:3:.*format native is ours'
}

# Two histories, a table each; operations of our own after them.
test_two_tools() {
    tenants a
    history goose
    mv migrations first
    table_of goose sqlite 3 | sqlite3 a.db
    history dbmate
    sed -i 's/TABLE \([abc]\)/TABLE m\1/' migrations/*.sql
    sqlite3 a.db "CREATE TABLE schema_migrations(version varchar(128) PRIMARY KEY); INSERT INTO schema_migrations VALUES ('$v1'); CREATE TABLE ma(x)"
    printf 'chain: brought\nmigrations:\n  - {dir: first, format: goose}\n  - {dir: migrations, format: dbmate, lane: slow}\n' >chain.yaml
    ok baseline
    has "$(applied a)" "00001_a 00002_b 00003_c $one"
    ok migrate
    has "$(sqlite3 a.db "SELECT count(*) FROM sqlite_schema WHERE name IN ('ma', 'mb', 'mc')")" 3
    ok baseline --lane slow
    says '1 with nothing to record'
}

# What fails takes the row with it; with the flag alone it is the same as with the key.
test_in_step_or_not_at_all() {
    tenants a
    history dbmate
    printf -- '-- migrate:up\nCREATE TABLE a(x);\n-- migrate:down\n' >"migrations/$three.sql"
    table_of dbmate sqlite 1 | sqlite3 a.db
    ok baseline
    exits 1 migrate --keep-in-step
    like_tool dbmate 1
    exits 1 migrate --keep-in-step --atomicity operation --on-failure keep
    like_tool dbmate 2
    # It was left behind, and catches up.
    printf -- '-- migrate:up\nCREATE TABLE c(x);\n-- migrate:down\n' >"migrations/$three.sql"
    sqlite3 a.db "DELETE FROM schema_migrations WHERE version = '$v2'"
    ok migrate --keep-in-step
    like_tool dbmate 3
}

cli_main "$@"
