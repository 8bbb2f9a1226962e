-- $1: a migration's id, or the key of a unit of one. Its claim, and its tenant's lease while this is the migration that the tenant is in.
SELECT m.migration, m.chain, m.tenant, coalesce(s.mode, m.mode), coalesce(s.decider, m.decider), m.placed, m.state,
       CASE WHEN coalesce(s.decider, m.decider) = m.decider THEN m.decider_home END,
       t.migration, t.state, t.owner, t.lease_until_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM (SELECT coalesce((SELECT j.migration FROM {schema}.mtnt_step AS j WHERE j.key = $1), $1) AS migration) AS k
JOIN {schema}.mtnt_migration AS m ON m.migration = k.migration
LEFT JOIN {schema}.mtnt_step AS s ON s.key = $1
LEFT JOIN {schema}.mtnt_tenant AS t ON t.chain = m.chain AND t.tenant = m.tenant AND t.migration = m.migration AND t.state <> 'idle'
