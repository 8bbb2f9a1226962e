-- One lane: $1 chain, $2 base, $3 lane, $4 place, $5 beside, $6 operations, $7 version, $8 digest.
INSERT INTO {schema}.mtnt_chain_lane (chain, base, lane, place, beside, operations, version, digest, updated_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
ON CONFLICT (chain) DO UPDATE SET base = excluded.base, lane = excluded.lane, place = excluded.place, beside = excluded.beside, operations = excluded.operations,
    version = excluded.version, digest = excluded.digest, updated_ms = excluded.updated_ms
