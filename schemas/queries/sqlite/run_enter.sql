-- $1: run; $2: process. Safe to repeat.
INSERT INTO {schema}.mtnt_run_process (run, process, started_ms, beat_ms)
SELECT $1, $2, n.now, n.now FROM (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now) AS n WHERE true
ON CONFLICT (run, process) DO NOTHING
