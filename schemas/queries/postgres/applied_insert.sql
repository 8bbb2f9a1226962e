-- $1: JSON array of {name, position, checksum, started, finished}; $2: chain; $3: migration; $4: run
INSERT INTO {schema}.mtnt_applied (chain, name, position, checksum, started_ms, finished_ms, migration, run)
SELECT $2, j.name, j.position, j.checksum, j.started, j.finished, $3, $4::bigint
FROM jsonb_to_recordset($1::jsonb) AS j(name text, position bigint, checksum text, started bigint, finished bigint)
