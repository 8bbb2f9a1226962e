-- $1: chain; $2: tenant. Whose time has come; not before its migration has been seen through.
SELECT r.migration, r.chain, r.tenant, r.placed, r.tombstone, r.model_uuid, r.version, r.digest, r.remove_after_ms, r.removing_ms, r.removed_ms,
       r.restored_by
FROM {schema}.mtnt_removal AS r JOIN {schema}.mtnt_migration AS m ON m.migration = r.migration
WHERE r.chain = $1 AND r.tenant = $2 AND r.restored_by IS NULL AND r.removed_ms IS NULL AND m.state = 'committed'
  AND r.remove_after_ms <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
ORDER BY r.remove_after_ms LIMIT 1
