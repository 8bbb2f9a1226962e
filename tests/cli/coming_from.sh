# shellcheck shell=sh disable=SC2154
# The pages for those who come from another tool: their commands, one after another, as they stand there, on databases that the tool has left half-way.
. "${MTNT_TEST_SOURCE_DIR:?}/tests/cli/on_postgres.sh"
. "$MTNT_TEST_SOURCE_DIR/tests/cli/histories.sh"

pages=$MTNT_TEST_SOURCE_DIR/cmd/mtnt-model/coming-from

# commands PAGE: its lines of commands, without what is said of them.
commands() {
    sed -n 's/^    \(.*\)$/\1/p' "$pages/$1.md" | sed 's/  *#.*//'
}

# does PAGE: each of them succeeds; those of the shell are the page's own.
does() {
    commands "$1" >page
    [ "$(grep -c '^mtnt-model' page)" -ge 5 ] || fail "$1.md has not enough commands"
    while read -r line <&3; do
        case $line in
        'mtnt-model '*)
            eval "set -- ${line#mtnt-model }"
            ok "$@"
            case $1 in
            import-project) cp chain.yaml written.yaml ;;
            baseline) recorded=$out ;;
            migrate) migrated=$out ;;
            esac
            ;;
        *) eval "$line" ;;
        esac
    done 3<page
}

# The chain that the page shows is the one that was written, but for its name.
shown_is_written() {
    awk '/^```yaml/ { inside = 1; next } /^```/ { inside = 0 } inside' "$pages/$1.md" >shown.yaml
    [ -s shown.yaml ] || fail "$1.md shows no chain"
    ok plan --chain shown.yaml --controller sqlite:unused.db
    sed -n 's/.*dir: "*\([^",]*\)"*, format: \([a-z-]*\).*/\1 \2/p' shown.yaml >shown
    sed -n 's/.*dir: "*\([^",]*\)"*, format: \([a-z-]*\).*/\1 \2/p' written.yaml >written
    [ -s shown ] || fail "$1.md shows no folder"
    cmp -s shown written || fail "$1.md shows another chain than import-project writes"
}

# page_of FORMAT: acme is half-way, globex at the end by the tool; both are at the end afterwards, and so is the table.
page_of() {
    rm -f chain.yaml
    history "$1"
    rm chain.yaml
    mkdir tenants
    table_of "$1" sqlite 2 | sqlite3 tenants/acme.db
    table_of "$1" sqlite 3 | sqlite3 tenants/globex.db
    does "$1"
    shown_is_written "$1"
    printf '%s\n' "$recorded" | grep -q '^2 tenants: 2 recorded' || fail "baseline said: $recorded"
    printf '%s\n' "$migrated" | grep -q '^2 tenants: 1 migrated, 1 already current' || fail "migrate said: $migrated"
    ok status --exit-code
    grep -q "$table" "$pages/$1.md" || fail "$1.md does not name $table"
    # Gone back to: the tool finds what it would have left itself.
    for id in acme globex; do
        sqlite3 tenants/$id.db "$(told_by "$1")" >found_$id
    done
    diff -u found_globex found_acme >&2 || fail "the table is not in step"
    printf '  \n' >>chain.yaml
    sed 's/}$/, keep_in_step: true}/' chain.yaml >kept.yaml
    ok rewind --chain kept.yaml --steps 1
    ok validate --chain kept.yaml
}

for format in goose dbmate golang-migrate morph flyway diesel pop; do
    eval "test_$(echo "$format" | tr - _)() { page_of $format; }"
done

# The registry is made by us, as the tool would have, and our own tables are taken away again.
test_sqitch() {
    with_server
    create_database shop
    mkdir -p db/deploy db/revert db/verify
    for name in users flips; do
        echo "CREATE TABLE $name(x integer);" >db/deploy/$name.sql
        echo "DROP TABLE $name;" >db/revert/$name.sql
        echo "SELECT x FROM $name WHERE FALSE;" >db/verify/$name.sql
    done
    {
        printf '%%syntax-version=1.0.0\n%%project=shop\n\n'
        echo 'users 2026-01-01T00:00:00Z Ada <ada@example.org> # the first'
        echo 'flips [users] 2026-01-01T00:00:02Z Ada <ada@example.org> # the second'
    } >db/sqitch.plan
    printf 'chain: before\nmigrations:\n  - {dir: db, format: sqitch, keep_in_step: true}\n' >before.yaml
    printf 'tenants: [{id: shop, model: "%s"}]\n' "$(uri shop)" >before-tenants.yaml
    ok migrate -q --steps 1 --chain before.yaml --tenants before-tenants.yaml --controller sqlite:before.db
    query "${base}_shop" -c "DROP TABLE mtnt_applied, mtnt_meta, mtnt_decision"
    commands sqitch >page
    sed -i "s|postgresql://db-1/postgres|'$(uri shop | sed 's/&/\\&/g')'|; s|shop_%|${base}_sh%|" page
    commands() { cat page.sqitch; }
    mv page page.sqitch
    does sqitch
    shown_is_written sqitch
    printf '%s\n' "$recorded" | grep -q '^1 tenant: 1 recorded' || fail "baseline said: $recorded"
    printf '%s\n' "$migrated" | grep -q '^1 tenant: 1 migrated' || fail "migrate said: $migrated"
    same "$(query "${base}_shop" -c "SELECT string_agg(change, ' ' ORDER BY committed_at) FROM sqitch.changes")" "users flips"
}

test_nothing() {
    mkdir tenants
    sql tenants/acme.db VACUUM
    does nothing
    printf '%s\n' "$migrated" | grep -q '^1 tenant: 1 migrated' || fail "migrate said: $migrated"
    same "$(sql tenants/acme.db "SELECT count(*) FROM sqlite_schema WHERE name = 'contacts'")" 0
    # What is there already.
    sql tenants/old.db 'CREATE TABLE contacts(id INTEGER PRIMARY KEY, name TEXT)'
    line=$(sed -n 's/^.*`mtnt-model \(baseline [^`]*\)`.*/\1/p' "$pages/nothing.md")
    # shellcheck disable=SC2086 # words of the page
    ok $line --tenant old
    ok migrate
    says '^2 tenants: 1 migrated, 1 already current'
}

# Each page is found from the README, and is short.
test_pages() {
    for page in "$pages"/*.md; do
        name=$(basename "$page")
        grep -q "cmd/mtnt-model/coming-from/$name" "$MTNT_TEST_SOURCE_DIR/README.md" || fail "the README does not lead to $name"
        [ "$(grep -c . "$page")" -le 17 ] || fail "$name is long"
        case $name in
        nothing.md) ;;
        *) grep -q '^\*\*Differs:\*\*' "$page" && grep -q '^\*\*Back:\*\*' "$page" || fail "$name lacks what differs, or the way back" ;;
        esac
    done
    set -- "$pages"/*.md
    same "$#" 9
}

cli_main "$@"
