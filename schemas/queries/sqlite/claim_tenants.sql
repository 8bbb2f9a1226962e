-- $1: JSON array of {tenant, migration}; $2: chain; $3: owner; $4: lease in ms. Gives the tenants that were free, with their new epoch.
-- Safe to repeat when the answer to the first try was lost.
INSERT INTO {schema}.mtnt_tenant (chain, tenant, state, migration, epoch, owner, lease_until_ms, updated_ms)
SELECT $2, j.value ->> 'tenant', 'executing', j.value ->> 'migration', 1, $3, n.now + $4, n.now
FROM json_each($1) AS j, (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now) AS n
WHERE true
ON CONFLICT (chain, tenant) DO UPDATE SET
    state = 'executing', migration = excluded.migration, epoch = mtnt_tenant.epoch + 1, owner = excluded.owner,
    lease_until_ms = excluded.lease_until_ms, updated_ms = excluded.updated_ms
WHERE mtnt_tenant.state = 'idle' OR mtnt_tenant.migration = excluded.migration
RETURNING tenant, epoch
