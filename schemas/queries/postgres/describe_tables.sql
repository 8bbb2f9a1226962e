-- What there is to describe: name, and why it cannot be, '' where it can. $1: 1 = the whole database is the model, 0 = its schema alone.
SELECT c.relname,
       CASE WHEN n.nspname <> current_schema() THEN 'is in the schema ' || n.nspname || ', and the model''s is ' || current_schema() ELSE '' END
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\_%'
  AND (n.nspname = current_schema() OR $1::int = 1)
  AND NOT (n.nspname = current_schema() AND c.relname LIKE 'mtnt\_%')
  AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend AS d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT 'pg_largeobject', 'has large objects'
WHERE $1::int = 1 AND EXISTS (SELECT 1 FROM pg_catalog.pg_largeobject_metadata)
ORDER BY 1
