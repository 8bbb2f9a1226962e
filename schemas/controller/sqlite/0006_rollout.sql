-- Waves and the failure budget of a run hold over all of its processes. Times are milliseconds since 1970 by this database's clock.

-- As the run was begun: texts and numbers of its options, NULL = none. expected: how many tenants have something to do, of which percentages are;
-- -1 = not known.
ALTER TABLE {schema}.mtnt_run ADD COLUMN waves TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN canary INTEGER;
ALTER TABLE {schema}.mtnt_run ADD COLUMN soak_ms INTEGER;
ALTER TABLE {schema}.mtnt_run ADD COLUMN max_failures TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN expected INTEGER;

-- wave: the one at hand, from 0. begun: tenants that have had a place in a wave; begun_before and failed_before: when this one began.
-- soak_until_ms: it is over, and has passed; the next one begins then.
ALTER TABLE {schema}.mtnt_run ADD COLUMN wave INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {schema}.mtnt_run ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {schema}.mtnt_run ADD COLUMN begun_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {schema}.mtnt_run ADD COLUMN failed_before INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {schema}.mtnt_run ADD COLUMN soak_until_ms INTEGER;

-- Tenants with a place in a wave that is judged (not the last one's). process: who has claimed it last. settled: 1, it is over. A process that is gone
-- leaves its places to the others.
CREATE TABLE {schema}.mtnt_place (
    run INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    wave INTEGER NOT NULL,
    process TEXT NOT NULL,
    settled INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, tenant)
);
CREATE INDEX {schema}.mtnt_place_open ON mtnt_place (run) WHERE settled = 0;

-- 1: it failed, and the process that tried it will do so again after a pause.
ALTER TABLE {schema}.mtnt_migration ADD COLUMN rests INTEGER;

UPDATE {schema}.mtnt_meta SET value = '6' WHERE key = 'schema_version';
