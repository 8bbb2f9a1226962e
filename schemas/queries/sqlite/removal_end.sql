-- $1: the migration that has put the model away
UPDATE {schema}.mtnt_removal SET removed_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) WHERE migration = $1 AND removing_ms IS NOT NULL AND removed_ms IS NULL
