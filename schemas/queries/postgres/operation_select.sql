-- $1: JSON array of tenant ids; $2: chain; $3: 0 for all rows, 1 for those that a migration must see:
-- what an unfinished attempt left, and what is recorded here alone.
SELECT o.tenant, o.name, o.position, o.checksum, o.status, o.recorded_in, o.started_ms, o.finished_ms, o.migration, o.run, o.error
FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS j(value, key)
CROSS JOIN LATERAL (SELECT * FROM {schema}.mtnt_operation AS x WHERE x.chain = $2 AND x.tenant = j.value OFFSET 0) AS o -- as in tenant_select
WHERE $3::bigint = 0 OR o.status <> 'COMPLETED' OR o.recorded_in = 'controller'
ORDER BY j.key, o.position
