/* Copies of a live file by SQLite's backup API: the file is never opened by anything but SQLite. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/snapshot.h"
#include "db/sqlite.h"

#define STEP_PAGES 256
#define BREATH_MS 1         /* between two steps, when writers may come in */
#define PATIENCE_RESTARTS 3 /* then writers wait */

int mtnt__sqlite_open_own(mtnt__sqlite **ret_own, const char *path, bool read_only, mtnt__call *call, mtnt_error *err)
{
    const mtnt__db_options options = {.read_only = read_only};
    void *own = NULL;
    int rc = mtnt__sqlite_new(&own, path, NULL, &options, err);

    if (rc != 0)
        return rc;
    rc = mtnt__sqlite_connect(own, call, err);
    if (rc != 0) {
        mtnt__sqlite_close_own(own);
        return rc;
    }
    /* Statements from here on are ours, and their waits go by the call. */
    mtnt__sqlite_enter(own, call);
    *ret_own = own;
    return MTNT_OK;
}

void mtnt__sqlite_close_own(mtnt__sqlite *own)
{
    if (!own)
        return;
    mtnt__sqlite_backend.disconnect(own);
    mtnt__sqlite_backend.free(own);
}

int mtnt__sqlite_backup_fail(int code, const char *path, mtnt_error *err)
{
    int ours;

    switch (code & 0xff) {
    case SQLITE_NOMEM: ours = MTNT_E_NOMEM; break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED: ours = MTNT_E_BUSY; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: ours = MTNT_E_CORRUPT; break;
    default: ours = MTNT_E_IO; break;
    }
    mtnt_error_set(err, ours, "%s: %s", path, sqlite3_errstr(code));
    if (err) {
        mtnt__text_copy(err->state, sizeof(err->state), mtnt__sqlite_code_name(code));
        err->retryable = ours == MTNT_E_BUSY;
    }
    return ours;
}

/* ---- steps ---- */

/* Writers change the source between two steps, and it begins anew; after a few times they are held off. */
static int hold_still(mtnt__sqlite *source, bool *held, mtnt_error *err)
{
    char ignored[MTNT__SQLITE_VALUE];
    int rc = mtnt__sqlite_exec(source, "BEGIN", err);

    if (rc == 0)
        rc = mtnt__sqlite_value(source, "PRAGMA schema_version", ignored, err);
    *held = rc == 0;
    return rc;
}

static int copy_pages(mtnt__sqlite *source, const mtnt__call *call, sqlite3_backup *backup, const char *target,
                      bool *held, mtnt_error *err)
{
    int code = SQLITE_OK, rc = MTNT_OK, left = INT32_MAX, restarts = 0;

    while (rc == 0 && code != SQLITE_DONE) {
        rc = mtnt__call_check(call, err);
        if (rc != 0)
            break;
        code = sqlite3_backup_step(backup, STEP_PAGES);
        if (code != SQLITE_OK && code != SQLITE_DONE)
            return mtnt__sqlite_backup_fail(code, target, err);
        if (sqlite3_backup_remaining(backup) >= left && ++restarts >= PATIENCE_RESTARTS && !*held)
            rc = hold_still(source, held, err);
        left = sqlite3_backup_remaining(backup);
        if (!*held && code != SQLITE_DONE)
            call->system->sleep_ms(call->system->data, BREATH_MS);
    }
    return rc;
}

static int copy_into(mtnt__sqlite *source, const mtnt__call *call, sqlite3 *raw, const char *target, mtnt_error *err)
{
    sqlite3_backup *backup;
    char mode[MTNT__SQLITE_VALUE] = "";
    bool held = false;
    int rc = mtnt__sqlite_value(source, "PRAGMA journal_mode", mode, err), code;

    /* With a write-ahead log a reader is in nobody's way. */
    if (rc == 0 && strcmp(mode, "wal") == 0)
        rc = hold_still(source, &held, err);
    if (rc != 0)
        return rc;
    backup = sqlite3_backup_init(raw, "main", source->raw, source->main_schema);
    if (!backup)
        return mtnt__sqlite_backup_fail(sqlite3_extended_errcode(raw), target, err);
    rc = copy_pages(source, call, backup, target, &held, err);
    code = sqlite3_backup_finish(backup);
    if (rc == 0 && code != SQLITE_OK)
        rc = mtnt__sqlite_backup_fail(code, target, err);
    if (held)
        mtnt__sqlite_exec(source, "ROLLBACK", NULL);
    return rc;
}

/* One file, whatever the journal of its source: a log beside it would be lost with the first copy that somebody makes. */
static int settle(sqlite3 *raw, const char *target, mtnt_error *err)
{
    int code = sqlite3_exec(raw, "PRAGMA journal_mode = DELETE; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);

    return code == SQLITE_OK ? MTNT_OK : mtnt__sqlite_backup_fail(code, target, err);
}

int mtnt__sqlite_copy(mtnt__sqlite *source, const mtnt__call *call, const char *target, mtnt_error *err)
{
    sqlite3 *raw = NULL;
    int code =
        sqlite3_open_v2(target, &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
    int rc;

    if (code != SQLITE_OK) {
        rc = mtnt__sqlite_backup_fail(code, target, err);
        goto out;
    }
    sqlite3_extended_result_codes(raw, 1);
    /* Nobody reads it before it is whole, synced and renamed. */
    code = sqlite3_exec(raw, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL);
    rc = code == SQLITE_OK ? copy_into(source, call, raw, target, err) : mtnt__sqlite_backup_fail(code, target, err);
    if (rc == 0)
        rc = settle(raw, target, err);
out:
    code = sqlite3_close(raw);
    if (rc == 0 && code != SQLITE_OK)
        rc = mtnt__sqlite_backup_fail(code, target, err);
    return rc;
}

/* ---- the snapshot ---- */

static int check_room(mtnt__sqlite *source, const char *path, mtnt_error *err)
{
    char pages[MTNT__SQLITE_VALUE], size[MTNT__SQLITE_VALUE];
    int rc = mtnt__sqlite_value(source, "PRAGMA page_count", pages, err);

    if (rc == 0)
        rc = mtnt__sqlite_value(source, "PRAGMA page_size", size, err);
    return rc == 0 ? mtnt__snapshot_room(path, mtnt__number_of_text(pages) * mtnt__number_of_text(size), err) : rc;
}

/* SQLite may have put files of its own beside the temporary. */
static void remove_siblings(const char *path)
{
    static const char *const endings[] = {"-journal", "-wal", "-shm"};
    char name[4200];

    for (size_t i = 0; path && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (snprintf(name, sizeof(name), "%s%s", path, endings[i]) < (int)sizeof(name))
            remove(name);
}

static int digest_file(const char *path, mtnt__call *call, char *ret_digest, mtnt_error *err)
{
    mtnt__sqlite *own = NULL;
    int rc = mtnt__sqlite_open_own(&own, path, true, call, err);

    if (rc == 0)
        rc = mtnt__sqlite_digest_of(own, ret_digest, err);
    mtnt__sqlite_close_own(own);
    return rc;
}

int mtnt__sqlite_snapshot(void *state, mtnt__call *call, const char *path, char *ret_digest, mtnt_error *err)
{
    const mtnt__sqlite *s = state;
    mtnt__newborn newborn = {0};
    mtnt__sqlite *source = NULL;
    int rc = mtnt__sqlite_open_own(&source, s->path, true, call, err);

    if (rc == 0)
        rc = check_room(source, path, err);
    if (rc == 0)
        rc = mtnt__newborn_begin(&newborn, path, err);
    if (rc == 0)
        rc = mtnt__sqlite_copy(source, call, newborn.temporary, err);
    if (rc == 0 && ret_digest)
        rc = digest_file(newborn.temporary, call, ret_digest, err);
    if (rc == 0)
        rc = mtnt__newborn_finish(&newborn, ret_digest, err);
    if (rc != 0)
        remove_siblings(newborn.temporary);
    mtnt__newborn_release(&newborn);
    mtnt__sqlite_close_own(source);
    return rc == 0 ? MTNT_OK : mtnt_error_wrap(err, "snapshot of %s", s->path);
}
