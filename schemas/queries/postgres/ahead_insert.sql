-- $1: JSON array of migrations that a model holds; $2: chain; $3: tenant; $4: where the model is; $5: direction; $6: when. They are known from now on.
INSERT INTO {schema}.mtnt_migration (migration, chain, tenant, epoch, direction, mode, decider, state, placed, started_ms, finished_ms)
SELECT j.value, $2::text, $3::text, 0, $5::text, 'single', 'model', 'committed', $4::text, $6::bigint, $6::bigint FROM jsonb_array_elements_text($1::jsonb) AS j(value) WHERE true
ON CONFLICT (migration) DO UPDATE SET state = 'committed', error = NULL WHERE mtnt_migration.state = 'aborted'
