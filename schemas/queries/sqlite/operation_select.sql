-- $1: JSON array of tenant ids; $2: chain; $3: 0 for all rows, 1 for those that a migration must see:
-- what an unfinished attempt left, and what is recorded here alone.
SELECT o.tenant, o.name, o.position, o.checksum, o.status, o.recorded_in, o.started_ms, o.finished_ms, o.migration, o.run, o.error
FROM json_each($1) AS j
JOIN {schema}.mtnt_operation AS o ON o.chain = $2 AND o.tenant = j.value
WHERE $3 = 0 OR o.status <> 'COMPLETED' OR o.recorded_in = 'controller'
ORDER BY j.key, o.position
