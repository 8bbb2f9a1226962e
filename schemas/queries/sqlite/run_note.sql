-- $1: run; $2: process; $3: total; $4: migrated; $5: already current; $6: failed; $7: met; $8: operations; $9: 1 = it has finished
UPDATE {schema}.mtnt_run_process SET
    total = $3, migrated = $4, already_current = $5, failed = $6, met = $7, operations = $8,
    beat_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER),
    finished_ms = CASE $9 WHEN 0 THEN NULL ELSE CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) END
WHERE run = $1 AND process = $2
