#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas.h"
#include "state/foreign/table.h"

/* The registry is a schema of its own on PostgreSQL, and a file of its own beside a SQLite database, which several databases may share. */

/* As the tool forms it: acme.db has sqitch.db, acme has sqitch. malloc'ed DSN; NULL = out of memory. */
static char *registry_beside(const char *path, const char *registry)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path, *dot = strchr(base, '.');
    char *dsn = NULL;

    if (asprintf(&dsn, "sqlite:%.*s%s%s", (int)(base - path), path, registry, dot != NULL ? dot : "") < 0)
        dsn = NULL;
    return dsn;
}

static int look_beside(mtnt__foreign_table *t, bool *ret_there, mtnt_error *err)
{
    mtnt__db_options options = {.read_only = true};
    char *dsn = registry_beside(mtnt__dsn_sqlite_path(mtnt__model_dsn(t->question->model)), t->name);
    int rc = dsn == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                         : mtnt__db_exists(dsn, &options, ret_there, err);

    if (rc == 0 && *ret_there)
        rc = mtnt__db_open(&t->own, dsn, &options, err);
    free(dsn);
    if (t->own != NULL)
        t->db = t->own;
    return rc == 0 ? 0 : mtnt_error_wrap(err, "the registry of sqitch beside the model");
}

static int read_there(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    ((mtnt__foreign_table *)data)->there = mtnt_row_int(row, 0) > 0;
    return 0;
}

static int look(mtnt__foreign_table *t, bool *ret_there, mtnt_error *err)
{
    const mtnt_value name[] = {mtnt_value_text(t->name), mtnt_value_end()};
    int rc;

    if (mtnt_db_backend(t->db) == MTNT_SQLITE)
        return look_beside(t, ret_there, err);
    rc = mtnt__foreign_query(
        t, read_there, err, "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = $1 AND tablename = 'changes'",
        name);
    if (rc == 0)
        *ret_there = t->there;
    return rc;
}

/* ---- reading ---- */

static int read_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__foreign_table *t = data;
    const char *id = mtnt_row_text(row, 0), *change = mtnt_row_text(row, 1);
    char shown[300];

    for (size_t i = 0; id != NULL && change != NULL && i < t->whole->count; i++) {
        const mtnt__origin *origin = t->whole->entries[i].origin;

        if (origin == NULL || origin->id == NULL || strcmp(origin->tool, "sqitch") != 0)
            continue;
        if (strcmp(origin->id, id) == 0) {
            mtnt__foreign_mark_entry(t, t->whole->entries + i, true, mtnt_row_text(row, 2));
            return 0;
        }
    }
    if (id == NULL || change == NULL)
        return 0;
    snprintf(shown, sizeof(shown), "%.200s (change %.8s…)", change, id);
    return mtnt__foreign_says(t, id, shown, true, NULL, err);
}

static const mtnt__origin *any_origin(const mtnt__foreign_table *t)
{
    for (size_t i = 0; i < t->whole->count; i++)
        if (t->whole->entries[i].origin != NULL && strcmp(t->whole->entries[i].origin->tool, "sqitch") == 0)
            return t->whole->entries[i].origin;
    return NULL;
}

/* The ids of one project; $1: the detail of any of its changes. */
static int read(mtnt__foreign_table *t, mtnt_error *err)
{
    const mtnt__origin *origin = any_origin(t);
    const mtnt_value detail[] = {mtnt_value_text(origin->detail), mtnt_value_end()};

    if (origin->detail == NULL)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "sqitch.plan does not say whose it is (%%project=NAME), so that it cannot be compared "
                              "with sqitch's registry");
    return mtnt__foreign_query(
        t, read_row, err,
        mtnt_db_backend(t->db) == MTNT_SQLITE
            ? "SELECT change_id, change, script_hash FROM {table}.changes WHERE project = json_extract($1, '$.project') "
              "ORDER BY committed_at"
            : "SELECT change_id, change, script_hash FROM {table}.changes WHERE project = $1::json ->> 'project' "
              "ORDER BY committed_at",
        detail);
}

/* ---- writing ---- */

static int run(mtnt__foreign_table *t, const char *sql, const mtnt__chain_entry *entry, mtnt_error *err)
{
    const mtnt_value detail[] = {mtnt_value_text(entry->origin->detail), mtnt_value_end()};

    return mtnt__foreign_query(t, NULL, err, sql, detail);
}

static int insert(mtnt__foreign_table *t, const mtnt__chain_entry *entry, int64_t duration_ms, mtnt_error *err)
{
    (void)duration_ms;
    return run(t, mtnt__sql_foreign_postgres_sqitch_insert, entry, err);
}

static int take_out(mtnt__foreign_table *t, const mtnt__chain_entry *entry, mtnt_error *err)
{
    return run(t, mtnt__sql_foreign_postgres_sqitch_remove, entry, err);
}

const mtnt__foreign_class mtnt__foreign_sqitch = {
    .tool = "sqitch",
    .table = "sqitch",
    .registry = true,
    .postgres = mtnt__sql_foreign_postgres_sqitch,
    .by_id = true,
    .look = look,
    .read = read,
    .insert = insert,
    .remove = take_out,
};
