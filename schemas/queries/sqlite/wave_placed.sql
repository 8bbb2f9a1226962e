-- $1: JSON array of tenants; $2: run. Those that have a place which is not settled.
SELECT j.key
FROM json_each($1) AS j JOIN {schema}.mtnt_place AS w ON w.run = $2 AND w.tenant = j.value
WHERE w.settled = 0
