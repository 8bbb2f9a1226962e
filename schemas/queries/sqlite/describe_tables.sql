-- What there is to describe: name, and why it cannot be, '' where it can. $1 is PostgreSQL's.
SELECT name, CASE WHEN sql LIKE 'CREATE VIRTUAL%' THEN 'is a virtual table' ELSE '' END
FROM {schema}.sqlite_schema
WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\' AND name NOT LIKE 'mtnt\_%' ESCAPE '\' AND $1 IS NOT NULL
ORDER BY name
