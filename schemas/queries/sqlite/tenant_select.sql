-- $1: JSON array of tenant ids; $2: chain. One row for each, in order.
SELECT j.key, t.state, t.version, t.digest, t.placed, t.model_uuid, t.migration, t.epoch, t.owner, t.lease_until_ms,
       t.error, t.error_operation, t.error_state, t.updated_ms,
       CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER),
       r.migration, r.chain = t.chain, r.remove_after_ms, r.removing_ms, r.removed_ms,
       CASE WHEN r.migration IS NOT NULL AND EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS o WHERE o.tenant = t.tenant AND o.model_uuid <> t.model_uuid)
            THEN 1 ELSE 0 END
FROM json_each($1) AS j
LEFT JOIN {schema}.mtnt_tenant AS t ON t.chain = $2 AND t.tenant = j.value
LEFT JOIN {schema}.mtnt_removal AS r ON r.tenant = t.tenant AND r.model_uuid = t.model_uuid AND r.restored_by IS NULL
ORDER BY j.key
