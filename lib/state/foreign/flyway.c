#include <string.h>

#include "base/versions.h"
#include "schemas.h"
#include "state/foreign/table.h"

enum { RANK, VERSION, DESCRIPTION, TYPE, SCRIPT, CHECKSUM, SUCCESS };

static int failed(const mtnt__foreign_table *t, const mtnt_row *row, mtnt_error *err)
{
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "the table %s says that %s has failed (installed_rank %lld): look what it has left in the database, put that right, "
        "and have Flyway repair the table (flyway repair). Nothing was changed",
        t->name, mtnt_row_text(row, SCRIPT), (long long)mtnt_row_int(row, RANK));
}

static int read_repeatable(mtnt__foreign_table *t, const mtnt_row *row, bool applied, mtnt_error *err)
{
    const char *description = mtnt_row_text(row, DESCRIPTION);
    const mtnt__chain_entry *entry = mtnt__foreign_find(t, NULL, description);

    if (entry == NULL)
        return mtnt__foreign_says(t, mtnt_row_text(row, SCRIPT), mtnt_row_text(row, SCRIPT), applied, NULL, err);
    mtnt__foreign_mark_entry(t, entry, applied, mtnt_row_text(row, CHECKSUM));
    return 0;
}

static bool is(const char *type, const char *word)
{
    return strcmp(type, word) == 0;
}

static int read_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__foreign_table *t = data;
    const char *type = mtnt_row_text(row, TYPE), *version = mtnt_row_text(row, VERSION);
    bool gone;

    if (type == NULL || is(type, "SCHEMA"))
        return 0;
    if (mtnt_row_int(row, SUCCESS) == 0)
        return failed(t, row, err);
    /* What was taken back by a script, and what `flyway repair` has struck off because there was no script any more. */
    gone = strncmp(type, "UNDO", 4) == 0 || is(type, "DELETE") || is(type, "DELETED");
    if (version == NULL)
        return read_repeatable(t, row, !gone, err);
    if (is(type, "BASELINE") || is(type, "SQL_BASELINE"))
        return mtnt__foreign_says_up_to(t, version, false, err);
    if (!gone && !is(type, "SQL") && mtnt__foreign_find(t, version, NULL) == NULL) {
        mtnt__foreign_note(t, "version %s is a program (%s), and none of the folder's: it was passed over", version,
                           type);
        return 0;
    }
    return mtnt__foreign_says(t, version, version, !gone, mtnt_row_text(row, CHECKSUM), err);
}

static int read(mtnt__foreign_table *t, mtnt_error *err)
{
    return mtnt__foreign_query(
        t, read_row, err,
        "SELECT installed_rank, version, description, type, script, checksum, CASE WHEN success THEN 1 ELSE 0 END "
        "FROM {table} ORDER BY installed_rank",
        NULL);
}

static int insert(mtnt__foreign_table *t, const mtnt__chain_entry *entry, int64_t duration_ms, mtnt_error *err)
{
    const mtnt__origin *origin = entry->origin;
    const mtnt_value values[] = {mtnt_value_text(origin->repeatable ? NULL : origin->version),
                                 mtnt_value_text(origin->name),
                                 mtnt_value_text(origin->script),
                                 mtnt_value_text(origin->checksum),
                                 mtnt_value_int(duration_ms),
                                 mtnt_value_end()};

    return mtnt__foreign_query(t, NULL, err,
                               mtnt_db_backend(t->db) == MTNT_SQLITE ? mtnt__sql_foreign_sqlite_flyway_insert
                                                                     : mtnt__sql_foreign_postgres_flyway_insert,
                               values);
}

static int take_out(mtnt__foreign_table *t, const mtnt__chain_entry *entry, mtnt_error *err)
{
    const mtnt_value name[] = {mtnt_value_text(entry->origin->name), mtnt_value_end()};

    return entry->origin->repeatable
               ? mtnt__foreign_query(t, NULL, err, "DELETE FROM {table} WHERE version IS NULL AND description = $1",
                                     name)
               : mtnt__foreign_run_version(t, "DELETE FROM {table} WHERE version = $1", entry, err);
}

const mtnt__foreign_class mtnt__foreign_flyway = {
    .tool = "flyway",
    .table = "flyway_schema_history",
    .former = "schema_version",
    .column = "installed_rank",
    .sqlite = mtnt__sql_foreign_sqlite_flyway,
    .postgres = mtnt__sql_foreign_postgres_flyway,
    .compare = mtnt__versions_compare,
    .read = read,
    .insert = insert,
    .remove = take_out,
};
