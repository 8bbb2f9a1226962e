-- Definitions as they stand; catalogue_sqlite.c takes them apart.
SELECT type, name, tbl_name, sql FROM {schema}.sqlite_schema
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
  AND tbl_name NOT IN ('mtnt_meta', 'mtnt_applied', 'mtnt_decision', 'goose_db_version', 'schema_migrations', 'schema_migration',
                       'flyway_schema_history', '__diesel_schema_migrations', 'db_migrations', 'db_lock')
