-- $1: JSON array of {tenant, migration}; $2: chain; $3: owner; $4: lease in ms. Gives the migrations whose tenants were free, with the tenants' new
-- epoch. Of two for one tenant one is left out. Safe to repeat when the answer to the first try was lost.
INSERT INTO {schema}.mtnt_tenant AS mtnt_tenant (chain, tenant, state, migration, epoch, owner, lease_until_ms, updated_ms)
SELECT DISTINCT ON (j.tenant) $2::text, j.tenant, 'executing', j.migration, 1, $3::text, n.now + $4::bigint, n.now
FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text),
     (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS n
ORDER BY j.tenant, j.migration
ON CONFLICT (chain, tenant) DO UPDATE SET
    state = 'executing', migration = excluded.migration, epoch = mtnt_tenant.epoch + 1, owner = excluded.owner,
    lease_until_ms = excluded.lease_until_ms, updated_ms = excluded.updated_ms
WHERE mtnt_tenant.state = 'idle' OR mtnt_tenant.migration = excluded.migration
RETURNING migration, epoch
