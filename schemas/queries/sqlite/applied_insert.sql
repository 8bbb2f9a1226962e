-- $1: JSON array of {name, position, checksum, started, finished}; $2: chain; $3: migration; $4: run
INSERT INTO {schema}.mtnt_applied (chain, name, position, checksum, started_ms, finished_ms, migration, run)
SELECT $2, j.value ->> 'name', j.value ->> 'position', j.value ->> 'checksum', j.value ->> 'started', j.value ->> 'finished', $3, $4
FROM json_each($1) AS j
