SELECT t.tenant, t.state, t.version, t.digest, t.placed, t.model_uuid, t.migration, t.epoch, t.owner, t.lease_until_ms,
       t.error, t.error_operation, t.error_state, t.updated_ms,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
       r.migration, (r.chain = t.chain)::int, r.remove_after_ms, r.removing_ms, r.removed_ms,
       CASE WHEN r.migration IS NOT NULL AND EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS o WHERE o.tenant = t.tenant AND o.model_uuid <> t.model_uuid)
            THEN 1 ELSE 0 END
FROM {schema}.mtnt_tenant AS t
LEFT JOIN {schema}.mtnt_removal AS r ON r.tenant = t.tenant AND r.model_uuid = t.model_uuid AND r.restored_by IS NULL
WHERE t.chain = $1 ORDER BY t.tenant
