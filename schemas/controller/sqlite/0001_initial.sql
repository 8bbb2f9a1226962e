-- The fleet's index. Times are milliseconds since 1970 by this database's clock; {schema} is expanded by the library.

-- controller: this controller's identity, written into every model. schema_version: the newest file of this folder that has run.
CREATE TABLE {schema}.mtnt_meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One invocation over the fleet.
CREATE TABLE {schema}.mtnt_run (
    run INTEGER PRIMARY KEY AUTOINCREMENT,
    chain TEXT NOT NULL,
    command TEXT NOT NULL,
    process TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    finished_ms BIGINT,
    migrated BIGINT NOT NULL DEFAULT 0,
    already_current BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0,
    untouched BIGINT NOT NULL DEFAULT 0
);

-- Where each tenant is. state is 'idle', or the state of a migration that has not ended. While it has not, owner holds
-- the lease until lease_until_ms under this epoch. version and digest say what was applied when a migration last ended; the model's own
-- tables are the truth. placed is a hash of where the model was then.
CREATE TABLE {schema}.mtnt_tenant (
    chain TEXT NOT NULL,
    tenant TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL DEFAULT 0,
    digest TEXT NOT NULL DEFAULT '',
    placed TEXT NOT NULL DEFAULT '',
    model_uuid TEXT,
    migration TEXT,
    epoch BIGINT NOT NULL DEFAULT 0,
    owner TEXT,
    lease_until_ms BIGINT,
    error TEXT,
    error_operation TEXT,
    error_state TEXT,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (chain, tenant)
) WITHOUT ROWID;

-- One attempt at one tenant. mode and decider are written here before any work, so that recovery never guesses.
CREATE TABLE {schema}.mtnt_migration (
    migration TEXT PRIMARY KEY,
    chain TEXT NOT NULL,
    tenant TEXT NOT NULL,
    run BIGINT,
    epoch BIGINT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('forward', 'backward')),
    mode TEXT NOT NULL,
    decider TEXT NOT NULL CHECK (decider IN ('controller', 'model')),
    state TEXT NOT NULL CHECK (state IN ('executing', 'committed', 'aborted', 'compensating', 'rollback_failed', 'blocked', 'diverged', 'in_doubt')),
    placed TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    finished_ms BIGINT,
    error TEXT
) WITHOUT ROWID;

-- What is known of each operation of each tenant. recorded_in 'controller': no database but this one was written, and this row is the truth.
CREATE TABLE {schema}.mtnt_operation (
    chain TEXT NOT NULL,
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    position BIGINT NOT NULL,
    checksum TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('PENDING', 'STARTED', 'COMPLETED', 'FAILED', 'ROLLED_BACK')),
    recorded_in TEXT NOT NULL CHECK (recorded_in IN ('model', 'controller')),
    started_ms BIGINT,
    finished_ms BIGINT,
    migration TEXT NOT NULL,
    run BIGINT,
    error TEXT,
    PRIMARY KEY (chain, tenant, name)
) WITHOUT ROWID;

-- The decision register. A row is written once; absence is never read as abort.
CREATE TABLE {schema}.mtnt_decision (
    migration TEXT PRIMARY KEY,
    outcome TEXT NOT NULL CHECK (outcome IN ('commit', 'abort')),
    seen BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;

INSERT INTO {schema}.mtnt_meta (key, value) VALUES ('schema_version', '1');
