#include "fleet/again.h"

#include <string.h>

#include "fleet/admit.h"
#include "fleet/away.h"
#include "fleet/share.h"

#define STRANDED_MS 500 /* it has to be claimed anew: by then the controller has answered */

bool mtnt__again_wanted(mtnt__dispatch *d, mtnt__task *task)
{
    const mtnt_rollout_options *options = &d->executor->options.rollout;
    const mtnt__system *system = d->executor->controller->system;
    bool stranded = !mtnt__dispatch_draining(d) && mtnt__away_is_why(d, task);
    uint32_t chance = 0;
    int64_t pause_ms;

    if (!stranded && (task->result_code == 0 || !task->error.retryable || task->verdict != MTNT__VERDICT_FAILED ||
                      task->tries >= options->retries || mtnt__dispatch_draining(d)))
        return false;
    if (system->random(system->data, &chance, sizeof(chance)) != 0)
        chance = 0; /* a longer pause */
    task->tries += !stranded;
    task->tries_on = true;
    pause_ms =
        stranded ? mtnt__pause_ms(STRANDED_MS, 1, chance) : mtnt__pause_ms(options->retry_ms, task->tries, chance);
    task->due_ms = mtnt__dispatch_now_ms(d) + pause_ms;
    mtnt__tally_retry(&d->tally, task, pause_ms);
    mtnt__admit_over(d, task);
    return true;
}

void mtnt__again_rest(mtnt__dispatch *d, mtnt__task *task)
{
    mtnt__heartbeat_remove(d->heartbeat, &task->lease);
    d->resting.items[d->resting.count++] = task;
}

static size_t take_due(mtnt__dispatch *d, mtnt__task *due[MTNT__BATCH])
{
    int64_t now_ms = mtnt__dispatch_now_ms(d);
    size_t count = 0, kept = 0;

    for (size_t i = 0; i < d->resting.count; i++) {
        mtnt__task *task = d->resting.items[i];

        if (count < MTNT__BATCH && task->due_ms <= now_ms)
            due[count++] = task;
        else
            d->resting.items[kept++] = task;
    }
    d->resting.count = kept;
    return count;
}

static void try_again(mtnt__dispatch *d, mtnt__task *task, mtnt__known *known)
{
    /* A recovery that broke off has left the lease with us; no worker has it. */
    if (!mtnt__known_idle(known) && strcmp(known->owner, d->executor->controller->owner) == 0)
        known->lease_until_ms = 0;
    task->tries_on = false;
    if (mtnt__job_current(&d->job, task->model, known)) {
        /* Somebody else has done it meanwhile. */
        task->result_code = 0;
        mtnt__tally_current(&d->tally, task->model);
        mtnt__dispatch_free_task(d, task);
        return;
    }
    mtnt__task_again(task, known);
    task->recovering = !mtnt__known_idle(known);
    d->queued.items[d->queued.count++] = task;
}

void mtnt__again_wake(mtnt__dispatch *d)
{
    mtnt__task *due[MTNT__BATCH];
    const mtnt_model *models[MTNT__BATCH];
    mtnt_error error = MTNT_ERROR_INIT;
    size_t count;
    mtnt__heard heard;
    int rc;

    if (d->resting.count == 0 || mtnt__dispatch_draining(d) || !mtnt__away_asks(d))
        return;
    count = take_due(d, due);
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        models[i] = due[i]->model;
    mtnt__gate_enter(d->gate);
    rc = mtnt__store_select(d->executor->controller, mtnt_chain_name(d->executor->chain), models, count, d->known,
                            &error);
    mtnt__gate_leave(d->gate);
    heard = mtnt__away_hear(d, rc, &error);
    for (size_t i = 0; i < count; i++) {
        if (heard == MTNT__HEARD_ANSWER)
            try_again(d, due[i], d->known + i);
        else
            d->resting.items[d->resting.count++] = due[i]; /* due still; when it is lost _drop counts them */
    }
}

/* They failed for good: others of the run need not wait for them. */
static void note_dropped(mtnt__dispatch *d)
{
    const char *migrations[MTNT__BATCH];
    mtnt_error error = MTNT_ERROR_INIT;

    for (size_t i = 0; i < d->resting.count && mtnt__away_asks(d);) {
        size_t count = 0;
        int rc;

        while (count < MTNT__BATCH && i < d->resting.count)
            migrations[count++] = d->resting.items[i++]->claim.migration;
        mtnt__gate_enter(d->gate);
        rc = mtnt__store_run_rested(d->executor->controller, migrations, count, &error);
        if (rc != 0)
            mtnt__db_disconnect(d->executor->controller->db);
        mtnt__gate_leave(d->gate);
        if (rc != 0)
            return; /* this process is gone soon, and then they are anybody's */
    }
}

void mtnt__again_drop(mtnt__dispatch *d)
{
    if (mtnt__share_others(d))
        note_dropped(d);
    for (size_t i = 0; i < d->resting.count; i++) {
        d->resting.items[i]->tries_on = false;
        mtnt__dispatch_count_dropped(d, d->resting.items[i]);
        mtnt__dispatch_free_task(d, d->resting.items[i]);
    }
    d->resting.count = 0;
}
