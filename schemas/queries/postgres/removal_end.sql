-- $1: the migration that has put the model away
UPDATE {schema}.mtnt_removal SET removed_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint WHERE migration = $1 AND removing_ms IS NOT NULL AND removed_ms IS NULL
