-- $1: JSON array of tenants; $2: run; $3: wave; $4: process. Changes one row for each that has no place yet.
INSERT INTO {schema}.mtnt_place (run, tenant, wave, process)
SELECT $2::bigint, j.value, $3::bigint, $4::text FROM jsonb_array_elements_text($1::jsonb) AS j(value) WHERE true
ON CONFLICT (run, tenant) DO NOTHING
