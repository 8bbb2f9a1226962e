-- $1: JSON array of {tenant, migration, tenant_state, version, digest, placed, model_uuid, error, error_operation, error_state,
-- epoch, rehearsed}; $2: chain. epoch NULL: whoever holds the claim. rehearsed 1: the last failure stays.
-- version NULL: what is applied has not changed.
-- The chain comes with each row, and LIMIT makes few of them: so the index is looked into for each, whatever is known of the table.
UPDATE {schema}.mtnt_tenant AS t SET
    state = j.tenant_state,
    version = coalesce(j.version, t.version), digest = coalesce(j.digest, t.digest),
    placed = coalesce(j.placed, t.placed), model_uuid = coalesce(j.model_uuid, t.model_uuid),
    owner = CASE j.tenant_state WHEN 'idle' THEN NULL ELSE t.owner END,
    lease_until_ms = CASE j.tenant_state WHEN 'idle' THEN NULL ELSE 0 END,
    error = CASE j.rehearsed WHEN 1 THEN t.error ELSE j.error END,
    error_operation = CASE j.rehearsed WHEN 1 THEN t.error_operation ELSE j.error_operation END,
    error_state = CASE j.rehearsed WHEN 1 THEN t.error_state ELSE j.error_state END,
    updated_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM (SELECT $2::text AS chain, j.*
      FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text, tenant_state text, version bigint, digest text, placed text,
                                              model_uuid text, error text, error_operation text, error_state text, epoch bigint,
                                              rehearsed integer)
      LIMIT (SELECT 2147483647)) AS j
WHERE t.chain = j.chain AND t.tenant = j.tenant AND t.migration = j.migration AND t.state IN ('executing', 'in_doubt', 'blocked', 'compensating')
  AND (j.epoch IS NULL OR t.epoch = j.epoch)
