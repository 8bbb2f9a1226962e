/* What a tenant's migration would rest on, without beginning one. */
#include <stdio.h>
#include <string.h>

#include "coordinate/attempt.h"

static void describe(const mtnt__db_facts *facts, char *ret_text, size_t size)
{
    if (facts->backend == MTNT_SQLITE)
        snprintf(ret_text, size, "SQLite %d.%d.%d, %.100s", facts->version / 1000000, facts->version / 1000 % 1000,
                 facts->version % 1000, facts->detail);
    else
        snprintf(ret_text, size, "PostgreSQL %d.%d, %.100s, max_prepared_transactions=%d", facts->version / 10000,
                 facts->version % 10000, facts->detail, facts->max_prepared_transactions);
}

static void survey_chain(const mtnt_chain *chain, uint32_t *ret_writes, bool *ret_creates)
{
    mtnt_entry_info info;

    *ret_writes = 0;
    *ret_creates = false;
    for (size_t i = 0; mtnt_chain_get(chain, i, &info); i++) {
        if (info.disabled)
            continue;
        *ret_writes |= info.writes;
        *ret_creates = *ret_creates || (info.flags & MTNT_OPERATION_CREATES_MODEL) != 0;
    }
}

const char *mtnt_coordinator_guarantee(const char *controller_dsn, const mtnt_model *model, uint32_t writes,
                                       bool creates)
{
    mtnt_controller controller = {.dsn = (char *)(uintptr_t)controller_dsn};
    mtnt_error ignored;

    if (mtnt__dsn_backend(controller_dsn, &controller.backend, &ignored) != 0)
        return mtnt__mode_guarantee(0);
    return mtnt__mode_guarantee(
        mtnt__mode_choose(&controller, model, writes, creates && mtnt_model_schema(model) == NULL));
}

static int refuse_two_phase(const char *side, const char *shown, mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_REFUSED,
                          "the chain writes controller and model, and the server of the %s %s has "
                          "max_prepared_transactions = 0, so the two could not be kept in step. Set it to at least "
                          "the number of workers and restart that server",
                          side, shown);
}

/* The settings that the mode depends on, on the side that it asks them of. */
static int check(const mtnt_controller *controller, const mtnt_model *model, mtnt__mode mode,
                 const mtnt__db_facts *of_controller, const mtnt__db_facts *of_model, mtnt_error *err)
{
    bool model_decides = strcmp(mtnt__mode_decider(mode, controller->backend, model->backend), "model") == 0;
    const mtnt__db_facts *prepared = model_decides ? of_controller : of_model;
    const mtnt__db_facts *decider = model_decides ? of_model : of_controller;

    if (mode == MTNT__MODE_TWO_PHASE && prepared->max_prepared_transactions == 0)
        return refuse_two_phase(model_decides ? "controller" : "model",
                                model_decides ? controller->shown : model->shown, err);
    if (!decider->durable)
        return mtnt_error_set(err, MTNT_E_REFUSED, "%s runs with %s, so a commit may be lost by a crash",
                              model_decides ? model->shown : controller->shown, decider->detail);
    return 0;
}

/* As a migration would open them: only such a connection shows the settings that count, and whether SQLite
 * shares a transaction between the two files. Nothing is begun on them. */
static int open_sides(mtnt_controller *controller, const mtnt_model *model, mtnt__mode mode, mtnt_db **ret_controller,
                      mtnt_db **ret_model, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, model);
    int rc;

    if (mode == MTNT__MODE_SUPER_JOURNAL)
        rc = mtnt__db_open_pair(ret_controller, ret_model, controller->dsn, mtnt__model_dsn(model), &options, err);
    else
        rc = mtnt__db_open(ret_model, mtnt__model_dsn(model), &options, err);
    return rc == 0 ? mtnt__db_connect(*ret_model, err) : rc;
}

static int read_controller(mtnt_controller *controller, mtnt__db_facts *ret_facts, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, NULL);
    mtnt_db *db = NULL;
    int rc = mtnt__db_open(&db, controller->dsn, &options, err);

    if (rc == 0)
        rc = mtnt__db_connect(db, err);
    if (rc == 0)
        rc = mtnt__db_facts_read(db, ret_facts, err);
    mtnt__db_close(db);
    return rc;
}

static int examine_model(mtnt_controller *controller, const mtnt_model *model, mtnt__mode mode,
                         const mtnt__db_facts *of_controller, mtnt_examination *examination, mtnt_error *err)
{
    mtnt_db *controller_side = NULL, *model_side = NULL;
    mtnt__db_facts of_model;
    int rc = open_sides(controller, model, mode, &controller_side, &model_side, err);

    if (rc == 0)
        rc = mtnt__db_facts_read(model_side, &of_model, err);
    if (rc == 0) {
        describe(&of_model, examination->model, sizeof(examination->model));
        rc = check(controller, model, mode, of_controller, &of_model, err);
    }
    mtnt__db_close(controller_side);
    mtnt__db_close(model_side);
    return rc;
}

int mtnt_coordinator_examine(mtnt_controller *controller, const mtnt_model *model, const mtnt_chain *chain,
                             mtnt_examination *ret_examination, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, model);
    mtnt__db_facts of_controller;
    uint32_t writes;
    bool creates;
    mtnt__mode mode;
    int rc;

    memset(ret_examination, 0, sizeof(*ret_examination));
    survey_chain(chain, &writes, &creates);
    rc = mtnt__db_exists(mtnt__model_dsn(model), &options, &ret_examination->model_exists, err);
    if (rc == 0 && !ret_examination->model_exists && !creates)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "its model %s does not exist, and the chain does not create it",
                            model->shown);
    if (rc != 0)
        return rc;
    mode = mtnt__mode_choose(controller, model, writes, !ret_examination->model_exists && model->schema == NULL);
    ret_examination->mode = mtnt__mode_name(mode);
    ret_examination->guarantee = mtnt__mode_guarantee(mode);
    ret_examination->decider = mtnt__mode_decider(mode, controller->backend, model->backend);
    rc = read_controller(controller, &of_controller, err);
    if (rc != 0)
        return rc;
    describe(&of_controller, ret_examination->controller, sizeof(ret_examination->controller));
    if (!ret_examination->model_exists)
        return 0;
    return examine_model(controller, model, mode, &of_controller, ret_examination, err);
}
