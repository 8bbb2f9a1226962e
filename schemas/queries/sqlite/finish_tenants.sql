-- $1: JSON array of {tenant, migration, tenant_state, version, digest, placed, model_uuid, error, error_operation, error_state}; $2: chain.
-- version NULL: what is applied has not changed.
UPDATE {schema}.mtnt_tenant SET
    state = j.value ->> 'tenant_state',
    version = coalesce(j.value ->> 'version', version), digest = coalesce(j.value ->> 'digest', digest),
    placed = coalesce(j.value ->> 'placed', placed), model_uuid = coalesce(j.value ->> 'model_uuid', model_uuid),
    owner = CASE j.value ->> 'tenant_state' WHEN 'idle' THEN NULL ELSE owner END,
    lease_until_ms = CASE j.value ->> 'tenant_state' WHEN 'idle' THEN NULL ELSE 0 END,
    error = j.value ->> 'error', error_operation = j.value ->> 'error_operation', error_state = j.value ->> 'error_state',
    updated_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
FROM json_each($1) AS j
WHERE mtnt_tenant.chain = $2 AND mtnt_tenant.tenant = j.value ->> 'tenant' AND mtnt_tenant.migration = j.value ->> 'migration'
  AND mtnt_tenant.state IN ('executing', 'in_doubt', 'blocked')
