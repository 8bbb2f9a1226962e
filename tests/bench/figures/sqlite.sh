# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='SQLite, 1,000 tenants × 10 operations, beside a bare loop in C: operations alone, and the same durable work, each at its best of 1, 2, 4, 8 workers'
measure() { bench sqlite --best 1,2,4,8; }
