-- $1: JSON array of tenants; $2: run; $3: wave; $4: process. Changes one row for each that has no place yet.
INSERT INTO {schema}.mtnt_place (run, tenant, wave, process)
SELECT $2, j.value, $3, $4 FROM json_each($1) AS j WHERE true
ON CONFLICT (run, tenant) DO NOTHING
