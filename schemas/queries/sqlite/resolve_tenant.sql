-- A person's word: $1 chain, $2 tenant, $3 migration, $4 the state that was seen, $5 the new one, $6 version, $7 digest, $8 placed, $9 model_uuid,
-- $10 error, $11 now. version NULL: what is applied is not known anew.
UPDATE {schema}.mtnt_tenant SET
    state = $5, version = coalesce($6, version), digest = coalesce($7, digest), placed = coalesce($8, placed), model_uuid = coalesce($9, model_uuid),
    owner = CASE $5 WHEN 'idle' THEN NULL ELSE owner END, lease_until_ms = CASE $5 WHEN 'idle' THEN NULL ELSE 0 END,
    error = $10, error_operation = NULL, error_state = NULL, updated_ms = $11
WHERE chain = $1 AND tenant = $2 AND migration = $3 AND state = $4
