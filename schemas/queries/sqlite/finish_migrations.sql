-- $1: JSON array of {migration, state, finished, error}. Never by tenant: a late writer changes nothing.
UPDATE {schema}.mtnt_migration SET state = j.value ->> 'state', finished_ms = j.value ->> 'finished', error = j.value ->> 'error'
FROM json_each($1) AS j
WHERE mtnt_migration.migration = j.value ->> 'migration' AND mtnt_migration.state IN ('executing', 'in_doubt', 'blocked')
