-- $1: JSON array of tenants; $2: run. Those that have a place which is not settled.
SELECT j.key - 1
FROM jsonb_array_elements_text($1::jsonb) WITH ORDINALITY AS j(value, key) JOIN {schema}.mtnt_place AS w ON w.run = $2 AND w.tenant = j.value
WHERE w.settled = 0
