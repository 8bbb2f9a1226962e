# What tests of the command share: sourced by tests/cli/*.sh, which end with   cli_main "$@".
#
# A test is a function test_NAME; NAME is the script's argument. It begins in an empty folder of its own, which is gone
# afterwards. run calls the command; $code, $out and $err are its exit code, standard output and standard error.
# shellcheck shell=sh disable=SC2034
set -eu

: "${MTNT_BIN:?the command under test}"
: "${MTNT_TEST_SOURCE_DIR:?the top of the source tree}"

# What the machine's user has set must not decide what a test sees.
for variable in $(env | sed -n 's/^\(MTNT_[A-Z_]*\)=.*/\1/p'); do
    case $variable in
    MTNT_BIN | MTNT_VALGRIND | MTNT_CORPORA | MTNT_TEST_*) ;;
    *) unset "$variable" ;;
    esac
done
unset NO_COLOR COLUMNS PGPASSWORD PGSERVICE PGHOST PGUSER PGDATABASE
export LC_ALL=C.UTF-8 TERM=xterm

code=
out=
err=

fail() {
    echo "FAILED: $*" >&2
    echo "--- exit code: $code" >&2
    echo "--- stdout:" >&2
    printf '%s\n' "$out" >&2
    echo "--- stderr:" >&2
    printf '%s\n' "$err" >&2
    exit 1
}

# run ARGUMENTS…: standard input is empty unless it is redirected.
run() {
    code=0
    # shellcheck disable=SC2086 # MTNT_VALGRIND is a list of words
    ${MTNT_VALGRIND:-} "$MTNT_BIN" "$@" >"$scratch/out" 2>"$scratch/err" || code=$?
    out=$(cat "$scratch/out")
    err=$(cat "$scratch/err")
    [ "$code" -ne 99 ] || fail "valgrind has found something"
}

# ok ARGUMENTS…: run, and it must exit with 0.
ok() {
    run "$@"
    [ "$code" -eq 0 ] || fail "mtnt-model $*: exit 0 was expected"
}

# exits N ARGUMENTS…
exits() {
    wanted=$1
    shift
    run "$@"
    [ "$code" -eq "$wanted" ] || fail "mtnt-model $*: exit $wanted was expected"
}

# What has been said: an extended regular expression for each argument, each in one line.
says() {
    for pattern in "$@"; do
        printf '%s\n' "$out" | grep -Eq -e "$pattern" || fail "stdout lacks: $pattern"
    done
}
says_not() {
    ! printf '%s\n' "$out" | grep -Eq -e "$1" || fail "stdout has: $1"
}
complains() {
    for pattern in "$@"; do
        printf '%s\n' "$err" | grep -Eq -e "$pattern" || fail "stderr lacks: $pattern"
    done
}
complains_not() {
    ! printf '%s\n' "$err" | grep -Eq -e "$1" || fail "stderr has: $1"
}
silent() {
    [ -z "$out" ] || fail "nothing was expected on stdout"
}

# json FILTER: standard output is JSON, and jq's filter holds for it (for jsonl: -s makes one array of it).
json() {
    [ -s "$scratch/out" ] || fail "nothing on stdout where JSON was expected"
    jq -e "$@" "$scratch/out" >/dev/null 2>"$scratch/jq" || fail "jq $*: $(cat "$scratch/jq")"
}

same() {
    [ "$1" = "$2" ] || fail "'$1' is not '$2'${3:+: $3}"
}

# sql FILE STATEMENTS: what a SQLite database says.
sql() {
    sqlite3 -batch -bail "$1" "$2"
}

# fingerprint FILE…: to see that nothing has touched them; a file that is not there has one too.
fingerprint() {
    for file in "$@"; do
        if [ -e "$file" ]; then
            cksum "$file"
        else
            echo "no $file"
        fi
    done
}

# ---- a fleet ----

# project [LINE…]: mtnt.yaml with SQLite controller, chain.yaml and tenants.yaml, and more lines.
project() {
    {
        echo "controller: sqlite:controller.db"
        echo "chain: chain.yaml"
        echo "tenants: tenants.yaml"
        for line in "$@"; do
            echo "$line"
        done
    } >mtnt.yaml
}

# tenants ID…: tenants.yaml with SQLite models; the empty databases are made.
tenants() {
    mkdir -p models
    {
        echo "defaults:"
        echo "  model: sqlite:models/{id}.db"
        echo "tenants:"
        for id in "$@"; do
            echo "  - id: $id"
            [ -e "models/$id.db" ] || sql "models/$id.db" "CREATE TABLE made(at TEXT); INSERT INTO made VALUES('before')"
        done
    } >tenants.yaml
}

# chain N: chain.yaml of N operations, one, two, three …, each makes the table of its name in the model.
chain() {
    {
        echo "chain: numbers"
        echo "operations:"
        count=0
        for name in one two three four five six; do
            count=$((count + 1))
            [ "$count" -le "$1" ] || break
            echo "  - name: $name"
            echo "    tables: {create: [\"t_$name(x INTEGER)\"]}"
        done
    } >chain.yaml
}

# Tables t_… of a model, in alphabetical order, on one line.
tables_of() {
    sql "models/$1.db" "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_master WHERE name LIKE 't\\_%' ESCAPE '\\' ORDER BY name)"
}

# fleet N ID…: project, chain of N operations and tenants.
fleet() {
    project
    chain "$1"
    shift
    tenants "$@"
}

# Runs the command as somebody who may not write everywhere.
as_nobody() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    else
        "$@"
    fi
}

# What a test has made outside of its folder is undone by the command in $undo.
undo=:
cli_cleanup() {
    status=$?
    $undo || true
    cd /
    chmod -R u+rwX "$scratch" 2>/dev/null || true
    rm -rf "$scratch"
    exit "$status"
}

cli_main() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/mtnt-cli.XXXXXX")
    chmod 755 "$scratch"
    trap cli_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mkdir "$scratch/work"
    cd "$scratch/work"
    [ $# -gt 0 ] || {
        echo "usage: $0 TEST" >&2
        exit 64
    }
    for name in "$@"; do
        "test_$name"
    done
}
