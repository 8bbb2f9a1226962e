/* Ends for claims: many tenants to a commit. */
#include "fleet/exchange.h"

#include <stdlib.h>
#include <string.h>

#include "fleet/admit.h"
#include "fleet/again.h"
#include "fleet/away.h"
#include "fleet/elsewhere.h"
#include "fleet/share.h"

#define LAZY_MS 200    /* how long an end may wait for company */
#define FULL_BATCH 128 /* ends that are worth a commit of their own */

/* One whose answer was lost is found again. */
static int begin_run(mtnt__dispatch *d, mtnt_error *err)
{
    const mtnt_executor *executor = d->executor;
    mtnt__run_terms terms;
    int rc = 0;

    if (d->job.run != 0)
        return mtnt__share_restore(d, err);
    if (mtnt__away_is_back(d))
        rc = mtnt__store_run_of(executor->controller, &d->job.run, err);
    if (rc != 0 || d->job.run != 0 || d->asked == 0)
        return rc;
    mtnt__share_terms(executor, &d->job, &terms);
    terms.expected = d->waves.total;
    rc = mtnt__store_run_begin(executor->controller, mtnt_chain_name(executor->chain), mtnt__share_command(executor),
                               &terms, &d->job.run, err);
    if (rc == 0)
        mtnt__away_note_timeline(d);
    return rc;
}

static int exchange_once(mtnt__dispatch *d, mtnt_error *err)
{
    mtnt_executor *executor = d->executor;
    mtnt__run_note note;
    int rc = 0;

    mtnt__gate_enter(d->gate);
    rc = begin_run(d, err);
    d->tally.run = d->job.run;
    mtnt__share_note(d, &note);
    mtnt__share_pace(d, &note);
    for (size_t i = 0; i < d->asked && rc == 0; i++) {
        d->wanting.items[i]->claim.run = d->job.run;
        d->wanting.items[i]->claim.goes_on = mtnt__dispatch_begun(d->wanting.items[i]);
        d->claims[i] = &d->wanting.items[i]->claim;
    }
    if (rc == 0)
        rc = mtnt__store_exchange(executor->controller, mtnt_chain_name(executor->chain), d->ends, d->ended.count,
                                  d->claims, d->asked, mtnt__lease_ms(&executor->options.migration),
                                  d->job.run == 0 ? NULL : &note, err);
    mtnt__gate_leave(d->gate);
    return rc;
}

/* So many claimed tenants may wait for a worker. What waits here is nobody else's work, so where there are others it is less. */
static size_t depth(const mtnt__dispatch *d)
{
    return mtnt__share_others(d) ? d->executor->workers * MTNT__DEPTH_FIRST : d->depth;
}

/* How many of the wanting ones are asked for: all, unless others could do with some. */
static size_t asking(const mtnt__dispatch *d)
{
    size_t room = depth(d) > d->news.waiting ? depth(d) - d->news.waiting : 0;

    return !mtnt__share_others(d) || d->wanting.count < room ? d->wanting.count : room;
}

static void prepare_claims(mtnt__dispatch *d)
{
    size_t asked = asking(d), rest = d->wanting.count - asked;
    mtnt_error error = MTNT_ERROR_INIT;
    size_t kept = 0;

    for (size_t i = 0; i < asked; i++) {
        mtnt__task *task = d->wanting.items[i];

        if (mtnt__task_next(task, &error) == 0) {
            task->claim.withheld = false;
            task->claim.as_seen = true;
            task->claim.seen = task->known.epoch;
            d->wanting.items[kept++] = task;
            continue;
        }
        mtnt__task_fail(task, &error);
        mtnt__tally_finished(&d->tally, task);
        mtnt__dispatch_free_task(d, task);
    }
    d->asked = kept;
    memmove(d->wanting.items + kept, d->wanting.items + asked, rest * sizeof(mtnt__task *));
    d->wanting.count = kept + rest;
}

/* Somebody else was quicker. Operations that are to be taken back between two claims of ours are another's affair by now. */
static void put_aside(mtnt__dispatch *d, mtnt__task *task)
{
    mtnt_error error = MTNT_ERROR_INIT;

    if (task->phase == MTNT__TASK_BACK) {
        mtnt_error_set(&error, MTNT_E_BUSY, "another process has taken it before its operations were taken back");
        mtnt_error_keep(&task->error, &error);
        mtnt__task_fail(task, &task->error);
        mtnt__tally_finished(&d->tally, task);
    } else {
        mtnt__elsewhere_add(d, task->model, task->claim.migration, NULL);
        mtnt__admit_aside(d, task);
    }
    mtnt__dispatch_free_task(d, task);
}

static void give_out(mtnt__dispatch *d)
{
    for (size_t i = 0; i < d->asked; i++) {
        mtnt__task *task = d->wanting.items[i];

        if (task->claim.withheld) {
            mtnt__admit_back(d, task);
            continue;
        }
        if (task->claim.claimed) {
            mtnt__admit_placed(d, task);
            mtnt__task_hold(task, d->heartbeat);
            mtnt__pool_push(d->pool, task);
            continue;
        }
        put_aside(d, task);
    }
    d->wanting.count -= d->asked;
    memmove(d->wanting.items, d->wanting.items + d->asked, d->wanting.count * sizeof(mtnt__task *));
    d->asked = 0;
}

/* Whether it goes on although the run does not: what an attempt has begun is finished when the run is drained, and taken back when it is
 * interrupted. */
static bool goes_on(const mtnt__dispatch *d, mtnt__task *task)
{
    if (d->lost || !mtnt__dispatch_begun(task))
        return false;
    if (mtnt__dispatch_interrupting(d) && task->phase == MTNT__TASK_RUN)
        mtnt__task_interrupt(task);
    return task->phase != MTNT__TASK_DONE;
}

void mtnt__exchange_drop_wanting(mtnt__dispatch *d)
{
    size_t kept = d->asked; /* they may have been claimed: as soon as that is known they are given back */

    for (size_t i = kept; i < d->wanting.count; i++) {
        mtnt__task *task = d->wanting.items[i];

        if (goes_on(d, task)) {
            d->wanting.items[kept++] = task;
            continue;
        }
        mtnt__dispatch_count_dropped(d, task);
        mtnt__dispatch_free_task(d, task);
    }
    d->wanting.count = kept;
}

static bool worth_a_commit(const mtnt__dispatch *d)
{
    bool hungry = d->wanting.count > 0 && d->news.waiting < depth(d);
    bool late =
        d->ended.count > 0 && (d->ended.count >= FULL_BATCH || mtnt__dispatch_now_ms(d) - d->oldest_end_ms >= LAZY_MS);

    return hungry || late || (d->ended.count > 0 && d->news.waiting + d->news.running == 0);
}

/* A task that is not over goes back for its next claim, now that its end is written. */
static void close_ended(mtnt__dispatch *d)
{
    for (size_t i = 0; i < d->ended.count; i++) {
        mtnt__task *task = d->ended.items[i];

        task->end_due = false;
        task->known.epoch = task->claim.epoch;
        if (task->phase != MTNT__TASK_DONE) {
            d->wanting.items[d->wanting.count++] = task;
            continue;
        }
        if (task->tries_on) {
            mtnt__again_rest(d, task);
            continue;
        }
        if (task->taken) {
            mtnt__elsewhere_add(d, task->model, "", NULL);
            mtnt__admit_aside(d, task);
        }
        mtnt__dispatch_free_task(d, task);
    }
    d->ended.count = 0;
}

/* The tenant is over for this run: not one that was taken back before a worker had it. */
static bool settles(const mtnt__task *task)
{
    return task->phase == MTNT__TASK_DONE && !task->tries_on && !task->taken &&
           (task->outcome.migration != NULL || task->result_code != 0);
}

void mtnt__exchange(mtnt__dispatch *d)
{
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__heard heard;

    if (!mtnt__away_asks(d) || !(d->asked > 0 || worth_a_commit(d)))
        return;
    /* Those of an exchange without an answer are asked for as they were: they may have been written. */
    if (d->asked == 0)
        prepare_claims(d);
    for (size_t i = 0; i < d->ended.count; i++) {
        d->ends[i] = d->ended.items[i]->end;
        d->ends[i].rests = d->ended.items[i]->tries_on;
        d->ends[i].settles = settles(d->ended.items[i]);
        mtnt__heartbeat_remove(d->heartbeat, &d->ended.items[i]->lease);
    }
    heard = mtnt__away_hear(d, exchange_once(d, &error), &error);
    if (heard == MTNT__HEARD_LOST)
        d->asked = 0;
    if (heard != MTNT__HEARD_ANSWER)
        return;
    give_out(d);
    close_ended(d);
    mtnt__share_paced(d);
}

/* A claim that no worker has begun: its end says that nothing happened. */
static void end_untouched(mtnt__dispatch *d, mtnt__task *task)
{
    task->end = (mtnt__end){.tenant = mtnt_model_id(task->model),
                            .migration = task->claim.migration,
                            .epoch = task->claim.epoch,
                            .state = mtnt__migration_move(MTNT__STATE_EXECUTING, MTNT__EVENT_ABORT),
                            .run = task->claim.run,
                            .finished_ms = d->tally.system->wall_ms(d->tally.system->data)};
    if (goes_on(d, task))
        return;
    task->phase = MTNT__TASK_DONE;
    mtnt__dispatch_count_dropped(d, task);
}

void mtnt__exchange_queue_end(mtnt__dispatch *d, mtnt__task *task)
{
    if (d->ended.count == 0)
        d->oldest_end_ms = mtnt__dispatch_now_ms(d);
    d->ended.items[d->ended.count++] = task;
}

/* A recovery that was not begun: nothing has happened, and no end is to be written. */
static void drop_recovery(mtnt__dispatch *d, mtnt__task *task)
{
    mtnt__dispatch_count_dropped(d, task);
    mtnt__dispatch_free_task(d, task);
}

void mtnt__exchange_take_back(mtnt__dispatch *d)
{
    size_t count = mtnt__pool_withdraw(d->pool, d->news.done);
    mtnt__task **tasks = d->news.done;

    for (size_t i = 0; i < count; i++) {
        if (tasks[i]->recovering) {
            drop_recovery(d, tasks[i]);
            continue;
        }
        if (!d->lost && mtnt__dispatch_begun(tasks[i]) &&
            (tasks[i]->phase == MTNT__TASK_BACK || !mtnt__dispatch_interrupting(d))) {
            mtnt__pool_push(d->pool, tasks[i]);
            continue;
        }
        end_untouched(d, tasks[i]);
        mtnt__exchange_queue_end(d, tasks[i]);
    }
}
