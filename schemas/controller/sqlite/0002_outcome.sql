-- What recovery needs beyond the claim, and what people and programs have decided since. Times are milliseconds since 1970.

-- Which database the decider was when the migration was claimed: a copy of it must not decide. NULL: claimed before this was written down.
ALTER TABLE {schema}.mtnt_migration ADD COLUMN decider_home TEXT;

-- Whose claim it was: the tenant's owner changes with each recovery. NULL: claimed before this was written down.
ALTER TABLE {schema}.mtnt_migration ADD COLUMN worker TEXT;

-- A saga's journal: one row for each unit and direction. intent is written before anything of the unit happens, done when all of it has.
-- key is the unit's row in the register and its gid; a backward unit that is tried again gets another one. operations: names, one a line.
-- writes: 1 model, 2 controller. units: of the whole saga. half: the controller's part of an operation that the next unit completes and records.
CREATE TABLE {schema}.mtnt_step (
    migration TEXT NOT NULL,
    unit INTEGER NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('forward', 'backward')),
    key TEXT NOT NULL,
    mode TEXT NOT NULL,
    decider TEXT NOT NULL CHECK (decider IN ('controller', 'model')),
    kind TEXT NOT NULL CHECK (kind IN ('transaction', 'outside')),
    operations TEXT NOT NULL,
    writes INTEGER NOT NULL,
    half INTEGER NOT NULL DEFAULT 0,
    units INTEGER NOT NULL,
    retriable INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL CHECK (state IN ('intent', 'done', 'failed')),
    tries INTEGER NOT NULL DEFAULT 1,
    started_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    error TEXT,
    PRIMARY KEY (migration, unit, direction)
);
CREATE INDEX {schema}.mtnt_step_key ON mtnt_step (key);

-- Decisions of people: what `resolve` has settled, by whom and why. Rows are only ever added.
CREATE TABLE {schema}.mtnt_audit (
    audit INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    chain TEXT NOT NULL,
    tenant TEXT NOT NULL,
    migration TEXT NOT NULL,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    who TEXT NOT NULL,
    reason TEXT
);

-- Models that a migration has put away: each stands under tombstone until remove_after_ms, and is removed then. version and digest: what is applied
-- to the tenant since. restored_by: the migration that has put it back. removing_ms is written before anything is removed and excludes
-- restored_by; removed_ms, when all of it is gone for certain.
CREATE TABLE {schema}.mtnt_removal (
    migration TEXT PRIMARY KEY,
    chain TEXT NOT NULL,
    tenant TEXT NOT NULL,
    placed TEXT NOT NULL,
    tombstone TEXT NOT NULL,
    model_uuid TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    remove_after_ms INTEGER NOT NULL,
    removing_ms INTEGER,
    removed_ms INTEGER,
    restored_by TEXT
);
CREATE UNIQUE INDEX {schema}.mtnt_removal_model ON mtnt_removal (tenant, model_uuid) WHERE restored_by IS NULL;

UPDATE {schema}.mtnt_meta SET value = '2' WHERE key = 'schema_version';
