#!/bin/sh
# A program of the contract tests with a private pgbouncer between the library and PostgreSQL.
#   sh through_pgbouncer.sh PROGRAM POOL [FILTER]     POOL: server connections for each database; FILTER as MTNT_TEST_FILTER
set -eu

bouncer=$MTNT_TEST_SOURCE_DIR/tests/pgbouncer.sh
scratch=$(mktemp -d "${TMPDIR:-/tmp}/mtnt-pgbouncer.XXXXXX")
chmod 711 "$scratch"
cleanup() {
    sh "$bouncer" stop "$scratch/pgbouncer" || true
    rmdir "$scratch" 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

settings=$(sh "$bouncer" start "$scratch/pgbouncer" "$2")
eval "$settings"
if [ $# -gt 2 ]; then
    export MTNT_TEST_FILTER="$3"
fi
"$1"
# Nothing has kept a server's session to itself: a pool of one is enough for all of it, one after another.
if grep -E 'no more connections|query_wait_timeout' "$scratch/pgbouncer/pgbouncer.log"; then
    exit 1
fi
