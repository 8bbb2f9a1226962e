-- One end: $1 tenant, $2 migration, $3 tenant_state, $4 version, $5 digest, $6 placed, $7 model_uuid, $8 error, $9 error_operation,
-- $10 error_state, $11 epoch, $12 rehearsed; then $13 chain. epoch NULL: whoever holds the claim. version NULL: what is applied has not changed.
-- rehearsed 1: the last failure stays.
UPDATE {schema}.mtnt_tenant SET
    state = $3, version = coalesce($4, version), digest = coalesce($5, digest), placed = coalesce($6, placed), model_uuid = coalesce($7, model_uuid),
    owner = CASE $3 WHEN 'idle' THEN NULL ELSE owner END, lease_until_ms = CASE $3 WHEN 'idle' THEN NULL ELSE 0 END,
    error = CASE $12 WHEN 1 THEN error ELSE $8 END, error_operation = CASE $12 WHEN 1 THEN error_operation ELSE $9 END,
    error_state = CASE $12 WHEN 1 THEN error_state ELSE $10 END,
    updated_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
WHERE chain = $13 AND tenant = $1 AND migration = $2 AND state IN ('executing', 'in_doubt', 'blocked', 'compensating')
  AND ($11 IS NULL OR epoch = $11)
