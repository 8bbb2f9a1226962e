-- $1 migration, $2 epoch: a row while the migration has not ended and is under that claim (epoch NULL: whoever holds it).
SELECT 1 FROM {schema}.mtnt_migration AS m WHERE m.migration = $1 AND m.state IN ('executing', 'in_doubt', 'blocked', 'compensating')
  AND ($2 IS NULL OR EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS t
                             WHERE t.chain = m.chain AND t.tenant = m.tenant AND t.migration = m.migration AND t.epoch = $2))
