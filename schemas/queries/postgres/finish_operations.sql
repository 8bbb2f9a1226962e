-- $1: JSON array of {tenant, migration, name, position, checksum, status, recorded_in, started, finished, error}; $2: chain; $3: run.
-- Nothing of a migration that has ended already: a late writer changes nothing.
INSERT INTO {schema}.mtnt_operation (chain, tenant, name, position, checksum, status, recorded_in, started_ms, finished_ms, migration, run, error)
SELECT $2, j.tenant, j.name, j.position, j.checksum, j.status, j.recorded_in, j.started, j.finished, j.migration, $3::bigint, j.error
FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text, name text, position bigint, checksum text, status text, recorded_in text,
                                        started bigint, finished bigint, error text)
JOIN {schema}.mtnt_migration AS m ON m.migration = j.migration AND m.state IN ('executing', 'in_doubt', 'blocked', 'compensating')
ON CONFLICT (chain, tenant, name) DO UPDATE SET
    position = excluded.position, checksum = excluded.checksum, status = excluded.status, recorded_in = excluded.recorded_in,
    started_ms = excluded.started_ms, finished_ms = excluded.finished_ms, migration = excluded.migration, run = excluded.run,
    error = excluded.error
