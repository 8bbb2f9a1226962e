#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "db/sqlite.h"

#define ROLLBACK_ATTEMPTS 5

bool mtnt__sqlite_in_transaction(const void *state)
{
    const mtnt__sqlite *s = state;

    return s->raw && !sqlite3_get_autocommit(s->raw);
}

/* Enforcing foreign keys statement by statement would stop a table from being rebuilt, and cannot be switched within a
 * transaction: it is off while ours is open, and what it would have found is looked for before COMMIT. */
static void suspend_foreign_keys(mtnt__sqlite *s)
{
    int enforced = 0;

    if (s->foreign_keys_saved)
        return;
    sqlite3_db_config(s->raw, SQLITE_DBCONFIG_ENABLE_FKEY, -1, &enforced);
    sqlite3_db_config(s->raw, SQLITE_DBCONFIG_ENABLE_FKEY, 0, NULL);
    s->foreign_keys = enforced != 0;
    s->foreign_keys_saved = true;
}

static void restore_foreign_keys(mtnt__sqlite *s)
{
    if (!s->foreign_keys_saved || !s->raw)
        return;
    sqlite3_db_config(s->raw, SQLITE_DBCONFIG_ENABLE_FKEY, s->foreign_keys, NULL);
    s->foreign_keys_saved = false;
}

/* An application may have switched a file of the pair to WAL since it was opened; now that both are locked it cannot. */
static int check_journals(mtnt__sqlite *s, mtnt_error *err)
{
    char model[MTNT__SQLITE_VALUE] = "", controller[MTNT__SQLITE_VALUE] = "";
    int rc = mtnt__sqlite_value(s, "PRAGMA model.journal_mode", model, err);

    if (rc == 0)
        rc = mtnt__sqlite_value(s, "PRAGMA controller.journal_mode", controller, err);
    if (rc == 0 && strcmp(model, "wal") == 0)
        rc = mtnt__sqlite_refuse_wal(s->path, err);
    if (rc == 0 && strcmp(controller, "wal") == 0)
        rc = mtnt__sqlite_refuse_wal(s->controller_path, err);
    return rc;
}

int mtnt__sqlite_begin(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    int rc;

    mtnt__sqlite_enter(s, call);
    suspend_foreign_keys(s);
    rc = mtnt__sqlite_exec(s,
                           s->exclusive   ? "PRAGMA query_only = 0; BEGIN EXCLUSIVE; PRAGMA query_only = 1"
                           : s->read_only ? "BEGIN"
                                          : "BEGIN IMMEDIATE",
                           err);
    if (rc == 0 && s->controller_path)
        rc = check_journals(s, err);
    if (rc != 0)
        restore_foreign_keys(s);
    s->written = false;
    mtnt__sqlite_leave(s);
    return rc;
}

/* ---- foreign keys ---- */

/* The first row that foreign_key_check gives. */
static int violation(sqlite3_stmt *statement, mtnt_error *err)
{
    const char *table = (const char *)sqlite3_column_text(statement, 0);
    const char *parent = (const char *)sqlite3_column_text(statement, 2);
    char row[40] = "without rowid";
    int rc;

    if (sqlite3_column_type(statement, 1) != SQLITE_NULL)
        snprintf(row, sizeof(row), "row %lld", (long long)sqlite3_column_int64(statement, 1));
    rc = mtnt_error_set(err, MTNT_E_DATABASE, "FOREIGN KEY constraint failed: %s, %s, has no parent in %s",
                        table ? table : "?", row, parent ? parent : "?");
    if (err)
        mtnt__text_copy(err->state, sizeof(err->state), mtnt__sqlite_code_name(SQLITE_CONSTRAINT_FOREIGNKEY));
    return rc;
}

static int check_schema(mtnt__sqlite *s, const char *schema, mtnt_error *err)
{
    char sql[160], found[MTNT__SQLITE_VALUE];
    sqlite3_stmt *statement = NULL;
    int rc, code;

    /* Whoever declares one writes this word: most files are done here. */
    snprintf(sql, sizeof(sql),
             "SELECT 1 FROM \"%s\".sqlite_schema WHERE type = 'table' AND instr(upper(sql), 'REFERENCES') LIMIT 1",
             schema);
    rc = mtnt__sqlite_value(s, sql, found, err);
    if (rc != 0 || found[0] == '\0')
        return rc;
    snprintf(sql, sizeof(sql), "PRAGMA \"%s\".foreign_key_check", schema);
    code = sqlite3_prepare_v2(s->raw, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        rc = violation(statement, err);
    else if (code != SQLITE_DONE)
        rc = mtnt__sqlite_fail(s, code, err);
    sqlite3_finalize(statement);
    return rc;
}

static int check_foreign_keys(mtnt__sqlite *s, mtnt_error *err)
{
    int rc;

    if (s->read_only || !s->written)
        return MTNT_OK;
    rc = check_schema(s, s->main_schema, err);
    if (rc == 0 && s->controller_path)
        rc = check_schema(s, MTNT__CONTROLLER_SCHEMA, err);
    return rc;
}

int mtnt__sqlite_check(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    int rc;

    mtnt__sqlite_enter(s, call);
    rc = check_foreign_keys(s, err);
    mtnt__sqlite_leave(s);
    return rc;
}

/* ---- the end ---- */

/* A commit that meets these has certainly not happened. Anything else may come after the file was changed: the journal deleted
 * and its folder not synced, or the frames of a write-ahead log written and not yet announced. */
static bool certainly_not_committed(int code)
{
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_FULL:
    case SQLITE_CONSTRAINT:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
    case SQLITE_ERROR: return true;
    default: return false;
    }
}

static int send_commit(mtnt__sqlite *s, mtnt_error *err)
{
    int code, rc;

    /* A statement that an operation has left open would make COMMIT fail. */
    for (sqlite3_stmt *left = sqlite3_next_stmt(s->raw, NULL); left; left = sqlite3_next_stmt(s->raw, left))
        sqlite3_reset(left);
    s->guarded = false;
    code = sqlite3_exec(s->raw, "COMMIT", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return MTNT_OK;
    rc = mtnt__sqlite_fail(s, code, err);
    if (certainly_not_committed(code))
        return rc;
    mtnt_error_wrap(err, "the answer to COMMIT was an error, after which nobody knows yet");
    if (err)
        err->code = MTNT_E_IN_DOUBT;
    return MTNT_E_IN_DOUBT;
}

int mtnt__sqlite_commit(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    int rc;

    mtnt__sqlite_enter(s, call);
    rc = check_foreign_keys(s, err);
    if (rc == 0)
        rc = send_commit(s, err);
    if (rc == 0)
        restore_foreign_keys(s);
    mtnt__sqlite_leave(s);
    return rc;
}

int mtnt__sqlite_rollback(void *state, mtnt__call *call)
{
    mtnt__sqlite *s = state;

    mtnt__sqlite_enter(s, call);
    /* A cancel from another thread may interrupt even this. */
    for (int i = 0; i < ROLLBACK_ATTEMPTS && mtnt__sqlite_in_transaction(s); i++)
        mtnt__sqlite_exec(s, "ROLLBACK", NULL);
    restore_foreign_keys(s);
    s->call.cancelled = NULL;
    s->call.deadline = 0;
    mtnt__sqlite_leave(s);
    return mtnt__sqlite_in_transaction(s) ? MTNT_E_DATABASE : MTNT_OK;
}
