-- $1: migration
SELECT unit, direction, key, mode, decider, kind, operations, writes, units, retriable, state, tries, half
FROM {schema}.mtnt_step WHERE migration = $1 ORDER BY unit, direction DESC
