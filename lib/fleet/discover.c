/* Looking at databases that no project names yet. */
#include "mtnt/discover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "chain/model.h"
#include "db/database.h"

/* ---- places ---- */

struct places {
    const char *dsn;
    bool databases;
    mtnt_discover_place_fn each;
    void *data;
};

static int read_place(void *data, const mtnt_row *row, mtnt_error *err)
{
    const struct places *places = data;
    const char *name = mtnt_row_text(row, 0);
    char *dsn = places->databases ? mtnt__dsn_with_database(places->dsn, name) : strdup(places->dsn);
    int rc =
        dsn == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : places->each(places->data, name, dsn, err);

    free(dsn);
    return rc;
}

static int list(const struct places *places, const char *sql, const char *like, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(like), mtnt_value_end()};
    const mtnt__db_options options = {.read_only = true};
    mtnt_backend backend;
    mtnt_db *db = NULL;
    int rc = mtnt__dsn_backend(places->dsn, &backend, err);

    if (rc == 0 && backend != MTNT_POSTGRES)
        rc = mtnt_error_set(err, MTNT_E_INVALID,
                            "a SQLite file is no server: name PostgreSQL's, postgresql://HOST/DATABASE");
    if (rc == 0)
        rc = mtnt__db_open(&db, places->dsn, &options, err);
    if (rc == 0)
        rc = mtnt__db_run(db, read_place, (void *)(uintptr_t)places, err, sql, values);
    mtnt__db_close(db);
    return rc;
}

int mtnt_discover_databases(const char *dsn, const char *like, mtnt_discover_place_fn each, void *data, mtnt_error *err)
{
    const struct places places = {dsn, true, each, data};

    return list(&places,
                "SELECT datname::text FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate "
                "AND datname LIKE $1 AND datname !~ '^mtnt_(new|gone)_[0-9a-f]{32}$' ORDER BY datname",
                like, err);
}

int mtnt_discover_schemas(const char *dsn, const char *like, mtnt_discover_place_fn each, void *data, mtnt_error *err)
{
    const struct places places = {dsn, false, each, data};

    return list(&places,
                "SELECT nspname::text FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' "
                "AND nspname <> 'information_schema' AND nspname LIKE $1 "
                "AND nspname !~ '^mtnt_(new|gone)_[0-9a-f]{32}$' ORDER BY nspname",
                like, err);
}

/* ---- histories ---- */

/* dbmate and golang-migrate call theirs the same; the one of golang-migrate has `dirty`. */
static const struct tool {
    const char *format, *table, *column, *without;
} tools[] = {
    {"goose", "goose_db_version", "version_id", NULL},
    {"dbmate", "schema_migrations", "version", "dirty"},
    {"golang-migrate", "schema_migrations", "dirty", NULL},
    {"morph", "db_migrations", "version", NULL},
    {"flyway", "flyway_schema_history", "installed_rank", NULL},
    {"flyway", "schema_version", "installed_rank", NULL},
    {"diesel", "__diesel_schema_migrations", "version", NULL},
    {"pop", "schema_migration", "version", NULL},
    {"mtnt", "mtnt_applied", "chain", NULL},
};
#define TOOLS (sizeof(tools) / sizeof(*tools))

struct histories {
    mtnt_discover_history_fn each;
    void *data;
    bool has[TOOLS], lacks[TOOLS]; /* columns of its table */
    bool sqitch;
};

static int read_column(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct histories *found = data;
    const char *table = mtnt_row_text(row, 0), *column = mtnt_row_text(row, 1);

    (void)err;
    for (size_t i = 0; i < TOOLS; i++) {
        if (strcmp(table, tools[i].table) != 0)
            continue;
        found->has[i] = found->has[i] || strcmp(column, tools[i].column) == 0;
        found->lacks[i] = found->lacks[i] || (tools[i].without != NULL && strcmp(column, tools[i].without) == 0);
    }
    found->sqitch = found->sqitch || strcmp(table, "sqitch") == 0;
    return 0;
}

static int look(mtnt_db *db, const mtnt_model *model, struct histories *found, mtnt_error *err)
{
    const mtnt_value schema[] = {mtnt_value_text(model->schema), mtnt_value_end()};

    if (model->backend == MTNT_SQLITE)
        return mtnt__db_run(
            db, read_column, found, err,
            "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'",
            NULL);
    /* sqitch has a schema of its own. */
    return mtnt__db_run(
        db, read_column, found, err,
        "SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_class AS c "
        "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid "
        "WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND n.nspname !~ '^pg_' AND ($1::text IS NULL OR n.nspname = $1) "
        "UNION ALL SELECT 'sqitch', 'change_id' FROM pg_catalog.pg_class AS c "
        "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'sqitch' AND c.relname = 'changes'",
        schema);
}

/* For SQLite it is a file beside the databases. */
static bool has_registry(const mtnt_model *model)
{
    const char *path = mtnt__dsn_sqlite_path(mtnt__model_dsn(model)), *slash = path == NULL ? NULL : strrchr(path, '/');
    char *registry = NULL;
    bool there;

    if (path == NULL || asprintf(&registry, "%.*ssqitch.db", slash == NULL ? 0 : (int)(slash - path) + 1, path) < 0)
        return false;
    there = access(registry, F_OK) == 0;
    free(registry);
    return there;
}

int mtnt_discover_histories(const mtnt_model *model, mtnt_discover_history_fn each, void *data, mtnt_error *err)
{
    const mtnt__db_options options = {.read_only = true};
    struct histories found = {.each = each, .data = data};
    mtnt_db *db = NULL;
    int rc = mtnt__db_open(&db, mtnt__model_dsn(model), &options, err);

    if (rc == 0)
        rc = look(db, model, &found, err);
    mtnt__db_close(db);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < TOOLS; i++)
        if (found.has[i] && !found.lacks[i])
            each(data, tools[i].format, tools[i].table);
    if (found.sqitch || has_registry(model))
        each(data, "sqitch", model->backend == MTNT_SQLITE ? "sqitch.db" : "sqitch.changes");
    return 0;
}
