#include "db/sqlite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* ---- state ---- */

/* A path is a path, also where SQLite was built to read "file:…" as a URI. */
static char *plain_path(const char *path)
{
    mtnt__buffer plain = {0};

    if (strncmp(path, "file:", 5) == 0)
        mtnt__buffer_add_text(&plain, "./");
    mtnt__buffer_add_text(&plain, path);
    return mtnt__buffer_take(&plain);
}

static const char *schema_of(const mtnt__db_options *options, bool pair)
{
    if (pair || (options && options->side == MTNT__SIDE_MODEL))
        return MTNT__MODEL_SCHEMA;
    return options && options->side == MTNT__SIDE_CONTROLLER ? MTNT__CONTROLLER_SCHEMA : "main";
}

static void sqlite_free(void *state)
{
    mtnt__sqlite *s = state;

    pthread_mutex_destroy(&s->mutex);
    free(s->path);
    free(s->controller_path);
    free(s);
}

int mtnt__sqlite_new(void **ret_state, const char *path, const char *controller_path, const mtnt__db_options *options,
                     mtnt_error *err)
{
    mtnt__sqlite *s = calloc(1, sizeof(*s));

    if (!s)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (pthread_mutex_init(&s->mutex, NULL) != 0) {
        free(s);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    s->path = plain_path(path);
    s->controller_path = controller_path ? plain_path(controller_path) : NULL;
    s->main_schema = schema_of(options, controller_path != NULL);
    s->read_only = options && options->read_only;
    s->create = options && options->create;
    s->building = options && options->building;
    s->exclusive = options && options->exclusive;
    if (!s->path || (controller_path && !s->controller_path)) {
        sqlite_free(s);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    *ret_state = s;
    return MTNT_OK;
}

void mtnt__sqlite_enter(mtnt__sqlite *s, const mtnt__call *call)
{
    s->call = *call;
    s->guarded = call->operation;
    s->vacuuming = false;
    s->denial[0] = s->denied_name[0] = '\0';
    mtnt__sqlite_install_waits(s); /* PRAGMA busy_timeout replaces ours */
}

void mtnt__sqlite_leave(mtnt__sqlite *s)
{
    s->guarded = true;
}

/* ---- connection ---- */

static bool sqlite_connected(const void *state)
{
    const mtnt__sqlite *s = state;

    return s->raw != NULL;
}

static void sqlite_disconnect(void *state)
{
    mtnt__sqlite *s = state;
    sqlite3 *raw = s->raw;

    if (!raw)
        return;
    pthread_mutex_lock(&s->mutex);
    s->raw = NULL;
    pthread_mutex_unlock(&s->mutex);
    mtnt__sqlite_forget_kept(s);
    /* A statement that an operation left behind must not keep a lock; it stays valid until it is finalized. */
    for (sqlite3_stmt *left = sqlite3_next_stmt(raw, NULL); left; left = sqlite3_next_stmt(raw, left))
        sqlite3_reset(left);
    sqlite3_close_v2(raw);
    s->foreign_keys_saved = s->settings_touched = s->written = s->marked = false;
}

static void sqlite_cancel(void *state)
{
    mtnt__sqlite *s = state;

    pthread_mutex_lock(&s->mutex);
    if (s->raw)
        sqlite3_interrupt(s->raw);
    pthread_mutex_unlock(&s->mutex);
}

static void *sqlite_native(void *state, mtnt_backend kind)
{
    mtnt__sqlite *s = state;

    if (kind != MTNT_SQLITE)
        return NULL;
    s->written = s->settings_touched = s->marked = true; /* it may do anything */
    return s->raw;
}

/* ---- what is asked of it ---- */

static int sqlite_boundary(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    int rc = MTNT_OK;

    mtnt__sqlite_enter(s, call);
    if (s->settings_touched)
        rc = mtnt__sqlite_reset_settings(s, err);
    mtnt__sqlite_leave(s);
    return rc;
}

/* To attach databases is not for operations. */
static int sqlite_renew(void *state, mtnt__call *call, const char *mark, const char *schema, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    char temporary[MTNT__SQLITE_VALUE] = "";
    int rc = MTNT_OK;

    (void)mark;
    (void)schema;
    mtnt__sqlite_enter(s, call);
    if (!s->marked)
        rc = mtnt__sqlite_value(s, "SELECT count(*) FROM temp.sqlite_schema", temporary, err);
    mtnt__sqlite_leave(s);
    if (rc == 0 && strcmp(temporary, "0") != 0)
        rc = mtnt_error_set(err, MTNT_E_BUSY, "an operation has left something in the connection");
    return rc;
}

static int sqlite_schema(void *state, mtnt__call *call, const char **ret_schema, mtnt_error *err)
{
    const mtnt__sqlite *s = state;

    (void)err;
    *ret_schema = s->controller_path && call->side == MTNT__SIDE_CONTROLLER ? MTNT__CONTROLLER_SCHEMA : s->main_schema;
    return MTNT_OK;
}

static const char *synchronous_name(const char *number)
{
    static const char *const names[] = {"off", "normal", "full", "extra"};

    return number[0] >= '0' && number[0] <= '3' ? names[number[0] - '0'] : "?";
}

static int sqlite_facts(void *state, mtnt__call *call, mtnt__db_facts *ret_facts, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    bool attached = s->controller_path && call->side == MTNT__SIDE_CONTROLLER;
    char mode[MTNT__SQLITE_VALUE], synchronous[MTNT__SQLITE_VALUE];
    int rc;

    mtnt__sqlite_enter(s, call);
    rc = mtnt__sqlite_value(s, attached ? "PRAGMA controller.journal_mode" : "PRAGMA main.journal_mode", mode, err);
    if (rc == 0)
        rc = mtnt__sqlite_value(s, attached ? "PRAGMA controller.synchronous" : "PRAGMA main.synchronous", synchronous,
                                err);
    mtnt__sqlite_leave(s);
    if (rc != 0)
        return rc;
    ret_facts->wal = strcmp(mode, "wal") == 0;
    ret_facts->durable = ret_facts->wal ? synchronous[0] == '2' || synchronous[0] == '3'
                                        : strcmp(mode, "delete") == 0 && synchronous[0] == '3';
    ret_facts->version = sqlite3_libversion_number();
    snprintf(ret_facts->detail, sizeof(ret_facts->detail), "%s, synchronous=%s", mode, synchronous_name(synchronous));
    return MTNT_OK;
}

const mtnt__backend mtnt__sqlite_backend = {
    .kind = MTNT_SQLITE,
    .connect = mtnt__sqlite_connect,
    .connected = sqlite_connected,
    .disconnect = sqlite_disconnect,
    .free = sqlite_free,
    .query = mtnt__sqlite_query,
    .script = mtnt__sqlite_script,
    .begin = mtnt__sqlite_begin,
    .in_transaction = mtnt__sqlite_in_transaction,
    .commit = mtnt__sqlite_commit,
    .check = mtnt__sqlite_check,
    .rollback = mtnt__sqlite_rollback,
    .renew = sqlite_renew,
    .boundary = sqlite_boundary,
    .schema = sqlite_schema,
    .facts = sqlite_facts,
    .snapshot = mtnt__sqlite_snapshot,
    .digest = mtnt__sqlite_digest,
    .digest_inside = mtnt__sqlite_digest_inside,
    .restore = mtnt__sqlite_restore,
    .cancel = sqlite_cancel,
    .native = sqlite_native,
};
