-- $1: JSON array of tenants; $2: run. They are over.
UPDATE {schema}.mtnt_place SET settled = 1 WHERE run = $2 AND tenant IN (SELECT j.value FROM jsonb_array_elements_text($1::jsonb) AS j(value))
