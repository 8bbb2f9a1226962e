-- $1: JSON array of migrations; $2: run; $3: the error of a migration that recovery has rolled back; $4: how long after its last sign of life a process
-- counts as at work, in ms. Those that were tried in this run, and whether they rest before another try (1) of a process that lives; of
-- one that is gone, they are anybody's.
SELECT k.key, k.rests
FROM (SELECT j.key - 1 AS key, coalesce(m.rests, 0) AS rests,
             EXISTS (SELECT 1 FROM {schema}.mtnt_run_process AS p
                     WHERE p.run = m.run AND p.process = m.worker AND p.finished_ms IS NULL AND p.beat_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $4::bigint) AS lives
      FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS j(value, key) JOIN {schema}.mtnt_migration AS m ON m.migration = j.value
      WHERE m.run = $2::bigint AND m.error IS NOT NULL AND m.error <> $3::text) AS k
WHERE k.rests = 0 OR k.lives
