#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/text.h"
#include "coordinate/attempt.h"
#include "state/tables.h"

static char *provisional_database(const char *migration)
{
    char name[16 + MTNT__ID_SIZE];

    snprintf(name, sizeof(name), "mtnt_new_%s", migration);
    return strdup(name);
}

char *mtnt__provision_dsn(const mtnt_model *model, const char *migration)
{
    const char *dsn = mtnt__model_dsn(model);
    char *database, *result = NULL;
    size_t size;

    if (model->backend == MTNT_SQLITE) {
        size = strlen(dsn) + sizeof(".mtnt-new-") + MTNT__ID_SIZE;
        result = malloc(size);
        if (result != NULL)
            snprintf(result, size, "%s.mtnt-new-%s", dsn, migration);
        return result;
    }
    database = provisional_database(migration);
    if (database != NULL)
        result = mtnt__dsn_with_database(dsn, database);
    free(database);
    return result;
}

int mtnt__provision_mark(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__expected expected = mtnt__attempt_expects(attempt);
    mtnt__applied none = {0};
    int rc = mtnt__model_state_take(attempt->model, attempt->chain, &expected, attempt->link->controller->system,
                                    &attempt->identity, &none, err);

    if (rc == 0)
        rc = mtnt__meta_set(attempt->model, "created_by", attempt->claim->migration, err);
    mtnt__applied_release(&none);
    return rc;
}

static int create_schema(mtnt__attempt *attempt, mtnt_error *err)
{
    return mtnt__db_run_script(attempt->model, err, "CREATE SCHEMA {schema}");
}

static int create_database(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);
    char *database = provisional_database(attempt->claim->migration);
    int rc = database == NULL
                 ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                 : mtnt__postgres_create_database(mtnt__model_dsn(attempt->claim->model), database, &options, err);

    free(database);
    return rc;
}

int mtnt__provision_create(void *data, bool *ret_created, mtnt_error *err)
{
    mtnt__attempt *attempt = data;
    int rc = 0;

    if (!attempt->model_missing) {
        *ret_created = false;
        return 0;
    }
    if (attempt->created)
        return mtnt_error_set(err, MTNT_E_INVALID, "the model has been created already");
    if (attempt->mode != MTNT__MODE_PROVISIONAL) {
        rc = create_schema(attempt, err);
    } else {
        /* From here on there may be something to remove, whatever the answer. */
        attempt->created = true;
        if (attempt->claim->model->backend == MTNT_POSTGRES)
            rc = create_database(attempt, err);
        if (rc == 0)
            rc = mtnt__db_begin(attempt->model, err);
    }
    if (rc == 0)
        rc = mtnt__provision_mark(attempt, err);
    if (rc != 0)
        return mtnt_error_wrap(err, "cannot create the model %s", attempt->claim->model->shown);
    attempt->made_model = true;
    *ret_created = true;
    return 0;
}

static int remove_sqlite(const char *path, mtnt_error *err)
{
    static const char *const siblings[] = {"-wal", "-shm", "-journal"};
    size_t size = strlen(path) + 16;
    char *name = malloc(size);
    int rc = name == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : mtnt__file_remove(path, err);

    for (size_t i = 0; i < sizeof(siblings) / sizeof(*siblings) && rc == 0; i++) {
        snprintf(name, size, "%s%s", path, siblings[i]);
        rc = mtnt__file_remove(name, err);
    }
    if (rc == 0)
        rc = mtnt__folder_sync_of(path, err);
    free(name);
    return rc;
}

int mtnt__provision_remove(const mtnt_controller *controller, const mtnt_model *model, const char *migration,
                           mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, NULL);
    char *name =
        model->backend == MTNT_SQLITE ? mtnt__provision_dsn(model, migration) : provisional_database(migration);
    int rc;

    if (name == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    rc = model->backend == MTNT_SQLITE ? remove_sqlite(mtnt__dsn_sqlite_path(name), err)
                                       : mtnt__postgres_drop_database(mtnt__model_dsn(model), name, &options, err);
    free(name);
    return rc;
}

int mtnt__provision_delete(void *data, mtnt_error *err)
{
    mtnt__attempt *attempt = data;
    int rc;

    if (!attempt->created)
        return 0;
    mtnt__db_rollback(attempt->model);
    mtnt__db_disconnect(attempt->model);
    rc = mtnt__provision_remove(attempt->link->controller, attempt->claim->model, attempt->claim->migration, err);
    if (rc == 0)
        attempt->created = attempt->made_model = false;
    return rc == 0 ? 0 : mtnt_error_wrap(err, "cannot delete the model that was being created");
}

int mtnt__provision_sync(mtnt__jointly *jointly, const mtnt_model *model, mtnt_error *err)
{
    return model->backend == MTNT_SQLITE
               ? mtnt__jointly_sync_folder_of(jointly, mtnt__dsn_sqlite_path(mtnt__model_dsn(model)), err)
               : 0;
}

/* Of what is at a SQLite model's name, not of what a link there leads to. */
static bool look_at_name(const mtnt_model *model, struct stat *ret_status)
{
    return model->backend == MTNT_SQLITE && lstat(mtnt__dsn_sqlite_path(mtnt__model_dsn(model)), ret_status) == 0;
}

bool mtnt__provision_name_taken(const mtnt_model *model)
{
    struct stat status;

    return look_at_name(model, &status);
}

/* A folder or a link cannot be read as a database, and was never made by us. */
static bool is_no_file(const mtnt_model *model)
{
    struct stat status;

    return look_at_name(model, &status) && !S_ISREG(status.st_mode);
}

static int rename_provisional(const mtnt_controller *controller, const mtnt_model *model, const char *migration,
                              mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, NULL);
    const char *dsn = mtnt__model_dsn(model);
    char *from =
        model->backend == MTNT_SQLITE ? mtnt__provision_dsn(model, migration) : provisional_database(migration);
    char *to = model->backend == MTNT_SQLITE ? strdup(dsn) : mtnt__dsn_database(dsn);
    int rc;

    if (from == NULL || to == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    else if (model->backend == MTNT_SQLITE)
        rc = mtnt__file_rename_new(mtnt__dsn_sqlite_path(from), mtnt__dsn_sqlite_path(to), err);
    else
        rc = mtnt__postgres_rename_database(dsn, from, to, &options, err);
    free(from);
    free(to);
    return rc;
}

static int read_creator(const mtnt_controller *controller, const mtnt_model *model, char ret_migration[MTNT__ID_SIZE],
                        mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, NULL);
    mtnt_db *db = NULL;
    size_t version = 0;
    int rc;

    options.read_only = true;
    ret_migration[0] = '\0';
    rc = mtnt__db_open(&db, mtnt__model_dsn(model), &options, err);
    if (rc == 0)
        rc = mtnt__db_begin(db, err);
    if (rc == 0)
        rc = mtnt__tables_version(db, &mtnt__tables_model, &version, err);
    if (rc == 0 && version > 0) {
        rc = mtnt__meta_get(db, "created_by", ret_migration, MTNT__ID_SIZE, err);
        rc = rc == MTNT_E_NOT_FOUND ? 0 : rc;
    }
    mtnt__db_close(db);
    return rc;
}

/* Whose model is at the name now. EXISTS or NOT_FOUND of the rename: perhaps another recoverer was quicker. Who is at the name decides, never that
 * somebody is. */
static int check_target(const mtnt_controller *controller, const mtnt_model *model, const char *migration,
                        mtnt_error *err)
{
    char found[MTNT__ID_SIZE];
    int rc = is_no_file(model) ? MTNT_E_CORRUPT : read_creator(controller, model, found, err);

    if (rc == MTNT_E_CORRUPT || (rc == 0 && strcmp(found, migration) != 0))
        return mtnt_error_set(
            err, MTNT_E_BLOCKED,
            "the model has been made and committed, but something else has appeared at %s meanwhile. Both are kept (ours beside it, "
            "with the ending mtnt-new-%s): move the other one away, then   mtnt-model recover",
            model->shown, migration);
    return rc;
}

static bool is_built(const mtnt_model *model, mtnt__file_identity built)
{
    return model->backend == MTNT_SQLITE &&
           mtnt__file_identity_equal(mtnt__file_identify(mtnt__dsn_sqlite_path(mtnt__model_dsn(model))), built);
}

int mtnt__provision_finish(const mtnt_controller *controller, mtnt__jointly *jointly, const mtnt_model *model,
                           const char *migration, mtnt__file_identity built, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = rename_provisional(controller, model, migration, &own);

    if (rc != 0 && rc != MTNT_E_EXISTS && rc != MTNT_E_NOT_FOUND) {
        if (err != NULL)
            *err = own;
        return rc;
    }
    if (rc != 0 || !is_built(model, built))
        rc = check_target(controller, model, migration, err);
    if (rc == 0)
        rc = mtnt__provision_sync(jointly, model, err);
    return rc;
}
