-- $1: JSON array of migrations; $2: run; $3: the error of a migration that recovery has rolled back. Those that were tried in this run.
SELECT j.key - 1
FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS j(value, key)
JOIN {schema}.mtnt_migration AS m ON m.migration = j.value
WHERE m.run = $2::bigint AND m.error IS NOT NULL AND m.error <> $3::text
