-- $1: JSON array of {tenant, migration, epoch}; $2: chain; $3: owner; $4: lease in ms. Gives the migrations whose leases are still the owner's, and
-- renews them. A row that somebody has locked (a takeover that has not committed, our own end of it) is not waited for: it is ours until
-- that commits, and the next beat sees what has become of it.
WITH held AS (
    SELECT t.chain, t.tenant, t.migration, t.epoch
    FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text, epoch bigint)
    CROSS JOIN LATERAL (SELECT * FROM {schema}.mtnt_tenant AS x -- as in tenant_select
                        WHERE x.chain = $2 AND x.tenant = j.tenant AND x.migration = j.migration AND x.epoch = j.epoch AND x.owner = $3
                        OFFSET 0) AS t
), free AS (
    SELECT t.chain, t.tenant, t.migration, t.epoch
    FROM held AS h
    CROSS JOIN LATERAL (SELECT x.chain, x.tenant, x.migration, x.epoch FROM {schema}.mtnt_tenant AS x
                        WHERE x.chain = h.chain AND x.tenant = h.tenant AND x.migration = h.migration AND x.epoch = h.epoch AND x.owner = $3
                        FOR UPDATE SKIP LOCKED) AS t
), renewed AS (
    UPDATE {schema}.mtnt_tenant AS t SET lease_until_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $4::bigint
    FROM (SELECT * FROM free LIMIT (SELECT 2147483647)) AS f -- as in finish_tenants
    WHERE t.chain = f.chain AND t.tenant = f.tenant AND t.migration = f.migration AND t.epoch = f.epoch AND t.owner = $3
)
SELECT migration FROM held
