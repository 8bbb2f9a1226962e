-- Table locks of this session on what it has not made itself in this transaction, the strongest of each table. A table has its system columns from
-- its birth on, and nothing ever changes them: their row tells which transaction has made it. What only reads is left out.
SELECT n.nspname, c.relname,
       upper(regexp_replace(regexp_replace((array_agg(l.mode ORDER BY o.rank DESC))[1], 'Lock$', ''), '([a-z])([A-Z])', '\1 \2', 'g'))
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN unnest(ARRAY['RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                  'AccessExclusiveLock']) WITH ORDINALITY AS o(mode, rank) ON o.mode = l.mode
WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.granted
  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = current_database())
  AND c.relkind IN ('r', 'p', 'm', 'f', 'v')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND c.relname NOT LIKE 'mtnt\_%'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attname = 'tableoid' AND a.xmin::text = (txid_current() % 4294967296)::text)
GROUP BY n.nspname, c.relname
ORDER BY n.nspname, c.relname
