-- $1: JSON array of {name}; $2: chain
DELETE FROM {schema}.mtnt_applied WHERE chain = $2 AND name IN (SELECT j.name FROM jsonb_to_recordset($1::jsonb) AS j(name text))
