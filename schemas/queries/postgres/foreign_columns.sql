SELECT attname FROM pg_catalog.pg_attribute
WHERE attrelid = to_regclass($mtnt${schema}.$mtnt$ || quote_ident($1)) AND attnum > 0 AND NOT attisdropped
