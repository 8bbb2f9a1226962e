-- What has been applied to this model. These tables travel with a restored backup; {schema} is expanded by the library.

-- model_uuid, tenant, controller (the one that may touch this model), schema_version.
CREATE TABLE {schema}.mtnt_meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The operations that are applied, by chain. Times are milliseconds since 1970.
CREATE TABLE {schema}.mtnt_applied (
    chain TEXT NOT NULL,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,
    checksum TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    finished_ms BIGINT NOT NULL,
    migration TEXT NOT NULL,
    run BIGINT,
    PRIMARY KEY (chain, name)
) WITHOUT ROWID;

-- The decision register. A row is written once; absence is never read as abort.
CREATE TABLE {schema}.mtnt_decision (
    migration TEXT PRIMARY KEY,
    outcome TEXT NOT NULL CHECK (outcome IN ('commit', 'abort')),
    seen BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;

INSERT INTO {schema}.mtnt_meta (key, value) VALUES ('schema_version', '1');
