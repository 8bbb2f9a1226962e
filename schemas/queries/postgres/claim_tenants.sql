-- $1: JSON array of {tenant, migration, seen}; $2: chain; $3: owner; $4: lease in ms. seen: the tenant's epoch when it was looked at, 0 for a stranger:
-- whoever has had it since has changed what is known of it; NULL = whatever. Gives the migrations whose tenants were free, with the
-- tenants' new epoch. Of two for one tenant one is left out. Safe to repeat when the answer to the
-- first try was lost, unless somebody has given that claim up meanwhile.
-- Nobody is waited for: a row that another process has locked is skipped, and so is a stranger that another process may be claiming just now.
-- Strangers have no row to lock: one of 2,048 numbers stands for each, so that the server's table of locks has room for any number of processes.
WITH asked AS MATERIALIZED (
    SELECT DISTINCT ON (j.tenant) j.tenant, j.migration, j.seen
    FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text, seen bigint)
    ORDER BY j.tenant, j.migration
), known AS MATERIALIZED (
    SELECT t.tenant, t.epoch FROM asked AS a
    CROSS JOIN LATERAL (SELECT x.tenant, x.epoch FROM {schema}.mtnt_tenant AS x -- as in tenant_select
                        WHERE x.chain = $2 AND x.tenant = a.tenant
                          AND ((x.state = 'idle' AND coalesce(a.seen, x.epoch) = x.epoch)
                               OR (x.migration = a.migration AND x.state = 'executing' AND x.owner = $3))
                        FOR UPDATE SKIP LOCKED) AS t
), strangers AS MATERIALIZED (
    SELECT a.tenant FROM asked AS a
    WHERE (SELECT 1 FROM {schema}.mtnt_tenant AS t WHERE t.chain = $2 AND t.tenant = a.tenant) IS NULL
), free AS MATERIALIZED (
    SELECT tenant, epoch FROM known
    UNION ALL
    SELECT tenant, 0 FROM strangers WHERE pg_try_advisory_xact_lock(1836346996, (hashtext($2::text || '/' || tenant) & 2047))
)
INSERT INTO {schema}.mtnt_tenant AS mtnt_tenant (chain, tenant, state, migration, epoch, owner, lease_until_ms, updated_ms)
SELECT $2::text, a.tenant, 'executing', a.migration, f.epoch + 1, $3::text, n.now + $4::bigint, n.now
FROM asked AS a JOIN free AS f ON f.tenant = a.tenant,
     (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS n
ORDER BY a.tenant
ON CONFLICT (chain, tenant) DO UPDATE SET
    state = 'executing', migration = excluded.migration, epoch = mtnt_tenant.epoch + 1, owner = excluded.owner,
    lease_until_ms = excluded.lease_until_ms, updated_ms = excluded.updated_ms
WHERE (mtnt_tenant.state = 'idle' AND mtnt_tenant.epoch + 1 = excluded.epoch)
   OR (mtnt_tenant.migration = excluded.migration AND mtnt_tenant.state = 'executing' AND mtnt_tenant.owner = excluded.owner)
RETURNING migration, epoch
