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
        snprintf(ret_text, size, "PostgreSQL %d.%d, %.110s, max_prepared_transactions=%d", facts->version / 10000,
                 facts->version % 10000, facts->detail, facts->max_prepared_transactions);
}

/* What a migration of the operations at hand would have to do. */
typedef struct work {
    uint32_t writes;
    bool creates, deletes, saga;
} work;

static void add_entry(work *all, const mtnt__chain_entry *entry, const mtnt_migration_options *options)
{
    all->writes |= entry->writes;
    all->creates = all->creates || (entry->flags & MTNT_OPERATION_CREATES_MODEL) != 0;
    all->deletes = all->deletes || (entry->flags & MTNT_OPERATION_DELETES_MODEL) != 0;
    all->saga = all->saga || mtnt__saga_asked(options, entry);
}

static int survey_chain(const mtnt_chain *chain, const size_t *indices, size_t count, mtnt_mode mode, work *ret_work,
                        mtnt_error *err)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.mode = mode;
    *ret_work = (work){.writes = 0};
    if (indices == NULL) {
        for (size_t i = 0; i < chain->count; i++)
            if (!chain->entries[i].disabled)
                add_entry(ret_work, chain->entries + i, &options);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (indices[i] >= chain->count)
            return mtnt_error_set(err, MTNT_E_INVALID, "the chain has no operation at index %zu", indices[i]);
        add_entry(ret_work, chain->entries + indices[i], &options);
    }
    return 0;
}

/* As the coordinator expects it of a tenant that has none of the operations yet. */
static mtnt__mode choose(const mtnt_controller *controller, const mtnt_model *model, const work *all, bool exists)
{
    bool provisional = !exists && model->schema == NULL;

    if (all->deletes)
        return MTNT__MODE_TOMBSTONE;
    if (!provisional && all->saga)
        return MTNT__MODE_SAGA;
    return mtnt__mode_choose(controller, model, all->writes, provisional);
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

/* called: in what is said of it. A model's address is not in there, so that the same is said of all the tenants of a server. */
typedef struct side {
    char called[300];
    bool takes_standbys;
    mtnt__db_facts facts;
    mtnt__db_standbys standbys;
} side;

static int check_written(const side *at, mtnt_error *err)
{
    if (at->facts.standby)
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "%s is a hot standby (pg_is_in_recovery), which takes no writes. Give the address of its primary",
            at->called);
    if (!at->facts.durable)
        return mtnt_error_set(err, MTNT_E_REFUSED,
                              "%s runs with %s, so a commit may be lost by a crash. Switch that on", at->called,
                              at->facts.detail);
    return 0;
}

static int check_prepared(const side *at, mtnt_error *err)
{
    if (at->facts.max_prepared_transactions > 0)
        return 0;
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "the chain writes controller and model, and %s has max_prepared_transactions = 0, so the two "
        "could not be kept in step. Set it to at least the number of workers and restart that server, or declare "
        "`mode: saga` on the operations that write both",
        at->called);
}

/* A mode may be able to commit and still not be proof against a failover. */
static void warn(const side *at, bool decides, char *ret_warning, size_t size)
{
    const mtnt__db_standbys *standbys = &at->standbys;

    if (at->takes_standbys)
        snprintf(
            ret_warning, size,
            "the address of %.180s names several hosts, and after a failover a standby may be taken for the primary. Add "
            "target_session_attrs=read-write",
            at->called);
    else if (standbys->not_readable || standbys->unseen > 0)
        snprintf(
            ret_warning, size,
            "not known whether standbys of %.180s are synchronous: this role may not see pg_stat_replication. Grant it "
            "pg_read_all_stats",
            at->called);
    else if (standbys->waits && standbys->synchronous == 0)
        snprintf(
            ret_warning, size,
            "%.180s has synchronous_standby_names set, and no such standby is connected: each commit waits for one",
            at->called);
    else if (standbys->connected > 0 && standbys->synchronous == 0)
        snprintf(ret_warning, size,
                 "%.180s has only asynchronous standbys: a failover can lose %s. Set synchronous_standby_names",
                 at->called,
                 decides ? "a decision that was acknowledged" : "its part of a migration that was acknowledged");
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

static int read_side(mtnt_db *db, side *ret_side, mtnt_error *err)
{
    int rc = mtnt__db_facts_read(db, &ret_side->facts, err);

    return rc == 0 ? mtnt__db_standbys_read(db, &ret_side->standbys, err) : rc;
}

static int read_controller(mtnt_controller *controller, side *ret_side, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, NULL);
    mtnt_db *db = NULL;
    int rc = mtnt__db_open(&db, controller->dsn, &options, err);

    if (rc == 0)
        rc = mtnt__db_connect(db, err);
    if (rc == 0)
        rc = read_side(db, ret_side, err);
    mtnt__db_close(db);
    return rc;
}

static int read_model(mtnt_controller *controller, const mtnt_model *model, mtnt__mode mode, side *ret_side,
                      mtnt_error *err)
{
    mtnt_db *controller_side = NULL, *model_side = NULL;
    int rc = open_sides(controller, model, mode, &controller_side, &model_side, err);

    if (rc == 0)
        rc = read_side(model_side, ret_side, err);
    mtnt__db_close(controller_side);
    mtnt__db_close(model_side);
    return rc;
}

/* The controller's rows are written whatever the mode. */
static int examine_controller(const side *at, mtnt_examination *examination, mtnt_error *err)
{
    describe(&at->facts, examination->controller, sizeof(examination->controller));
    warn(at, strcmp(examination->decider, "controller") == 0, examination->controller_warning,
         sizeof(examination->controller_warning));
    return check_written(at, err);
}

static int examine_model(mtnt_controller *controller, const mtnt_model *model, mtnt__mode mode,
                         mtnt_examination *examination, side *ret_side, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, model);
    int rc = 0;

    /* A file that is yet to be made has no settings. */
    if (!examination->model_exists && model->backend == MTNT_SQLITE)
        return 0;
    rc = examination->model_exists
             ? read_model(controller, model, mode, ret_side, err)
             : mtnt__postgres_server_read(mtnt__model_dsn(model), &options, &ret_side->facts, &ret_side->standbys, err);
    if (rc != 0)
        return rc;
    describe(&ret_side->facts, examination->model, sizeof(examination->model));
    if ((mtnt__mode_covers(mode) & MTNT_WRITES_MODEL) == 0)
        return 0;
    warn(ret_side, strcmp(examination->decider, "model") == 0, examination->model_warning,
         sizeof(examination->model_warning));
    return check_written(ret_side, err);
}

static int examine(mtnt_controller *controller, const mtnt_model *model, mtnt__mode mode, mtnt_examination *examination,
                   mtnt_error *err)
{
    side of_controller = {.called = ""};
    side of_model = {.called = "the model"};
    const side *prepared = strcmp(examination->decider, "model") == 0 ? &of_controller : &of_model;
    int rc = read_controller(controller, &of_controller, err);

    if (model->backend == MTNT_POSTGRES)
        snprintf(of_model.called, sizeof(of_model.called), "the model's server");
    snprintf(of_controller.called, sizeof(of_controller.called), "the controller %.256s", controller->shown);
    of_controller.takes_standbys = mtnt__dsn_takes_standbys(controller->dsn);
    of_model.takes_standbys = mtnt__dsn_takes_standbys(mtnt__model_dsn(model));
    if (rc == 0)
        rc = examine_controller(&of_controller, examination, err);
    if (rc == 0)
        rc = examine_model(controller, model, mode, examination, &of_model, err);
    if (rc == 0 && mode == MTNT__MODE_TWO_PHASE)
        rc = check_prepared(prepared, err);
    return rc;
}

/* Another lane of the chain makes the model, and comes first. */
static bool made_by_another_lane(const mtnt_chain *chain)
{
    const mtnt_chain *first = chain->whole == NULL ? NULL : chain->whole->lanes[0];

    return first != NULL && first != chain && first->count > 0 && !first->entries[0].disabled &&
           (first->entries[0].flags & MTNT_OPERATION_CREATES_MODEL) != 0;
}

int mtnt_coordinator_examine_operations(mtnt_controller *controller, const mtnt_model *model, const mtnt_chain *chain,
                                        const size_t *indices, size_t count, mtnt_mode mode,
                                        mtnt_examination *ret_examination, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(controller, model);
    mtnt__mode chosen;
    work all;
    int rc;

    memset(ret_examination, 0, sizeof(*ret_examination));
    rc = survey_chain(chain, indices, count, mode, &all, err);
    if (rc == 0)
        rc = mtnt__db_exists(mtnt__model_dsn(model), &options, &ret_examination->model_exists, err);
    if (rc == 0 && !ret_examination->model_exists && controller->tables)
        rc = mtnt__remove_explain(controller->db, model, "", err);
    if (rc == 0 && !ret_examination->model_exists && !all.creates && !made_by_another_lane(chain))
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "its model %s does not exist, and the chain does not create it",
                            model->shown);
    if (rc != 0)
        return rc;
    chosen = choose(controller, model, &all, ret_examination->model_exists || made_by_another_lane(chain));
    ret_examination->mode = mtnt__mode_name(chosen);
    ret_examination->guarantee = mtnt__mode_guarantee(chosen);
    ret_examination->decider = mtnt__mode_decider(chosen, controller->backend, model->backend);
    return examine(controller, model, chosen, ret_examination, err);
}

int mtnt_coordinator_examine(mtnt_controller *controller, const mtnt_model *model, const mtnt_chain *chain,
                             mtnt_examination *ret_examination, mtnt_error *err)
{
    return mtnt_coordinator_examine_operations(controller, model, chain, NULL, 0, MTNT_MODE_AUTO, ret_examination, err);
}
