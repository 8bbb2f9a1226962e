-- One claim: $1 tenant, $2 migration, $3 direction, $4 mode, $5 decider, $6 placed; then $7 chain, $8 run. Only for a tenant that was claimed.
INSERT INTO {schema}.mtnt_migration (migration, chain, tenant, run, epoch, direction, mode, decider, state, placed, started_ms, worker)
SELECT $2, t.chain, t.tenant, $8, t.epoch, $3, $4, $5, 'executing', $6, t.updated_ms, t.owner
FROM {schema}.mtnt_tenant AS t WHERE t.chain = $7 AND t.tenant = $1 AND t.migration = $2
ON CONFLICT (migration) DO NOTHING
