-- $1: server; $2: how many seats it has; $3: owner; $4: lease in ms; $5: how many are wanted. Gives those that were free. Of two processes that want the
-- same one gets it, and the other none in its place: it asks again.
INSERT INTO {schema}.mtnt_seat AS s (server, seat, owner, lease_until_ms)
SELECT $1::text, f.seat, $3::text, f.now + $4::bigint
FROM (
    SELECT g.seat, n.now
    FROM generate_series(1, $2::bigint) AS g(seat),
         (SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now) AS n
    WHERE NOT EXISTS (SELECT 1 FROM {schema}.mtnt_seat AS t WHERE t.server = $1 AND t.seat = g.seat AND t.lease_until_ms > n.now)
    ORDER BY g.seat LIMIT $5::bigint
) AS f
ON CONFLICT (server, seat) DO UPDATE SET owner = excluded.owner, lease_until_ms = excluded.lease_until_ms
WHERE s.lease_until_ms <= (extract(epoch FROM clock_timestamp()) * 1000)::bigint
RETURNING seat
