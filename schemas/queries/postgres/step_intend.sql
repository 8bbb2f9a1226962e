-- $1: migration; $2: unit; $3: direction; $4: key; $5: mode; $6: decider; $7: kind; $8: operations; $9: writes; $10: units; $11: retriable; $12: the
-- try; $13: now; $14: the state that the migration must be in; $15: half. A later try replaces the one before it and no other.
-- The share lock lets nobody turn the saga while this is under way.
INSERT INTO {schema}.mtnt_step (migration, unit, direction, key, mode, decider, kind, operations, writes, half, units, retriable, state, tries, started_ms)
SELECT m.migration, $2::bigint, $3, $4, $5, $6, $7, $8, $9::bigint, $15::bigint, $10::bigint, $11::bigint, 'intent', $12::bigint, $13::bigint
FROM {schema}.mtnt_migration AS m WHERE m.migration = $1 AND m.state = $14 FOR SHARE
ON CONFLICT (migration, unit, direction) DO UPDATE SET
    key = excluded.key, state = 'intent', tries = excluded.tries, started_ms = excluded.started_ms, finished_ms = NULL, error = NULL
WHERE mtnt_step.tries = excluded.tries - 1
