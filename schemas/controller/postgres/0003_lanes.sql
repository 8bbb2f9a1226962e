-- Lanes, for applications: whether what they need is there, and whether it has failed. Times are milliseconds since 1970 by this database's clock.

-- What each lane of a chain comes to, as the newest run knows the chain. chain: as in the other tables, "crm" for the first lane and "crm/slow" for
-- another; base: the chain's name. beside: 1, it does not wait for the lanes before it. digest is that of a tenant to whom everything in the lane is applied.
CREATE TABLE {schema}.mtnt_chain_lane (
    chain TEXT PRIMARY KEY,
    base TEXT NOT NULL,
    lane TEXT NOT NULL,
    place BIGINT NOT NULL,
    beside BIGINT NOT NULL,
    operations BIGINT NOT NULL,
    version BIGINT NOT NULL,
    digest TEXT NOT NULL,
    updated_ms BIGINT NOT NULL
);

-- Tenants whose last attempt at a lane has failed, or waits for a person; for the views below.
CREATE VIEW {schema}.mtnt_lane_failed AS
SELECT e.base, e.place, t.tenant, coalesce(t.error, t.state) AS error
FROM {schema}.mtnt_chain_lane AS e
JOIN {schema}.mtnt_tenant AS t ON t.chain = e.chain
WHERE t.state IN ('in_doubt', 'blocked', 'diverged', 'rollback_failed') OR (t.state = 'idle' AND t.error IS NOT NULL AND t.digest <> e.digest);

-- Each tenant's lanes. state: complete (everything in the lane is applied), running, failed (the last attempt did, or a person is waited for, or
-- a lane that it waits for has failed: error is that one's then), pending. Tenants of whom the first lane knows; not those whose model was put away. An application asks for its own tenant here.
CREATE VIEW {schema}.mtnt_lane_tenant AS
SELECT e.base AS chain, e.lane, f.tenant,
       CASE WHEN t.tenant IS NULL AND e.digest = '' THEN 'complete'
            WHEN t.state = 'idle' AND t.digest = e.digest THEN 'complete'
            WHEN t.state IN ('executing', 'compensating') AND t.lease_until_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint THEN 'running'
            WHEN t.state IN ('in_doubt', 'blocked', 'diverged', 'rollback_failed') OR (t.state = 'idle' AND t.error IS NOT NULL) THEN 'failed'
            WHEN e.beside = 0 AND EXISTS (SELECT 1 FROM {schema}.mtnt_lane_failed AS b WHERE b.base = e.base AND b.place < e.place AND b.tenant = f.tenant)
            THEN 'failed'
            ELSE 'pending' END AS state,
       t.version, t.state AS migration_state,
       coalesce(t.error, CASE WHEN e.beside = 0 AND (t.tenant IS NULL OR t.digest <> e.digest) THEN
           (SELECT b.error FROM {schema}.mtnt_lane_failed AS b
            WHERE b.base = e.base AND b.place < e.place AND b.tenant = f.tenant ORDER BY b.place LIMIT 1) END) AS error,
       t.error_operation, t.error_state, coalesce(t.updated_ms, f.updated_ms) AS updated_ms
FROM {schema}.mtnt_chain_lane AS e
JOIN {schema}.mtnt_tenant AS f ON f.chain = e.base
LEFT JOIN {schema}.mtnt_tenant AS t ON t.chain = e.chain AND t.tenant = f.tenant
WHERE NOT EXISTS (SELECT 1 FROM {schema}.mtnt_removal AS r
                  WHERE r.tenant = f.tenant AND r.model_uuid = f.model_uuid AND r.restored_by IS NULL);

-- Each lane over all its tenants: running while any is, then failed when any has, then pending when any is or none is known, else complete. error:
-- the newest one of those that have failed.
CREATE VIEW {schema}.mtnt_lane AS
SELECT e.base AS chain, e.lane,
       CASE WHEN count(CASE WHEN s.state = 'running' THEN 1 END) > 0 THEN 'running'
            WHEN count(CASE WHEN s.state = 'failed' THEN 1 END) > 0 THEN 'failed'
            WHEN count(CASE WHEN s.state = 'pending' THEN 1 END) > 0 OR count(s.tenant) = 0 THEN 'pending'
            ELSE 'complete' END AS state,
       count(s.tenant) AS tenants,
       count(CASE WHEN s.state = 'complete' THEN 1 END) AS complete,
       count(CASE WHEN s.state = 'running' THEN 1 END) AS running,
       count(CASE WHEN s.state = 'failed' THEN 1 END) AS failed,
       count(CASE WHEN s.state = 'pending' THEN 1 END) AS pending,
       (SELECT x.error FROM {schema}.mtnt_lane_tenant AS x
        WHERE x.chain = e.base AND x.lane = e.lane AND x.state = 'failed' ORDER BY x.updated_ms DESC, x.tenant LIMIT 1) AS error,
       e.operations, e.version, e.place
FROM {schema}.mtnt_chain_lane AS e
LEFT JOIN {schema}.mtnt_lane_tenant AS s ON s.chain = e.base AND s.lane = e.lane
GROUP BY e.base, e.lane, e.place, e.operations, e.version;

UPDATE {schema}.mtnt_meta SET value = '3' WHERE key = 'schema_version';
