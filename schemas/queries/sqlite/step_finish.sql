-- $1: migration; $2: unit; $3: direction; $4: the try; $5: done or failed; $6: now; $7: error
UPDATE {schema}.mtnt_step SET state = $5, finished_ms = $6, error = $7
WHERE migration = $1 AND unit = $2 AND direction = $3 AND tries = $4
