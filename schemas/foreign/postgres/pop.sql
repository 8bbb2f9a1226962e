CREATE TABLE {table} (version VARCHAR(48) NOT NULL, version_self INT NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX IF NOT EXISTS schema_migration_version_idx ON {table} (version);
CREATE INDEX IF NOT EXISTS schema_migration_version_self_idx ON {table} (version_self);
