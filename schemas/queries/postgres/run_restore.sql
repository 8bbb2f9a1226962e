-- $1 to $21 as in run_begin; $22: the number that the run has; $23 to $26: where its waves are, as far as this process was told. Safe to repeat. The next
-- number comes after it: the sequence may have been set back too.
WITH restored AS (
    INSERT INTO {schema}.mtnt_run AS r (chain, command, process, started_ms, direction, goal, steps, only_run, atomicity, on_failure, mode,
                                        out_of_order, may_delete, chain_digest, backs_up, paced, waves, canary, soak_ms, max_failures,
                                        expected, run, wave, begun, begun_before, failed_before)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)
    ON CONFLICT (run) DO UPDATE SET wave = EXCLUDED.wave, begun = EXCLUDED.begun, begun_before = EXCLUDED.begun_before,
                                    failed_before = EXCLUDED.failed_before, soak_until_ms = NULL
    WHERE (r.wave, r.begun) < (EXCLUDED.wave, EXCLUDED.begun)
    RETURNING r.run, r.tableoid, r.xmax = 0 AS is_new
)
SELECT setval(pg_get_serial_sequence(n.tableoid::regclass::text, 'run'), n.run, true) FROM restored AS n
WHERE n.is_new AND n.run >= (SELECT coalesce(max(m.run), 0) FROM {schema}.mtnt_run AS m)
