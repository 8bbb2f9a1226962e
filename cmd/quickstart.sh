#!/bin/sh
# From a fresh clone to a migrated fleet:   sh cmd/quickstart.sh [FOLDER]
#
# Installs the Debian packages that are missing (as root, or with sudo), builds the command into build/quickstart, makes a
# demo fleet in FOLDER (default: ./demo), and migrates it: 24 shops, each with a SQLite database of its own, one of them
# with data that an operation trips over. With MTNT_BIN set, that command is used, and nothing is built.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
folder=${1:-demo}

say() { printf '\n%s\n' "$*"; }
stop() {
    echo "quickstart: $*" >&2
    exit 1
}

# ---- packages ----

missing=
need_command() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need_module() { pkg-config --exists "$1" 2>/dev/null || missing="$missing $2"; }

find_missing() {
    missing=
    need_command sqlite3 sqlite3
    [ -z "${MTNT_BIN:-}" ] || return 0
    need_command cc gcc
    command -v cc >/dev/null 2>&1 && [ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
    need_command cmake cmake
    need_command ninja ninja-build
    need_command pkg-config pkg-config
    need_module libpq libpq-dev
    need_module sqlite3 libsqlite3-dev
    need_module libcyaml libcyaml-dev
    need_module yaml-0.1 libyaml-dev
    need_module jansson libjansson-dev
    need_module libcrypto libssl-dev
}

install_missing() {
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 || stop "these packages are missing; install them as root:   apt-get install$missing"
        as_root=sudo
    fi
    command -v apt-get >/dev/null 2>&1 || stop "these are missing (by their names on Debian):$missing"
    say "Installing:$missing"
    log=$(mktemp)
    # shellcheck disable=SC2086 # lists of words
    if ! { $as_root apt-get update -qq && $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        stop "apt-get has failed"
    fi
    rm -f "$log"
}

find_missing
if [ -n "$missing" ]; then
    install_missing
    find_missing
    [ -z "$missing" ] || stop "still missing:$missing"
fi

# ---- the command ----

build() {
    say "Building into build/quickstart (about a minute) …"
    began=$(date +%s)
    (cd "$top" && cmake --preset release -B build/quickstart -DBUILD_TESTING=OFF --log-level=WARNING >/dev/null &&
        cmake --build build/quickstart --target mtnt-model >build/quickstart/build.log) || {
        tail -n 40 "$top/build/quickstart/build.log" >&2 || true
        stop "the build has failed"
    }
    echo "… built in $(($(date +%s) - began)) s"
    MTNT_BIN=$top/build/quickstart/bin/mtnt-model
}

[ -n "${MTNT_BIN:-}" ] || build

# ---- the demo ----

shops="acme adventure-works apex contoso cyberdyne duff fabrikam globex gringotts hooli initech massive-dynamic monarch
northwind oscorp pied-piper soylent stark stay-puft tyrell umbrella vandelay wayne wonka"
mark=.mtnt-demo

if [ -e "$folder" ] && [ ! -e "$folder/$mark" ]; then
    [ -d "$folder" ] && [ -z "$(ls -A "$folder")" ] || stop "$folder is there already, and was not made by this script"
fi
mkdir -p "$folder"
cd "$folder"
: >$mark
rm -rf shops sql controller.db controller.db-journal
mkdir shops sql

cat >mtnt.yaml <<'END'
controller: sqlite:controller.db
tenants: tenants.yaml
chain: chain.yaml
workers: 8
END

cat >chain.yaml <<'END'
chain: shop
operations:
  - name: contacts
    sql:
      model:
        up: "CREATE TABLE contacts(id INTEGER PRIMARY KEY, name TEXT NOT NULL)"
        down: "DROP TABLE contacts"
  - name: orders
    tables:
      create:
        - "orders(id INTEGER PRIMARY KEY, contact INTEGER NOT NULL REFERENCES contacts(id))"
        - "order_lines(order_id INTEGER NOT NULL REFERENCES orders(id), what TEXT NOT NULL)"
  - name: plan                       # each shop's own database and the controller, together or not at all
    sql:
      model: {up_file: sql/plan.up.sql, down_file: sql/plan.down.sql}
      controller:
        up: "UPDATE customers SET plan_ready = 1 WHERE id = :'tenant'"
        down: "UPDATE customers SET plan_ready = 0 WHERE id = :'tenant'"
  - name: contacts_by_name
    sql:
      model:
        up: "CREATE INDEX contacts_by_name ON contacts(name)"
        down: "DROP INDEX contacts_by_name"
END

cat >sql/plan.up.sql <<'END'
-- What each customer has booked, from the list that sales kept.
CREATE TABLE plan(
    customer TEXT NOT NULL UNIQUE,
    booked   TEXT NOT NULL
);

INSERT INTO plan SELECT customer, booked FROM sales_list;
END
echo "DROP TABLE plan;" >sql/plan.down.sql

{
    echo "defaults:"
    echo "  model: sqlite:shops/{id}.db"
    echo "tenants:"
    for shop in $shops; do
        echo "  - id: $shop"
    done
} >tenants.yaml

sqlite3 controller.db "CREATE TABLE customers(id TEXT PRIMARY KEY, plan_ready INTEGER NOT NULL DEFAULT 0)"
count=0
for shop in $shops; do
    count=$((count + 1))
    sqlite3 controller.db "INSERT INTO customers(id) VALUES('$shop')"
    sqlite3 "shops/$shop.db" "CREATE TABLE sales_list(customer TEXT, booked TEXT);
        INSERT INTO sales_list VALUES('ada', 'basic'), ('grace', 'pro'), ('edsger', 'basic')"
done
# The one that is broken on purpose: sales has listed a customer twice.
sqlite3 shops/globex.db "INSERT INTO sales_list VALUES('ada', 'pro')"

say "A fleet of $count shops in $folder: SQLite controller, SQLite models; globex is broken on purpose."

# ---- the run ----

PATH="$(dirname "$MTNT_BIN"):$PATH"

say "\$ mtnt-model migrate --tenants tenants.yaml"
code=0
"$MTNT_BIN" migrate --tenants tenants.yaml || code=$?
[ "$code" -eq 1 ] || stop "this was not meant to happen: exit $code, and one failed tenant gives 1"

say "\$ mtnt-model status"
"$MTNT_BIN" status

# ---- do the sums add up? ----

said=$(sqlite3 controller.db "SELECT count(*) FROM customers WHERE plan_ready = 1")
have=0
for shop in $shops; do
    there=$(sqlite3 "shops/$shop.db" "SELECT count(*) FROM sqlite_master WHERE name IN ('contacts', 'orders', 'plan', 'contacts_by_name')")
    case $there in
    4) have=$((have + 1)) ;;
    0) left=$shop ;;
    *) stop "$shop has a part of the chain" ;;
    esac
done
say "The controller says that $said shops have their plan; $have of $count models have the whole chain; ${left:-none} has nothing of it."
[ "$said" -eq 23 ] && [ "$have" -eq 23 ] && [ "${left:-}" = globex ] || stop "the sums do not add up"

cat <<END

Go on with it:
  cd $folder
  sqlite3 shops/globex.db "DELETE FROM sales_list WHERE customer = 'ada' AND booked = 'pro'"
  $MTNT_BIN migrate
  $MTNT_BIN new loyalty
  $MTNT_BIN plan
END
