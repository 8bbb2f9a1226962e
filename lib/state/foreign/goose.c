#include "base/versions.h"
#include "schemas.h"
#include "state/foreign/table.h"

/* A row for each time that a version went up or, with older versions of the tool, down. The first is of version 0, which is nobody's. */
static int read_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *version = mtnt_row_text(row, 0);

    return version == NULL || mtnt__digits_compare(version, "0") == 0
               ? 0
               : mtnt__foreign_says(data, version, version, mtnt_row_int(row, 1) != 0, NULL, err);
}

static int read(mtnt__foreign_table *t, mtnt_error *err)
{
    return mtnt__foreign_query(
        t, read_row, err, "SELECT version_id, CASE WHEN is_applied THEN 1 ELSE 0 END FROM {table} ORDER BY id", NULL);
}

static int insert(mtnt__foreign_table *t, const mtnt__chain_entry *entry, int64_t duration_ms, mtnt_error *err)
{
    (void)duration_ms;
    return mtnt__foreign_run_version(t, "INSERT INTO {table} (version_id, is_applied) VALUES ($1, TRUE)", entry, err);
}

static int take_out(mtnt__foreign_table *t, const mtnt__chain_entry *entry, mtnt_error *err)
{
    return mtnt__foreign_run_version(t, "DELETE FROM {table} WHERE version_id = $1", entry, err);
}

const mtnt__foreign_class mtnt__foreign_goose = {
    .tool = "goose",
    .table = "goose_db_version",
    .column = "is_applied",
    .sqlite = mtnt__sql_foreign_sqlite_goose,
    .postgres = mtnt__sql_foreign_postgres_goose,
    .compare = mtnt__digits_compare,
    .read = read,
    .insert = insert,
    .remove = take_out,
};
