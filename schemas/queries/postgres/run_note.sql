-- $1: run; $2: process; $3: total; $4: migrated; $5: already current; $6: failed; $7: met; $8: operations; $9: 1 = it has finished
UPDATE {schema}.mtnt_run_process SET
    total = $3::bigint, migrated = $4::bigint, already_current = $5::bigint, failed = $6::bigint, met = $7::bigint, operations = $8::bigint,
    beat_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    finished_ms = CASE $9::bigint WHEN 0 THEN NULL ELSE (extract(epoch FROM clock_timestamp()) * 1000)::bigint END
WHERE run = $1::bigint AND process = $2::text
