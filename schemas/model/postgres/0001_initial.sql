-- What has been applied to this model. These tables travel with a restored backup; {schema} is expanded by the library.
-- Lengths are bounded so that no row needs a TOAST table: two relations fewer for each of them, in every model.

-- model_uuid, tenant, controller (the one that may touch this model), schema_version.
CREATE TABLE {schema}.mtnt_meta (
    key VARCHAR(40) PRIMARY KEY,
    value VARCHAR(400) NOT NULL
);

-- The operations that are applied, by chain. Times are milliseconds since 1970.
CREATE TABLE {schema}.mtnt_applied (
    chain VARCHAR(100) NOT NULL,
    name VARCHAR(200) NOT NULL,
    position BIGINT NOT NULL,
    checksum VARCHAR(64) NOT NULL,
    started_ms BIGINT NOT NULL,
    finished_ms BIGINT NOT NULL,
    migration VARCHAR(32) NOT NULL,
    run BIGINT,
    PRIMARY KEY (chain, name)
);

-- The decision register. A row is written once; absence is never read as abort.
CREATE TABLE {schema}.mtnt_decision (
    migration VARCHAR(32) PRIMARY KEY,
    outcome VARCHAR(6) NOT NULL CHECK (outcome IN ('commit', 'abort')),
    seen BIGINT NOT NULL DEFAULT 0
);

INSERT INTO {schema}.mtnt_meta (key, value) VALUES ('schema_version', '1');
