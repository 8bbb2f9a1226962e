/* The dispatcher's loop: one thread that asks the controller who is where, claims in batches, feeds the pool, and writes how it ended, many
 * tenants to a commit. Workers never touch the bookkeeping connection. */
#include "fleet/dispatch.h"

#include <stdlib.h>

#include "fleet/exchange.h"
#include "fleet/elsewhere.h"
#include "fleet/intake.h"
#include "fleet/leftovers.h"

#define WAIT_MS 50

int64_t mtnt__dispatch_now_ms(const mtnt__dispatch *d)
{
    const mtnt__system *system = d->executor->controller->system;

    return system->boot_ms(system->data);
}

bool mtnt__dispatch_draining(const mtnt__dispatch *d)
{
    return d->lost || atomic_load(&d->executor->cancel) != 0 ||
           (d->executor->options.stop_on_error && d->tally.counts.failed > 0);
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
    mtnt__task_release(task);
    free(task);
    d->in_flight--;
}

/* A recovery may have shown that nothing is left to do. */
static void take_recovered(mtnt__dispatch *d, mtnt__task *task)
{
    task->recovering = false;
    if (task->result_code == MTNT_E_BUSY && task->error.retryable) {
        mtnt__elsewhere_add(d, task->model, "", &task->error);
        mtnt__dispatch_free_task(d, task);
        return;
    }
    if (task->result_code != 0) {
        mtnt__tally_failed(&d->tally, task->model, &task->error);
        mtnt__dispatch_free_task(d, task);
        return;
    }
    mtnt__tally_recovered(&d->tally, task->recovered == MTNT__STATE_COMMITTED);
    if (!mtnt__job_current(&d->job, task->model, &task->known)) {
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
    for (size_t i = 0; i < d->news.done_count; i++) {
        mtnt__task *task = d->news.done[i];

        if (task->recovering) {
            take_recovered(d, task);
            continue;
        }
        mtnt__leftovers_note_place(d, task);
        if (task->phase == MTNT__TASK_DONE && !task->taken)
            mtnt__tally_finished(&d->tally, task);
        if (task->phase == MTNT__TASK_DONE && task->known.gone && task->attempt.removes && task->attempt.grace_ms == 0)
            mtnt__leftovers_note_grave(d, task->model);
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
}

static void heed_interrupt(mtnt__dispatch *d)
{
    if (mtnt__dispatch_interrupting(d) && !d->interrupted) {
        d->interrupted = true;
        mtnt__pool_cancel_running(d->pool);
    }
}

/* Nothing is to be done before a worker has something to say, or another process's tenants may be looked at again. */
static bool nothing_at_hand(const mtnt__dispatch *d)
{
    bool only_held = d->source_ended && d->elsewhere.count > 0 && d->elsewhere.round == 0;

    return d->in_flight != d->ended.count + d->wanting.count || (d->in_flight == 0 && only_held);
}

static bool over(const mtnt__dispatch *d)
{
    if (d->news.waiting + d->news.running > 0 || d->wanting.count > 0 || d->elsewhere.count > 0)
        return false;
    return d->lost || (d->ended.count == 0 && (d->source_ended || mtnt__dispatch_draining(d)));
}

void mtnt__dispatch_run(mtnt__dispatch *d)
{
    do {
        mtnt__intake(d);
        mtnt__elsewhere_look(d);
        mtnt__exchange(d);
        collect(d, nothing_at_hand(d) ? WAIT_MS : 0);
        heed_cancel(d);
        heed_interrupt(d);
    } while (!over(d));
}

int mtnt__dispatch_make_room(mtnt__dispatch *d, mtnt_error *err)
{
    size_t window = d->executor->window;

    d->wanting.items = calloc(window + MTNT__BATCH, sizeof(mtnt__task *));
    d->ended.items = calloc(window + MTNT__BATCH, sizeof(mtnt__task *));
    d->news.started = calloc(window + MTNT__BATCH, sizeof(mtnt__task *));
    d->news.done = calloc(window + MTNT__BATCH, sizeof(mtnt__task *));
    d->ends = calloc(window + MTNT__BATCH, sizeof(*d->ends));
    d->claims = calloc(window + MTNT__BATCH, sizeof(mtnt__claim *));
    d->batch = calloc(MTNT__BATCH, sizeof(mtnt_model *));
    d->known = calloc(MTNT__BATCH, sizeof(*d->known));
    d->ahead.models = calloc(MTNT__BATCH_AHEAD, sizeof(mtnt_model *));
    d->ahead.current = calloc(MTNT__BATCH_AHEAD, sizeof(bool));
    d->ahead.batch = MTNT__BATCH;
    if (d->wanting.items == NULL || d->ended.items == NULL || d->news.started == NULL || d->news.done == NULL ||
        d->ends == NULL || d->claims == NULL || d->batch == NULL || d->known == NULL || d->ahead.models == NULL ||
        d->ahead.current == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return 0;
}

void mtnt__dispatch_free_room(mtnt__dispatch *d)
{
    free(d->wanting.items);
    free(d->ended.items);
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
