-- $1: migration; $2: chain; $3: tenant; $4: placed; $5: tombstone; $6: model_uuid; $7: version; $8: digest; $9: how long it stays, in ms
INSERT INTO {schema}.mtnt_removal (migration, chain, tenant, placed, tombstone, model_uuid, version, digest, remove_after_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + $9)
