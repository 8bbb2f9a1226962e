-- One operation: $1 tenant, $2 migration, $3 name, $4 position, $5 checksum, $6 status, $7 recorded_in, $8 started, $9 finished, $10 error; then
-- $11 chain, $12 run. Only of migrations for which claim_holds has given a row in the same transaction: a late writer changes nothing.
INSERT INTO {schema}.mtnt_operation (chain, tenant, name, position, checksum, status, recorded_in, started_ms, finished_ms, migration, run, error)
VALUES ($11, $1, $3, $4, $5, $6, $7, $8, $9, $2, $12, $10)
ON CONFLICT (chain, tenant, name) DO UPDATE SET
    position = excluded.position, checksum = excluded.checksum, status = excluded.status, recorded_in = excluded.recorded_in,
    started_ms = excluded.started_ms, finished_ms = excluded.finished_ms, migration = excluded.migration, run = excluded.run,
    error = excluded.error
