CREATE TABLE {table} (version uint64, dirty bool);
CREATE UNIQUE INDEX IF NOT EXISTS {schema}.version_unique ON {name} (version);
