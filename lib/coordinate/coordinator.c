#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/bookkeeping.h"
#include "coordinate/deadlines.h"
#include "coordinate/lane_order.h"
#include "state/lane_rows.h"

#define STORE_TRIES 5

struct mtnt_coordinator {
    mtnt_controller *controller;
    mtnt_model *model;
    const mtnt_chain *chain;
    mtnt_migration_options options;
    mtnt__link link;
    mtnt__gate gate;            /* between the attempt and the heartbeat */
    mtnt__heartbeat *heartbeat; /* while a claim is held; NULL = none yet */
    mtnt__templates templates;  /* of its own: it makes one model at most, and no template of it */
    mtnt__templates *shared;    /* in their place; NULL = none */
    const atomic_bool *stop;    /* every call is cancelled; NULL = never */
    mtnt__task task;            /* of the last perform or rewind */
    mtnt__job job;
    bool recovered, recovered_committed, removed;
    pthread_mutex_t mutex; /* over `active` */
    mtnt__task *active;
};

static int init_sync(mtnt_coordinator *coordinator, mtnt_error *err)
{
    int rc = mtnt__gate_init(&coordinator->gate, err);

    if (rc != 0)
        return rc;
    rc = mtnt__templates_init(&coordinator->templates, err);
    if (rc == 0 && pthread_mutex_init(&coordinator->mutex, NULL) != 0) {
        mtnt__templates_release(&coordinator->templates);
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
    }
    if (rc != 0)
        mtnt__gate_release(&coordinator->gate);
    return rc;
}

void mtnt__coordinator_share(mtnt_coordinator *coordinator, mtnt__templates *templates, const atomic_bool *stop)
{
    coordinator->shared = templates;
    coordinator->stop = stop;
}

int mtnt_coordinator_new(mtnt_coordinator **ret_coordinator, mtnt_controller *controller, const mtnt_model *model,
                         const mtnt_chain *chain, const mtnt_migration_options *options, mtnt_error *err)
{
    static const mtnt_migration_options defaults = MTNT_MIGRATION_OPTIONS_INIT;
    mtnt_coordinator *coordinator;
    mtnt__job job = {0};
    int rc;

    if (controller == NULL || model == NULL || chain == NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "a coordinator needs a controller, a model and a chain");
    chain = mtnt__chain_first_lane(chain);
    rc = mtnt__job_init(&job, controller, chain, MTNT_FORWARD, options, err);
    mtnt__job_release(&job);
    if (rc != 0)
        return rc;
    coordinator = calloc(1, sizeof(*coordinator));
    if (coordinator == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    rc = init_sync(coordinator, err);
    if (rc != 0) {
        free(coordinator);
        return rc;
    }
    coordinator->templates.only_use = true;
    coordinator->controller = controller;
    /* Models are counted; the const is about what it says, not about who holds it. */
    coordinator->model = mtnt__model_ref((mtnt_model *)(uintptr_t)model);
    coordinator->chain = chain;
    coordinator->options = options == NULL ? defaults : *options;
    mtnt__lane_deadlines(&coordinator->options, chain);
    coordinator->link = (mtnt__link){.controller = controller, .gate = &coordinator->gate};
    *ret_coordinator = coordinator;
    return 0;
}

static void forget_last(mtnt_coordinator *coordinator)
{
    mtnt__task_release(&coordinator->task);
    mtnt__job_release(&coordinator->job);
    coordinator->job = (mtnt__job){0};
    coordinator->recovered = coordinator->recovered_committed = coordinator->removed = false;
}

void mtnt_coordinator_free(mtnt_coordinator *coordinator)
{
    if (coordinator == NULL)
        return;
    forget_last(coordinator);
    mtnt__link_release(&coordinator->link);
    mtnt_model_free(coordinator->model);
    mtnt__gate_release(&coordinator->gate);
    mtnt__templates_release(&coordinator->templates);
    pthread_mutex_destroy(&coordinator->mutex);
    free(coordinator);
}

size_t mtnt_coordinator_len(const mtnt_coordinator *coordinator)
{
    return mtnt_chain_len(coordinator->chain);
}

static bool ensured(void *data)
{
    return ((mtnt_coordinator *)data)->controller->ensured;
}

static int lock_database(void *data, mtnt_error *err)
{
    return mtnt__controller_lock(((mtnt_coordinator *)data)->controller, err);
}

static int ensure(void *data, mtnt_error *err)
{
    return mtnt__controller_ensure(((mtnt_coordinator *)data)->controller, err);
}

static int unlock_database(void *data, mtnt_error *err)
{
    return mtnt__controller_unlock(((mtnt_coordinator *)data)->controller, err);
}

static int abandon_database(void *data, mtnt_error *err)
{
    (void)err;
    mtnt__db_rollback(((mtnt_coordinator *)data)->controller->db);
    return 0;
}

/* The statements may be repeated when an answer was lost: an end is written by migration, and a claim that was written before is found again.
 * A lock that is not had is waited for again only where something would be left undone. */
static bool worth_repeating(int rc, const mtnt_error *err, bool ends)
{
    return rc == MTNT_E_IN_DOUBT || rc == MTNT_E_CONNECT || (rc != 0 && err->retryable && (ends || rc != MTNT_E_BUSY));
}

static int exchange(mtnt_coordinator *coordinator, const mtnt__end *end, mtnt__claim *claim, mtnt_error *err)
{
    const mtnt__system *system = coordinator->controller->system;
    mtnt__claim *claims[] = {claim};
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = 0;

    for (int tries = 1;; tries++) {
        mtnt_error_clear(&own);
        rc = mtnt__store_exchange(coordinator->controller, mtnt_chain_name(coordinator->chain), end, end != NULL,
                                  claims, claim != NULL, mtnt__lease_ms(&coordinator->options), NULL, &own);
        if (tries == STORE_TRIES || !worth_repeating(rc, &own, end != NULL))
            break;
        mtnt__db_disconnect(coordinator->controller->db);
        system->sleep_ms(system->data, 20 << tries);
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

static int claim(void *data, mtnt__task *task, mtnt_error *err)
{
    mtnt_coordinator *coordinator = data;
    int rc = coordinator->heartbeat != NULL ? 0
                                            : mtnt__heartbeat_open(&coordinator->heartbeat, coordinator->controller,
                                                                   mtnt_chain_name(coordinator->chain),
                                                                   &coordinator->gate, &coordinator->options, err);

    if (rc == 0)
        rc = exchange(coordinator, NULL, &task->claim, err);

    if (rc == 0 && !task->claim.claimed) {
        rc = mtnt_error_set(err, MTNT_E_BUSY, "tenant %s: another process has taken it", mtnt_model_id(task->model));
        if (err != NULL)
            err->retryable = true;
    }
    if (rc == 0)
        mtnt__task_hold(task, coordinator->heartbeat);
    return rc;
}

static void run(void *data, mtnt__task *task)
{
    mtnt__task_run(task, &((mtnt_coordinator *)data)->link);
}

static int release(void *data, mtnt__task *task, mtnt_error *err)
{
    mtnt_coordinator *coordinator = data;

    task->end_due = false;
    mtnt__heartbeat_remove(coordinator->heartbeat, &task->lease);
    return exchange(coordinator, &task->end, NULL, err);
}

static int look(mtnt_coordinator *coordinator, mtnt__known *ret_known, mtnt_error *err)
{
    const mtnt_model *model = coordinator->model;

    int rc =
        mtnt__store_select(coordinator->controller, mtnt_chain_name(coordinator->chain), &model, 1, ret_known, err);

    if (rc != MTNT_E_CONNECT)
        return rc;
    /* The connection may have died of old age since the last call. */
    mtnt_error_clear(err);
    mtnt__db_disconnect(coordinator->controller->db);
    return mtnt__store_select(coordinator->controller, mtnt_chain_name(coordinator->chain), &model, 1, ret_known, err);
}

static int recover(mtnt_coordinator *coordinator, mtnt__known *known, mtnt_error *err)
{
    mtnt__migration_state state = MTNT__STATE_NONE;
    int rc;

    if (mtnt__known_idle(known))
        return 0;
    rc = mtnt__recover(coordinator->controller, coordinator->chain, coordinator->model, &coordinator->options, NULL,
                       NULL, known, &state, err);
    coordinator->recovered = rc == 0;
    coordinator->recovered_committed = rc == 0 && state == MTNT__STATE_COMMITTED;
    return rc;
}

static int forget(mtnt_coordinator *coordinator, mtnt__known *known, mtnt_error *err)
{
    int rc;

    if (!mtnt__job_forgets(&coordinator->job, known))
        return 0;
    if (coordinator->options.rehearse) {
        *known = (mtnt__known){.epoch = known->epoch};
        return 0;
    }
    rc = mtnt__removal_forget(coordinator->controller, mtnt_chain_name(coordinator->chain),
                              mtnt_model_id(coordinator->model), known->uuid, err);
    return rc == 0 ? look(coordinator, known, err) : rc;
}

static int remove_due(mtnt_coordinator *coordinator, mtnt_error *err)
{
    return mtnt__remove_due(coordinator->controller, coordinator->chain, coordinator->model, NULL,
                            &coordinator->removed, err);
}

static void set_active(mtnt_coordinator *coordinator, mtnt__task *task)
{
    pthread_mutex_lock(&coordinator->mutex);
    coordinator->active = task;
    if (task != NULL && coordinator->stop != NULL && atomic_load(coordinator->stop))
        mtnt__task_cancel(task);
    pthread_mutex_unlock(&coordinator->mutex);
}

/* Other lanes may have to come first. */
static int heed_lanes(mtnt_coordinator *coordinator, mtnt_direction direction, const mtnt__known *known,
                      mtnt_error *err)
{
    const mtnt_model *model = coordinator->model;
    mtnt__lane_debt debt;
    int rc;

    if (coordinator->chain->whole == NULL || coordinator->options.adoption != NULL ||
        mtnt__job_current(&coordinator->job, model, known))
        return 0;
    rc = mtnt__lane_rows_write(coordinator->controller, coordinator->chain, err);
    if (rc != 0)
        return rc;
    rc = mtnt__lane_order(coordinator->controller, coordinator->chain, mtnt__job_floor(&coordinator->job), &model, 1,
                          &debt, err);
    return rc == 0 && direction != MTNT_BASELINE
               ? mtnt__lane_order_check(coordinator->chain, &debt, direction == MTNT_BACKWARD, mtnt_model_id(model),
                                        err)
               : rc;
}

static int go(mtnt_coordinator *coordinator, mtnt_direction direction, mtnt_error *err)
{
    const mtnt__bookkeeping calls = {ensured, lock_database, ensure,  unlock_database, abandon_database,
                                     claim,   run,           release, coordinator};
    mtnt__known known;
    int rc;

    forget_last(coordinator);
    mtnt__store_new_call(coordinator->controller);
    rc = mtnt__job_init(&coordinator->job, coordinator->controller, coordinator->chain, direction,
                        &coordinator->options, err);
    coordinator->job.templates = coordinator->shared != NULL ? coordinator->shared : &coordinator->templates;
    if (rc == 0)
        rc = mtnt__bookkeeping_ensure(&calls, err);
    if (rc == 0)
        rc = look(coordinator, &known, err);
    if (rc == 0)
        rc = recover(coordinator, &known, err);
    if (rc == 0)
        rc = forget(coordinator, &known, err);
    if (rc == 0)
        rc = heed_lanes(coordinator, direction, &known, err);
    /* Then there is no model to ask. */
    if (rc == 0 && known.gone && mtnt__job_current(&coordinator->job, coordinator->model, &known))
        return direction == MTNT_FORWARD && !coordinator->options.rehearse ? remove_due(coordinator, err) : 0;
    if (rc == 0)
        rc = mtnt__task_init(&coordinator->task, &coordinator->job, coordinator->model, &known, err);
    if (rc != 0)
        return rc;
    set_active(coordinator, &coordinator->task);
    rc = mtnt__bookkeeping_perform(&calls, &coordinator->task, err);
    set_active(coordinator, NULL);
    mtnt__heartbeat_free(coordinator->heartbeat);
    coordinator->heartbeat = NULL;
    if (rc == 0 && direction == MTNT_FORWARD && coordinator->task.known.gone && !coordinator->options.rehearse)
        rc = remove_due(coordinator, err);
    return rc;
}

int mtnt_coordinator_perform(mtnt_coordinator *coordinator, mtnt_error *err)
{
    return go(coordinator, MTNT_FORWARD, err);
}

int mtnt_coordinator_rewind(mtnt_coordinator *coordinator, mtnt_error *err)
{
    return go(coordinator, MTNT_BACKWARD, err);
}

int mtnt_coordinator_baseline(mtnt_coordinator *coordinator, mtnt_error *err)
{
    return go(coordinator, MTNT_BASELINE, err);
}

int mtnt_coordinator_adopt(mtnt_coordinator *coordinator, const mtnt_adoption *adoption, mtnt_adopted *ret_adopted,
                           mtnt_error *err)
{
    mtnt__known known;
    int rc = mtnt__adoption_check(adoption, err);

    *ret_adopted = (mtnt_adopted){.ours = false};
    if (rc != 0)
        return rc;
    if (!adoption->only_look) {
        coordinator->options.adoption = adoption;
        rc = go(coordinator, MTNT_FORWARD, err);
        coordinator->options.adoption = NULL;
        *ret_adopted = coordinator->task.attempt.adopted;
        return rc;
    }
    forget_last(coordinator);
    mtnt__store_new_call(coordinator->controller);
    rc = look(coordinator, &known, err);
    return rc == 0 ? mtnt__adopt_look(coordinator->controller, coordinator->chain, coordinator->model, adoption, &known,
                                      ret_adopted, err)
                   : rc;
}

int mtnt_coordinator_recover(mtnt_coordinator *coordinator, mtnt_error *err)
{
    mtnt__known known;
    int rc;

    forget_last(coordinator);
    mtnt__store_new_call(coordinator->controller);
    rc = look(coordinator, &known, err);
    if (rc == 0)
        rc = recover(coordinator, &known, err);
    return rc == 0 && known.gone ? remove_due(coordinator, err) : rc;
}

int mtnt_coordinator_resolve(mtnt_coordinator *coordinator, const mtnt_resolution *resolution,
                             mtnt_resolved *ret_resolved, mtnt_error *err)
{
    mtnt__known known;
    int rc;

    *ret_resolved = (mtnt_resolved){.asked = false};
    if (resolution->version != MTNT_RESOLUTION_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "mtnt_resolution of version %u; initialise it with MTNT_RESOLUTION_INIT",
                              (unsigned)resolution->version);
    if (resolution->who == NULL || resolution->who[0] == '\0')
        return mtnt_error_set(err, MTNT_E_INVALID, "a person's word needs to say whose it is");
    forget_last(coordinator);
    mtnt__store_new_call(coordinator->controller);
    rc = look(coordinator, &known, err);
    return rc == 0 ? mtnt__resolve(coordinator->controller, coordinator->chain, coordinator->model, resolution, &known,
                                   ret_resolved, err)
                   : rc;
}

void mtnt_coordinator_cancel(mtnt_coordinator *coordinator)
{
    pthread_mutex_lock(&coordinator->mutex);
    if (coordinator->active != NULL)
        mtnt__task_cancel(coordinator->active);
    pthread_mutex_unlock(&coordinator->mutex);
}

void mtnt_coordinator_outcome(const mtnt_coordinator *coordinator, mtnt_outcome *ret_outcome)
{
    *ret_outcome = coordinator->task.outcome;
    ret_outcome->tenant = mtnt_model_id(coordinator->model);
    ret_outcome->recovered = coordinator->recovered;
    ret_outcome->recovered_committed = coordinator->recovered_committed;
    ret_outcome->removed_model = coordinator->removed;
}
