-- One operation: $1 name, $2 position, $3 checksum, $4 started, $5 finished; then $6 chain, $7 migration, $8 run
INSERT INTO {schema}.mtnt_applied (chain, name, position, checksum, started_ms, finished_ms, migration, run) VALUES ($6, $1, $2, $3, $4, $5, $7, $8)
