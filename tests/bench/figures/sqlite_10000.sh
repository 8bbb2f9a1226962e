# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='the same for 10,000 tenants'
measure() { bench sqlite --best 1,2,4,8 --tenants 10000 --rounds 3; }
