-- Waves and the failure budget of a run hold over all of its processes. Times are milliseconds since 1970 by this database's clock.

-- As the run was begun: texts and numbers of its options, NULL = none. expected: how many tenants have something to do, of which percentages are;
-- -1 = not known.
ALTER TABLE {schema}.mtnt_run ADD COLUMN waves TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN canary BIGINT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN soak_ms BIGINT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN max_failures TEXT;
ALTER TABLE {schema}.mtnt_run ADD COLUMN expected BIGINT;

-- wave: the one at hand, from 0. begun: tenants that have had a place in a wave; begun_before and failed_before: when this one began.
-- soak_until_ms: it is over, and has passed; the next one begins then.
ALTER TABLE {schema}.mtnt_run ADD COLUMN wave BIGINT NOT NULL DEFAULT 0;
ALTER TABLE {schema}.mtnt_run ADD COLUMN begun BIGINT NOT NULL DEFAULT 0;
ALTER TABLE {schema}.mtnt_run ADD COLUMN begun_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE {schema}.mtnt_run ADD COLUMN failed_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE {schema}.mtnt_run ADD COLUMN soak_until_ms BIGINT;

-- Tenants with a place in a wave that is judged (not the last one's). process: who has claimed it last. settled: 1, it is over. A process that is gone
-- leaves its places to the others.
CREATE TABLE {schema}.mtnt_place (
    run BIGINT NOT NULL,
    tenant TEXT NOT NULL,
    wave BIGINT NOT NULL,
    process TEXT NOT NULL,
    settled BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (run, tenant)
);
CREATE INDEX mtnt_place_open ON {schema}.mtnt_place (run) WHERE settled = 0;

-- 1: it failed, and the process that tried it will do so again after a pause.
ALTER TABLE {schema}.mtnt_migration ADD COLUMN rests BIGINT;

UPDATE {schema}.mtnt_meta SET value = '6' WHERE key = 'schema_version';
