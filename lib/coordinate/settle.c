#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/attempt.h"
#include "state/register.h"
#include "state/tables.h"

#define FINISH_TRIES 5

void mtnt__gid(const mtnt_controller *controller, const mtnt_model *model, const char *migration,
               char ret_gid[MTNT__GID_SIZE])
{
    char tenant[100];

    /* The tenant is for people; the migration alone makes it unique. */
    mtnt__text_copy(tenant, sizeof(tenant), mtnt_model_id(model));
    snprintf(ret_gid, MTNT__GID_SIZE, "mtnt:%.8s:%s:%s", controller->id, tenant, migration);
}

static mtnt__deadline_ms fresh_deadline(const mtnt__settlement *settlement)
{
    return mtnt__deadline_in(settlement->controller->system, mtnt__unlock_ms(settlement->options));
}

static bool on_model(const mtnt__settlement *settlement)
{
    return strcmp(settlement->decider, "model") == 0;
}

int mtnt__settle_open(const mtnt__settlement *settlement, bool model, mtnt_db **ret_db, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(settlement->controller, model ? settlement->model : NULL);
    int rc =
        mtnt__db_open(ret_db, model ? mtnt__model_dsn(settlement->model) : settlement->controller->dsn, &options, err);

    if (rc == 0)
        mtnt__db_set_deadline(*ret_db, fresh_deadline(settlement));
    return rc;
}

static void close_side(const mtnt__settlement *settlement, bool model, mtnt_db *db)
{
    if (!model && settlement->ret_lost_controller != NULL)
        *settlement->ret_lost_controller = mtnt__db_lost(db);
    mtnt__db_close(db);
}

/* A model that was swapped, or a copy of the controller, has a register of its own: what it says is nothing to this migration. */
int mtnt__settle_check_home(const mtnt__settlement *settlement, mtnt_db *model, mtnt_error *err)
{
    const mtnt_controller *controller = settlement->controller;
    const mtnt__expected expected = {mtnt_model_id(settlement->model), controller->id, settlement->home};
    const mtnt__expected whosever = {NULL, NULL, settlement->home};

    /* A model that is being taken over is the other controller's, or ours. */
    if (model != NULL && settlement->mode == MTNT__MODE_ADOPTION)
        return mtnt__model_state_identify(model, &whosever, err);
    if (model != NULL)
        return mtnt__model_state_identify(model, &expected, err);
    if (settlement->home == NULL || settlement->home[0] == '\0' || strcmp(settlement->home, controller->home) == 0)
        return 0;
    return mtnt_error_set(
        err, MTNT_E_FOREIGN,
        "the controller %s is not the database that the migration was claimed in (%s, this one is %s): a copy of it, or restored from a "
        "backup? Use the one that it was. When that is gone, see what the model holds, and   mtnt-model resolve --tenant %s. Nothing was "
        "changed",
        controller->shown, settlement->home, controller->home, mtnt_model_id(settlement->model));
}

/* The model may not have our tables yet: then no row of this migration can be there, and the abort row needs them. */
int mtnt__settle_begin(const mtnt__settlement *settlement, mtnt_db *decider, mtnt_error *err)
{
    size_t before = 0;
    int rc = mtnt__db_checkpoint(decider, err);

    if (rc != 0)
        return rc;
    rc =
        on_model(settlement)
            ? mtnt__db_begin_locked(decider, mtnt__tables_lock_key(&mtnt__tables_model, settlement->model->schema), err)
            : mtnt__db_begin(decider, err);
    if (rc == 0)
        rc = mtnt__settle_check_home(settlement, on_model(settlement) ? decider : NULL, err);
    if (rc == 0 && on_model(settlement))
        rc = mtnt__tables_ensure(decider, &mtnt__tables_model, &before, err);
    return rc;
}

static int decide(const mtnt__settlement *settlement, mtnt_db *db, mtnt__outcome *ret_outcome, mtnt_error *err)
{
    int rc = mtnt__settle_begin(settlement, db, err);

    if (rc == 0)
        rc = mtnt__register_settle(db, settlement->migration, ret_outcome, err);
    if (rc == 0)
        rc = mtnt__db_commit(db, err);
    if (rc != 0)
        mtnt__db_rollback(db);
    return rc;
}

static int end_blockers(const mtnt__settlement *settlement, bool model, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(settlement->controller, NULL);

    return mtnt__blockers_end(&settlement->blockers,
                              model ? mtnt__model_dsn(settlement->model) : settlement->controller->dsn, &options, err);
}

/* Step 2: the outcome is durable when this returns 0. A lost connection begins the step again, and so does a blocker that was ended. */
static int ask_decider(const mtnt__settlement *settlement, mtnt__outcome *ret_outcome, mtnt_error *err)
{
    bool gated = !on_model(settlement) && settlement->controller->backend == MTNT_SQLITE;
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = 0;

    for (int tries = 0; tries < FINISH_TRIES; tries++) {
        mtnt_db *db = NULL;

        mtnt_error_clear(&own);
        if (gated)
            mtnt__gate_enter(settlement->gate);
        rc = mtnt__settle_open(settlement, on_model(settlement), &db, &own);
        if (rc == 0)
            rc = decide(settlement, db, ret_outcome, &own);
        close_side(settlement, on_model(settlement), db);
        if (gated)
            mtnt__gate_leave(settlement->gate);
        if (mtnt__blockers_met(rc, &own) && end_blockers(settlement, on_model(settlement), &own) == 0)
            continue;
        if (rc != MTNT_E_IN_DOUBT && rc != MTNT_E_CONNECT)
            break;
        settlement->controller->system->sleep_ms(settlement->controller->system->data, 20 << tries);
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

static int read_ended(const mtnt__settlement *settlement, mtnt__migration_state *ret_state, mtnt_error *err)
{
    mtnt_db *db = NULL;
    int rc = mtnt__settle_open(settlement, false, &db, err);

    if (rc == 0)
        rc = mtnt__store_ended(db, settlement->migration, ret_state, err);
    close_side(settlement, false, db);
    return rc;
}

/* Whether the prepared side holds the migration: its transaction has put a row of its own into the register there. */
static int look_at_prepared(const mtnt__settlement *settlement, mtnt_db *db, bool *ret_holds, mtnt_error *err)
{
    const mtnt__expected expected = {mtnt_model_id(settlement->model), settlement->controller->id, NULL};
    mtnt__outcome found = MTNT__OUTCOME_ABORT;
    size_t version = 1;
    int rc = mtnt__db_begin(db, err);

    if (rc == 0 && !on_model(settlement))
        rc = mtnt__tables_version(db, &mtnt__tables_model, &version, err);
    if (rc == 0 && !on_model(settlement) && version > 0)
        rc = mtnt__model_state_identify(db, &expected, err);
    if (rc == 0 && version > 0)
        rc = mtnt__register_read(db, settlement->migration, &found, err);
    mtnt__db_rollback(db);
    if (rc == 0)
        *ret_holds = found == MTNT__OUTCOME_COMMIT;
    return rc;
}

/* Without a gid: never prepared, or somebody else has finished it, as the register says. Or otherwise. */
static int confirm(const mtnt__settlement *settlement, mtnt_db *db, mtnt__outcome outcome, bool *ret_differs,
                   mtnt_error *err)
{
    mtnt__migration_state ended = MTNT__STATE_NONE;
    bool holds = false;
    int rc = look_at_prepared(settlement, db, &holds, err);

    /* Rows of what has ended may have been collected. */
    if (rc == 0 && holds != (outcome == MTNT__OUTCOME_COMMIT))
        rc = read_ended(settlement, &ended, err);
    if (rc == 0)
        *ret_differs = ended == MTNT__STATE_NONE && holds != (outcome == MTNT__OUTCOME_COMMIT);
    return rc;
}

/* Step 3, in the prepared side's own database. BUSY: somebody else is at it. */
static int finish_prepared(const mtnt__settlement *settlement, mtnt__outcome outcome, bool *ret_differs,
                           mtnt_error *err)
{
    char gid[MTNT__GID_SIZE];
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = 0;

    mtnt__gid(settlement->controller, settlement->model, settlement->migration, gid);
    for (int tries = 0; tries < FINISH_TRIES; tries++) {
        mtnt_db *db = NULL;

        mtnt_error_clear(&own);
        rc = mtnt__settle_open(settlement, !on_model(settlement), &db, &own);
        if (rc == 0)
            rc = mtnt__db_finish_prepared(db, gid, outcome == MTNT__OUTCOME_COMMIT, &own);
        if (rc == MTNT_E_NOT_FOUND && strcmp(own.state, "42704") == 0)
            rc = confirm(settlement, db, outcome, ret_differs, &own);
        close_side(settlement, !on_model(settlement), db);
        if (rc == 0 || rc == MTNT_E_FOREIGN)
            break;
        settlement->controller->system->sleep_ms(settlement->controller->system->data, 20 << tries);
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

static int finish_provisional_once(const mtnt__settlement *settlement, mtnt__outcome outcome, mtnt_error *err)
{
    return outcome == MTNT__OUTCOME_COMMIT
               ? mtnt__provision_finish(settlement->controller, NULL, settlement->model, settlement->migration,
                                        (mtnt__file_identity){0, 0}, err)
               : mtnt__provision_remove(settlement->controller, settlement->model, settlement->migration, err);
}

/* A database that somebody is connected to is neither renamed nor dropped. */
static int finish_provisional(const mtnt__settlement *settlement, mtnt__outcome outcome, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(settlement->controller, NULL);
    char *dsn = mtnt__provision_dsn(settlement->model, settlement->migration);
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = 0;

    for (int tries = 0; tries < FINISH_TRIES; tries++) {
        mtnt_error_clear(&own);
        rc = finish_provisional_once(settlement, outcome, &own);
        if (dsn == NULL || !mtnt__blockers_met(rc, &own) ||
            mtnt__blockers_end(&settlement->blockers, dsn, &options, &own) != 0)
            break;
        settlement->controller->system->sleep_ms(settlement->controller->system->data, 20 << tries);
    }
    free(dsn);
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

static void say_difference(const mtnt__settlement *settlement, mtnt__outcome outcome, mtnt_error *err)
{
    const char *model = settlement->model->shown, *controller = settlement->controller->shown;
    bool committed = outcome == MTNT__OUTCOME_COMMIT;

    mtnt_error_set(
        err, MTNT_E_BLOCKED,
        "the decision register of %s says %s, and %s %s: somebody has %s its prepared transaction by hand. Both are kept as they "
        "are. Bring them to the same state, then   mtnt-model resolve --tenant %s --as committed (or aborted)",
        on_model(settlement) ? model : controller, committed ? "commit" : "abort",
        on_model(settlement) ? controller : model, committed ? "does not hold it" : "holds it",
        committed ? "rolled back" : "committed", mtnt_model_id(settlement->model));
}

int mtnt__settle(const mtnt__settlement *settlement, mtnt__migration_event *ret_event, mtnt_error *err)
{
    mtnt__migration_state ended = MTNT__STATE_NONE;
    mtnt__outcome outcome;
    bool differs = false;
    int rc = ask_decider(settlement, &outcome, err);

    /* Its row may have been collected before we came to write abort: the state had been made durable first, and outranks it. */
    if (rc == 0 && outcome == MTNT__OUTCOME_ABORT)
        rc = read_ended(settlement, &ended, err);
    if (rc == 0 && ended == MTNT__STATE_COMMITTED)
        outcome = MTNT__OUTCOME_COMMIT;
    if (rc == 0 && settlement->mode == MTNT__MODE_TWO_PHASE)
        rc = finish_prepared(settlement, outcome, &differs, err);
    else if (rc == 0 && settlement->mode == MTNT__MODE_PROVISIONAL)
        rc = finish_provisional(settlement, outcome, err);
    else if (rc == 0 && settlement->mode == MTNT__MODE_TOMBSTONE && outcome == MTNT__OUTCOME_COMMIT)
        rc = mtnt__remove_finish(settlement->controller, settlement->model, settlement->migration, err);
    if (rc == 0 && differs) {
        *ret_event = MTNT__EVENT_DISAGREE;
        say_difference(settlement, outcome, err);
        return 0;
    }
    if (rc == MTNT_E_BLOCKED) {
        *ret_event = MTNT__EVENT_MEET_FOREIGN;
        return 0;
    }
    if (rc != 0)
        return mtnt_error_wrap(err, "tenant %s: its interrupted migration could not be settled",
                               mtnt_model_id(settlement->model));
    *ret_event = outcome == MTNT__OUTCOME_COMMIT ? MTNT__EVENT_COMMIT : MTNT__EVENT_ABORT;
    return 0;
}
