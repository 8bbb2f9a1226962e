#include "coordinate/tombstone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "db/sql_text.h"
#include "state/tables.h"

#define WHO_SIZE 300
#define LOOKS 20 /* at who is connected … */
#define LOOK_MS 50

/* ---- names ---- */

void mtnt__tombstone_schema(const mtnt_model *model, const char *migration, char ret_schema[MTNT__TOMBSTONE_SIZE])
{
    ret_schema[0] = '\0';
    if (model->schema != NULL)
        snprintf(ret_schema, MTNT__TOMBSTONE_SIZE, "mtnt_gone_%.32s", migration);
}

char *mtnt__tombstone_dsn(const mtnt_model *model, const char *migration)
{
    const char *dsn = mtnt__model_dsn(model);
    char database[MTNT__TOMBSTONE_SIZE];
    mtnt__buffer path = {0};

    if (model->schema != NULL)
        return strdup(dsn);
    if (model->backend == MTNT_SQLITE) {
        mtnt__buffer_add_format(&path, "%s.mtnt-gone-%s", dsn, migration);
        return mtnt__buffer_take(&path);
    }
    snprintf(database, sizeof(database), "mtnt_gone_%.32s", migration);
    return mtnt__dsn_with_database(dsn, database);
}

static char *name_of(const mtnt_model *model, const char *dsn, const char *schema)
{
    if (model->backend == MTNT_SQLITE)
        return strdup(mtnt__dsn_sqlite_path(dsn));
    return schema != NULL ? strdup(schema) : mtnt__dsn_database(dsn);
}

int mtnt__place_init(mtnt__place *place, const mtnt_controller *controller, const mtnt_model *model,
                     const char *migration, mtnt_error *err)
{
    char schema[MTNT__TOMBSTONE_SIZE] = "";

    *place = (mtnt__place){.model = model, .options = mtnt__side_options(controller, model)};
    if (migration != NULL)
        mtnt__tombstone_schema(model, migration, schema);
    place->dsn = migration == NULL ? strdup(mtnt__model_dsn(model)) : mtnt__tombstone_dsn(model, migration);
    if (place->dsn != NULL)
        place->text = name_of(model, place->dsn, migration == NULL || model->schema == NULL ? model->schema : schema);
    if (place->text == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (model->schema != NULL)
        place->options.schema = place->text;
    return 0;
}

void mtnt__place_release(mtnt__place *place)
{
    free(place->dsn);
    free(place->text);
    place->dsn = place->text = NULL;
}

/* ---- who is there ---- */

static int read_number(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0);
    return 0;
}

static int read_mark(mtnt_db *db, const char *key, char *ret_value, size_t size, mtnt_error *err)
{
    int rc = mtnt__meta_get(db, key, ret_value, size, err);

    if (rc == MTNT_E_NOT_FOUND) {
        ret_value[0] = '\0';
        mtnt_error_clear(err);
        return 0;
    }
    return rc;
}

int mtnt__place_check(mtnt_db *db, const mtnt_controller *controller, const mtnt_model *model, const char *uuid,
                      mtnt_error *err)
{
    char of_controller[MTNT__ID_SIZE] = "", found[MTNT__ID_SIZE] = "", tenant[256] = "";
    size_t version = 0;
    int rc = mtnt__tables_version(db, &mtnt__tables_model, &version, err);

    if (rc == 0 && version > 0)
        rc = read_mark(db, "controller", of_controller, sizeof(of_controller), err);
    if (rc == 0 && version > 0)
        rc = read_mark(db, "tenant", tenant, sizeof(tenant), err);
    if (rc == 0 && version > 0)
        rc = read_mark(db, "model_uuid", found, sizeof(found), err);
    if (rc != 0 || (uuid[0] != '\0' && strcmp(of_controller, controller->id) == 0 && strcmp(found, uuid) == 0 &&
                    strcmp(tenant, mtnt_model_id(model)) == 0))
        return rc;
    return mtnt_error_set(
        err, MTNT_E_FOREIGN,
        "it does not bear the marks of this controller for tenant %s (it is model %.8s of controller %.8s): it "
        "is not ours to take away. Nothing was changed",
        mtnt_model_id(model), found[0] == '\0' ? "-" : found, of_controller[0] == '\0' ? "-" : of_controller);
}

/* A connection to a database that is there says nothing yet of a schema in it. */
static int schema_is_there(mtnt_db *db, const mtnt__place *place, bool *ret_there, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(place->text), mtnt_value_end()};
    int64_t count = 1;
    int rc = 0;

    if (place->model->schema != NULL)
        rc = mtnt__db_run(db, read_number, &count, err,
                          "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1", values);
    *ret_there = count > 0;
    return rc;
}

int mtnt__place_look(const mtnt_controller *controller, const mtnt__place *place, const char *uuid,
                     mtnt__found *ret_found, mtnt_error *err)
{
    mtnt__db_options options = place->options;
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt_db *db = NULL;
    bool there = true;
    int rc;

    options.read_only = true;
    rc = mtnt__db_open(&db, place->dsn, &options, &own);
    if (rc == 0)
        rc = mtnt__db_begin(db, &own);
    if (rc == 0)
        rc = schema_is_there(db, place, &there, &own);
    if (rc == 0 && there)
        rc = mtnt__place_check(db, controller, place->model, uuid, &own);
    mtnt__db_close(db);
    if (rc == MTNT_E_NOT_FOUND || (rc == 0 && !there))
        *ret_found = MTNT__FOUND_NOTHING;
    else if (rc == MTNT_E_FOREIGN || rc == MTNT_E_CORRUPT || rc == MTNT_E_NEWER)
        *ret_found = MTNT__FOUND_FOREIGN;
    else if (rc == 0)
        *ret_found = MTNT__FOUND_OURS;
    else if (err != NULL)
        *err = own;
    return rc == MTNT_E_NOT_FOUND || rc == MTNT_E_FOREIGN || rc == MTNT_E_CORRUPT || rc == MTNT_E_NEWER ? 0 : rc;
}

/* ---- who else is ---- */

struct sessions {
    int64_t count;
    char names[WHO_SIZE];
};

static int read_sessions(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct sessions *sessions = data;

    (void)err;
    sessions->count = mtnt_row_int(row, 0);
    mtnt__text_copy(sessions->names, sizeof(sessions->names), mtnt_row_is_null(row, 1) ? "" : mtnt_row_text(row, 1));
    return 0;
}

#define WHO                          \
    "SELECT count(DISTINCT a.pid), " \
    "string_agg(DISTINCT coalesce(nullif(a.application_name, ''), 'without a name'), ', ') "

static int refuse_sessions(const struct sessions *sessions, const char *where, mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_REFUSED,
                          "%lld session%s %s (%s). Let the application disconnect, then try again; none is ended here. "
                          "Nothing was changed",
                          (long long)sessions->count, sessions->count == 1 ? "" : "s", where, sessions->names);
}

/* A session that has just been closed, one of ours above all, is seen for a moment longer. */
int mtnt__place_check_alone(mtnt_db *db, const mtnt__system *system, const char *database, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(database), mtnt_value_end()};
    struct sessions sessions = {0};
    int rc = 0;

    for (int looks = 0; rc == 0 && (looks == 0 || (sessions.count > 0 && looks < LOOKS)); looks++) {
        if (looks > 0) {
            system->sleep_ms(system->data, LOOK_MS);
            rc = mtnt__db_run(db, NULL, NULL, err, "SELECT pg_catalog.pg_stat_clear_snapshot()", NULL);
        }
        if (rc == 0)
            rc = mtnt__db_run(
                db, read_sessions, &sessions, err,
                WHO "FROM pg_catalog.pg_stat_activity AS a WHERE a.datname = $1 AND a.pid <> pg_backend_pid() AND "
                    "coalesce(a.backend_type, '') = 'client backend'",
                values);
    }
    if (rc == 0 && sessions.count > 0)
        rc = refuse_sessions(&sessions, sessions.count == 1 ? "is connected to it" : "are connected to it", err);
    return rc;
}

/* A schema has no sessions of its own: those count that are in a transaction on something of it. */
static int check_schema_alone(mtnt_db *db, const char *schema, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(schema), mtnt_value_end()};
    struct sessions sessions = {0};
    int rc = mtnt__db_run(
        db, read_sessions, &sessions, err,
        WHO
        "FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_class AS c ON c.oid = l.relation "
        "JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid "
        "WHERE n.nspname = $1 AND l.locktype = 'relation' AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend' "
        "AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())",
        values);

    if (rc == 0 && sessions.count > 0)
        rc = refuse_sessions(&sessions, sessions.count == 1 ? "is at work in it" : "are at work in it", err);
    return rc;
}

/* ---- from one name to another ---- */

static int open_alone(const mtnt_controller *controller, const mtnt__place *place, const char *uuid, mtnt_db **ret_db,
                      mtnt_error *err)
{
    mtnt__db_options options = place->options;
    int rc;

    options.exclusive = true;
    rc = mtnt__db_open(ret_db, place->dsn, &options, err);
    if (rc == 0)
        rc = mtnt__db_begin(*ret_db, err);
    if (rc == MTNT_E_BUSY)
        return mtnt_error_wrap(
            err,
            "an application is at work in %s, or has it open with a write-ahead log. Let it close the "
            "file, then try again. Nothing was changed",
            place->text);
    return rc == 0 ? mtnt__place_check(*ret_db, controller, place->model, uuid, err) : rc;
}

static char *sibling(const char *path, const char *ending)
{
    mtnt__buffer name = {0};

    mtnt__buffer_add_text(&name, path);
    mtnt__buffer_add_text(&name, ending);
    return mtnt__buffer_take(&name);
}

/* A journal that somebody has left at the new name would be taken for the model's own. */
static int check_free(const char *path, mtnt_error *err)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};

    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        char *name = sibling(path, endings[i]);
        bool taken = name != NULL && mtnt__file_exists(name);
        int rc = name == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;

        if (taken)
            rc = mtnt_error_set(err, MTNT_E_EXISTS,
                                "something else stands at %s: move it away first. Nothing was changed", name);
        free(name);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int begin_sqlite(mtnt__renaming *renaming, const mtnt__place *from, const mtnt__place *to, mtnt_error *err)
{
    int rc = check_free(to->text, err);

    if (rc == 0 && mtnt__file_is_link(from->text))
        rc = mtnt_error_set(err, MTNT_E_REFUSED,
                            "%s is a symbolic link: its model cannot be put away by that name. Nothing was changed",
                            from->text);
    return rc == 0 ? open_alone(renaming->controller, from, renaming->uuid, &renaming->db, err) : rc;
}

/* In a session of its own, which has to be over before the database can be renamed. */
static int check_database(const mtnt_controller *controller, const mtnt__place *place, const char *uuid,
                          int64_t *ret_oid, mtnt_error *err)
{
    mtnt__db_options options = place->options;
    mtnt_db *db = NULL;
    int rc;

    options.read_only = true;
    rc = mtnt__db_open(&db, place->dsn, &options, err);
    if (rc == 0)
        rc = mtnt__db_begin(db, err);
    if (rc == 0)
        rc = mtnt__place_check(db, controller, place->model, uuid, err);
    if (rc == 0)
        rc = mtnt__place_check_alone(db, controller->system, place->text, err);
    if (rc == 0)
        rc = mtnt__db_run(db, read_number, ret_oid, err,
                          "SELECT oid::bigint FROM pg_catalog.pg_database WHERE datname = current_database()", NULL);
    mtnt__db_close(db);
    return rc;
}

static int begin_database(mtnt__renaming *renaming, const mtnt__place *from, const mtnt__place *to, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(renaming->controller, NULL);
    int64_t oid = 0;
    int rc = check_database(renaming->controller, from, renaming->uuid, &oid, err);

    if (rc == 0)
        rc = mtnt__postgres_rename_begin(&renaming->db, from->dsn, from->text, to->text, oid, &options, err);
    if (rc == MTNT_E_EXISTS)
        mtnt_error_wrap(err, "something else stands at the name %s: nothing was changed", to->text);
    return rc;
}

/* Whoever waits for these locks finds the tables gone when it gets them. */
static const char lock_tables[] =
    "DO $$ DECLARE t record; BEGIN "
    "FOR t IN SELECT n.nspname, c.relname FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = pg_catalog.current_schema() AND c.relkind IN ('r', 'p') ORDER BY c.oid LOOP "
    "EXECUTE pg_catalog.format('LOCK TABLE %I.%I IN ACCESS EXCLUSIVE MODE', t.nspname, t.relname); END LOOP; END $$";

static int run_on_schema(mtnt_db *db, const char *before, const char *schema, const char *between, const char *other,
                         mtnt_error *err)
{
    mtnt__buffer sql = {0};
    int rc;

    mtnt__buffer_add_text(&sql, before);
    mtnt__sql_add_identifier(&sql, schema);
    mtnt__buffer_add_text(&sql, between);
    if (other != NULL)
        mtnt__sql_add_identifier(&sql, other);
    rc = sql.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                    : mtnt__db_run(db, NULL, NULL, err, sql.bytes, NULL);
    mtnt__buffer_release(&sql);
    return rc;
}

static int open_schema(const mtnt_controller *controller, const mtnt__place *place, const char *uuid, mtnt_db **ret_db,
                       mtnt_error *err)
{
    bool there = false;
    int rc = mtnt__db_open(ret_db, place->dsn, &place->options, err);

    if (rc == 0)
        rc = mtnt__db_begin_locked(*ret_db, mtnt__tables_lock_key(&mtnt__tables_model, place->model->schema), err);
    if (rc == 0)
        rc = schema_is_there(*ret_db, place, &there, err);
    if (rc == 0 && !there)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "there is no schema %s", place->text);
    if (rc == 0)
        rc = mtnt__place_check(*ret_db, controller, place->model, uuid, err);
    if (rc == 0)
        rc = check_schema_alone(*ret_db, place->text, err);
    if (rc == 0)
        rc = mtnt__db_run(*ret_db, NULL, NULL, err, lock_tables, NULL);
    return rc;
}

static int begin_schema(mtnt__renaming *renaming, const mtnt__place *from, const mtnt__place *to, mtnt_error *err)
{
    int rc = open_schema(renaming->controller, from, renaming->uuid, &renaming->db, err);

    if (rc == 0)
        rc = run_on_schema(renaming->db, "ALTER SCHEMA ", from->text, " RENAME TO ", to->text, err);
    if (rc != 0 && err != NULL && strcmp(err->state, "42P06") == 0) {
        err->code = rc = MTNT_E_EXISTS;
        mtnt_error_wrap(err, "something else stands at the name %s: nothing was changed", to->text);
    }
    return rc;
}

static int init_places(const mtnt__renaming *renaming, mtnt__place *from, mtnt__place *to, mtnt_error *err)
{
    mtnt__place *own = renaming->back ? to : from, *tombstone = renaming->back ? from : to;
    int rc = mtnt__place_init(own, renaming->controller, renaming->model, NULL, err);

    if (rc == 0)
        rc = mtnt__place_init(tombstone, renaming->controller, renaming->model, renaming->migration, err);
    return rc;
}

int mtnt__renaming_begin(mtnt__renaming *renaming, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__place from = {0}, to = {0};
    int rc = init_places(renaming, &from, &to, &own);

    if (rc == 0 && renaming->model->backend == MTNT_SQLITE)
        rc = begin_sqlite(renaming, &from, &to, &own);
    else if (rc == 0 && renaming->model->schema == NULL)
        rc = begin_database(renaming, &from, &to, &own);
    else if (rc == 0)
        rc = begin_schema(renaming, &from, &to, &own);
    mtnt__place_release(&from);
    mtnt__place_release(&to);
    if (rc != 0) {
        mtnt__renaming_cancel(renaming);
        if (err != NULL)
            *err = own;
    }
    return rc;
}

void mtnt__renaming_cancel(mtnt__renaming *renaming)
{
    mtnt__db_close(renaming->db);
    renaming->db = NULL;
}

/* ---- SQLite: a file and what stands beside it ---- */

static int remove_sibling(const char *path, const char *ending, bool must_be_empty, mtnt_error *err)
{
    char *name = sibling(path, ending);
    int rc = 0;

    if (name == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    else if (must_be_empty && !mtnt__file_is_empty(name))
        rc = mtnt_error_set(err, MTNT_E_CORRUPT, "%s holds something, although nobody else has the file open", name);
    else
        rc = mtnt__file_remove(name, err);
    free(name);
    return rc;
}

static int move_sibling(const char *from, const char *to, const char *ending, mtnt_error *err)
{
    char *name = sibling(from, ending), *other = sibling(to, ending);
    int rc = name == NULL || other == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;

    if (rc == 0 && mtnt__file_exists(name))
        rc = mtnt__file_rename_new(name, other, err);
    free(name);
    free(other);
    return rc;
}

/* While the file is locked and at its old name, what stands beside it can be nobody else's: so the file goes last. Its log is empty by
 * now, and SQLite makes both it and the shared memory anew. */
static int move_file(const char *from, const char *to, mtnt_error *err)
{
    int rc = remove_sibling(from, "-wal", true, err);

    if (rc == 0)
        rc = remove_sibling(from, "-shm", false, err);
    if (rc == 0)
        rc = move_sibling(from, to, "-journal", err);
    if (rc == 0)
        rc = mtnt__file_rename_new(from, to, err);
    if (rc == MTNT_E_EXISTS && mtnt__file_same(from, to))
        rc = mtnt__file_remove(from, err);
    return rc == 0 ? mtnt__folder_sync_of(to, err) : rc;
}

int mtnt__renaming_end(mtnt__renaming *renaming, mtnt_error *err)
{
    mtnt__place from = {0}, to = {0};
    int rc = 0;

    if (renaming->model->backend == MTNT_POSTGRES) {
        rc = mtnt__db_commit(renaming->db, err);
    } else {
        rc = init_places(renaming, &from, &to, err);
        if (rc == 0)
            rc = move_file(from.text, to.text, err);
        mtnt__place_release(&from);
        mtnt__place_release(&to);
    }
    mtnt__renaming_cancel(renaming);
    return rc;
}

/* ---- removing for good ---- */

static int remove_file(const char *path, mtnt_error *err)
{
    static const char *const endings[] = {"-wal", "-shm", "-journal"};
    int rc = mtnt__file_remove(path, err);

    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings) && rc == 0; i++)
        rc = remove_sibling(path, endings[i], false, err);
    return rc == 0 ? mtnt__folder_sync_of(path, err) : rc;
}

/* What in other schemas would go with it. */
static const char dependents[] =
    "WITH n AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1), "
    "o AS (SELECT 'pg_catalog.pg_class'::regclass AS classid, c.oid FROM pg_catalog.pg_class AS c, n WHERE c.relnamespace = n.oid "
    "UNION ALL SELECT 'pg_catalog.pg_type'::regclass, t.oid FROM pg_catalog.pg_type AS t, n WHERE t.typnamespace = n.oid "
    "UNION ALL SELECT 'pg_catalog.pg_proc'::regclass, p.oid FROM pg_catalog.pg_proc AS p, n WHERE p.pronamespace = n.oid), "
    "d AS (SELECT d.classid, d.objid, d.objsubid, coalesce("
    "(SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid), "
    "(SELECT c.relnamespace FROM pg_catalog.pg_rewrite AS r JOIN pg_catalog.pg_class AS c ON c.oid = r.ev_class "
    "WHERE d.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = d.objid), "
    "(SELECT c.connamespace FROM pg_catalog.pg_constraint AS c WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND c.oid = d.objid), "
    "(SELECT c.relnamespace FROM pg_catalog.pg_attrdef AS a JOIN pg_catalog.pg_class AS c ON c.oid = a.adrelid "
    "WHERE d.classid = 'pg_catalog.pg_attrdef'::regclass AND a.oid = d.objid), "
    "(SELECT c.relnamespace FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid "
    "WHERE d.classid = 'pg_catalog.pg_trigger'::regclass AND t.oid = d.objid), "
    "(SELECT p.pronamespace FROM pg_catalog.pg_proc AS p WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid), "
    "(SELECT t.typnamespace FROM pg_catalog.pg_type AS t WHERE d.classid = 'pg_catalog.pg_type'::regclass AND t.oid = d.objid)) AS namespace "
    "FROM pg_catalog.pg_depend AS d JOIN o ON o.classid = d.refclassid AND o.oid = d.refobjid WHERE d.deptype IN ('n', 'a')) "
    "SELECT count(*), string_agg(DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), ', ') "
    "FROM d, n WHERE d.namespace <> n.oid";

static int remove_schema(const mtnt_controller *controller, const mtnt__place *place, const char *uuid, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(place->text), mtnt_value_end()};
    struct sessions others = {0};
    mtnt_db *db = NULL;
    int rc = open_schema(controller, place, uuid, &db, err);

    if (rc == 0)
        rc = mtnt__db_run(db, read_sessions, &others, err, dependents, values);
    if (rc == 0 && others.count > 0)
        rc = mtnt_error_set(
            err, MTNT_E_REFUSED,
            "objects of other schemas rest on those in %s and would go with it: %s. Drop or change them first",
            place->text, others.names);
    if (rc == 0)
        rc = run_on_schema(db, "DROP SCHEMA ", place->text, " CASCADE", NULL, err);
    if (rc == 0)
        rc = mtnt__db_commit(db, err);
    mtnt__db_close(db);
    return rc;
}

int mtnt__place_remove(const mtnt_controller *controller, const mtnt__place *place, const char *uuid, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, NULL);
    int64_t oid = 0;
    int rc;

    if (place->model->backend == MTNT_SQLITE)
        return remove_file(place->text, err);
    if (place->model->schema != NULL) {
        rc = remove_schema(controller, place, uuid, err);
    } else {
        rc = check_database(controller, place, uuid, &oid, err);
        if (rc == 0)
            rc = mtnt__postgres_drop_database(place->dsn, place->text, &options, err);
    }
    return rc == MTNT_E_NOT_FOUND ? 0 : rc;
}
