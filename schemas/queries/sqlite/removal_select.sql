-- $1: the migration that has put the model away, or the one that has put it back
SELECT r.migration, r.chain, r.tenant, r.placed, r.tombstone, r.model_uuid, r.version, r.digest, r.remove_after_ms, r.removing_ms, r.removed_ms,
       r.restored_by
FROM {schema}.mtnt_removal AS r WHERE r.migration = $1 OR r.restored_by = $1
