-- $1: run. Where its waves are; its row is locked until the transaction ends.
UPDATE {schema}.mtnt_run SET begun = begun WHERE run = $1
RETURNING wave, begun, begun_before, failed_before, soak_until_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint
