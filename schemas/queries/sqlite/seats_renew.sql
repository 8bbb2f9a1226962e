-- $1: owner; $2: lease in ms.
UPDATE {schema}.mtnt_seat SET lease_until_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) + $2 WHERE owner = $1
