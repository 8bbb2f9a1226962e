/* The dispatcher's loop: one thread that asks the controller who is where, claims in batches, feeds the pool, and writes how it ended, many
 * tenants to a commit. Workers never touch the bookkeeping connection. */
#include "fleet/dispatch.h"

#include <stdlib.h>

#include "fleet/admit.h"
#include "fleet/again.h"
#include "fleet/away.h"
#include "fleet/exchange.h"
#include "fleet/elsewhere.h"
#include "fleet/intake.h"
#include "fleet/leftovers.h"
#include "fleet/share.h"

#define WAIT_MS 50
#define IDLE_MS 1000 /* for events of progress while nothing else happens */

int64_t mtnt__dispatch_now_ms(const mtnt__dispatch *d)
{
    const mtnt__system *system = d->executor->controller->system;

    return system->boot_ms(system->data);
}

bool mtnt__dispatch_draining(const mtnt__dispatch *d)
{
    return d->lost || atomic_load(&d->executor->cancel) != 0 || d->tally.counts.stop != MTNT_STOP_NONE;
}

static void heed_failures(mtnt__dispatch *d)
{
    mtnt__admit_judge_budget(d);
    if (d->executor->options.stop_on_error && d->tally.counts.failed > 0 && d->tally.counts.stop == MTNT_STOP_NONE)
        d->tally.counts.stop = MTNT_STOP_ON_ERROR;
}

bool mtnt__dispatch_interrupting(const mtnt__dispatch *d)
{
    return atomic_load(&d->executor->cancel) == MTNT_CANCEL_INTERRUPT;
}

void mtnt__dispatch_note_error(mtnt__dispatch *d, const mtnt_error *error)
{
    if (d->error.code == MTNT_OK)
        d->error = *error;
    else
        mtnt_error_keep(&d->error, error);
}

void mtnt__dispatch_lose_controller(mtnt__dispatch *d, const mtnt_error *error)
{
    d->lost = true;
    mtnt__dispatch_note_error(d, error);
}

void mtnt__dispatch_free_task(mtnt__dispatch *d, mtnt__task *task)
{
    mtnt__heartbeat_remove(d->heartbeat, &task->lease);
    mtnt__admit_over(d, task);
    mtnt__admit_gone(d, task);
    mtnt__groups_part(&d->groups, task->group);
    mtnt__task_release(task);
    free(task);
    d->in_flight--;
}

bool mtnt__dispatch_begun(const mtnt__task *task)
{
    return task->outcome.migration != NULL && !task->again;
}

void mtnt__dispatch_count_dropped(mtnt__dispatch *d, const mtnt__task *task)
{
    if (task->outcome.migration != NULL)
        mtnt__tally_finished(&d->tally, task);
    else if (task->result_code != 0)
        mtnt__tally_failed(&d->tally, task->model, &task->error);
    else
        mtnt__tally_untouched(&d->tally, task->model);
}

/* A recovery may have shown that nothing is left to do. */
static void take_recovered(mtnt__dispatch *d, mtnt__task *task)
{
    task->recovering = false;
    if (task->result_code == MTNT_E_BUSY && task->error.retryable) {
        mtnt__elsewhere_add(d, task->model, "", &task->error);
        mtnt__admit_aside(d, task);
        mtnt__dispatch_free_task(d, task);
        return;
    }
    if (task->result_code != 0) {
        task->verdict = MTNT__VERDICT_FAILED;
        if (mtnt__again_wanted(d, task)) {
            mtnt__again_rest(d, task);
            return;
        }
        mtnt__tally_failed(&d->tally, task->model, &task->error);
        mtnt__dispatch_free_task(d, task);
        return;
    }
    mtnt__tally_recovered(&d->tally, task->recovered == MTNT__STATE_COMMITTED);
    if (task->doubted > 0 && task->recovered == MTNT__STATE_COMMITTED &&
        mtnt__job_current(&d->job, task->model, &task->known)) {
        d->tally.counts.operations -= (int64_t)task->outcome.executed; /* told with the try that was in doubt */
        mtnt__task_vindicate(task);
        mtnt__tally_finished(&d->tally, task);
        mtnt__dispatch_free_task(d, task);
        return;
    }
    if (!mtnt__job_current(&d->job, task->model, &task->known)) {
        if (task->debt.first != NULL && d->executor->company.makes_models != NULL) {
            /* What it owes may be paid by now: it is looked up again. */
            mtnt__elsewhere_add(d, task->model, "", NULL);
            mtnt__admit_aside(d, task);
            mtnt__dispatch_free_task(d, task);
            return;
        }
        if (!mtnt__intake_held(d, task->model, &task->known, &task->debt)) {
            d->wanting.items[d->wanting.count++] = task;
            return;
        }
        mtnt__dispatch_free_task(d, task);
        return;
    }
    mtnt__tally_current(&d->tally, task->model);
    mtnt__dispatch_free_task(d, task);
}

/* How it ended is known; its end is yet to be written. */
static void take_done(mtnt__dispatch *d, mtnt__task *task)
{
    if (!task->taken) {
        if (mtnt__again_wanted(d, task))
            return;
        mtnt__tally_finished(&d->tally, task);
    }
    mtnt__admit_over(d, task);
    if (task->known.gone && task->attempt.removes && task->attempt.grace_ms == 0)
        mtnt__leftovers_note_grave(d, task->model);
}

static void collect(mtnt__dispatch *d, int64_t wait_ms)
{
    size_t waited = d->news.waiting;

    mtnt__pool_take(d->pool, &d->news, wait_ms);
    if (d->news.waiting == 0 && waited > 0 && d->depth < MTNT__DEPTH_MAX)
        d->depth *= 2;
    for (size_t i = 0; i < d->news.started_count; i++) {
        /* A worker has it: nothing else of the task may be looked at. */
        if (d->news.started[i]->recovering)
            continue;
        if (!d->news.started[i]->announced)
            mtnt__tally_tenant_started(&d->tally, d->news.started[i]);
        d->news.started[i]->announced = true;
    }
    /* Those of the last time come once more. */
    for (size_t i = 0; i < d->unsure.count; i++)
        d->news.done[d->news.done_count++] = d->unsure.items[i];
    d->unsure.count = 0;
    mtnt__elsewhere_check(d);
    for (size_t i = 0; i < d->news.done_count; i++) {
        mtnt__task *task = d->news.done[i];

        if (task->unsure) {
            d->unsure.items[d->unsure.count++] = task;
            continue;
        }
        if (task->recovering) {
            take_recovered(d, task);
            continue;
        }
        mtnt__leftovers_note_place(d, task);
        mtnt__tally_remark(&d->tally, task);
        if (task->phase == MTNT__TASK_DONE)
            take_done(d, task);
        mtnt__exchange_queue_end(d, task);
    }
    mtnt__tally_progress(&d->tally, d->news.running);
}

static void heed_cancel(mtnt__dispatch *d)
{
    if (!mtnt__dispatch_draining(d))
        return;
    mtnt__exchange_take_back(d);
    mtnt__exchange_drop_wanting(d);
    mtnt__elsewhere_drop(d);
    mtnt__again_drop(d);
    mtnt__admit_drop(d);
}

static void heed_interrupt(mtnt__dispatch *d)
{
    if (mtnt__dispatch_interrupting(d) && !d->interrupted) {
        d->interrupted = true;
        mtnt__pool_cancel_running(d->pool);
    }
}

static bool over(const mtnt__dispatch *d)
{
    if (d->news.waiting + d->news.running > 0 || d->wanting.count > 0 || d->queued.count > 0 || d->resting.count > 0 ||
        d->parking.count > 0 || d->elsewhere.count > 0 || d->unsure.count > 0 ||
        (d->pulled.count > 0 && !mtnt__dispatch_draining(d)))
        return false;
    return d->lost || (d->ended.count == 0 && (d->source_ended || mtnt__dispatch_draining(d)));
}

static int64_t wait_ms(const mtnt__dispatch *d)
{
    size_t outside = d->queued.count + d->wanting.count + d->ended.count + d->resting.count + d->unsure.count;

    if (d->away.is && !d->lost)
        return mtnt__away_idle_ms(d, WAIT_MS);
    if (d->in_flight > outside) /* the pool has some, the last news of it notwithstanding */
        return d->pace.count == 0 ? WAIT_MS : mtnt__admit_idle_ms(d, WAIT_MS);
    /* A run that drains, or whose last tenant has come to nothing just now, has nobody to wait for. */
    if (d->ended.count + d->wanting.count > 0 || mtnt__intake_ready(d) || mtnt__dispatch_draining(d) || over(d))
        return 0;
    if (d->elsewhere.count > 0)
        return d->elsewhere.round > 0 && mtnt__dispatch_has_room(d) ? 0 : mtnt__admit_idle_ms(d, WAIT_MS);
    return mtnt__admit_idle_ms(d, IDLE_MS);
}

void mtnt__dispatch_run(mtnt__dispatch *d)
{
    mtnt__admit_limit(d);
    do {
        mtnt__intake(d);
        mtnt__elsewhere_look(d);
        mtnt__again_wake(d);
        mtnt__admit(d);
        mtnt__share_beat(d);
        mtnt__exchange(d);
        collect(d, wait_ms(d));
        heed_failures(d);
        heed_cancel(d);
        heed_interrupt(d);
        mtnt__admit_limit(d);
    } while (!over(d));
}

bool mtnt__dispatch_has_room(const mtnt__dispatch *d)
{
    return d->in_flight - d->resting.count + MTNT__BATCH <= d->executor->window && d->resting.count < MTNT__RESTING_MAX;
}

size_t mtnt__dispatch_room(const mtnt_executor *executor)
{
    return executor->window + MTNT__BATCH + MTNT__RESTING_MAX;
}

int mtnt__dispatch_make_room(mtnt__dispatch *d, mtnt_error *err)
{
    size_t room = mtnt__dispatch_room(d->executor);

    d->queued.items = calloc(room, sizeof(mtnt__task *));
    d->resting.items = calloc(room, sizeof(mtnt__task *));
    d->wanting.items = calloc(room, sizeof(mtnt__task *));
    d->ended.items = calloc(room, sizeof(mtnt__task *));
    d->unsure.items = calloc(room, sizeof(mtnt__task *));
    d->pulled.models = calloc(MTNT__BATCH, sizeof(mtnt_model *));
    d->news.started = calloc(room, sizeof(mtnt__task *));
    d->news.done = calloc(room, sizeof(mtnt__task *));
    d->ends = calloc(room, sizeof(*d->ends));
    d->claims = calloc(room, sizeof(mtnt__claim *));
    d->batch = calloc(MTNT__BATCH, sizeof(mtnt_model *));
    d->batch_groups = calloc(MTNT__BATCH, sizeof(*d->batch_groups));
    d->known = calloc(MTNT__BATCH, sizeof(*d->known));
    d->ahead.models = calloc(MTNT__BATCH_AHEAD, sizeof(mtnt_model *));
    d->ahead.current = calloc(MTNT__BATCH_AHEAD, sizeof(bool));
    d->ahead.batch = MTNT__BATCH;
    if (d->queued.items == NULL || d->resting.items == NULL || d->batch_groups == NULL || d->wanting.items == NULL ||
        d->ended.items == NULL || d->news.started == NULL || d->news.done == NULL || d->ends == NULL ||
        d->claims == NULL || d->batch == NULL || d->known == NULL || d->ahead.models == NULL ||
        d->ahead.current == NULL || d->unsure.items == NULL || d->pulled.models == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return 0;
}

void mtnt__dispatch_free_room(mtnt__dispatch *d)
{
    free(d->queued.items);
    free(d->resting.items);
    free(d->batch_groups);
    free(d->wanting.items);
    free(d->ended.items);
    free(d->unsure.items);
    free(d->pulled.models);
    free(d->news.started);
    free(d->news.done);
    free(d->ends);
    free(d->claims);
    free(d->batch);
    free(d->known);
    free(d->ahead.models);
    free(d->ahead.current);
    mtnt__elsewhere_release(d);
}
