-- $1: JSON array of {tenant, migration, direction, mode, decider, placed, home}; $2: chain; $3: run. Only for tenants that were claimed.
INSERT INTO {schema}.mtnt_migration (migration, chain, tenant, run, epoch, direction, mode, decider, state, placed, started_ms, worker, decider_home)
SELECT j.migration, t.chain, t.tenant, $3::bigint, t.epoch, j.direction, j.mode, j.decider, 'executing', j.placed, t.updated_ms, t.owner, j.home
FROM jsonb_to_recordset($1::jsonb) AS j(tenant text, migration text, direction text, mode text, decider text, placed text,
                                        home text)
CROSS JOIN LATERAL (SELECT * FROM {schema}.mtnt_tenant AS x
                    WHERE x.chain = $2 AND x.tenant = j.tenant AND x.migration = j.migration OFFSET 0) AS t -- as in tenant_select
ON CONFLICT (migration) DO NOTHING
