-- One end: $1 migration, $2 state, $3 finished, $4 error, $5 epoch, $6 rests. Never by tenant, and only under the claim that still holds (epoch NULL: whoever
-- holds it): a late writer changes nothing.
UPDATE {schema}.mtnt_migration AS m SET state = $2, finished_ms = $3, error = $4, rests = $6
WHERE migration = $1 AND state IN ('executing', 'in_doubt', 'blocked', 'compensating')
  AND ($5 IS NULL OR EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS t
                             WHERE t.chain = m.chain AND t.tenant = m.tenant AND t.migration = m.migration AND t.epoch = $5))
