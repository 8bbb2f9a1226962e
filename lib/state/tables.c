#include "state/tables.h"

#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/queries.h"

static const mtnt__tables_step controller_steps[] = {
    {mtnt__sql_controller_sqlite_0001_initial, mtnt__sql_controller_postgres_0001_initial},
    {mtnt__sql_controller_sqlite_0002_outcome, mtnt__sql_controller_postgres_0002_outcome},
    {mtnt__sql_controller_sqlite_0003_lanes, mtnt__sql_controller_postgres_0003_lanes},
    {mtnt__sql_controller_sqlite_0004_processes, mtnt__sql_controller_postgres_0004_processes},
    {mtnt__sql_controller_sqlite_0005_seats, mtnt__sql_controller_postgres_0005_seats},
    {mtnt__sql_controller_sqlite_0006_rollout, mtnt__sql_controller_postgres_0006_rollout},
};
static const mtnt__tables_step model_steps[] = {
    {mtnt__sql_model_sqlite_0001_initial, mtnt__sql_model_postgres_0001_initial},
};

const mtnt__tables mtnt__tables_controller = {"controller", controller_steps,
                                              sizeof(controller_steps) / sizeof(*controller_steps)};
const mtnt__tables mtnt__tables_model = {"model", model_steps, sizeof(model_steps) / sizeof(*model_steps)};

/* FNV-1a: it only has to differ where the texts do. */
int64_t mtnt__tables_lock_key(const mtnt__tables *tables, const char *schema)
{
    uint64_t hash = 0xcbf29ce484222325u;
    const char *texts[] = {"mtnt ", tables->owner, " ", schema == NULL ? "" : schema};

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        for (const char *c = texts[i]; *c != '\0'; c++)
            hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
    return hash == 0 ? 1 : (int64_t)hash;
}

static int read_count(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0);
    return 0;
}

struct text_target {
    char *text;
    size_t size;
    bool found;
};

static int read_text(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct text_target *target = data;

    (void)err;
    mtnt__text_copy(target->text, target->size, mtnt_row_text(row, 0) == NULL ? "" : mtnt_row_text(row, 0));
    target->found = true;
    return 0;
}

int mtnt__meta_get(mtnt_db *db, const char *key, char *ret_value, size_t size, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(key), mtnt_value_end()};
    struct text_target target = {ret_value, size, false};
    int rc = mtnt__db_run(db, read_text, &target, err, "SELECT value FROM {schema}.mtnt_meta WHERE key = $1", values);

    if (rc == 0 && !target.found)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "mtnt_meta has no `%s`", key);
    return rc;
}

int mtnt__meta_set(mtnt_db *db, const char *key, const char *value, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(key), mtnt_value_text(value), mtnt_value_end()};

    return mtnt__db_run(
        db, NULL, NULL, err,
        "INSERT INTO {schema}.mtnt_meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        values);
}

int mtnt__tables_version(mtnt_db *db, const mtnt__tables *tables, size_t *ret_version, mtnt_error *err)
{
    char text[32];
    int64_t there = 0, version;
    int rc;

    rc = mtnt__db_run(db, read_count, &there, err, MTNT__QUERY_FOR(db, tables_exist), NULL);
    if (rc != 0)
        return rc;
    if (there == 0) {
        *ret_version = 0;
        return 0;
    }
    rc = mtnt__meta_get(db, "schema_version", text, sizeof(text), err);
    if (rc != 0)
        return rc;
    if (!mtnt__parse_int(text, 1, INT32_MAX, &version))
        return mtnt_error_set(err, MTNT_E_CORRUPT, "the %s's mtnt_meta has schema_version `%s`, which is no number",
                              tables->owner, text);
    if ((uint64_t)version > tables->count)
        return mtnt_error_set(
            err, MTNT_E_NEWER,
            "the %s's tables are of version %lld and this program knows version %zu: a newer release has written them. Use that "
            "release; nothing was changed",
            tables->owner, (long long)version, tables->count);
    *ret_version = (size_t)version;
    return 0;
}

int mtnt__tables_ensure(mtnt_db *db, const mtnt__tables *tables, size_t *ret_before, mtnt_error *err)
{
    size_t version = 0;
    int rc = mtnt__tables_version(db, tables, &version, err);

    if (rc != 0)
        return rc;
    for (size_t i = version; i < tables->count && rc == 0; i++)
        rc = mtnt__db_run_script(
            db, err, mtnt_db_backend(db) == MTNT_SQLITE ? tables->steps[i].sqlite : tables->steps[i].postgres);
    if (rc != 0)
        return mtnt_error_wrap(err, "cannot make the %s's own tables", tables->owner);
    *ret_before = version;
    return 0;
}
