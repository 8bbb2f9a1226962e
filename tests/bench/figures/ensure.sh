# shellcheck shell=sh disable=SC2034 # read by bench.sh
about='mtnt_ensure_current on a current tenant, beside a bare hash table'
measure() { bench ensure; }
