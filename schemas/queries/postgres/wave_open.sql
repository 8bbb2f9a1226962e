-- $1: run; $2: how long after its last sign of life a process counts as at work, in ms. Places that are not settled, and whether their process is gone.
SELECT w.tenant, CASE WHEN EXISTS (SELECT 1 FROM {schema}.mtnt_run_process AS p
                                   WHERE p.run = w.run AND p.process = w.process AND p.finished_ms IS NULL AND p.beat_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2)
                      THEN 0 ELSE 1 END AS gone
FROM {schema}.mtnt_place AS w WHERE w.run = $1 AND w.settled = 0
ORDER BY gone DESC, w.tenant LIMIT 128
