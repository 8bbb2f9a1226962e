-- $1: JSON array of {tenant, migration, operations: [{name, position, checksum, status, recorded_in, started, finished, error}]}; $2: chain; $3: run.
-- Nothing of a migration that has ended already: a late writer changes nothing.
INSERT INTO {schema}.mtnt_operation (chain, tenant, name, position, checksum, status, recorded_in, started_ms, finished_ms, migration, run, error)
SELECT $2, j.value ->> 'tenant', o.value ->> 'name', o.value ->> 'position', o.value ->> 'checksum', o.value ->> 'status',
       o.value ->> 'recorded_in', o.value ->> 'started', o.value ->> 'finished', j.value ->> 'migration', $3, o.value ->> 'error'
FROM json_each($1) AS j, json_each(j.value, '$.operations') AS o
JOIN {schema}.mtnt_migration AS m ON m.migration = j.value ->> 'migration' AND m.state IN ('executing', 'in_doubt', 'blocked')
WHERE true
ON CONFLICT (chain, tenant, name) DO UPDATE SET
    position = excluded.position, checksum = excluded.checksum, status = excluded.status, recorded_in = excluded.recorded_in,
    started_ms = excluded.started_ms, finished_ms = excluded.finished_ms, migration = excluded.migration, run = excluded.run,
    error = excluded.error
