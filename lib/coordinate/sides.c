#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/apart.h"
#include "state/tables.h"

mtnt__db_options mtnt__side_options(const mtnt_controller *controller, const mtnt_model *model)
{
    return (mtnt__db_options){.system = controller->system,
                              .connect_timeout_ms = controller->options.connect_timeout_ms,
                              .lock_timeout_ms = controller->options.lock_timeout_ms,
                              .statement_timeout_ms = controller->options.statement_timeout_ms,
                              .side = model == NULL ? MTNT__SIDE_CONTROLLER : MTNT__SIDE_MODEL,
                              .schema = model == NULL ? NULL : model->schema};
}

void mtnt__link_release(mtnt__link *link)
{
    mtnt__apart_free(link->apart);
    link->apart = NULL;
    mtnt__db_close(link->reader);
    mtnt__db_close(link->keeper);
    mtnt__db_close(link->other);
    mtnt__sessions_release(&link->sessions);
    mtnt__fingerprints_met_release(&link->met);
    mtnt__db_close(link->finish.db);
    free(link->finish.server);
    free(link->controller_server);
    link->controller_server = NULL;
    link->finish = (mtnt__finish){NULL, NULL, NULL};
    link->reader = link->keeper = link->other = NULL;
}

static int open_reader(mtnt__link *link, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(link->controller, NULL);

    options.read_only = true;
    return link->reader != NULL ? 0 : mtnt__db_open(&link->reader, link->controller->dsn, &options, err);
}

static int use_reader(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = open_reader(attempt->link, err);

    if (rc == 0) {
        attempt->controller = attempt->link->reader;
        attempt->controller_is_reader = true;
    }
    return rc;
}

int mtnt__sides_look_at_controller(mtnt__attempt *attempt, mtnt_db **ret_db, mtnt_error *err)
{
    bool own = attempt->controller != NULL && mtnt__db_in_transaction(attempt->controller);
    int rc = own ? 0 : open_reader(attempt->link, err);

    if (rc == 0)
        *ret_db = own ? attempt->controller : attempt->link->reader;
    if (rc == 0 && !own) {
        mtnt__db_uncancel(*ret_db);
        mtnt__db_set_deadline(*ret_db, attempt->deadline);
    }
    return rc;
}

/* Compensation of effects outside comes after the transactions have ended: it may look, and not write. */
int mtnt__sides_prepare_readers(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, attempt->claim->model);
    int rc = open_reader(attempt->link, err);

    options.read_only = true;
    if (rc == 0 && attempt->model_reader == NULL)
        rc = mtnt__db_open(&attempt->model_reader, mtnt__model_dsn(attempt->claim->model), &options, err);
    return rc;
}

void mtnt__sides_use_readers(mtnt__attempt *attempt, mtnt__deadline_ms deadline)
{
    if (attempt->model_reader == NULL)
        return;
    mtnt__db_uncancel(attempt->link->reader);
    mtnt__db_set_deadline(attempt->link->reader, deadline);
    mtnt__db_set_deadline(attempt->model_reader, deadline);
    attempt->scope.controller = attempt->link->reader;
    attempt->scope.model = attempt->model_reader;
}

/* One that was kept, or a new one. `ret_model`: of a pair; NULL = none. */
static int open_session(mtnt__attempt *attempt, mtnt__session_use use, const char *dsn, const mtnt__db_options *options,
                        mtnt_db **ret_db, mtnt_db **ret_model, mtnt_error *err)
{
    mtnt__session session;

    if (use != 0 && mtnt__sessions_take(&attempt->link->sessions, use, dsn, options->read_only, options->mark,
                                        options->schema, &session)) {
        *ret_db = session.db;
        if (ret_model != NULL)
            *ret_model = session.model;
        return 0;
    }
    if (ret_model == NULL)
        return mtnt__db_open(ret_db, dsn, options, err);
    return mtnt__db_open_pair(ret_db, ret_model, dsn, mtnt__model_dsn(attempt->claim->model), options, err);
}

static int open_controller(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);

    options.mark = attempt->claim->migration;
    attempt->controller_use = MTNT__SESSION_CONTROLLER;
    return open_session(attempt, attempt->controller_use, attempt->link->controller->dsn, &options,
                        &attempt->controller, NULL, err);
}

int mtnt__sides_open_decider(mtnt__attempt *attempt, mtnt_db **ret_db, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);

    options.mark = attempt->claim->migration;
    return open_session(attempt, MTNT__SESSION_DECIDER, attempt->link->controller->dsn, &options, ret_db, NULL, err);
}

static void keep(mtnt__attempt *attempt, mtnt__session_use use, const char *dsn, mtnt_db *db, mtnt_db *model)
{
    mtnt__sessions_keep(
        &attempt->link->sessions,
        (mtnt__session){
            .use = use, .read_only = mtnt__db_is_read_only(db), .dsn = (char *)dsn, .db = db, .model = model});
}

void mtnt__sides_decider_done(mtnt__attempt *attempt, mtnt_db *db, bool decided)
{
    if (decided)
        keep(attempt, MTNT__SESSION_DECIDER, attempt->link->controller->dsn, db, NULL);
    else
        mtnt__db_close(db);
}

/* Under its tombstone, when it is to be put back. The rename that ends it has a connection of its own. */
static int open_tombstone(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, attempt->claim->model);
    const mtnt_model *model = attempt->claim->model;
    char schema[MTNT__TOMBSTONE_SIZE];

    options.read_only = true;
    if (!attempt->claim->backward)
        return mtnt__db_open(&attempt->model, mtnt__model_dsn(model), &options, err);
    attempt->provisional = mtnt__tombstone_dsn(model, attempt->known.gone_by);
    if (attempt->provisional == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    mtnt__tombstone_schema(model, attempt->known.gone_by, schema);
    options.schema = model->schema == NULL ? NULL : schema;
    return mtnt__db_open(&attempt->model, attempt->provisional, &options, err);
}

/* A unit outside a transaction that also writes the other side than the one that records it. */
static bool writes_outside(const mtnt__attempt *attempt, uint32_t writes)
{
    return attempt->unit.outside && (attempt->unit.writes & writes) != 0;
}

static int open_model(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, attempt->claim->model);

    options.mark = attempt->claim->migration;
    /* A saga as a whole only looks; its units write. */
    options.read_only =
        (attempt->mode == MTNT__MODE_SINGLE_CONTROLLER && !writes_outside(attempt, MTNT_WRITES_MODEL)) ||
        attempt->mode == MTNT__MODE_SAGA;
    /* A tenant's own database is left as soon as it is done with: others want to rename, copy or drop it. */
    attempt->model_use = options.schema == NULL ? 0 : MTNT__SESSION_MODEL;
    return open_session(attempt, attempt->model_use, mtnt__model_dsn(attempt->claim->model), &options, &attempt->model,
                        NULL, err);
}

static int open_provisional(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, NULL);

    attempt->provisional = mtnt__provision_dsn(attempt->claim->model, attempt->claim->migration);
    if (attempt->provisional == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    options.mark = attempt->claim->migration;
    options.side = MTNT__SIDE_MODEL;
    options.create = options.building = true;
    return mtnt__db_open(&attempt->model, attempt->provisional, &options, err);
}

static int open_both(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt_controller *controller = attempt->link->controller;
    mtnt__db_options options = mtnt__side_options(controller, attempt->claim->model);

    options.mark = attempt->claim->migration;
    /* A file of the pair is another one with each tenant. */
    attempt->controller_use = attempt->mode == MTNT__MODE_SINGLE_TRANSACTION ? MTNT__SESSION_PAIR : 0;
    return open_session(attempt, attempt->controller_use, controller->dsn, &options, &attempt->controller,
                        &attempt->model, err);
}

int mtnt__sides_open(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = 0;

    switch (attempt->mode) {
    case MTNT__MODE_SAGA:
    case MTNT__MODE_ADOPTION:
    case MTNT__MODE_SINGLE_MODEL:
        rc = writes_outside(attempt, MTNT_WRITES_CONTROLLER) ? open_controller(attempt, err) : use_reader(attempt, err);
        if (rc == 0)
            rc = open_model(attempt, err);
        break;
    case MTNT__MODE_SINGLE_CONTROLLER:
    case MTNT__MODE_TWO_PHASE:
        /* The last tenant's session with the controller may have an answer to wait for: later, but for a unit, which has none before it. */
        rc = attempt->unit.is ? open_controller(attempt, err) : 0;
        if (rc == 0)
            rc = open_model(attempt, err);
        break;
    case MTNT__MODE_TOMBSTONE:
        rc = open_controller(attempt, err);
        if (rc == 0)
            rc = open_tombstone(attempt, err);
        break;
    case MTNT__MODE_SINGLE_TRANSACTION:
    case MTNT__MODE_SUPER_JOURNAL: rc = open_both(attempt, err); break;
    case MTNT__MODE_PROVISIONAL:
        /* Which controller handle it takes is known once the plan is. */
        rc = open_provisional(attempt, err);
        break;
    }
    if (rc != 0)
        return rc;
    if (attempt->controller != NULL)
        mtnt__db_uncancel(attempt->controller);
    mtnt__sides_deadline(attempt, attempt->deadline);
    attempt->scope.model = attempt->model;
    attempt->scope.controller = attempt->controller;
    if (attempt->publish != NULL)
        attempt->publish(attempt->publish_data, attempt->controller, attempt->model);
    return 0;
}

static bool shares_connection(const mtnt__attempt *attempt)
{
    return attempt->mode == MTNT__MODE_SINGLE_TRANSACTION || attempt->mode == MTNT__MODE_SUPER_JOURNAL;
}

static void enter_gate(mtnt__attempt *attempt)
{
    if (attempt->link->controller->backend == MTNT_SQLITE && !attempt->gated) {
        mtnt__gate_enter(attempt->link->gate);
        attempt->gated = true;
    }
}

/* The model's lock first, everywhere, so that two attempts can only wait for each other at the controller. With the pair there is one
 * lock for both. */
static int begin_model(mtnt__attempt *attempt, mtnt_error *err)
{
    return mtnt__db_begin_locked(attempt->model,
                                 mtnt__tables_lock_key(&mtnt__tables_model, attempt->claim->model->schema), err);
}

/* The tenant's last migration has ended: what is left of a worker that was stopped in it can only fail, and holds its locks until it does. */
static bool end_predecessor(const mtnt__attempt *attempt, mtnt_error met)
{
    const mtnt__blockers blockers = {attempt->known.migration, {NULL, NULL}};
    const mtnt_controller *controller = attempt->link->controller;
    const char *dsn = mtnt__model_dsn(attempt->claim->model);
    mtnt__db_options options = mtnt__side_options(controller, NULL);

    if (!mtnt__known_idle(&attempt->known) || attempt->known.migration[0] == '\0' ||
        mtnt__blockers_end(&blockers, dsn, &options, &met) != 0)
        return false;
    /* It holds locks there too, which are met later, by an operation. */
    if (controller->backend == MTNT_POSTGRES)
        (void)mtnt__blockers_end(&blockers, controller->dsn, &options, &met);
    return true;
}

int mtnt__sides_begin(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    int rc;

    if (shares_connection(attempt))
        enter_gate(attempt);
    rc = begin_model(attempt, &own);
    if (mtnt__blockers_met(rc, &own) && end_predecessor(attempt, own)) {
        mtnt_error_clear(&own);
        rc = begin_model(attempt, &own);
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

/* The locks of its operations there would be met by one of ours, in the middle. After a success there is nobody: its transaction has ended. */
static int end_predecessor_on_controller(const mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__known *known = &attempt->known;
    int ended = 0;

    if (!known->failed || !mtnt__known_idle(known) || known->migration[0] == '\0' ||
        attempt->link->controller->backend != MTNT_POSTGRES)
        return 0;
    return mtnt__postgres_end_sessions(attempt->controller, known->migration, &ended, err);
}

int mtnt__sides_open_controller(mtnt__attempt *attempt, mtnt_error *err)
{
    bool writes = attempt->mode != MTNT__MODE_PROVISIONAL || (attempt->writes & MTNT_WRITES_CONTROLLER) != 0;
    int rc;

    if (attempt->controller != NULL)
        return 0;
    rc = writes ? open_controller(attempt, err) : use_reader(attempt, err);
    if (rc != 0)
        return rc;
    mtnt__db_uncancel(attempt->controller);
    mtnt__db_set_deadline(attempt->controller, attempt->deadline);
    attempt->scope.controller = attempt->controller;
    if (attempt->publish != NULL)
        attempt->publish(attempt->publish_data, attempt->controller, attempt->model);
    return 0;
}

int mtnt__sides_begin_controller(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__sides_open_controller(attempt, err);

    if (rc != 0)
        return rc;
    if (attempt->controller_is_reader || shares_connection(attempt))
        return 0;
    enter_gate(attempt);
    rc = mtnt__db_begin(attempt->controller, err);
    if (rc == 0)
        rc = end_predecessor_on_controller(attempt, err);
    return rc == 0 ? 0 : mtnt_error_wrap(err, "controller %s", attempt->link->controller->shown);
}

void mtnt__sides_deadline(mtnt__attempt *attempt, mtnt__deadline_ms deadline)
{
    if (attempt->controller != NULL)
        mtnt__db_set_deadline(attempt->controller, deadline);
    if (attempt->model != NULL)
        mtnt__db_set_deadline(attempt->model, deadline);
}

void mtnt__sides_uncancel(mtnt__attempt *attempt)
{
    /* A cancel that comes from now on, a lost lease above all, must not reach what takes the attempt back. */
    if (attempt->publish != NULL)
        attempt->publish(attempt->publish_data, NULL, NULL);
    if (attempt->controller != NULL)
        mtnt__db_uncancel(attempt->controller);
    if (attempt->model != NULL)
        mtnt__db_uncancel(attempt->model);
}

void mtnt__sides_leave_gate(mtnt__attempt *attempt)
{
    if (attempt->gated)
        mtnt__gate_leave(attempt->link->gate);
    attempt->gated = false;
}

void mtnt__sides_rollback(mtnt__attempt *attempt)
{
    if (attempt->controller != NULL)
        mtnt__db_rollback(attempt->controller);
    if (attempt->model != NULL)
        mtnt__db_rollback(attempt->model);
    mtnt__sides_leave_gate(attempt);
}

/* After an attempt that went as it should. Statements that stood alone may have changed anything in the session. */
static bool worth_keeping(const mtnt__attempt *attempt)
{
    return (attempt->verdict == MTNT__VERDICT_COMMITTED || attempt->verdict == MTNT__VERDICT_NOTHING) &&
           !attempt->unit.outside;
}

static void leave_controller(mtnt__attempt *attempt)
{
    if (attempt->controller_is_reader) {
        mtnt__db_rollback(attempt->controller);
        return;
    }
    if (attempt->controller == NULL || attempt->controller_use == 0 || !worth_keeping(attempt)) {
        mtnt__db_close(attempt->controller);
        return;
    }
    keep(attempt, attempt->controller_use, attempt->link->controller->dsn, attempt->controller,
         attempt->controller_use == MTNT__SESSION_PAIR ? attempt->model : NULL);
    if (attempt->controller_use == MTNT__SESSION_PAIR)
        attempt->model = NULL;
}

mtnt_db *mtnt__sides_hand_over_prepared(mtnt__attempt *attempt)
{
    mtnt_db **side = strcmp(attempt->claim->decider, "model") == 0 ? &attempt->controller : &attempt->model;
    mtnt_db *db = *side;

    /* Its cancel is over: what was decided is finished. */
    if (attempt->publish != NULL)
        attempt->publish(attempt->publish_data, NULL, NULL);
    *side = NULL;
    return db;
}

void mtnt__sides_return_prepared(mtnt__attempt *attempt, mtnt_db *db, bool good)
{
    if (good && strcmp(attempt->claim->decider, "model") == 0)
        keep(attempt, MTNT__SESSION_CONTROLLER, attempt->link->controller->dsn, db, NULL);
    else if (good && attempt->claim->model->schema != NULL)
        keep(attempt, MTNT__SESSION_MODEL, mtnt__model_dsn(attempt->claim->model), db, NULL);
    else
        mtnt__db_close(db);
}

static void leave_model(mtnt__attempt *attempt)
{
    if (attempt->model != NULL && attempt->model_use != 0 && worth_keeping(attempt))
        keep(attempt, attempt->model_use, mtnt__model_dsn(attempt->claim->model), attempt->model, NULL);
    else
        mtnt__db_close(attempt->model);
}

void mtnt__sides_close(mtnt__attempt *attempt)
{
    if (attempt->publish != NULL)
        attempt->publish(attempt->publish_data, NULL, NULL);
    leave_controller(attempt);
    leave_model(attempt);
    mtnt__db_close(attempt->model_reader);
    attempt->model_reader = NULL;
    attempt->controller = attempt->model = NULL;
    attempt->scope.controller = attempt->scope.model = NULL;
    attempt->controller_is_reader = false;
    attempt->controller_use = attempt->model_use = 0;
    mtnt__sides_leave_gate(attempt);
}

mtnt_db *mtnt__sides_work_on(const mtnt__attempt *attempt)
{
    return (attempt->unit.writes & MTNT_WRITES_MODEL) != 0 ? attempt->model : attempt->model_reader;
}

int mtnt__sides_stand_alone(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = 0;

    if ((attempt->unit.writes & MTNT_WRITES_MODEL) != 0)
        rc = mtnt__db_stand_alone(attempt->model, err);
    if (rc == 0 && (attempt->unit.writes & MTNT_WRITES_CONTROLLER) != 0) {
        enter_gate(attempt);
        rc = mtnt__db_stand_alone(attempt->controller, err);
    }
    return rc;
}

void mtnt__sides_stand_together(mtnt__attempt *attempt)
{
    mtnt__db_stand_together(attempt->model);
    if (!attempt->controller_is_reader)
        mtnt__db_stand_together(attempt->controller);
    mtnt__sides_leave_gate(attempt);
}
