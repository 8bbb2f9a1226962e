-- $1: chain; $2: run, 0 = the newest that processes are at work on; $3: how long after its last sign of life a process counts as at work, in ms
SELECT r.run, r.chain, r.command, r.started_ms, r.finished_ms, r.direction, r.goal, r.steps, r.only_run, r.atomicity, r.on_failure, r.mode,
       r.out_of_order, r.may_delete, r.chain_digest, r.backs_up, r.paced,
       r.waves, r.canary, r.soak_ms, r.max_failures, r.expected
FROM {schema}.mtnt_run AS r
WHERE ($2 <> 0 AND r.run = $2)
   OR ($2 = 0 AND r.chain = $1 AND r.finished_ms IS NULL AND EXISTS (
          SELECT 1 FROM {schema}.mtnt_run_process AS p
          WHERE p.run = r.run AND p.finished_ms IS NULL
            AND p.beat_ms > CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - $3))
ORDER BY r.run DESC LIMIT 1
