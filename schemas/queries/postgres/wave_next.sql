-- $1: run; $2: wave; $3: how many have failed so far. The next one begins, unless this one still soaks.
UPDATE {schema}.mtnt_run SET wave = wave + 1, begun_before = begun, failed_before = $3, soak_until_ms = NULL
WHERE run = $1 AND wave = $2 AND soak_until_ms <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint
