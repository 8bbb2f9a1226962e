#!/bin/sh
# A private PostgreSQL server for tests.
#
#   eval "$(sh tests/postgres.sh start DIR)"   makes a cluster in DIR, starts it, sets MTNT_TEST_PG and friends
#   eval "$(sh tests/postgres.sh env DIR)"     the same for a server that is already running there
#   eval "$(sh tests/postgres.sh standby DIR OF)"   the same for a hot standby in DIR, which follows the server in OF
#   sh tests/postgres.sh restart DIR           stops that server as a power failure would, and starts it again
#   sh tests/postgres.sh halt DIR              stops it as a power failure would, and leaves it; restart starts it again
#   sh tests/postgres.sh promote DIR           makes the primary of a standby
#   sh tests/postgres.sh stop DIR              stops that server and removes DIR
#
# It listens on a Unix socket inside DIR and on a free port of 127.0.0.1, trusts whoever gets there,
# and has one superuser, mtnt. Nothing outside DIR is touched. As root it runs as the user postgres.
# MTNT_TEST_PG_SETTINGS: lines that are added to its postgresql.conf.
set -eu

complain() {
    echo "postgres.sh: $*" >&2
    exit 1
}

# The folder of initdb and pg_ctl: Debian keeps them out of PATH.
find_bindir() {
    if [ -n "${MTNT_TEST_PG_BINDIR:-}" ]; then
        echo "$MTNT_TEST_PG_BINDIR"
        return
    fi
    best=
    for candidate in /usr/lib/postgresql/*/bin; do
        [ -x "$candidate/initdb" ] || continue
        version=${candidate#/usr/lib/postgresql/}
        version=${version%/bin}
        if [ -z "$best" ] || [ "$version" -gt "$best" ] 2>/dev/null; then
            best=$version
        fi
    done
    if [ -n "$best" ]; then
        echo "/usr/lib/postgresql/$best/bin"
    elif command -v initdb >/dev/null; then
        dirname "$(command -v initdb)"
    else
        complain "no PostgreSQL server programs found (initdb). Install them: apt-get install postgresql"
    fi
}

# PostgreSQL refuses to run as root.
as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && exec setpriv --reuid=postgres --regid=postgres --init-groups env -i PATH="$PATH" LC_ALL=C "$@")
    else
        (cd / && exec env -i PATH="$PATH" HOME="${HOME:-/}" LC_ALL=C "$@")
    fi
}

print_env() {
    port=$(cat "$dir/port")
    cat <<END
export MTNT_TEST_PG='host=$dir/socket port=$port user=mtnt dbname=postgres'
export MTNT_TEST_PG_PORT='$port'
export MTNT_TEST_PG_BINDIR='$bindir'
export MTNT_TEST_PG_LOG='$dir/server.log'
END
}

configure() {
    cat >>"$dir/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir/socket'
unix_socket_permissions = 0700
max_connections = 200
max_prepared_transactions = 64
shared_buffers = 64MB
fsync = on
log_timezone = 'UTC'
timezone = 'UTC'
log_line_prefix = '%m [%p] %q%d '
END
    if [ -n "${MTNT_TEST_PG_SETTINGS:-}" ]; then
        echo "$MTNT_TEST_PG_SETTINGS" >>"$dir/data/postgresql.conf"
    fi
}

# Two at once may want the same port: whoever comes second tries the next.
start_on_free_port() {
    attempt=0
    while [ "$attempt" -lt 30 ]; do
        port=$((20000 + ($$ * 37 + attempt * 211) % 12000))
        if as_server "$bindir/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 -o "-p $port" start \
            >"$dir/pg_ctl.log" 2>&1; then
            echo "$port" >"$dir/port"
            return 0
        fi
        grep -q "Address already in use" "$dir/server.log" || break
        : >"$dir/server.log"
        attempt=$((attempt + 1))
    done
    cat "$dir/pg_ctl.log" "$dir/server.log" >&2
    return 1
}

make_folder() {
    [ ! -e "$dir/$mark" ] || complain "a server was started in $dir already; stop it first, or use 'env'"
    [ ! -d "$dir" ] || [ -z "$(ls -A "$dir")" ] || complain "$dir is not empty"
    if [ "$(id -u)" -eq 0 ] && ! id postgres >/dev/null 2>&1; then
        complain "run as root, and there is no user postgres to run the server as. Install postgresql"
    fi
    case $dir in *[\'\"\\\ ]*) complain "DIR may not contain quotes, backslashes or blanks: $dir" ;; esac
    socket="$dir/socket/.s.PGSQL.65535"
    [ "${#socket}" -le 107 ] || complain "$dir is too long a path for a Unix socket"

    mkdir -p "$dir/socket"
    : >"$dir/$mark"
    chmod 700 "$dir" "$dir/socket"
    if [ "$(id -u)" -eq 0 ]; then
        chown postgres: "$dir" "$dir/socket"
    fi
    as_server test -w "$dir" || complain "the user who runs the server cannot write to $dir"
}

start() {
    make_folder
    if ! as_server "$bindir/initdb" -D "$dir/data" -U mtnt -A trust -E UTF8 --locale=C --no-instructions \
        >"$dir/initdb.log" 2>&1; then
        cat "$dir/initdb.log" >&2
        complain "initdb failed"
    fi
    configure
    start_on_free_port || complain "the server did not start"
    print_env
}

standby() {
    [ -f "$of/port" ] || complain "no server was started in $of"
    make_folder
    if ! as_server "$bindir/pg_basebackup" -h "$of/socket" -p "$(cat "$of/port")" -U mtnt -D "$dir/data" -R -X stream -c fast \
        >"$dir/basebackup.log" 2>&1; then
        cat "$dir/basebackup.log" >&2
        complain "pg_basebackup failed"
    fi
    echo "unix_socket_directories = '$dir/socket'" >>"$dir/data/postgresql.conf"
    start_on_free_port || complain "the server did not start"
    print_env
}

restart() {
    [ -f "$dir/port" ] || complain "no server was started in $dir"
    as_server "$bindir/pg_ctl" -D "$dir/data" -m immediate -w -t 60 -l "$dir/server.log" \
        -o "-p $(cat "$dir/port")" restart >"$dir/pg_ctl.log" 2>&1 || complain "the server was not restarted: see $dir/pg_ctl.log"
}

halt() {
    [ -f "$dir/port" ] || complain "no server was started in $dir"
    as_server "$bindir/pg_ctl" -D "$dir/data" -m immediate -w -t 60 stop >"$dir/pg_ctl.log" 2>&1 ||
        complain "the server was not stopped: see $dir/pg_ctl.log"
}

promote() {
    [ -f "$dir/port" ] || complain "no server was started in $dir"
    as_server "$bindir/pg_ctl" -D "$dir/data" -w -t 60 promote >"$dir/pg_ctl.log" 2>&1 ||
        complain "the server was not promoted: see $dir/pg_ctl.log"
}

stop() {
    [ -d "$dir" ] || return 0
    [ -e "$dir/$mark" ] || complain "$dir was not made by this script; left alone"
    if [ -f "$dir/data/postmaster.pid" ]; then
        as_server "$bindir/pg_ctl" -D "$dir/data" -m immediate -w -t 60 stop >/dev/null 2>&1 || true
    fi
    rm -rf "$dir"
}

[ $# -eq 2 ] || [ "$# $1" = "3 standby" ] || complain "usage: postgres.sh start|env|restart|halt|promote|stop DIR, or standby DIR OF"
mkdir -p "$(dirname "$2")"
dir=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
bindir=$(find_bindir)
of=${3:+$(cd "$3" && pwd)}
mark=.mtnt-test-server # only what has it is ever removed
case $1 in
start) start ;;
env)
    [ -f "$dir/port" ] || complain "no server was started in $dir"
    print_env
    ;;
restart) restart ;;
halt) halt ;;
promote) promote ;;
standby) standby ;;
stop) stop ;;
*) complain "usage: postgres.sh start|env|restart|halt|promote|stop DIR, or standby DIR OF" ;;
esac
