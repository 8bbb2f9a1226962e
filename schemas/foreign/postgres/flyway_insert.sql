INSERT INTO {table} (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
SELECT coalesce(max(installed_rank), 0) + 1, $1::text, $2::text, 'SQL', $3::text, $4::integer, current_user, $5::integer, TRUE
FROM {table}
