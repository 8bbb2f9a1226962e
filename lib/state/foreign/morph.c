#include "base/versions.h"
#include "schemas.h"
#include "state/foreign/table.h"

static int read(mtnt__foreign_table *t, mtnt_error *err)
{
    return mtnt__foreign_read_versions(t, "SELECT version FROM {table}", err);
}

static int insert(mtnt__foreign_table *t, const mtnt__chain_entry *entry, int64_t duration_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(entry->origin->version), mtnt_value_text(entry->origin->name),
                                 mtnt_value_end()};

    (void)duration_ms;
    return mtnt__foreign_query(t, NULL, err, "INSERT INTO {table} (version, name) VALUES ($1, $2)", values);
}

static int take_out(mtnt__foreign_table *t, const mtnt__chain_entry *entry, mtnt_error *err)
{
    return mtnt__foreign_run_version(t, "DELETE FROM {table} WHERE version = $1", entry, err);
}

const mtnt__foreign_class mtnt__foreign_morph = {
    .tool = "morph",
    .table = "db_migrations",
    .column = "name",
    .sqlite = mtnt__sql_foreign_sqlite_morph,
    .postgres = mtnt__sql_foreign_postgres_morph,
    .compare = mtnt__digits_compare,
    .read = read,
    .insert = insert,
    .remove = take_out,
};
