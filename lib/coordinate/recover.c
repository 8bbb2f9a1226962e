#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/apart.h"
#include "coordinate/saga.h"
#include "coordinate/task.h"
#include "state/runs.h"

#define TAKE_TRIES 3

/* Where the model stands once it has been settled, so that the controller's row is true again. */
int mtnt__recover_position(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                           const char *uuid, mtnt__position *ret_position, mtnt__identity *ret_identity,
                           mtnt_error *err)
{
    const mtnt__expected expected = {mtnt_model_id(model), controller->id, uuid};
    mtnt__previous previous = {0};
    mtnt__db_options options = mtnt__side_options(controller, model);
    mtnt__applied applied = {0};
    mtnt_db *db = NULL;
    int rc;

    options.read_only = true;
    rc = mtnt__db_open(&db, mtnt__model_dsn(model), &options, err);
    if (rc == 0)
        rc = mtnt__db_begin(db, err);
    if (rc == 0)
        rc = mtnt__model_state_read(db, chain, &expected, ret_identity, &applied, err);
    if (rc == 0)
        rc = mtnt__store_previous(controller, mtnt_chain_name(chain), model, &previous, err);
    if (rc == 0)
        rc = mtnt__previous_add_applied(&previous, &applied, err);
    if (rc == 0)
        rc = mtnt__position_of(&applied, chain, ret_position, err);
    mtnt__db_close(db);
    mtnt__previous_release(&previous);
    mtnt__applied_release(&applied);
    return rc;
}

static int check_place(const mtnt__unended *unended, const mtnt_model *model, mtnt_error *err)
{
    if (strcmp(unended->placed, mtnt__model_key(model)) == 0)
        return 0;
    return mtnt_error_set(
        err, MTNT_E_BLOCKED,
        "tenant %s: a migration of it was interrupted while its model was somewhere else than %s. Point the tenant back to where it "
        "was, so that it can be settled first",
        mtnt_model_id(model), model->shown);
}

/* A model that has been put away cannot be asked: what is applied since stands beside the decision. */
static int read_removal(mtnt_controller *controller, const char *migration, mtnt__position *ret_position,
                        mtnt__identity *ret_identity)
{
    mtnt__removal removal;
    int rc = mtnt__removal_find(controller->db, migration, &removal, NULL);

    if (rc != 0 || strcmp(removal.migration, migration) != 0)
        return MTNT_E_NOT_FOUND;
    *ret_position = removal.position;
    ret_identity->known = true;
    mtnt__text_copy(ret_identity->uuid, sizeof(ret_identity->uuid), removal.uuid);
    return 0;
}

/* What another try may get past. */
static bool may_pass(int rc)
{
    return rc == MTNT_E_IO || rc == MTNT_E_BUSY || rc == MTNT_E_CONNECT || rc == MTNT_E_NOMEM ||
           rc == MTNT_E_DEADLINE || rc == MTNT_E_CANCELLED;
}

/* Controller-only migrations leave a model without our tables, or out of reach; then the controller's own records tell all. A model that has
 * been written and cannot be read now must not be noted as one where nothing has been done. */
static int find_position(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model, mtnt__mode mode,
                         const mtnt__known *known, mtnt__end *end, mtnt__identity *identity, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = 0;

    if (read_removal(controller, known->migration, &end->position, identity) != 0)
        rc = mtnt__recover_position(controller, chain, model, known->uuid, &end->position, identity, &own);
    if (rc == 0) {
        end->moved = identity->known || end->position.version > 0;
        end->uuid = identity->uuid[0] == '\0' ? NULL : identity->uuid;
    }
    if (!may_pass(rc) || mode == MTNT__MODE_SINGLE_CONTROLLER || mode == MTNT__MODE_TOMBSTONE)
        return 0;
    mtnt_error_wrap(&own, "tenant %s: it is committed, and the model cannot be read", mtnt_model_id(model));
    if (err != NULL)
        *err = own;
    return rc;
}

/* What a takeover has to tell besides where the model stands. */
struct telling {
    mtnt__takeover takeover;
    char from[MTNT__CONTROLLER_TEXT_SIZE], to[MTNT__CONTROLLER_TEXT_SIZE];
    mtnt__audit audit;
    mtnt__step *steps;
    mtnt__ahead ahead;
};

static int read_takeover(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                         const mtnt__known *known, struct telling *telling, mtnt__applied *applied, mtnt_error *err)
{
    const mtnt__expected expected = {mtnt_model_id(model), controller->id, NULL};
    mtnt__db_options options = mtnt__side_options(controller, model);
    mtnt__identity identity;
    mtnt_db *db = NULL;
    int rc;

    options.read_only = true;
    rc = mtnt__db_open(&db, mtnt__model_dsn(model), &options, err);
    if (rc == 0)
        rc = mtnt__db_begin(db, err);
    if (rc == 0)
        rc = mtnt__model_state_read(db, chain, &expected, &identity, applied, err);
    if (rc == 0)
        rc = mtnt__model_state_takeover(db, known->migration, &telling->takeover, err);
    if (rc == 0)
        rc = mtnt__ahead_look_over(db, controller->db, &telling->ahead, err);
    mtnt__db_close(db);
    return rc;
}

/* Somebody may have taken it further since: then who it was is not known any more, and that it was so is written all the same. */
static int tell_takeover(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                         const mtnt__known *known, struct telling *telling, mtnt__end *end, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__applied applied = {0};
    int rc = read_takeover(controller, chain, model, known, telling, &applied, &own);

    if (rc == 0)
        rc = mtnt__recorded_steps(&applied, chain, &telling->steps, &end->step_count, &own);
    mtnt__applied_release(&applied);
    if (may_pass(rc)) {
        if (err != NULL)
            *err = own;
        return rc;
    }
    if (rc != 0) {
        mtnt__text_copy(telling->takeover.from, sizeof(telling->takeover.from), "unknown");
        mtnt__text_copy(telling->takeover.who, sizeof(telling->takeover.who), "unknown");
        telling->takeover.reason[0] = '\0';
    }
    mtnt__controller_text(telling->takeover.from, telling->from);
    mtnt__controller_text(controller->id, telling->to);
    telling->audit = (mtnt__audit){telling->from, telling->takeover.who,
                                   telling->takeover.reason[0] == '\0' ? NULL : telling->takeover.reason, telling->to};
    end->audit = &telling->audit;
    end->steps = telling->steps;
    end->ahead = &telling->ahead;
    return 0;
}

int mtnt__recover_where(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model, mtnt__mode mode,
                        const mtnt__known *known, bool *ret_moved, mtnt__position *ret_position,
                        mtnt__identity *ret_identity, mtnt_error *err)
{
    mtnt__end end = {.moved = false};
    int rc = find_position(controller, chain, model, mode, known, &end, ret_identity, err);

    if (rc != 0)
        return rc;
    *ret_moved = end.moved;
    *ret_position = end.position;
    return 0;
}

static int end_it(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model, mtnt__mode mode,
                  mtnt__known *known, mtnt__migration_state state, const mtnt_error *why, mtnt_error *err)
{
    mtnt__identity identity = {0};
    mtnt__end end = {.tenant = mtnt_model_id(model),
                     .migration = known->migration,
                     .epoch = mtnt__migration_state_ended(state) ? 0 : known->epoch,
                     .state = state,
                     .placed = mtnt__model_key(model),
                     .finished_ms = controller->system->wall_ms(controller->system->data)};
    mtnt_error interrupted = MTNT_ERROR_INIT;
    struct telling telling = {.steps = NULL};
    int rc = 0;

    if (state == MTNT__STATE_COMMITTED)
        rc = find_position(controller, chain, model, mode, known, &end, &identity, err);
    if (rc == 0 && state == MTNT__STATE_COMMITTED && mode == MTNT__MODE_ADOPTION)
        rc = tell_takeover(controller, chain, model, known, &telling, &end, err);
    if (rc != 0) {
        free(telling.steps);
        mtnt__ahead_release(&telling.ahead);
        return rc;
    }
    if (state != MTNT__STATE_COMMITTED) {
        mtnt_error_set(&interrupted, MTNT_E_CANCELLED, "%s",
                       state == MTNT__STATE_ABORTED ? MTNT__RUN_INTERRUPTED : why->message);
        end.error = &interrupted;
    }
    rc = mtnt__store_finish(controller, mtnt_chain_name(chain), &end, 1, err);
    free(telling.steps);
    mtnt__ahead_release(&telling.ahead);
    if (rc == 0 && mtnt__migration_state_ended(state)) {
        mtnt__text_copy(known->state, sizeof(known->state), "idle");
        if (end.moved) {
            known->version = end.position.version;
            mtnt__text_copy(known->digest, sizeof(known->digest), end.position.digest);
            if (end.uuid != NULL)
                mtnt__text_copy(known->uuid, sizeof(known->uuid), identity.uuid);
            mtnt__text_copy(known->placed, sizeof(known->placed), end.placed);
        }
    }
    return rc;
}

/* Only a person ends these. */
static int check_state(const mtnt__known *known, const mtnt_model *model, mtnt_error *err)
{
    const char *id = mtnt_model_id(model);

    switch (mtnt__migration_state_parse(known->state)) {
    case MTNT__STATE_DIVERGED:
        return mtnt_error_set(
            err, MTNT_E_BLOCKED,
            "tenant %s: diverged: its two databases disagree about migration %s. Bring them to the same state, then   "
            "mtnt-model resolve --tenant %s --as committed (or aborted)",
            id, known->migration, id);
    case MTNT__STATE_ROLLBACK_FAILED:
        return mtnt_error_set(
            err, MTNT_E_BLOCKED,
            "tenant %s: rollback_failed: a rollback kept failing. See to its reason, then   mtnt-model resolve --tenant %s "
            "--as retry (or committed, or aborted, after taking it there by hand)",
            id, id);
    default: return 0;
    }
}

/* Step 1. A dispatcher that was stopped in the middle of its bookkeeping holds the lease's row, or a SQLite controller as a whole. */
static int take_over(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                     const mtnt_migration_options *options, const mtnt__known *known, mtnt__unended *ret_unended,
                     mtnt_error *err)
{
    mtnt__db_options plain = mtnt__side_options(controller, NULL);
    const char *handle = strchr(known->owner, '#');
    char mark[MTNT__ID_SIZE] = "";
    mtnt__blockers blockers = {mark, {known->owner, NULL}};
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = 0;

    if (handle != NULL)
        snprintf(mark, sizeof(mark), "%.*s", (int)strcspn(handle + 1, "."), handle + 1);
    for (int tries = 0; tries < TAKE_TRIES; tries++) {
        mtnt_error_clear(&own);
        rc = mtnt__store_unended(controller, known->migration, ret_unended, &own);
        if (rc == 0)
            rc = check_place(ret_unended, model, &own);
        if (rc == 0) {
            blockers.owners[1] = ret_unended->worker;
            rc = mtnt__store_take_lease(controller, mtnt_chain_name(chain), mtnt_model_id(model), known,
                                        mtnt__recovery_lease_ms(options), &own);
        }
        if (!mtnt__blockers_met(rc, &own) || mtnt__blockers_end(&blockers, controller->dsn, &plain, &own) != 0)
            break;
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

/* The next recovery may find what this one has not; until then it is in doubt, and for a person where that never comes back. */
static bool out_of_reach(int rc)
{
    return rc == MTNT_E_CONNECT || rc == MTNT_E_NOT_FOUND || rc == MTNT_E_FOREIGN || rc == MTNT_E_CORRUPT ||
           rc == MTNT_E_IO;
}

static int recover_saga(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                        const mtnt_migration_options *options, mtnt__gate *gate, const mtnt__bodies *bodies,
                        const mtnt__known *known, const mtnt__unended *unended, mtnt__migration_state *state,
                        mtnt__migration_event *ret_event, mtnt_error *err)
{
    mtnt__claim claim = {.model = model,
                         .mode = mtnt__mode_name(MTNT__MODE_SAGA),
                         .decider = "controller",
                         .backward = unended->backward,
                         .home = unended->home,
                         .epoch = unended->epoch};
    const char *owners[] = {unended->worker, known->owner};
    int rc;

    mtnt__text_copy(claim.migration, sizeof(claim.migration), unended->migration);
    mtnt__gate_enter(gate);
    rc = mtnt__store_previous(controller, mtnt_chain_name(chain), model, &claim.previous, err);
    mtnt__gate_leave(gate);
    if (rc == 0)
        rc = mtnt__saga_recover(controller, chain, &claim, known, owners, options, gate, bodies, state, ret_event, err);
    mtnt__previous_release(&claim.previous);
    return rc;
}

int mtnt__recover(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                  const mtnt_migration_options *options, mtnt__gate *gate, const mtnt__bodies *bodies,
                  mtnt__known *known, mtnt__migration_state *ret_state, mtnt_error *err)
{
    mtnt__settlement settlement = {
        .controller = controller, .model = model, .migration = known->migration, .options = options, .gate = gate};
    mtnt_error why = MTNT_ERROR_INIT;
    mtnt__migration_event event = MTNT__EVENT_LOSE_ANSWER;
    mtnt__migration_state state;
    mtnt__unended unended;
    int rc = check_state(known, model, err);

    if (rc != 0)
        return rc;
    if (!mtnt__known_takeable(controller, known, mtnt__longest_ms(options))) {
        mtnt_error_set(err, MTNT_E_BUSY, "tenant %s: another process is migrating it (%.*s)", mtnt_model_id(model),
                       (int)strcspn(known->owner, "#"), known->owner);
        if (err != NULL)
            err->retryable = true;
        return MTNT_E_BUSY;
    }
    /* Workers of the same process hold a SQLite controller for as long as an attempt takes. */
    mtnt__gate_enter(gate);
    rc = take_over(controller, chain, model, options, known, &unended, err);
    mtnt__gate_leave(gate);
    if (rc != 0)
        return rc;
    known->epoch++; /* the claim is ours now */
    settlement.blockers = (mtnt__blockers){known->migration, {unended.worker, known->owner}};
    state = mtnt__migration_state_parse(known->state);
    settlement.mode = mtnt__mode_parse(unended.mode, unended.decider);
    settlement.decider = unended.decider;
    settlement.home = unended.home;
    if (settlement.mode == 0)
        return mtnt_error_set(err, MTNT_E_NEWER,
                              "tenant %s: its interrupted migration was of mode `%s`, which only a newer release knows",
                              mtnt_model_id(model), unended.mode);
    rc = settlement.mode == MTNT__MODE_SAGA
             ? recover_saga(controller, chain, model, options, gate, bodies, known, &unended, &state, &event, &why)
             : mtnt__settle(&settlement, &event, &why);
    if (rc != 0 && (settlement.mode == MTNT__MODE_SAGA || !out_of_reach(rc))) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    if (rc != 0)
        event = MTNT__EVENT_LOSE_ANSWER;
    *ret_state = mtnt__migration_move(state, event);
    mtnt__gate_enter(gate);
    rc = end_it(controller, chain, model, settlement.mode, known, *ret_state, &why, err);
    /* Whether its model is there is new too. */
    if (rc == 0 && settlement.mode == MTNT__MODE_TOMBSTONE)
        rc = mtnt__store_select(controller, mtnt_chain_name(chain), &model, 1, known, err);
    mtnt__gate_leave(gate);
    if (rc == 0 && !mtnt__migration_state_ended(*ret_state)) {
        if (event != MTNT__EVENT_LOSE_ANSWER)
            mtnt_error_wrap(&why, "tenant %s: %s", mtnt_model_id(model), mtnt__migration_state_name(*ret_state));
        if (err != NULL)
            *err = why;
        return why.code;
    }
    return rc;
}

int mtnt__link_keeper(mtnt__link *link, mtnt_controller *ret_controller, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(link->controller, NULL);
    int rc = 0;

    options.mark = link->controller->handle;
    if (link->keeper == NULL)
        rc = mtnt__db_open(&link->keeper, link->controller->dsn, &options, err);
    *ret_controller = *link->controller;
    ret_controller->db = link->keeper;
    return rc;
}

void mtnt__task_recover(mtnt__task *task, mtnt__link *link)
{
    mtnt_controller controller;
    int rc;

    if (link->isolation != NULL) {
        mtnt__apart_recover(task, link);
        return;
    }
    rc = mtnt__link_keeper(link, &controller, &task->error);

    task->recovered = MTNT__STATE_NONE;
    if (rc == 0)
        rc = mtnt__recover(&controller, task->job->chain, task->model, &task->job->options, link->gate, link->bodies,
                           &task->known, &task->recovered, &task->error);
    task->controller_lost = rc != 0 && rc != MTNT_E_BLOCKED && (mtnt__db_lost(link->keeper) || task->controller_lost);
    /* A transaction that an error has left open must not be there for the next one. */
    if (rc != 0)
        mtnt__db_disconnect(link->keeper);
    else
        mtnt_error_clear(&task->error);
    task->result_code = rc;
    task->outcome.to_version = task->known.version;
    if (task->doubted == 0)
        task->outcome.from_version = task->known.version;
}
