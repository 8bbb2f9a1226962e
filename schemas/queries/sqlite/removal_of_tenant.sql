-- $1: tenant; $2: placed. The latest that has not been put back, of any chain.
SELECT r.migration, r.chain, r.tenant, r.placed, r.tombstone, r.model_uuid, r.version, r.digest, r.remove_after_ms, r.removing_ms, r.removed_ms,
       r.restored_by
FROM {schema}.mtnt_removal AS r JOIN {schema}.mtnt_migration AS m ON m.migration = r.migration
WHERE r.tenant = $1 AND r.placed = $2 AND r.restored_by IS NULL
ORDER BY m.started_ms DESC, r.migration LIMIT 1
