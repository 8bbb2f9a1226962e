-- $1: JSON array of {tenant, migration, operations: [{name, position, checksum, status, recorded_in, started, finished, error}]}; $2: chain; $3: run.
-- Nothing of a migration that has ended already: a late writer changes nothing.
INSERT INTO {schema}.mtnt_operation (chain, tenant, name, position, checksum, status, recorded_in, started_ms, finished_ms, migration, run, error)
SELECT $2, j.tenant, o.name, o.position, o.checksum, o.status, o.recorded_in, o.started, o.finished, j.migration, $3::bigint, o.error
FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text, operations jsonb)
JOIN {schema}.mtnt_migration AS m ON m.migration = j.migration AND m.state IN ('executing', 'in_doubt', 'blocked'),
     jsonb_to_recordset(j.operations) AS o(name text, position bigint, checksum text, status text, recorded_in text, started bigint, finished bigint, error text)
ON CONFLICT (chain, tenant, name) DO UPDATE SET
    position = excluded.position, checksum = excluded.checksum, status = excluded.status, recorded_in = excluded.recorded_in,
    started_ms = excluded.started_ms, finished_ms = excluded.finished_ms, migration = excluded.migration, run = excluded.run,
    error = excluded.error
