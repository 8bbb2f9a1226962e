/* A snapshot of a model as it was, before its first change: --backup DIR. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "chain/names.h"
#include "coordinate/attempt.h"

/* ---- names ---- */

/* DIR/<tenant>/<UTC time>-v<version>-<migration>.db */
static char *path_of(const mtnt__attempt *attempt, const char *folder)
{
    const mtnt__system *system = attempt->link->controller->system;
    char time[MTNT__TIME_SIZE], plain[MTNT__TIME_SIZE];
    mtnt__buffer path = {0};
    size_t length = 0;

    mtnt__time_text(system->wall_ms(system->data), time);
    for (const char *c = time; *c != '\0' && *c != '.'; c++)
        if (*c != '-' && *c != ':')
            plain[length++] = *c;
    plain[length] = '\0';
    mtnt__buffer_add_format(&path, "%s/%sZ-v%" PRId64 "-%s.%s", folder, plain, attempt->position.version,
                            attempt->claim->migration, attempt->claim->model->backend == MTNT_SQLITE ? "db" : "dump");
    return mtnt__buffer_take(&path);
}

/* ---- whether there is anything to save ---- */

static int read_count(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data = mtnt_row_int(row, 0);
    return 0;
}

int mtnt__attempt_count_objects(mtnt__attempt *attempt, int64_t *ret_count, mtnt_error *err)
{
    const mtnt_value schema[] = {mtnt_value_text(attempt->claim->model->schema), mtnt_value_end()};

    if (attempt->claim->model->backend == MTNT_SQLITE)
        return mtnt__db_run(
            attempt->model, read_count, ret_count, err,
            "SELECT count(*) FROM {schema}.sqlite_schema WHERE tbl_name NOT IN ('mtnt_meta', 'mtnt_applied', "
            "'mtnt_decision')",
            NULL);
    return mtnt__db_run(
        attempt->model, read_count, ret_count, err,
        "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_' "
        "AND n.nspname <> 'information_schema' AND ($1::text IS NULL OR n.nspname = $1) "
        "AND c.relname NOT IN ('mtnt_meta', 'mtnt_applied', 'mtnt_decision')",
        schema);
}

static int is_due(mtnt__attempt *attempt, bool *ret_due, mtnt_error *err)
{
    int64_t objects = 0;
    int rc = 0;

    *ret_due = attempt->backup && attempt->options->backup != NULL && attempt->mode != MTNT__MODE_PROVISIONAL &&
               attempt->mode != MTNT__MODE_SINGLE_CONTROLLER && !attempt->model_missing;
    /* A model that we meet for the first time has no state to go back to, unless somebody else has put something into it. */
    if (*ret_due && (attempt->identity.fresh || !attempt->identity.known)) {
        rc = mtnt__attempt_count_objects(attempt, &objects, err);
        *ret_due = objects > 0;
    }
    return rc;
}

/* ---- taking it ---- */

static int take(mtnt__attempt *attempt, mtnt_error *err)
{
    char *tenant = mtnt__name_for_files(mtnt_model_id(attempt->claim->model)), *folder = NULL, *path = NULL;
    mtnt__buffer text = {0};
    int rc = 0;

    mtnt__buffer_add_format(&text, "%s/%s", attempt->options->backup, tenant == NULL ? "" : tenant);
    folder = mtnt__buffer_take(&text);
    path = folder == NULL ? NULL : path_of(attempt, folder);
    if (tenant == NULL || path == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = mtnt__folder_make(folder, err);
    if (rc == 0)
        rc = mtnt__db_snapshot(attempt->model, path, NULL, err);
    free(tenant);
    free(folder);
    free(path);
    return rc;
}

/* The lock of a pair is the whole controller's, which other tenants wait for: it is let go of meanwhile, and the model looked at again. */
static int take_unlocked(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__expected expected = mtnt__attempt_expects(attempt);
    mtnt__applied applied = {0};
    mtnt__position position;
    int rc;

    mtnt__sides_rollback(attempt);
    rc = take(attempt, err);
    if (rc == 0)
        rc = mtnt__sides_begin(attempt, err);
    if (rc == 0)
        rc = mtnt__model_state_take(attempt->model, attempt->chain, &expected, attempt->link->controller->system,
                                    &attempt->identity, &applied, err);
    if (rc == 0)
        rc = mtnt__previous_add_applied(&attempt->claim->previous, &applied, err);
    if (rc == 0)
        rc = mtnt__position_of(&applied, attempt->chain, &position, err);
    mtnt__applied_release(&applied);
    if (rc == 0 && strcmp(position.digest, attempt->position.digest) != 0) {
        rc = mtnt_error_set(err, MTNT_E_BUSY, "somebody else has migrated the model while its backup was made");
        if (err != NULL)
            err->retryable = true;
    }
    return rc;
}

int mtnt__backup_before(mtnt__attempt *attempt, mtnt_error *err)
{
    bool due = false;
    int rc = is_due(attempt, &due, err);

    if (rc == 0 && !due)
        return 0;
    if (rc == 0)
        rc = attempt->mode == MTNT__MODE_SUPER_JOURNAL ? take_unlocked(attempt, err) : take(attempt, err);
    if (rc == 0) {
        attempt->backed_up = true;
        return 0;
    }
    attempt->failed_phase = "backup";
    /* A program or a folder is not there; it is not the model that is missing. */
    if (rc == MTNT_E_NOT_FOUND && err != NULL)
        err->code = MTNT_E_IO;
    return mtnt_error_wrap(err, "backup into %s, without which nothing was changed", attempt->options->backup);
}
