-- One operation: $1 tenant, $2 migration, $3 name, $4 position, $5 checksum, $6 status, $7 recorded_in, $8 started, $9 finished, $10 error,
-- $11 epoch; then $12 chain, $13 run. Nothing of a migration that has ended already, or under a claim that does not hold any more (epoch NULL:
-- whoever holds it): a late writer changes nothing.
INSERT INTO {schema}.mtnt_operation (chain, tenant, name, position, checksum, status, recorded_in, started_ms, finished_ms, migration, run, error)
SELECT $12, $1, $3, $4, $5, $6, $7, $8, $9, m.migration, $13, $10
FROM {schema}.mtnt_migration AS m WHERE m.migration = $2 AND m.state IN ('executing', 'in_doubt', 'blocked', 'compensating')
  AND ($11 IS NULL OR EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS t
                              WHERE t.chain = m.chain AND t.tenant = m.tenant AND t.migration = m.migration AND t.epoch = $11))
ON CONFLICT (chain, tenant, name) DO UPDATE SET
    position = excluded.position, checksum = excluded.checksum, status = excluded.status, recorded_in = excluded.recorded_in,
    started_ms = excluded.started_ms, finished_ms = excluded.finished_ms, migration = excluded.migration, run = excluded.run,
    error = excluded.error
