-- $1: JSON array of {migration, state, finished, error}. Never by tenant: a late writer changes nothing.
UPDATE {schema}.mtnt_migration AS m SET state = j.state, finished_ms = j.finished, error = j.error
FROM jsonb_to_recordset($1::jsonb) AS j(migration text, state text, finished bigint, error text)
WHERE m.migration = j.migration AND m.state IN ('executing', 'in_doubt', 'blocked', 'compensating')
