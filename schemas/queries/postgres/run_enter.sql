-- $1: run; $2: process. Safe to repeat.
INSERT INTO {schema}.mtnt_run_process (run, process, started_ms, beat_ms)
SELECT $1::bigint, $2::text, n.now, n.now FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS n WHERE true
ON CONFLICT (run, process) DO NOTHING
