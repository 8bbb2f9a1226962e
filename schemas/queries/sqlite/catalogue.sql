-- Definitions as they stand; catalogue_sqlite.c leaves some out, and takes the others apart.
SELECT type, name, tbl_name, sql FROM {schema}.sqlite_schema
