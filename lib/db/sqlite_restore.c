/* A snapshot goes back into the live file by the backup API in reverse: the application's connections stay good, and see the old content or the new.
 *
 * Whether somebody else has written is asked under SQLite's write lock, by the content. The backup takes the lock for itself and would not
 * share it with the connection that asked, so there is a moment between the two: a writer in it shows in the version that the pager of
 * the restoring connection keeps, which it compares when it gets the lock, and everything begins anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "db/snapshot.h"
#include "db/sqlite.h"

#define STEP_PAGES 1024
#define TRIES 5

typedef struct restoring {
    const mtnt__sqlite *s;
    mtnt__call *call;
    const char *path;
    const mtnt__restore_terms *terms;
    mtnt__sqlite *guard; /* holds writers off while it looks */
    mtnt__sqlite *live;  /* is written to, by nothing but the backup */
    char *merged;        /* the snapshot with our own tables as they are now */
    unsigned int version;
    bool same, again;
    mtnt_error *err;
} restoring;

/* ---- under the guard's lock ---- */

static int judge(restoring *r)
{
    char digest[MTNT__DIGEST_SIZE];
    int rc = mtnt__sqlite_digest_of(r->guard, digest, r->err);

    if (rc != 0)
        return rc;
    r->same = strcmp(digest, r->terms->saved) == 0;
    if (!r->same && !mtnt__restore_allowed(r->terms, digest))
        return mtnt__snapshot_refuse(r->path, r->err);
    return MTNT_OK;
}

/* A page size that VACUUM has changed since cannot be taken back beneath open connections. */
static int check_page_size(restoring *r, mtnt__sqlite *saved)
{
    char now[MTNT__SQLITE_VALUE], then[MTNT__SQLITE_VALUE];
    int rc = mtnt__sqlite_value(r->guard, "PRAGMA page_size", now, r->err);

    if (rc == 0)
        rc = mtnt__sqlite_value(saved, "PRAGMA page_size", then, r->err);
    if (rc == 0 && strcmp(now, then) != 0)
        rc = mtnt_error_set(
            r->err, MTNT_E_REFUSED,
            "the page size of %s has changed from %s to %s since the snapshot %s, which cannot be restored into a "
            "live file then. Nothing was restored",
            r->s->path, then, now, r->path);
    return rc;
}

static int version_of(restoring *r, unsigned int *ret_version)
{
    int code = sqlite3_file_control(r->live->raw, r->live->main_schema, SQLITE_FCNTL_DATA_VERSION, ret_version);

    return code == SQLITE_OK ? MTNT_OK : mtnt__sqlite_backup_fail(code, r->s->path, r->err);
}

/* Reads the first page, so that the pager knows the version as of now, while nobody can write. */
static int note_version(restoring *r)
{
    char ignored[MTNT__SQLITE_VALUE];
    int rc = mtnt__sqlite_value(r->live, "PRAGMA schema_version", ignored, r->err);

    return rc == 0 ? version_of(r, &r->version) : rc;
}

/* One table's rows from the live file into the copy of the snapshot. */
static int carry_rows(restoring *r, sqlite3 *merged, sqlite3_stmt *rows, const char *table)
{
    int columns = sqlite3_column_count(rows), code;
    mtnt__buffer sql = {0};
    sqlite3_stmt *insert = NULL;

    mtnt__buffer_add_format(&sql, "INSERT INTO %s VALUES (?", table);
    for (int i = 1; i < columns; i++)
        mtnt__buffer_add_text(&sql, ", ?");
    mtnt__buffer_add_text(&sql, ")");
    code = sql.failed ? SQLITE_NOMEM : sqlite3_prepare_v2(merged, mtnt__buffer_text(&sql), -1, &insert, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        for (int i = 0; i < columns; i++)
            sqlite3_bind_value(insert, i + 1, sqlite3_column_value(rows, i));
        code = sqlite3_step(insert);
        if (code == SQLITE_DONE)
            code = sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    mtnt__buffer_release(&sql);
    return code == SQLITE_DONE ? MTNT_OK : mtnt__sqlite_backup_fail(code, r->path, r->err);
}

static int carry_table(restoring *r, sqlite3 *merged, const char *table)
{
    char text[80];
    sqlite3_stmt *rows = NULL;
    int code, rc;

    snprintf(text, sizeof(text), "DELETE FROM %s", table);
    code = sqlite3_exec(merged, text, NULL, NULL, NULL);
    if (code != SQLITE_OK)
        return mtnt__sqlite_backup_fail(code, r->path, r->err);
    snprintf(text, sizeof(text), "SELECT * FROM main.%s", table);
    code = sqlite3_prepare_v2(r->guard->raw, text, -1, &rows, NULL);
    rc = code == SQLITE_OK ? carry_rows(r, merged, rows, table) : mtnt__sqlite_fail(r->guard, code, r->err);
    sqlite3_finalize(rows);
    return rc;
}

/* Our own tables are the protocol's: they go along as they are now. */
static int carry_own_tables(restoring *r)
{
    static const char *const tables[] = {"mtnt_meta", "mtnt_applied", "mtnt_decision"};
    sqlite3 *merged = NULL;
    int code = sqlite3_open_v2(r->merged, &merged, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL), rc = MTNT_OK;

    if (code == SQLITE_OK)
        code = sqlite3_exec(merged, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL);
    if (code != SQLITE_OK)
        rc = mtnt__sqlite_backup_fail(code, r->merged, r->err);
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && rc == 0; i++)
        rc = carry_table(r, merged, tables[i]);
    if (rc == 0 && (code = sqlite3_exec(merged, "COMMIT", NULL, NULL, NULL)) != SQLITE_OK)
        rc = mtnt__sqlite_backup_fail(code, r->merged, r->err);
    sqlite3_close(merged);
    return rc;
}

/* A private copy beside the snapshot: the snapshot itself stays as it is. */
static int merge(restoring *r, mtnt__sqlite *saved)
{
    int rc;

    if (r->merged) {
        mtnt__file_remove(r->merged, NULL);
        free(r->merged);
        r->merged = NULL;
    }
    rc = mtnt__temporary_beside(r->path, &r->merged, r->err);
    if (rc == 0)
        rc = mtnt__file_make_private(r->merged, r->err);
    if (rc == 0)
        rc = mtnt__sqlite_copy(saved, r->call, r->merged, r->err);
    return rc == 0 ? carry_own_tables(r) : rc;
}

static int look(restoring *r, mtnt__sqlite *saved)
{
    int rc = mtnt__sqlite_begin(r->guard, r->call, r->err);

    if (rc != 0)
        return rc;
    mtnt__sqlite_enter(r->guard, r->call);
    rc = judge(r);
    if (rc == 0 && !r->same)
        rc = check_page_size(r, saved);
    if (rc == 0 && !r->same)
        rc = merge(r, saved);
    if (rc == 0 && !r->same)
        rc = note_version(r);
    mtnt__sqlite_rollback(r->guard, r->call);
    return rc;
}

/* ---- the way back ---- */

static int write_pages(restoring *r, sqlite3_backup *backup)
{
    int code = sqlite3_backup_step(backup, 0), rc = MTNT_OK; /* takes the lock, and writes nothing yet */
    unsigned int version;

    if (code != SQLITE_OK && code != SQLITE_DONE)
        return mtnt__sqlite_backup_fail(code, r->s->path, r->err);
    rc = version_of(r, &version);
    r->again = rc == 0 && version != r->version;
    while (rc == 0 && !r->again && code != SQLITE_DONE) {
        rc = mtnt__call_check(r->call, r->err);
        if (rc == 0)
            code = sqlite3_backup_step(backup, STEP_PAGES);
        if (rc == 0 && code != SQLITE_OK && code != SQLITE_DONE)
            rc = mtnt__sqlite_backup_fail(code, r->s->path, r->err);
    }
    return rc;
}

/* Rolled back unless the last step was done. */
static int put_back(restoring *r)
{
    mtnt__sqlite *merged = NULL;
    sqlite3_backup *backup = NULL;
    int rc = mtnt__sqlite_open_own(&merged, r->merged, true, r->call, r->err), code;

    if (rc == 0) {
        backup = sqlite3_backup_init(r->live->raw, r->live->main_schema, merged->raw, merged->main_schema);
        if (!backup)
            rc = mtnt__sqlite_backup_fail(sqlite3_extended_errcode(r->live->raw), r->s->path, r->err);
    }
    if (rc == 0)
        rc = write_pages(r, backup);
    code = backup ? sqlite3_backup_finish(backup) : SQLITE_OK;
    if (rc == 0 && code != SQLITE_OK)
        rc = mtnt__sqlite_backup_fail(code, r->s->path, r->err);
    mtnt__sqlite_close_own(merged);
    return rc;
}

static int go(restoring *r, mtnt__sqlite *saved)
{
    int rc = MTNT_OK;

    for (int tries = 0; tries < TRIES && rc == 0; tries++) {
        r->again = false;
        rc = look(r, saved);
        if (rc != 0 || r->same)
            return rc;
        rc = put_back(r);
        if (rc == 0 && !r->again)
            return MTNT_OK;
    }
    return rc != 0 ? rc : mtnt__snapshot_refuse(r->path, r->err);
}

int mtnt__sqlite_restore(void *state, mtnt__call *call, const char *path, const mtnt__restore_terms *terms,
                         bool *ret_changed, mtnt_error *err)
{
    restoring r = {.s = state, .call = call, .path = path, .terms = terms, .err = err};
    mtnt__sqlite *saved = NULL;
    int rc = mtnt__sqlite_open_own(&saved, path, true, call, err);

    if (rc == 0)
        rc = mtnt__sqlite_open_own(&r.guard, r.s->path, false, call, err);
    if (rc == 0)
        rc = mtnt__sqlite_open_own(&r.live, r.s->path, false, call, err);
    if (rc == 0)
        rc = go(&r, saved);
    if (rc == 0)
        *ret_changed = !r.same;
    mtnt__sqlite_close_own(r.live);
    mtnt__sqlite_close_own(r.guard);
    mtnt__sqlite_close_own(saved);
    if (r.merged)
        mtnt__file_remove(r.merged, NULL);
    free(r.merged);
    return rc == 0 ? MTNT_OK : mtnt_error_wrap(err, "restore of %s", r.s->path);
}
