-- $1: JSON array of tenant ids; $2: chain; $3: digest. One row for each of them that is idle with that digest, and whose model has not been put away.
SELECT j.key - 1, t.placed
FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS j(value, key)
CROSS JOIN LATERAL (SELECT * FROM {schema}.mtnt_tenant AS x WHERE x.chain = $2 AND x.tenant = j.value OFFSET 0) AS t -- as in tenant_select
WHERE t.state = 'idle' AND t.digest = $3
  AND NOT EXISTS (SELECT 1 FROM {schema}.mtnt_removal AS r
                  WHERE r.tenant = t.tenant AND r.model_uuid = t.model_uuid AND r.restored_by IS NULL)
