-- One operation: $1 name; then $2 chain
DELETE FROM {schema}.mtnt_applied WHERE chain = $2 AND name = $1
