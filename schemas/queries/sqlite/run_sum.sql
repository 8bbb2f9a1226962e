-- $1: run; $2: how long after its last sign of life a process counts as at work, in ms. Sums over its processes. What one has found current
-- includes what others have done.
SELECT count(*), coalesce(sum(CASE WHEN finished_ms IS NULL AND beat_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - $2 THEN 1 ELSE 0 END), 0),
       coalesce(sum(migrated), 0), coalesce(sum(failed), 0), coalesce(max(met), 0), coalesce(sum(operations), 0), coalesce(max(total), -1),
       coalesce(max(already_current + migrated + failed), 0) - coalesce(sum(migrated + failed), 0)
FROM {schema}.mtnt_run_process WHERE run = $1
