-- $1: migration; $2: unit; $3: direction; $4: key; $5: mode; $6: decider; $7: kind; $8: operations; $9: writes; $10: units; $11: retriable; $12: the
-- try; $13: now; $14: the state that the migration must be in; $15: half. A later try replaces the one before it and no other.
INSERT INTO {schema}.mtnt_step (migration, unit, direction, key, mode, decider, kind, operations, writes, half, units, retriable, state, tries, started_ms)
SELECT m.migration, $2, $3, $4, $5, $6, $7, $8, $9, $15, $10, $11, 'intent', $12, $13
FROM {schema}.mtnt_migration AS m WHERE m.migration = $1 AND m.state = $14
ON CONFLICT (migration, unit, direction) DO UPDATE SET
    key = excluded.key, state = 'intent', tries = excluded.tries, started_ms = excluded.started_ms, finished_ms = NULL, error = NULL
WHERE mtnt_step.tries = excluded.tries - 1
