-- $1: the migration that has put the model away; $2: the one that puts it back. Not once its removal has begun.
UPDATE {schema}.mtnt_removal SET restored_by = $2 WHERE migration = $1 AND restored_by IS NULL AND removing_ms IS NULL
