INSERT INTO {table} (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
SELECT coalesce(max(installed_rank), 0) + 1, $1, $2, 'SQL', $3, CAST($4 AS INTEGER), '', $5, TRUE
FROM {table}
