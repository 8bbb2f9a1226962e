-- $1: migration
SELECT m.state FROM {schema}.mtnt_migration AS m WHERE m.migration = $1
