#!/bin/sh
# Runs the test that it is given, or fails (and does not skip) when there is no PostgreSQL to test against.
if [ -z "${MTNT_TEST_PG:-}" ]; then
    echo "MTNT_TEST_PG is not set, and this test needs a PostgreSQL server." >&2
    echo "Run   sh tests/run.sh   or keep one running:   eval \"\$(sh tests/postgres.sh start DIR)\"" >&2
    exit 1
fi
exec "$@"
