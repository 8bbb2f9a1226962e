#include "schemas.h"
#include "state/foreign/table.h"

static int read(mtnt__foreign_table *t, mtnt_error *err)
{
    return mtnt__foreign_read_versions(t, "SELECT version FROM {table}", err);
}

static int insert(mtnt__foreign_table *t, const mtnt__chain_entry *entry, int64_t duration_ms, mtnt_error *err)
{
    (void)duration_ms;
    return mtnt__foreign_run_version(t, "INSERT INTO {table} (version) VALUES ($1)", entry, err);
}

static int take_out(mtnt__foreign_table *t, const mtnt__chain_entry *entry, mtnt_error *err)
{
    return mtnt__foreign_run_version(t, "DELETE FROM {table} WHERE version = $1", entry, err);
}

const mtnt__foreign_class mtnt__foreign_pop = {
    .tool = "pop",
    .table = "schema_migration",
    .column = "version",
    .sqlite = mtnt__sql_foreign_sqlite_pop,
    .postgres = mtnt__sql_foreign_postgres_pop,
    .read = read,
    .insert = insert,
    .remove = take_out,
};
