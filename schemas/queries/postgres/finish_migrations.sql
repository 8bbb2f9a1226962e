-- $1: JSON array of {migration, state, finished, error, epoch, rests}. Never by tenant, and only under the claim that still holds (epoch NULL: whoever
-- holds it): a late writer changes nothing. LIMIT: as in finish_tenants.
UPDATE {schema}.mtnt_migration AS m SET state = j.state, finished_ms = j.finished, error = j.error, rests = j.rests
FROM (SELECT * FROM jsonb_to_recordset($1::jsonb) AS j(migration text, state text, finished bigint, error text, epoch bigint, rests bigint)
      LIMIT (SELECT 2147483647)) AS j
WHERE m.migration = j.migration AND m.state IN ('executing', 'in_doubt', 'blocked', 'compensating')
  AND (j.epoch IS NULL OR EXISTS (SELECT 1 FROM {schema}.mtnt_tenant AS t
                                  WHERE t.chain = m.chain AND t.tenant = m.tenant AND t.migration = m.migration AND t.epoch = j.epoch))
