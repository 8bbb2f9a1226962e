/* Snapshots that a migration takes of its model by itself, and goes back to. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/text.h"
#include "chain/chain.h"
#include "chain/names.h"
#include "db/database.h"
#include "mtnt/scope.h"

/* The same for execute and for the rollback that compensates it, in whatever process. malloc'ed; the folder too when wanted. */
static int locate(const mtnt_model *model, const char *migration, const char *folder, const char *name, char **ret_path,
                  char **ret_folder, mtnt_error *err)
{
    char *tenant = mtnt__name_for_files(mtnt_model_id(model)), *plain = mtnt__name_for_files(name);
    mtnt__buffer text = {0};
    char *own = NULL, *path = NULL;

    if (tenant != NULL && plain != NULL) {
        mtnt__buffer_add_format(&text, "%s/%s", folder, tenant);
        own = mtnt__buffer_take(&text);
    }
    if (own != NULL) {
        text = (mtnt__buffer){0};
        mtnt__buffer_add_format(&text, "%s/%s-%s.%s", own, plain, migration,
                                mtnt_model_backend(model) == MTNT_SQLITE ? "db" : "dump");
        path = mtnt__buffer_take(&text);
    }
    free(tenant);
    free(plain);
    if (path == NULL) {
        free(own);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    *ret_path = path;
    if (ret_folder != NULL)
        *ret_folder = own;
    else
        free(own);
    return MTNT_OK;
}

int mtnt__snapshot_path(const mtnt_model *model, const char *migration, const mtnt__chain_entry *entry, char **ret_path,
                        mtnt_error *err)
{
    mtnt__buffer name = {0};
    char *text;
    int rc;

    mtnt__buffer_add_format(&name, "v%" PRId64 "-%s", entry->order, entry->name);
    text = mtnt__buffer_take(&name);
    rc = text == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                      : locate(model, migration, entry->config, text, ret_path, NULL, err);
    free(text);
    return rc;
}

static int check(const mtnt_scope *scope, const char *folder, const char *name, mtnt_error *err)
{
    if (folder == NULL || *folder == '\0' || name == NULL || *name == '\0')
        return mtnt_error_set(err, MTNT_E_INVALID, "a snapshot needs a folder and a name");
    if (scope->model == NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "there is no model to take a snapshot of");
    if (mtnt__db_in_transaction(scope->model))
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "a snapshot is taken and restored outside a transaction: the operation needs the flag "
                              "MTNT_OPERATION_NO_TRANSACTION");
    return MTNT_OK;
}

static bool is_there(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

int mtnt_scope_snapshot(mtnt_scope *scope, const char *folder, const char *name, mtnt_error *err)
{
    char digest[MTNT__DIGEST_SIZE], *path = NULL, *own = NULL;
    int rc = check(scope, folder, name, err);

    if (rc == 0)
        rc = locate(scope->tenant, scope->migration, folder, name, &path, &own, err);
    if (rc == 0 && !is_there(path)) {
        rc = mtnt__folder_make(own, err);
        if (rc == 0)
            rc = mtnt__db_snapshot(scope->model, path, digest, err);
    }
    free(path);
    free(own);
    return rc;
}

/* The note is written before the snapshot has its name: alone it says that the snapshot was not finished, or that somebody has removed it. */
static int without_snapshot(mtnt_scope *scope, const char *path, const char *saved, mtnt_error *err)
{
    char digest[MTNT__DIGEST_SIZE];
    int rc = mtnt__db_digest(scope->model, digest, err);

    if (rc == 0 && strcmp(digest, saved) != 0)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND,
                            "the snapshot %s is gone, and the model has changed since: it cannot be restored", path);
    return rc;
}

int mtnt_scope_restore(mtnt_scope *scope, const char *folder, const char *name, mtnt_error *err)
{
    mtnt__note note;
    char *path = NULL;
    mtnt_error other = MTNT_ERROR_INIT;
    bool changed = false;
    int rc = check(scope, folder, name, err);

    if (rc == 0)
        rc = locate(scope->tenant, scope->migration, folder, name, &path, NULL, err);
    if (rc != 0)
        return rc;
    rc = mtnt__db_note_read(path, &note, &other);
    if (rc == MTNT_E_NOT_FOUND && !is_there(path) && !scope->saved) {
        /* Nothing was saved: there is nothing to go back to, nor anything to go back from. */
        rc = 0;
    } else if (rc != 0) {
        mtnt_error_wrap(&other, "the snapshot %s cannot be compared with the model, and was not restored", path);
        if (err != NULL)
            *err = other;
    } else if (!is_there(path)) {
        rc = without_snapshot(scope, path, note.saved, err);
    } else {
        rc = mtnt__db_restore(scope->model, path, &(mtnt__restore_terms){note.saved, note.left, note.next}, &changed,
                              err);
    }
    free(path);
    return rc;
}
