-- $1: JSON array of {tenant, migration, epoch}; $2: chain; $3: owner; $4: lease in ms. Gives the migrations whose leases are still the owner's, and
-- renews them. A row that somebody has locked (a takeover that has not committed, our own end of it) is not waited for: it is ours until
-- that commits, and the next beat sees what has become of it.
WITH held AS (
    SELECT t.chain, t.tenant, t.migration, t.epoch
    FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text, epoch bigint)
    JOIN {schema}.mtnt_tenant AS t ON t.chain = $2 AND t.tenant = j.tenant AND t.migration = j.migration AND t.epoch = j.epoch AND t.owner = $3
), free AS (
    SELECT t.chain, t.tenant, t.migration, t.epoch
    FROM held AS h
    JOIN {schema}.mtnt_tenant AS t ON t.chain = h.chain AND t.tenant = h.tenant AND t.migration = h.migration AND t.epoch = h.epoch AND t.owner = $3
    FOR UPDATE OF t SKIP LOCKED
), renewed AS (
    UPDATE {schema}.mtnt_tenant AS t SET lease_until_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $4::bigint
    FROM free AS f
    WHERE t.chain = f.chain AND t.tenant = f.tenant AND t.migration = f.migration AND t.epoch = f.epoch AND t.owner = $3
)
SELECT migration FROM held
