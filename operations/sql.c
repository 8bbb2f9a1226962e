/* sql: scripts for model and controller, up and down, for either backend or for one. */
#include <stdlib.h>

#include "common.h"

typedef struct config {
    mtnt__operations_choice model_up, model_down, model_verify, controller_up, controller_down, controller_verify;
} config;

static void config_free(void *owned)
{
    config *texts = owned;

    if (texts == NULL)
        return;
    mtnt__operations_choice_release(&texts->model_up);
    mtnt__operations_choice_release(&texts->model_down);
    mtnt__operations_choice_release(&texts->controller_up);
    mtnt__operations_choice_release(&texts->controller_down);
    mtnt__operations_choice_release(&texts->model_verify);
    mtnt__operations_choice_release(&texts->controller_verify);
    free(texts);
}

/* An empty down is none: folders of other tools have such files, and their operations go up all the same. */
static int fill_side(mtnt__operations_choice *up, mtnt__operations_choice *down, mtnt__operations_choice *verify,
                     const char *name, const mtnt_sql_side *side, mtnt_error *err)
{
    int rc;

    up->name = down->name = verify->name = name;
    up->suffix = ".up";
    down->suffix = ".down";
    verify->suffix = ".verify";
    rc = mtnt__operations_choice_fill(up, &side->any_up, &side->sqlite_up, &side->postgres_up, true, err);
    if (rc == 0)
        rc = mtnt__operations_choice_fill(down, &side->any_down, &side->sqlite_down, &side->postgres_down, false, err);
    if (rc == 0)
        rc = mtnt__operations_choice_fill(verify, &side->any_verify, &side->sqlite_verify, &side->postgres_verify,
                                          false, err);
    return rc;
}

static int config_new(config **ret_config, const mtnt_sql_options *options, mtnt_error *err)
{
    config *texts = calloc(1, sizeof(*texts));
    int rc;

    if (texts == NULL)
        return mtnt__operations_nomem(err);
    rc = fill_side(&texts->model_up, &texts->model_down, &texts->model_verify, "sql.model", &options->model, err);
    if (rc == 0)
        rc = fill_side(&texts->controller_up, &texts->controller_down, &texts->controller_verify, "sql.controller",
                       &options->controller, err);
    if (rc == 0 && mtnt__operations_choice_empty(&texts->model_up) &&
        mtnt__operations_choice_empty(&texts->controller_up))
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "there is no SQL to run, neither for the model nor for the controller");
    if (rc != 0) {
        config_free(texts);
        return rc;
    }
    *ret_config = texts;
    return 0;
}

/* ---- running ---- */

static int run_up(const mtnt__operations_choice *up, mtnt_db *db, const mtnt_model *model, mtnt_error *err)
{
    return mtnt__operations_choice_empty(up) ? 0 : mtnt__operations_choice_run(up, db, model, false, err);
}

static int run_down(const mtnt__operations_choice *up, const mtnt__operations_choice *down, mtnt_db *db,
                    const mtnt_model *model, bool in_doubt, mtnt_error *err)
{
    /* A side that went up and has no way down is an error: going on would take back half of the operation. */
    if (mtnt__operations_choice_empty(up) && mtnt__operations_choice_empty(down))
        return 0;
    return mtnt__operations_choice_run(down, db, model, in_doubt, err);
}

static int sql_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const config *texts = mtnt_operation_config(operation);
    uint32_t writes = mtnt_context_writes(context);
    int rc = 0;

    if ((writes & MTNT_WRITES_MODEL) != 0)
        rc = run_up(&texts->model_up, mtnt_scope_model(context), model, err);
    if (rc == 0 && (writes & MTNT_WRITES_CONTROLLER) != 0)
        rc = run_up(&texts->controller_up, mtnt_scope_controller(context), model, err);
    return rc;
}

static int sql_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const config *texts = mtnt_operation_config(operation);
    uint32_t writes = mtnt_context_writes(context);
    /* How much of the script has run is not known: what it finds missing has not come about. */
    bool in_doubt = mtnt_context_progress(context) == MTNT_PROGRESS_IN_DOUBT;
    int rc = 0;

    if (mtnt_context_progress(context) == MTNT_PROGRESS_NOT_STARTED)
        return 0;
    if ((writes & MTNT_WRITES_CONTROLLER) != 0)
        rc = run_down(&texts->controller_up, &texts->controller_down, mtnt_scope_controller(context), model, in_doubt,
                      err);
    if (rc == 0 && (writes & MTNT_WRITES_MODEL) != 0)
        rc = run_down(&texts->model_up, &texts->model_down, mtnt_scope_model(context), model, in_doubt, err);
    return rc;
}

static int run_verify(const mtnt__operations_choice *verify, mtnt_db *db, const mtnt_model *model, mtnt_error *err)
{
    return mtnt__operations_choice_has(verify, db) ? mtnt__operations_choice_run(verify, db, model, false, err) : 0;
}

static int sql_verify(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const config *texts = mtnt_operation_config(operation);
    uint32_t writes = mtnt_context_writes(context);
    int rc = 0;

    if ((writes & MTNT_WRITES_MODEL) != 0)
        rc = run_verify(&texts->model_verify, mtnt_scope_model(context), model, err);
    if (rc == 0 && (writes & MTNT_WRITES_CONTROLLER) != 0)
        rc = run_verify(&texts->controller_verify, mtnt_scope_controller(context), model, err);
    return rc;
}

/* Two classes, because only the absence of a rollback tells that there is no way back. */
static const mtnt_operation_class one_way = {
    MTNT_OPERATION_CLASS_INIT,       .name = "sql",          .writes = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER,
    .flags = MTNT_OPERATION_BY_SIDE, .execute = sql_execute, .verify = sql_verify,
};

static const mtnt_operation_class both_ways = {
    MTNT_OPERATION_CLASS_INIT,       .name = "sql",          .writes = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER,
    .flags = MTNT_OPERATION_BY_SIDE, .execute = sql_execute, .verify = sql_verify,
    .rollback = sql_rollback,
};

/* ---- adding ---- */

static uint32_t writes_of(const config *texts)
{
    uint32_t writes = MTNT_WRITES_NOTHING;

    if (!mtnt__operations_choice_empty(&texts->model_up) || !mtnt__operations_choice_empty(&texts->model_down))
        writes |= MTNT_WRITES_MODEL;
    if (!mtnt__operations_choice_empty(&texts->controller_up) ||
        !mtnt__operations_choice_empty(&texts->controller_down))
        writes |= MTNT_WRITES_CONTROLLER;
    return writes;
}

static bool way_back(const config *texts)
{
    return !mtnt__operations_choice_empty(&texts->model_down) ||
           !mtnt__operations_choice_empty(&texts->controller_down);
}

static void append_checksum(const config *texts, const char *said, mtnt__operations_text *checksum)
{
    if (said != NULL) {
        mtnt__operations_append_part(checksum, "said", said);
        return;
    }
    mtnt__operations_choice_append_checksum(&texts->model_up, checksum);
    mtnt__operations_choice_append_checksum(&texts->model_down, checksum);
    mtnt__operations_choice_append_checksum(&texts->controller_up, checksum);
    mtnt__operations_choice_append_checksum(&texts->controller_down, checksum);
}

int mtnt_operation_add_sql(mtnt_chain *chain, const mtnt_sql_options *options, const mtnt_entry *entry, mtnt_error *err)
{
    mtnt__operations_text checksum = {NULL, false}, model_up = {NULL, false}, controller_up = {NULL, false};
    mtnt_entry made = mtnt__operations_entry(entry);
    mtnt_entry_sql sql[2 * MTNT__CHOICES];
    config *texts = NULL;
    int rc;

    rc = config_new(&texts, options, err);
    if (rc != 0) {
        mtnt__operations_blame(err, entry, "sql");
        goto out;
    }
    mtnt__operations_append(&checksum, "sql\n");
    append_checksum(texts, entry != NULL ? entry->checksum : NULL, &checksum);
    mtnt__operations_choice_append_shown(&texts->model_up, &model_up);
    mtnt__operations_choice_append_shown(&texts->controller_up, &controller_up);
    if (checksum.failed || model_up.failed || controller_up.failed) {
        rc = mtnt__operations_nomem(err);
        goto out;
    }
    made.config = texts;
    made.config_free = config_free;
    made.checksum = checksum.text;
    made.writes = writes_of(texts);
    if (made.writes == MTNT_WRITES_MODEL && !mtnt__operations_choice_names(&texts->model_up))
        made.flags |= MTNT_OPERATION_SAME_FOR_ALL;
    made.model_up = model_up.text;
    made.controller_up = controller_up.text;
    mtnt__operations_choice_list(&texts->model_up, false, sql, &made.sql_count);
    mtnt__operations_choice_list(&texts->controller_up, true, sql, &made.sql_count);
    made.sql = sql;
    rc = mtnt_chain_add_entry(chain, way_back(texts) ? &both_ways : &one_way, &made, err);
    texts = NULL; /* the chain's, also when it refused the entry */
out:
    config_free(texts);
    free(checksum.text);
    free(model_up.text);
    free(controller_up.text);
    return rc;
}
