# shellcheck shell=sh disable=SC2034,SC2154 # read by peers.sh
# SQLite tenants for other tools: copies of one small file.

figure=peers shell=sqlite3 unit=tenants baseline="bare C"
names="sqlite3 dbmate knex drizzle alembic sqitch"
url_before=sqlite: url_after='' alembic_before=sqlite:///
python_driver=sqlite3 perl_driver=SQLite drizzle_dialect=sqlite sqitch_engine=sqlite
# Its register is a file of its own beside the tenant's.
# shellcheck disable=SC2016 # the inner shell's
sqitch_deploy='sqitch deploy --registry "register-$(basename "$0" .db)" "db:sqlite:$0"'
fleet=$scratch/fleet

has_driver() { (cd "$peers" && node -e 'require("better-sqlite3")(":memory:")') 2>/dev/null; }

tables="'account', 'customers', 'products', 'orders', 'lines', 'notes'"
state_sql="SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name IN ($tables) ORDER BY type, name; SELECT * FROM account;
SELECT count(*), total(id) FROM customers; SELECT count(*), total(id) FROM products; SELECT count(*), total(id) FROM orders;
SELECT count(*), total(id) FROM lines; SELECT count(*), total(id) FROM notes"

# The end has to be what mtnt-model leaves.
prepare_engine() {
    sqlite3 "$scratch/first.db" "CREATE TABLE account(name TEXT); INSERT INTO account VALUES ('there before')"
    mkdir "$scratch/reference"
    cp "$scratch/first.db" "$scratch/reference/expected.db"
    migrate_reference sqlite:expected.db
    expected=$(sqlite3 "$scratch/reference/expected.db" "$state_sql" | md5sum)
}

make_fleet() {
    rm -rf "$fleet"
    mkdir -p "$fleet"
    for number in $(seq -w 1 "$tenants"); do
        cp "$scratch/first.db" "$fleet/$number.db"
    done
    sync
}

remove_fleet() { rm -rf "$fleet"; }

each_tenant() { find "$fleet" -maxdepth 1 -name '[0-9]*.db' | sort; }

check_fleet() { # NAME
    for model in "$fleet"/[0-9]*.db; do
        [ "$(sqlite3 "$model" "$state_sql" | md5sum)" = "$expected" ] ||
            { echo "peers: $1 has left another state in $model, and is left out:" >&2 && sqlite3 "$model" "$state_sql" >&2 && return 1; }
    done
}

prepare_sqlite3() { { echo "BEGIN IMMEDIATE;" && cat "$scratch/all.sql" && echo "COMMIT;"; } >"$scratch/whole.sql"; }
run_sqlite3() {
    # shellcheck disable=SC2016 # the inner shell's
    each_tenant | xargs -P "$1" -n 1 sh -c 'sqlite3 "$1" <"$0"' "$scratch/whole.sql"
}
