#!/bin/sh
# no_prepared_test.c on a server of its own, which has no room for prepared transactions.
#   sh no_prepared.sh PROGRAM
set -eu

server=$MTNT_TEST_SOURCE_DIR/tests/postgres.sh
scratch=$(mktemp -d "${TMPDIR:-/tmp}/mtnt-no-prepared.XXXXXX")
chmod 711 "$scratch"
cleanup() {
    sh "$server" stop "$scratch/pg" || true
    rmdir "$scratch" 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

settings=$(MTNT_TEST_PG_SETTINGS='max_prepared_transactions = 0' sh "$server" start "$scratch/pg")
eval "$settings"
"$1"
