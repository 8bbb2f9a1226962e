-- One lease: $1 tenant, $2 migration, $3 epoch; then $4 chain, $5 owner, $6 lease in ms. Gives the migration when the lease is still the owner's.
UPDATE {schema}.mtnt_tenant SET lease_until_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + $6
WHERE chain = $4 AND tenant = $1 AND migration = $2 AND epoch = $3 AND owner = $5
RETURNING migration
