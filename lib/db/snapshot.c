/* Snapshots through a handle, and what both backends need for them. */
#include "db/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/files.h"
#include "base/text.h"
#include "db/handle.h"

/* ---- the file ---- */

int mtnt__newborn_begin(mtnt__newborn *newborn, const char *path, mtnt_error *err)
{
    struct stat status;
    int rc;

    *newborn = (mtnt__newborn){.path = path};
    if (lstat(path, &status) == 0)
        return mtnt_error_set(err, MTNT_E_EXISTS, "%s exists already, and a snapshot is never written over", path);
    rc = mtnt__temporary_beside(path, &newborn->temporary, err);
    if (rc == 0)
        rc = mtnt__file_make_private(newborn->temporary, err);
    return rc;
}

static char *note_beside(const char *path)
{
    mtnt__buffer name = {0};

    mtnt__buffer_add_text(&name, path);
    mtnt__buffer_add_text(&name, ".state");
    return mtnt__buffer_take(&name);
}

int mtnt__db_note_write(const char *path, const mtnt__restore_terms *terms, mtnt_error *err)
{
    char *note = note_beside(path), text[3 * MTNT__DIGEST_SIZE + 1];
    int length =
            snprintf(text, sizeof(text), "%s\n%s\n%s\n", terms->saved, terms->left, terms->next ? terms->next : ""),
        rc;

    rc = note ? mtnt__file_write(note, text, (size_t)length, true, err)
              : mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    free(note);
    return rc;
}

/* A line; false when it is longer than a digest. */
static const char *take_line(const char *text, char ret_line[MTNT__DIGEST_SIZE])
{
    size_t length = strcspn(text, "\n");

    if (length >= MTNT__DIGEST_SIZE || text[length] != '\n')
        return NULL;
    memcpy(ret_line, text, length);
    ret_line[length] = '\0';
    return text + length + 1;
}

int mtnt__db_note_read(const char *path, mtnt__note *ret_note, mtnt_error *err)
{
    char *note = note_beside(path), *text = NULL;
    const char *rest;
    int rc = note ? mtnt__file_read(note, &text, NULL, err) : mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");

    if (rc == 0 && (!(rest = take_line(text, ret_note->saved)) || !(rest = take_line(rest, ret_note->left)) ||
                    !take_line(rest, ret_note->next)))
        rc = mtnt_error_set(err, MTNT_E_CORRUPT, "%s is not what was written beside the snapshot", note);
    free(text);
    free(note);
    return rc;
}

bool mtnt__restore_allowed(const mtnt__restore_terms *terms, const char *digest)
{
    return *digest && (strcmp(digest, terms->left) == 0 || (terms->next && strcmp(digest, terms->next) == 0));
}

int mtnt__newborn_finish(mtnt__newborn *newborn, const char *digest, mtnt_error *err)
{
    const mtnt__restore_terms terms = {digest, digest, NULL};
    int rc = mtnt__file_sync(newborn->temporary, err);

    if (rc == 0 && digest)
        rc = mtnt__db_note_write(newborn->path, &terms, err);
    if (rc == 0)
        rc = mtnt__file_rename_new(newborn->temporary, newborn->path, err);
    return rc == 0 ? mtnt__folder_sync_of(newborn->path, err) : rc;
}

void mtnt__newborn_release(mtnt__newborn *newborn)
{
    if (newborn->temporary)
        mtnt__file_remove(newborn->temporary, NULL);
    free(newborn->temporary);
    newborn->temporary = NULL;
}

int mtnt__snapshot_room(const char *path, int64_t bytes, mtnt_error *err)
{
    char *folder = mtnt__path_beside(path, ".");
    struct statvfs system;
    int64_t room = INT64_MAX;

    if (!folder)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (statvfs(folder, &system) == 0 && system.f_blocks > 0)
        room = (int64_t)((uint64_t)system.f_bavail * system.f_frsize);
    free(folder);
    if (room >= bytes)
        return MTNT_OK;
    return mtnt_error_set(
        err, MTNT_E_IO,
        "there is no room for %s: it takes %lld bytes, and %lld are left. Make room, or name a folder "
        "on another disk",
        path, (long long)bytes, (long long)room);
}

int mtnt__snapshot_refuse(const char *path, mtnt_error *err)
{
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "the model is not as this migration left it: somebody else has written to it since the snapshot, or "
        "nobody can tell, and a restore would lose that. Nothing was restored. The snapshot is %s: compare, "
        "and restore it by hand with the application stopped, if that is what you want",
        path);
}

/* ---- through a handle ---- */

static int enter(mtnt_db *db, const mtnt__call *call, bool known, mtnt_error *err)
{
    int rc;

    if (!known || call->side == MTNT__SIDE_CONTROLLER)
        return mtnt_error_set(err, MTNT_E_INVALID, "no snapshot can be taken of this database");
    rc = mtnt__db_connect(db, err);
    return rc == 0 ? mtnt__call_check(call, err) : rc;
}

int mtnt__db_snapshot(mtnt_db *db, const char *path, char *ret_digest, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    const mtnt__backend *backend = db->connection->backend;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = enter(db, &call, backend->snapshot != NULL, err);
    return rc == 0 ? backend->snapshot(db->connection->state, &call, path, ret_digest, err) : rc;
}

int mtnt__db_digest(mtnt_db *db, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    const mtnt__backend *backend = db->connection->backend;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = enter(db, &call, backend->digest != NULL, err);
    return rc == 0 ? backend->digest(db->connection->state, &call, ret_digest, err) : rc;
}

int mtnt__db_digest_inside(mtnt_db *db, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    const mtnt__backend *backend = db->connection->backend;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    if (!mtnt__db_in_transaction(db))
        return mtnt_error_set(err, MTNT_E_INVALID, "there is no transaction to look from");
    rc = enter(db, &call, backend->digest_inside != NULL, err);
    return rc == 0 ? backend->digest_inside(db->connection->state, &call, ret_digest, err) : rc;
}

int mtnt__db_restore(mtnt_db *db, const char *path, const mtnt__restore_terms *terms, bool *ret_changed,
                     mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    const mtnt__backend *backend = db->connection->backend;
    mtnt__call call = mtnt__call_of(db, false);
    bool changed = false;
    int rc;

    err = err ? err : &unseen;
    rc = enter(db, &call, backend->restore != NULL, err);
    if (rc == 0 && db->connection->transaction)
        rc = mtnt_error_set(err, MTNT_E_INVALID, "a snapshot is restored outside any transaction");
    if (rc == 0)
        rc = backend->restore(db->connection->state, &call, path, terms, &changed, err);
    if (rc == 0)
        *ret_changed = changed;
    return rc;
}
