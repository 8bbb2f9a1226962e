-- $1: migration
-- The share lock lets nobody turn the saga while this is under way.
SELECT m.state FROM {schema}.mtnt_migration AS m WHERE m.migration = $1 FOR SHARE
