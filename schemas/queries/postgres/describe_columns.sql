-- Columns of a table ($1) that hold values of their own: name, kind, place in the primary key (0 = not in it), its sequence, whether the table is
-- partitioned. A numeric of fixed scale is 'fixed': its zeros at the end say nothing. 'plain': ordered by itself.
SELECT a.attname,
       CASE WHEN b.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'oid'::regtype) THEN 'integer'
            WHEN b.oid IN ('float4'::regtype, 'float8'::regtype) THEN 'real'
            WHEN b.oid = 'numeric'::regtype THEN CASE WHEN COALESCE(NULLIF(t.typtypmod, -1), a.atttypmod) >= 0 THEN 'fixed' ELSE 'numeric' END
            WHEN b.oid = 'bool'::regtype THEN 'boolean'
            WHEN b.oid = 'bytea'::regtype THEN 'blob'
            WHEN b.oid IN ('date'::regtype, 'time'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype, 'uuid'::regtype) THEN 'plain'
            ELSE 'text' END,
       COALESCE(array_position(i.indkey::int2[], a.attnum) + 1 - array_lower(i.indkey::int2[], 1), 0),
       pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname),
       CASE WHEN c.relkind = 'p' THEN 1 ELSE 0 END
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
JOIN pg_catalog.pg_type AS b ON b.oid = COALESCE(NULLIF(t.typbasetype, 0), t.oid)
LEFT JOIN pg_catalog.pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
WHERE n.nspname = current_schema() AND c.relname = $1 AND c.relkind IN ('r', 'p')
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
ORDER BY a.attnum
