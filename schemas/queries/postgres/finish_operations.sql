-- $1: JSON array of {tenant, migration, name, position, checksum, status, recorded_in, started, finished, error,
-- epoch}; $2: chain; $3: run.
-- Nothing of a migration that has ended already, or under a claim that does not hold any more (epoch NULL: whoever holds it): a late
-- writer changes nothing.
INSERT INTO {schema}.mtnt_operation (chain, tenant, name, position, checksum, status, recorded_in, started_ms, finished_ms, migration, run, error)
SELECT $2, j.tenant, j.name, j.position, j.checksum, j.status, j.recorded_in, j.started, j.finished, j.migration, $3::bigint, j.error
FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text, name text, position bigint, checksum text, status text, recorded_in text,
                                        started bigint, finished bigint, error text, epoch bigint)
CROSS JOIN LATERAL (SELECT * FROM {schema}.mtnt_migration AS x -- as in tenant_select
                    WHERE x.migration = j.migration AND x.state IN ('executing', 'in_doubt', 'blocked', 'compensating') OFFSET 0) AS m
WHERE j.epoch IS NULL OR EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS t
                                 WHERE t.chain = m.chain AND t.tenant = m.tenant AND t.migration = m.migration AND t.epoch = j.epoch)
ON CONFLICT (chain, tenant, name) DO UPDATE SET
    position = excluded.position, checksum = excluded.checksum, status = excluded.status, recorded_in = excluded.recorded_in,
    started_ms = excluded.started_ms, finished_ms = excluded.finished_ms, migration = excluded.migration, run = excluded.run,
    error = excluded.error
