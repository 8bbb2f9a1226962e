-- Any number of processes may work on one run. Times are milliseconds since 1970 by this database's clock, except started_ms and finished_ms of runs.

-- What a process that joins a run has to agree about, and takes from here. NULL direction: begun before this was written down, not to be joined.
-- goal names the last operation, NULL = the whole chain; steps and only_run: 0 = none; paced: by waves, groups or a
-- failure budget, which the process that began it keeps; chain_digest: of all the chain's operations.
ALTER TABLE {schema}.mtnt_run ADD COLUMN direction TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN goal TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN steps INTEGER;
ALTER TABLE {schema}.mtnt_run ADD COLUMN only_run INTEGER;
ALTER TABLE {schema}.mtnt_run ADD COLUMN atomicity TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN on_failure TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN mode TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN out_of_order INTEGER;
ALTER TABLE {schema}.mtnt_run ADD COLUMN may_delete INTEGER;
ALTER TABLE {schema}.mtnt_run ADD COLUMN backs_up INTEGER;
ALTER TABLE {schema}.mtnt_run ADD COLUMN paced INTEGER;
ALTER TABLE {schema}.mtnt_run ADD COLUMN chain_digest TEXT;

-- One process's part of a run. migrated and failed: what it has tried itself; they are written in the transaction that writes the tenants' ends.
-- already_current: what it has found with nothing to do, whoever did it. met: what it could not begin; others meet the same.
-- finished_ms NULL and beat_ms long ago: it is gone.
CREATE TABLE {schema}.mtnt_run_process (
    run INTEGER NOT NULL,
    process TEXT NOT NULL,
    started_ms INTEGER NOT NULL,
    beat_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    total INTEGER NOT NULL DEFAULT -1,
    migrated INTEGER NOT NULL DEFAULT 0,
    already_current INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    met INTEGER NOT NULL DEFAULT 0,
    operations INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, process)
);

UPDATE {schema}.mtnt_meta SET value = '4' WHERE key = 'schema_version';
