-- $1: migration; $2: chain; $3: tenant; $4: placed; $5: tombstone; $6: model_uuid; $7: version; $8: digest; $9: how long it stays, in ms
INSERT INTO {schema}.mtnt_removal (migration, chain, tenant, placed, tombstone, model_uuid, version, digest, remove_after_ms)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::bigint, $8::text, (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $9::bigint)
