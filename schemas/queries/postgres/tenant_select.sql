-- $1: JSON array of tenant ids; $2: chain. One row for each, in order.
SELECT j.key, t.state, t.version, t.digest, t.placed, t.model_uuid, t.migration, t.epoch, t.owner, t.lease_until_ms,
       t.error, t.error_operation, t.error_state, t.updated_ms,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS j(value, key)
LEFT JOIN {schema}.mtnt_tenant AS t ON t.chain = $2 AND t.tenant = j.value
ORDER BY j.key
