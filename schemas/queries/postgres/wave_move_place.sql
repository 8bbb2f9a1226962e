-- $1: JSON array of tenants; $2: run; $3: process, whose they are from now on.
UPDATE {schema}.mtnt_place SET process = $3, settled = 0 WHERE run = $2 AND tenant IN (SELECT j.value FROM jsonb_array_elements_text($1::jsonb) AS j(value))
