#!/bin/sh
# A program with a PostgreSQL server of its own, which it may restart (postgres.sh restart "$MTNT_TEST_OWN_SERVER").
#   sh own_server.sh PROGRAM [a line for postgresql.conf]
set -eu

server=$MTNT_TEST_SOURCE_DIR/tests/postgres.sh
scratch=$(mktemp -d "${TMPDIR:-/tmp}/mtnt-own.XXXXXX")
chmod 711 "$scratch"
cleanup() {
    sh "$server" stop "$scratch/pg" || true
    rmdir "$scratch" 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

settings=$(MTNT_TEST_PG_SETTINGS="${2:-}" sh "$server" start "$scratch/pg")
eval "$settings"
export MTNT_TEST_OWN_SERVER="$scratch/pg"
"$1"
