SELECT count(*) FROM {schema}.sqlite_schema WHERE type = 'table' AND name = 'mtnt_meta'
