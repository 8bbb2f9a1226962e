-- $1: the migration that has put the model away. From here on it is not put back.
UPDATE {schema}.mtnt_removal SET removing_ms = coalesce(removing_ms, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
WHERE migration = $1 AND restored_by IS NULL AND removed_ms IS NULL AND remove_after_ms <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint
