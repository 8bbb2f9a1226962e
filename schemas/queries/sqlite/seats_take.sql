-- $1: server; $2: how many seats it has; $3: owner; $4: lease in ms; $5: how many are wanted. Gives those that were free.
INSERT INTO {schema}.mtnt_seat AS s (server, seat, owner, lease_until_ms)
WITH RECURSIVE g (seat) AS (SELECT 1 UNION ALL SELECT seat + 1 FROM g WHERE seat < $2),
     n (now) AS (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
SELECT $1, g.seat, $3, n.now + $4
FROM g, n
WHERE NOT EXISTS (SELECT 1 FROM {schema}.mtnt_seat AS t WHERE t.server = $1 AND t.seat = g.seat AND t.lease_until_ms > n.now)
ORDER BY g.seat LIMIT $5
ON CONFLICT (server, seat) DO UPDATE SET owner = excluded.owner, lease_until_ms = excluded.lease_until_ms
WHERE s.lease_until_ms <= CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)
RETURNING seat
