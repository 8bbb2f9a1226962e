# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='SQLite, 1,000 tenants × 10 operations, beside a bare loop in C: operations alone, and the same durable work'
measure() { bench sqlite; }
