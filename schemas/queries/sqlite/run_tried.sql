-- $1: JSON array of migrations; $2: run; $3: the error of a migration that recovery has rolled back. Those that were tried in this run.
SELECT j.key
FROM json_each($1) AS j CROSS JOIN {schema}.mtnt_migration AS m
WHERE m.migration = j.value AND m.run = $2 AND m.error IS NOT NULL AND m.error <> $3
