-- A new run. $1 chain; $2 command; $3 process; $4 when; $5 to $21: its terms, in the order of the columns. Gives its number.
INSERT INTO {schema}.mtnt_run (chain, command, process, started_ms, direction, goal, steps, only_run, atomicity, on_failure, mode,
                               out_of_order, may_delete, chain_digest, backs_up, paced, waves, canary, soak_ms, max_failures, expected)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
RETURNING run
