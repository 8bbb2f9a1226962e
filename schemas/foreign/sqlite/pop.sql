CREATE TABLE {table} (version VARCHAR(48) NOT NULL, version_self INT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS {schema}.schema_migration_version_idx ON {name} (version);
CREATE INDEX IF NOT EXISTS {schema}.schema_migration_version_self_idx ON {name} (version_self);
