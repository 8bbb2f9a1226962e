-- One end: $1 migration, $2 state, $3 finished, $4 error. Never by tenant: a late writer changes nothing.
UPDATE {schema}.mtnt_migration SET state = $2, finished_ms = $3, error = $4
WHERE migration = $1 AND state IN ('executing', 'in_doubt', 'blocked', 'compensating')
