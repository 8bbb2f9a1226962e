-- One claim: $1 tenant, $2 migration, $3 direction, $4 mode, $5 decider, $6 placed, $7 home; then $8 chain, $9 run. Only for a tenant that was claimed.
INSERT INTO {schema}.mtnt_migration (migration, chain, tenant, run, epoch, direction, mode, decider, state, placed, started_ms, worker, decider_home)
SELECT $2, t.chain, t.tenant, $9, t.epoch, $3, $4, $5, 'executing', $6, t.updated_ms, t.owner, $7
FROM {schema}.mtnt_tenant AS t WHERE t.chain = $8 AND t.tenant = $1 AND t.migration = $2
ON CONFLICT (migration) DO NOTHING
