# shellcheck shell=sh
# The lock file beside a chain: history that has been changed since is refused, with what was and what is.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/support/cli.sh"

locked() {
    fleet "$1" a
    ok checksums --write
    says "^chain.yaml.lock: $1 operations$"
    ok checksums --check
    says 'up to date'
}

# refused PATTERN…: by every command, before anything is touched.
refused() {
    before=$(fingerprint controller.db models/* chain.yaml.lock)
    for command in migrate 'checksums --check' 'checksums --write' validate status plan pending; do
        # shellcheck disable=SC2086 # an option belongs to it
        exits 78 $command
        complains 'the history of chain numbers is not what was locked' "$@"
    done
    same "$(fingerprint controller.db models/* chain.yaml.lock)" "$before"
}

test_file() {
    locked 3
    same "$(grep -c . chain.yaml.lock)" 5
    same "$(sed -n '2p' chain.yaml.lock)" 'chain numbers'
    grep -Eq '^2 [0-9a-f]{64} two$' chain.yaml.lock || fail "no line for two"
    ok checksums
    same "$out" "$(cat chain.yaml.lock)"
    ok checksums --format json
    json '[.chain, (.operations | map(.name))] == ["numbers", ["one", "two", "three"]]'
    ok migrate -q
    # What is added at the end is fine, and one is told.
    chain 4
    exits 3 checksums --check
    complains 'lacks operations of the chain: mtnt-model checksums --write'
    ok migrate -q
    ok checksums --write
    ok checksums --check
    same "$(grep -c . chain.yaml.lock)" 6
    rm chain.yaml.lock
    exits 3 checksums --check
    complains 'chain.yaml.lock is not there'
    exits 64 checksums --check --write
    # Not in another one's way.
    cp chain.yaml other.yaml
    ok checksums --chain other.yaml --write
    ok checksums --check --chain other.yaml
}

test_changed() {
    locked 3
    sed 's/t_two(x INTEGER)/t_two(y TEXT)/' chain.yaml >c && mv c chain.yaml
    refused 'chain.yaml.lock:4: ' '^ *- 2 [0-9a-f]{12} two$' '^ *\+ 2 [0-9a-f]{12} two   \(changed, chain.yaml:5\)$' 'git log -p -- .*chain.yaml'
    ok checksums --write --yes
    ok checksums --check
    ok migrate -q
}

# A file of a folder has no line that an operation begins in.
test_changed_in_a_folder() {
    locked 2
    mkdir migrations
    printf -- '-- migrate:up\nCREATE TABLE f(x INTEGER);\n-- migrate:down\nDROP TABLE f;\n' >migrations/1_f.sql
    printf 'migrations: [{dir: migrations, format: dbmate}]\n' >>chain.yaml
    ok checksums --write
    sed 's/x INTEGER/y TEXT/' migrations/1_f.sql >c && mv c migrations/1_f.sql
    refused '\(changed, .*migrations/1_f.sql\)$'
}

test_gone_and_renamed() {
    locked 3
    chain 2
    refused '^ *- 3 [0-9a-f]{12} three   \(gone\)'
    chain 3
    sed 's/name: two/name: deux/' chain.yaml >c && mv c chain.yaml
    refused '^ *- 2 [0-9a-f]{12} two' '^ *\+ 2 [0-9a-f]{12} deux   \(another name'
    chain 3
    sed 's/^\(chain: \).*/\1letters/' chain.yaml >c && mv c chain.yaml
    exits 78 migrate
    complains 'this locks the chain numbers, and the chain is called letters'
}

test_moved() {
    locked 3
    cat >chain.yaml <<'END'
chain: numbers
operations:
  - name: one
    tables: {create: ["t_one(x INTEGER)"]}
  - name: three
    tables: {create: ["t_three(x INTEGER)"]}
  - name: two
    tables: {create: ["t_two(x INTEGER)"]}
END
    refused '^ *- 2 [0-9a-f]{12} two' '^ *\+ 3 [0-9a-f]{12} two   \(another order'
}

# What comes from folders has no order but its place.
test_place() {
    project
    tenants a
    mkdir g d
    printf -- '-- +goose Up\nCREATE TABLE t_g (x INTEGER);\n' >g/00001_g.sql
    printf -- '-- migrate:up\nCREATE TABLE t_d (x INTEGER);\n-- migrate:down\nDROP TABLE t_d;\n' >d/20200101_d.sql
    printf 'chain: numbers\nmigrations: [{dir: g, format: goose}, {dir: d, format: dbmate}]\n' >chain.yaml
    ok checksums --write
    ok migrate -q
    printf 'chain: numbers\nmigrations: [{dir: d, format: dbmate}, {dir: g, format: goose}]\n' >chain.yaml
    refused '\(another place, '
    printf -- '-- +goose Up\nCREATE TABLE t_h (x INTEGER);\n' >g/00002_h.sql
    printf 'chain: numbers\nmigrations: [{dir: g, format: goose}, {dir: d, format: dbmate}]\n' >chain.yaml
    refused '\(out of order: others after it are locked, .*00002_h.sql'
}

# What comes late is refused as long as nobody allows it, and is never passed over.
test_out_of_order() {
    cat >chain.yaml <<'END'
chain: numbers
operations:
  - {name: one, order: 1, tables: {create: ["t_one(x INTEGER)"]}}
  - {name: three, order: 3, tables: {create: ["t_three(x INTEGER)"]}}
END
    project
    tenants a
    ok checksums --write
    ok migrate -q
    sed 's/^  - {name: three/  - {name: two, order: 2, tables: {create: ["t_two(x INTEGER)"]}}\n&/' chain.yaml >c && mv c chain.yaml
    refused '^ *\+ 2 [0-9a-f]{12} two   \(out of order'
    ok migrate -q --allow-out-of-order
    same "$(tables_of a)" "t_one t_three t_two"
    project 'allow_out_of_order: true'
    exits 3 checksums --check
    ok checksums --write
    project
    ok checksums --check
    ok verify --exit-code
}

# A repeatable one may change, and runs again because it has.
test_repeatable() {
    project
    tenants a
    mkdir sql
    echo 'CREATE TABLE t_one (x INTEGER);' >sql/V1__one.sql
    echo 'DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 1 AS x;' >sql/R__view.sql
    printf 'chain: numbers\nmigrations: [{dir: sql, format: flyway}]\n' >chain.yaml
    ok checksums --write
    same "$(grep -c '^-\|^[0-9]' chain.yaml.lock)" 1
    ok migrate -q
    same "$(sql models/a.db 'SELECT x FROM v')" 1
    echo 'DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT 2 AS x;' >sql/R__view.sql
    ok checksums --check
    ok migrate -q
    same "$(sql models/a.db 'SELECT x FROM v')" 2
    ok verify --exit-code
    ok migrate
    says '0 migrated, 1 already current'
    echo 'CREATE TABLE t_one (y INTEGER);' >sql/V1__one.sql
    refused '\(changed, .*V1__one.sql' 'git log -p -- .*V1__one.sql'
}

test_bad_file() {
    locked 2
    cp chain.yaml.lock good
    for line in '<<<<<<< HEAD' '3 0123 three' '3' 'x 0000000000000000000000000000000000000000000000000000000000000000 y'; do
        { cat good && echo "$line"; } >chain.yaml.lock
        exits 78 migrate
        complains 'chain.yaml.lock:5: this is no operation'
    done
    echo 'nothing of the kind' >chain.yaml.lock
    exits 78 migrate
    complains 'chain.yaml.lock:1: this names no chain'
    : >chain.yaml.lock
    exits 78 migrate
    complains 'this is no lock file'
    sed 's/$/\r/' good >chain.yaml.lock
    ok migrate -q
    rm chain.yaml
    exits 78 checksums --check
}

cli_main "$@"
