-- One tenant: $1 tenant, $2 migration, $3 seen; then $4 chain, $5 owner, $6 lease in ms. seen: the tenant's epoch when it was looked at, 0 for a
-- stranger: whoever has had it since has changed what is known of it; NULL = whatever. Gives the migration, with the tenant's new
-- epoch, if it was free. Safe to repeat when the answer to the first try was lost, unless somebody has given that claim up.
INSERT INTO {schema}.mtnt_tenant (chain, tenant, state, migration, epoch, owner, lease_until_ms, updated_ms)
SELECT $4, $1, 'executing', $2, 1, $5, n.now + $6, n.now
FROM (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now) AS n
WHERE true
ON CONFLICT (chain, tenant) DO UPDATE SET
    state = 'executing', migration = excluded.migration, epoch = mtnt_tenant.epoch + 1, owner = excluded.owner,
    lease_until_ms = excluded.lease_until_ms, updated_ms = excluded.updated_ms
WHERE (mtnt_tenant.state = 'idle' AND coalesce($3, mtnt_tenant.epoch) = mtnt_tenant.epoch)
   OR (mtnt_tenant.migration = excluded.migration AND mtnt_tenant.state = 'executing' AND mtnt_tenant.owner = excluded.owner)
RETURNING migration, epoch
