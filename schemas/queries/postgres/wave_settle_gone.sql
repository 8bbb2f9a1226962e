-- $1: run; $2: how long after its last sign of life a process counts as at work, in ms; $3: chain; $4: digest of who has nothing to do any more.
-- $5: a process that has no tenant at work, '' = none; $6: the error of a migration that recovery has rolled back.
-- Tenants of processes that are gone, and that are over all the same: committed by a recovery, or waiting for a person. Those of $5 are, unless
-- somebody else has them.
UPDATE {schema}.mtnt_place AS w SET settled = 1
WHERE w.run = $1 AND w.settled = 0
  AND (w.process = $5 OR NOT EXISTS (SELECT 1 FROM {schema}.mtnt_run_process AS p
                  WHERE p.run = w.run AND p.process = w.process AND p.finished_ms IS NULL AND p.beat_ms > (extract(epoch FROM clock_timestamp()) * 1000)::bigint - $2))
  AND EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS t
              WHERE t.chain = $3 AND t.tenant = w.tenant
                AND (t.state IN ('in_doubt', 'blocked', 'diverged', 'rollback_failed') OR (t.state = 'idle' AND t.digest = $4)
                     OR (w.process = $5 AND t.state = 'idle' AND coalesce(t.error, '') <> $6)))
