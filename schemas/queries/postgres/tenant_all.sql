SELECT t.tenant, t.state, t.version, t.digest, t.placed, t.model_uuid, t.migration, t.epoch, t.owner, t.lease_until_ms,
       t.error, t.error_operation, t.error_state, t.updated_ms,
       (extract(epoch FROM clock_timestamp()) * 1000)::bigint
FROM {schema}.mtnt_tenant AS t WHERE t.chain = $1 ORDER BY t.tenant
