-- $1: JSON array of {name}; $2: chain
DELETE FROM {schema}.mtnt_applied WHERE chain = $2 AND name IN (SELECT j.value ->> 'name' FROM json_each($1) AS j)
