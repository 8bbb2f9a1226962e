-- $1: JSON array of tenant ids; $2: chain. One row for each, in order.
-- LATERAL … OFFSET 0: a look into the index for each. In a table that is younger than its statistics a join is planned as one with all of the chain.
SELECT j.key, t.state, t.version, t.digest, t.placed, t.model_uuid, t.migration, t.epoch, t.owner, t.lease_until_ms,
       t.error, t.error_operation, t.error_state, t.updated_ms,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
       r.migration, (r.chain = t.chain)::int, r.remove_after_ms, r.removing_ms, r.removed_ms,
       CASE WHEN r.migration IS NOT NULL AND EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS o WHERE o.tenant = t.tenant AND o.model_uuid <> t.model_uuid)
            THEN 1 ELSE 0 END
FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS j(value, key)
LEFT JOIN LATERAL (SELECT * FROM {schema}.mtnt_tenant AS x WHERE x.chain = $2 AND x.tenant = j.value OFFSET 0) AS t ON true
LEFT JOIN LATERAL (SELECT * FROM {schema}.mtnt_removal AS x
                   WHERE x.tenant = t.tenant AND x.model_uuid = t.model_uuid AND x.restored_by IS NULL OFFSET 0) AS r ON true
ORDER BY j.key
