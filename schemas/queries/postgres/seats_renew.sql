-- $1: owner; $2: lease in ms.
UPDATE {schema}.mtnt_seat SET lease_until_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $2::bigint WHERE owner = $1
