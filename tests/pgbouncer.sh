#!/bin/sh
# A private pgbouncer in transaction mode, in front of the private PostgreSQL server of tests/postgres.sh ($MTNT_TEST_PG).
#
#   eval "$(sh tests/pgbouncer.sh start DIR [POOL])"   starts it in DIR with POOL (2) server connections for each database; MTNT_TEST_PG_THROUGH is
#                                                      how to get through it, MTNT_TEST_PG goes on leading past it
#   sh tests/pgbouncer.sh stop DIR                     stops it, by the pid it has written, and removes DIR
#
# It listens on a free port of 127.0.0.1 and lets everybody in. Nothing outside DIR is touched. As root it runs as the user postgres.
set -eu

complain() {
    echo "pgbouncer.sh: $*" >&2
    exit 1
}

# pgbouncer refuses to run as root.
as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups env -i PATH="$PATH:/usr/sbin" LC_ALL=C "$@")
    else
        (cd / && exec env -i PATH="$PATH:/usr/sbin" HOME="${HOME:-/}" LC_ALL=C "$@")
    fi
}

# A word of MTNT_TEST_PG.
word() {
    for pair in $MTNT_TEST_PG; do
        case $pair in "$1"=*) echo "${pair#*=}" ;; esac
    done
}

configure() {
    cat >"$dir/pgbouncer.ini" <<END
[databases]
* = host=$(word host) port=$(word port) user=$(word user)
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = $pool
max_client_conn = 200
max_prepared_statements = 0
server_idle_timeout = 30
logfile = $dir/pgbouncer.log
pidfile = $dir/pgbouncer.pid
END
    # What this version does not know it refuses.
    pgbouncer_version=$(as_server pgbouncer --version | sed -n 's/^PgBouncer 1\.\([0-9]*\).*/\1/p')
    if [ "${pgbouncer_version:-0}" -lt 21 ]; then
        sed -i '/^max_prepared_statements/d' "$dir/pgbouncer.ini"
    fi
}

is_up() {
    psql -X -q -A -t "host=127.0.0.1 port=$port user=$(word user) dbname=postgres" -c 'SELECT 1' >/dev/null 2>&1
}

# Two at once may want the same port: whoever comes second tries the next.
start_on_free_port() {
    attempt=0
    while [ "$attempt" -lt 30 ]; do
        port=$((33000 + ($$ * 37 + attempt * 211) % 12000))
        attempt=$((attempt + 1))
        configure
        : >"$dir/pgbouncer.log"
        if [ "$(id -u)" -eq 0 ]; then
            chown -R postgres: "$dir"
        fi
        as_server pgbouncer -q -d "$dir/pgbouncer.ini" >"$dir/start.log" 2>&1 || continue
        waited=0
        while [ "$waited" -lt 100 ]; do
            ! is_up || return 0
            sleep 0.1
            waited=$((waited + 1))
        done
        return 1
    done
    return 1
}

start() {
    : "${MTNT_TEST_PG:?the private server}"
    command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || complain "there is no pgbouncer. Install it: apt-get install pgbouncer"
    [ ! -d "$dir" ] || [ -z "$(ls -A "$dir")" ] || complain "$dir is not empty"
    mkdir -p "$dir"
    chmod 755 "$dir"
    : >"$dir/$mark"
    if ! start_on_free_port; then
        cat "$dir/start.log" "$dir/pgbouncer.log" >&2
        complain "pgbouncer did not start"
    fi
    cat <<END
export MTNT_TEST_PG_THROUGH='host=127.0.0.1 port=$port user=$(word user)'
END
}

stop() {
    [ -d "$dir" ] || return 0
    [ -e "$dir/$mark" ] || complain "$dir was not made by this script; left alone"
    if [ -s "$dir/pgbouncer.pid" ]; then
        pid=$(cat "$dir/pgbouncer.pid")
        case $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) in
        *"$dir/pgbouncer.ini"*)
            kill -s TERM "$pid" 2>/dev/null || true
            waited=0
            while [ "$waited" -lt 50 ] && kill -s 0 "$pid" 2>/dev/null; do
                sleep 0.1
                waited=$((waited + 1))
            done
            ;;
        esac
    fi
    rm -rf "$dir"
}

[ $# -ge 2 ] || complain "usage: pgbouncer.sh start DIR [POOL] | stop DIR"
mkdir -p "$(dirname "$2")"
dir=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
pool=${3:-2}
mark=.mtnt-test-pgbouncer # only what has it is ever removed
case $1 in
start) start ;;
stop) stop ;;
*) complain "usage: pgbouncer.sh start DIR [POOL] | stop DIR" ;;
esac
