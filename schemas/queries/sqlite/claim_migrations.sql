-- $1: JSON array of {tenant, migration, direction, mode, decider, placed}; $2: chain; $3: run. Only for tenants that were claimed.
INSERT INTO {schema}.mtnt_migration (migration, chain, tenant, run, epoch, direction, mode, decider, state, placed, started_ms)
SELECT j.value ->> 'migration', t.chain, t.tenant, $3, t.epoch, j.value ->> 'direction', j.value ->> 'mode', j.value ->> 'decider',
       'executing', j.value ->> 'placed', t.updated_ms
FROM json_each($1) AS j
JOIN {schema}.mtnt_tenant AS t ON t.chain = $2 AND t.tenant = j.value ->> 'tenant' AND t.migration = j.value ->> 'migration'
WHERE true
ON CONFLICT (migration) DO NOTHING
