#include <string.h>

#include "base/versions.h"
#include "schemas.h"
#include "state/foreign/table.h"

/* One row, which stands for all versions up to its own. While a version is being applied it is dirty. */
static int read_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__foreign_table *t = data;
    const char *version = mtnt_row_text(row, 0);

    if (version == NULL)
        return 0;
    if (mtnt_row_int(row, 1) == 0)
        return mtnt__foreign_says_up_to(t, version, true, err);
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "the table %s says that version %s was begun and has not succeeded (dirty): look how far its script has come, put "
        "the database right, and tell golang-migrate so (migrate force VERSION). Nothing was changed",
        t->name, version);
}

static int read(mtnt__foreign_table *t, mtnt_error *err)
{
    return mtnt__foreign_query(t, read_row, err,
                               "SELECT version, CASE WHEN dirty THEN 1 ELSE 0 END FROM {table} LIMIT 1", NULL);
}

static int settle(mtnt__foreign_table *t, const bool *holds, mtnt_error *err)
{
    const mtnt__chain_entry *last = NULL;
    int rc;

    for (size_t i = 0; i < t->whole->count; i++) {
        const mtnt__chain_entry *entry = t->whole->entries + i;

        if (holds[i] && (last == NULL || mtnt__digits_compare(entry->origin->version, last->origin->version) > 0))
            last = entry;
    }
    rc = mtnt__foreign_query(t, NULL, err, "DELETE FROM {table}", NULL);
    return rc != 0 || last == NULL
               ? rc
               : mtnt__foreign_run_version(t, "INSERT INTO {table} (version, dirty) VALUES ($1, FALSE)", last, err);
}

const mtnt__foreign_class mtnt__foreign_golang_migrate = {
    .tool = "golang-migrate",
    .table = "schema_migrations",
    .column = "dirty",
    .sqlite = mtnt__sql_foreign_sqlite_golang_migrate,
    .postgres = mtnt__sql_foreign_postgres_golang_migrate,
    .compare = mtnt__digits_compare,
    .read = read,
    .settle = settle,
};
