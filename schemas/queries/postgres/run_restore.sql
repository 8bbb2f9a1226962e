-- $1 to $16 as in run_begin; $17: the number that the run has. Safe to repeat. The next number comes after it: the sequence may have been set back too.
WITH restored AS (
    INSERT INTO {schema}.mtnt_run (chain, command, process, started_ms, direction, goal, steps, only_run, atomicity, on_failure, mode,
                                   out_of_order, may_delete, chain_digest, backs_up, paced, run)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    ON CONFLICT (run) DO NOTHING
    RETURNING run, tableoid
)
SELECT setval(pg_get_serial_sequence(r.tableoid::regclass::text, 'run'), r.run, true) FROM restored AS r
WHERE r.run >= (SELECT coalesce(max(m.run), 0) FROM {schema}.mtnt_run AS m)
