-- Columns of a table ($1) that hold values of their own: name, kind, place in the primary key (0 = not in it), whether it counts by itself, 0.
SELECT x.name, CASE WHEN upper(x.type) IN ('BOOLEAN', 'BOOL') THEN 'boolean' ELSE 'any' END, x.pk,
       CASE WHEN x.pk = 1 AND s.sql LIKE '%AUTOINCREMENT%' THEN x.name END, 0
FROM {schema}.sqlite_schema AS s, pragma_table_xinfo(s.name) AS x
WHERE s.type = 'table' AND s.name = $1 AND x.hidden = 0
ORDER BY x.cid
