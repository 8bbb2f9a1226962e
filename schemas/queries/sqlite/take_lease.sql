-- $1: chain; $2: tenant; $3: its unended migration; $4: the epoch that was seen; $5: new owner; $6: lease in ms
UPDATE {schema}.mtnt_tenant SET epoch = epoch + 1, owner = $5,
    lease_until_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + $6
WHERE chain = $1 AND tenant = $2 AND migration = $3 AND epoch = $4
