-- $1: run; $2: wave; $3: how long it soaks, in ms. It has passed.
UPDATE {schema}.mtnt_run SET soak_until_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $3 WHERE run = $1 AND wave = $2 AND soak_until_ms IS NULL
