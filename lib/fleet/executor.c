/* The dispatcher: one thread that asks the controller who is where, claims in batches, feeds the pool, and writes how it ended, many tenants to a
 * commit. Workers never touch the bookkeeping connection. */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinate/janitor.h"
#include "fleet/pool.h"
#include "fleet/tally.h"

#define MAX_WORKERS 1024
#define BATCH 128 /* tenants that one question to the controller is about */
#define DEPTH_FIRST \
    8 /* for each worker: claimed tenants that wait, so that no worker waits for a claim. Doubled when one did, */
#define DEPTH_MAX 384  /* because a claim's commit may take as long as many small tenants */
#define LAZY_MS 200    /* how long an end may wait for company */
#define FULL_BATCH 128 /* ends that are worth a commit of their own */
#define WAIT_MS 50
#define EXCHANGE_TRIES 6
#define PLACES_MAX 32

struct mtnt_executor {
    mtnt_controller *controller;
    const mtnt_chain *chain;
    mtnt_executor_options options;
    size_t workers, window;
    atomic_int cancel;     /* mtnt_cancel */
    pthread_mutex_t mutex; /* over `pool` */
    mtnt__pool *pool;      /* while a run is on */
};

/* A list of tasks, with room for the window. */
struct tasks {
    mtnt__task **items;
    size_t count;
};

struct dispatch {
    mtnt_executor *executor;
    mtnt_tenant_source *source;
    mtnt__job job;
    mtnt__gate gate;
    mtnt__slots slots;
    mtnt__heartbeat *heartbeat;
    mtnt__tally tally;
    mtnt__pool *pool;
    mtnt__pool_news news;
    struct tasks wanting; /* ask for a claim */
    struct tasks ended;   /* ends to be written */
    mtnt__end *ends;
    mtnt__claim **claims;
    mtnt_model **batch;
    mtnt__known *known;
    mtnt_model **graves; /* of tenants whose model was put away, and may be removed for good when the run is over */
    size_t grave_count;
    size_t in_flight, depth;
    int64_t oldest_end_ms;
    bool source_ended, announced, interrupted, lost;
    mtnt_model *places[PLACES_MAX]; /* one for each server on which this run may have left something */
    size_t place_count;
    mtnt_error error; /* the source's or the controller's */
};

static int64_t now_ms(const struct dispatch *d)
{
    const mtnt__system *system = d->executor->controller->system;

    return system->boot_ms(system->data);
}

static bool draining(const struct dispatch *d)
{
    return d->lost || atomic_load(&d->executor->cancel) != 0 ||
           (d->executor->options.stop_on_error && d->tally.counts.failed > 0);
}

static bool interrupting(const struct dispatch *d)
{
    return atomic_load(&d->executor->cancel) == MTNT_CANCEL_INTERRUPT;
}

static void note_error(struct dispatch *d, const mtnt_error *error)
{
    if (d->error.code == MTNT_OK)
        d->error = *error;
    else
        mtnt_error_keep(&d->error, error);
}

/* ---- what comes in ---- */

static void announce(struct dispatch *d, const mtnt_model *model)
{
    const char *guarantee = NULL;

    if (d->announced)
        return;
    if (model != NULL)
        guarantee = mtnt__mode_guarantee(
            mtnt__saga_expected(&d->executor->options.migration, d->executor->chain)
                ? MTNT__MODE_SAGA
                : mtnt__mode_choose(d->executor->controller, model, d->job.ladder.writes_after[0], false));
    if (d->source->total != NULL)
        d->tally.counts.total = d->source->total(d->source->data);
    mtnt__tally_run_started(&d->tally, (int)d->executor->workers, guarantee);
    d->announced = true;
}

static size_t pull(struct dispatch *d, size_t room)
{
    mtnt_error error = MTNT_ERROR_INIT;
    size_t count = 0;

    while (count < room && !d->source_ended) {
        mtnt_model *model = NULL;

        if (d->source->next(d->source->data, &model, &error) != 0) {
            d->source_ended = true;
            note_error(d, &error);
        } else if (model == NULL) {
            d->source_ended = true;
        } else {
            d->batch[count++] = model;
        }
    }
    return count;
}

static void add_task(struct dispatch *d, mtnt_model *model, const mtnt__known *known)
{
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__task *task = calloc(1, sizeof(*task));

    if (task == NULL || mtnt__task_init(task, &d->job, model, known, &error) != 0) {
        free(task);
        if (error.code == MTNT_OK)
            mtnt_error_set(&error, MTNT_E_NOMEM, "out of memory");
        mtnt__tally_failed(&d->tally, model, &error);
        return;
    }
    d->in_flight++;
    /* An interrupted migration is settled by a worker: it may take long, and nobody else is to wait for it. */
    task->recovering = !mtnt__known_idle(known);
    if (task->recovering)
        mtnt__pool_push(d->pool, task);
    else
        d->wanting.items[d->wanting.count++] = task;
}

/* Without memory for it a later run removes it. */
static void note_grave(struct dispatch *d, mtnt_model *model)
{
    mtnt_model **graves;

    if (d->job.backward)
        return;
    graves = realloc(d->graves, (d->grave_count + 1) * sizeof(mtnt_model *));
    if (graves == NULL)
        return;
    d->graves = graves;
    graves[d->grave_count++] = mtnt__model_ref(model);
}

static int forget_gone(struct dispatch *d, const mtnt_model *model, mtnt__known *known, mtnt_error *err)
{
    mtnt_executor *executor = d->executor;
    int rc;

    if (!mtnt__job_forgets(&d->job, known))
        return 0;
    mtnt__gate_enter(&d->gate);
    rc = mtnt__removal_forget(executor->controller, mtnt_chain_name(executor->chain), mtnt_model_id(model), known->uuid,
                              err);
    mtnt__gate_leave(&d->gate);
    *known = (mtnt__known){0};
    return rc;
}

static void sort_in(struct dispatch *d, mtnt_model *model, mtnt__known *known)
{
    mtnt_error error = MTNT_ERROR_INIT;

    if (known->gone && known->gone_here && known->removed_ms == 0 && known->now_ms >= known->remove_after_ms)
        note_grave(d, model);
    if (forget_gone(d, model, known, &error) != 0)
        mtnt__tally_failed(&d->tally, model, &error);
    else if (mtnt__job_current(&d->job, model, known))
        mtnt__tally_current(&d->tally, model);
    else
        add_task(d, model, known);
}

static void lose_controller(struct dispatch *d, const mtnt_error *error)
{
    d->lost = true;
    note_error(d, error);
}

static void take_in(struct dispatch *d)
{
    size_t room = d->executor->window - d->in_flight, count;
    mtnt_error error = MTNT_ERROR_INIT;
    int rc = 0;

    if (d->source_ended || draining(d) || room < BATCH)
        return;
    count = pull(d, room < BATCH ? room : BATCH);
    announce(d, count == 0 ? NULL : d->batch[0]);
    if (count == 0)
        return;
    mtnt__gate_enter(&d->gate);
    rc = mtnt__store_select(d->executor->controller, mtnt_chain_name(d->executor->chain),
                            (const mtnt_model *const *)d->batch, count, d->known, &error);
    mtnt__gate_leave(&d->gate);
    if (rc != 0)
        lose_controller(d, &error);
    for (size_t i = 0; i < count; i++) {
        if (rc == 0)
            sort_in(d, d->batch[i], d->known + i);
        else
            mtnt__tally_untouched(&d->tally, d->batch[i]);
        mtnt_model_free(d->batch[i]);
    }
}

/* ---- exchanging ends for claims ---- */

static void free_task(struct dispatch *d, mtnt__task *task)
{
    mtnt__heartbeat_remove(d->heartbeat, &task->lease);
    mtnt__task_release(task);
    free(task);
    d->in_flight--;
}

static int begin_run(struct dispatch *d, mtnt_error *err)
{
    const mtnt_executor *executor = d->executor;

    if (d->job.run != 0)
        return 0;
    return mtnt__store_run_begin(executor->controller, mtnt_chain_name(executor->chain),
                                 executor->options.command == NULL ? "migrate" : executor->options.command, &d->job.run,
                                 err);
}

static int exchange_once(struct dispatch *d, mtnt_error *err)
{
    mtnt_executor *executor = d->executor;
    int rc = 0;

    mtnt__gate_enter(&d->gate);
    if (d->wanting.count > 0)
        rc = begin_run(d, err);
    d->tally.run = d->job.run;
    for (size_t i = 0; i < d->wanting.count && rc == 0; i++) {
        d->wanting.items[i]->claim.run = d->job.run;
        d->claims[i] = &d->wanting.items[i]->claim;
    }
    if (rc == 0)
        rc = mtnt__store_exchange(executor->controller, mtnt_chain_name(executor->chain), d->ends, d->ended.count,
                                  d->claims, d->wanting.count, mtnt__lease_ms(&executor->options.migration), err);
    mtnt__gate_leave(&d->gate);
    return rc;
}

/* The statements may be repeated: ends are written by migration, and a claim that was written before is found again. */
static int exchange(struct dispatch *d, mtnt_error *err)
{
    const mtnt__system *system = d->executor->controller->system;
    int rc = 0;

    for (int tries = 0; tries < EXCHANGE_TRIES; tries++) {
        mtnt_error_clear(err);
        rc = exchange_once(d, err);
        if (rc == 0 || !(err->retryable || rc == MTNT_E_IN_DOUBT || rc == MTNT_E_CONNECT || rc == MTNT_E_BUSY))
            break;
        mtnt__db_disconnect(d->executor->controller->db);
        system->sleep_ms(system->data, 30 << tries);
    }
    return rc;
}

static int prepare_claims(struct dispatch *d)
{
    mtnt_error error = MTNT_ERROR_INIT;
    size_t kept = 0;

    for (size_t i = 0; i < d->wanting.count; i++) {
        mtnt__task *task = d->wanting.items[i];

        if (mtnt__task_next(task, &error) == 0) {
            d->wanting.items[kept++] = task;
            continue;
        }
        mtnt__task_fail(task, &error);
        mtnt__tally_finished(&d->tally, task);
        free_task(d, task);
    }
    d->wanting.count = kept;
    return 0;
}

static void give_out(struct dispatch *d)
{
    mtnt_error error = MTNT_ERROR_INIT;

    for (size_t i = 0; i < d->wanting.count; i++) {
        mtnt__task *task = d->wanting.items[i];

        if (task->claim.claimed) {
            mtnt__task_hold(task, d->heartbeat);
            mtnt__pool_push(d->pool, task);
            continue;
        }
        mtnt_error_set(&error, MTNT_E_BUSY, "another process has taken it meanwhile");
        mtnt__task_fail(task, &error);
        mtnt__tally_finished(&d->tally, task);
        free_task(d, task);
    }
    d->wanting.count = 0;
}

/* An attempt of it has been made: it is finished when the run is drained, and taken back when it is interrupted. */
static bool begun(const mtnt__task *task)
{
    return task->outcome.migration != NULL;
}

/* Whether it goes on although the run does not. */
static bool goes_on(const struct dispatch *d, mtnt__task *task)
{
    if (d->lost || !begun(task))
        return false;
    if (interrupting(d) && task->phase == MTNT__TASK_RUN)
        mtnt__task_interrupt(task);
    return task->phase != MTNT__TASK_DONE;
}

static void drop_wanting(struct dispatch *d)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->wanting.count; i++) {
        mtnt__task *task = d->wanting.items[i];

        if (goes_on(d, task)) {
            d->wanting.items[kept++] = task;
            continue;
        }
        if (begun(task))
            mtnt__tally_finished(&d->tally, task);
        else
            mtnt__tally_untouched(&d->tally, task->model);
        free_task(d, task);
    }
    d->wanting.count = kept;
}

static bool worth_a_commit(const struct dispatch *d)
{
    bool hungry = d->wanting.count > 0 && d->news.waiting < d->depth;
    bool late = d->ended.count > 0 && (d->ended.count >= FULL_BATCH || now_ms(d) - d->oldest_end_ms >= LAZY_MS);

    return hungry || late || (d->ended.count > 0 && d->news.waiting + d->news.running == 0);
}

/* A task that is not over goes back for its next claim, now that its end is written. */
static void close_ended(struct dispatch *d)
{
    for (size_t i = 0; i < d->ended.count; i++) {
        mtnt__task *task = d->ended.items[i];

        task->end_due = false;
        if (task->phase != MTNT__TASK_DONE)
            d->wanting.items[d->wanting.count++] = task;
        else
            free_task(d, task);
    }
    d->ended.count = 0;
}

static void trade(struct dispatch *d)
{
    mtnt_error error = MTNT_ERROR_INIT;
    int rc;

    if (d->lost || !worth_a_commit(d))
        return;
    prepare_claims(d);
    for (size_t i = 0; i < d->ended.count; i++) {
        d->ends[i] = d->ended.items[i]->end;
        mtnt__heartbeat_remove(d->heartbeat, &d->ended.items[i]->lease);
    }
    rc = exchange(d, &error);
    if (rc != 0) {
        lose_controller(d, &error);
        return;
    }
    give_out(d);
    close_ended(d);
}

/* ---- what comes back ---- */

/* A claim that no worker has begun: its end says that nothing happened. */
static void end_untouched(struct dispatch *d, mtnt__task *task)
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
    if (begun(task))
        mtnt__tally_finished(&d->tally, task);
    else
        mtnt__tally_untouched(&d->tally, task->model);
}

static void queue_end(struct dispatch *d, mtnt__task *task)
{
    if (d->ended.count == 0)
        d->oldest_end_ms = now_ms(d);
    d->ended.items[d->ended.count++] = task;
}

/* A recovery that was not begun: nothing has happened, and no end is to be written. */
static void drop_recovery(struct dispatch *d, mtnt__task *task)
{
    mtnt__tally_untouched(&d->tally, task->model);
    free_task(d, task);
}

static void take_back(struct dispatch *d)
{
    size_t count = mtnt__pool_withdraw(d->pool, d->news.done);
    mtnt__task **tasks = d->news.done;

    for (size_t i = 0; i < count; i++) {
        if (tasks[i]->recovering) {
            drop_recovery(d, tasks[i]);
            continue;
        }
        if (!d->lost && begun(tasks[i]) && (tasks[i]->phase == MTNT__TASK_BACK || !interrupting(d))) {
            mtnt__pool_push(d->pool, tasks[i]);
            continue;
        }
        end_untouched(d, tasks[i]);
        queue_end(d, tasks[i]);
    }
}

/* A recovery may have shown that nothing is left to do. */
static void take_recovered(struct dispatch *d, mtnt__task *task)
{
    task->recovering = false;
    if (task->result_code != 0) {
        mtnt__tally_failed(&d->tally, task->model, &task->error);
        free_task(d, task);
        return;
    }
    mtnt__tally_recovered(&d->tally, task->recovered == MTNT__STATE_COMMITTED);
    if (!mtnt__job_current(&d->job, task->model, &task->known)) {
        d->wanting.items[d->wanting.count++] = task;
        return;
    }
    mtnt__tally_current(&d->tally, task->model);
    free_task(d, task);
}

static bool same_server(const mtnt_model *a, const mtnt_model *b)
{
    char *one, *two;
    bool same;

    if (a->backend != b->backend || a->backend == MTNT_SQLITE)
        return a->backend == b->backend;
    one = mtnt__dsn_server(mtnt__model_dsn(a));
    two = mtnt__dsn_server(mtnt__model_dsn(b));
    same = one != NULL && two != NULL && strcmp(one, two) == 0;
    free(one);
    free(two);
    return same;
}

/* Where a gid or a provisional model of this run, or of an earlier one, may have arrived late. */
static void note_place(struct dispatch *d, const mtnt__task *task)
{
    bool leaves = task->attempt.mode == MTNT__MODE_TWO_PHASE || task->attempt.mode == MTNT__MODE_PROVISIONAL;

    for (size_t i = 0; i < d->place_count && leaves; i++)
        leaves = !same_server(d->places[i], task->model);
    if (leaves && d->place_count < PLACES_MAX)
        d->places[d->place_count++] = mtnt__model_ref(task->model);
}

static void collect(struct dispatch *d, int64_t wait_ms)
{
    size_t waited = d->news.waiting;

    mtnt__pool_take(d->pool, &d->news, wait_ms);
    if (d->news.waiting == 0 && waited > 0 && d->depth < DEPTH_MAX)
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
        note_place(d, task);
        if (task->phase == MTNT__TASK_DONE)
            mtnt__tally_finished(&d->tally, task);
        if (task->phase == MTNT__TASK_DONE && task->known.gone && task->attempt.removes && task->attempt.grace_ms == 0)
            note_grave(d, task->model);
        queue_end(d, task);
    }
    mtnt__tally_progress(&d->tally, d->news.running);
}

static void heed_cancel(struct dispatch *d)
{
    if (!draining(d))
        return;
    take_back(d);
    drop_wanting(d);
}

static void heed_interrupt(struct dispatch *d)
{
    if (interrupting(d) && !d->interrupted) {
        d->interrupted = true;
        mtnt__pool_cancel_running(d->pool);
    }
}

static bool over(const struct dispatch *d)
{
    if (d->news.waiting + d->news.running > 0 || d->wanting.count > 0)
        return false;
    return d->lost || (d->ended.count == 0 && (d->source_ended || draining(d)));
}

static void dispatch(struct dispatch *d)
{
    do {
        take_in(d);
        trade(d);
        collect(d, d->in_flight == d->ended.count + d->wanting.count ? 0 : WAIT_MS);
        heed_cancel(d);
        heed_interrupt(d);
    } while (!over(d));
}

/* What was never asked for counts too, so that the sums add up. */
static void count_rest(struct dispatch *d)
{
    announce(d, NULL);
    while (!d->source_ended) {
        size_t count = pull(d, BATCH);

        for (size_t i = 0; i < count; i++) {
            mtnt__tally_untouched(&d->tally, NULL);
            mtnt_model_free(d->batch[i]);
        }
    }
    /* The controller is lost: their ends stay in the register, and recovery reads them there. */
    for (size_t i = 0; i < d->ended.count; i++)
        free_task(d, d->ended.items[i]);
    d->ended.count = 0;
}

/* ---- the run ---- */

static int make_room(struct dispatch *d, mtnt_error *err)
{
    size_t window = d->executor->window;

    d->wanting.items = calloc(window + BATCH, sizeof(mtnt__task *));
    d->ended.items = calloc(window + BATCH, sizeof(mtnt__task *));
    d->news.started = calloc(window + BATCH, sizeof(mtnt__task *));
    d->news.done = calloc(window + BATCH, sizeof(mtnt__task *));
    d->ends = calloc(window + BATCH, sizeof(*d->ends));
    d->claims = calloc(window + BATCH, sizeof(mtnt__claim *));
    d->batch = calloc(BATCH, sizeof(mtnt_model *));
    d->known = calloc(BATCH, sizeof(*d->known));
    if (d->wanting.items == NULL || d->ended.items == NULL || d->news.started == NULL || d->news.done == NULL ||
        d->ends == NULL || d->claims == NULL || d->batch == NULL || d->known == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return 0;
}

static void free_room(struct dispatch *d)
{
    free(d->wanting.items);
    free(d->ended.items);
    free(d->news.started);
    free(d->news.done);
    free(d->ends);
    free(d->claims);
    free(d->batch);
    free(d->known);
}

static void show_pool(mtnt_executor *executor, mtnt__pool *pool)
{
    pthread_mutex_lock(&executor->mutex);
    executor->pool = pool;
    pthread_mutex_unlock(&executor->mutex);
}

/* The ends are written, and no worker is left. What cannot be removed now is removed later. */
static void remove_graves(struct dispatch *d)
{
    for (size_t i = 0; i < d->grave_count; i++) {
        mtnt_error error = MTNT_ERROR_INIT;
        bool removed = false;

        if (!d->lost && mtnt__remove_due(d->executor->controller, d->executor->chain, d->graves[i], &d->gate, &removed,
                                         &error) != 0)
            mtnt__tally_warning(&d->tally, &error);
        mtnt_model_free(d->graves[i]);
    }
    free(d->graves);
    d->graves = NULL;
    d->grave_count = 0;
}

/* One question to each server that this run has used in such a way; nothing where it has not. */
static void sweep(struct dispatch *d)
{
    mtnt_controller *controller = d->executor->controller;
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt_sweep found = {0};
    int64_t collected = 0, finished;

    if (!d->lost && d->place_count > 0)
        (void)mtnt__janitor(controller, (const mtnt_model *const *)d->places, d->place_count, &d->gate, false, NULL,
                            NULL, &found, &error);
    finished = found.committed + found.rolled_back;
    if (finished > 0) {
        mtnt_error_set(
            &error, MTNT_E_CANCELLED,
            "%lld prepared transaction%s of interrupted migrations %s finished: %lld committed, %lld rolled back",
            (long long)finished, finished == 1 ? "" : "s", finished == 1 ? "was" : "were", (long long)found.committed,
            (long long)found.rolled_back);
        mtnt__tally_warning(&d->tally, &error);
    }
    if (found.old > 0) {
        mtnt_error_set(&error, MTNT_E_BUSY,
                       "%lld prepared transaction%s of ours %s older than 30 s and %s locks. See   mtnt-model recover",
                       (long long)found.old, found.old == 1 ? "" : "s", found.old == 1 ? "is" : "are",
                       found.old == 1 ? "holds" : "hold");
        mtnt__tally_warning(&d->tally, &error);
    }
    for (size_t i = 0; i < d->place_count; i++)
        mtnt_model_free(d->places[i]);
    d->place_count = 0;
    mtnt__gate_enter(&d->gate);
    if (d->job.run != 0 && !d->lost && mtnt__store_collect(controller, &collected, &error) != 0)
        mtnt__tally_warning(&d->tally, &error);
    mtnt__gate_leave(&d->gate);
}

static void finish_run(struct dispatch *d)
{
    const mtnt_counts *counts = &d->tally.counts;
    const mtnt__run_counts totals = {counts->migrated, counts->current, counts->failed, counts->untouched};
    mtnt_error error = MTNT_ERROR_INIT;

    if (d->job.run != 0 && !d->lost && mtnt__store_run_end(d->executor->controller, d->job.run, &totals, &error) != 0)
        note_error(d, &error);
    mtnt__tally_run_finished(&d->tally, d->error.code == MTNT_OK ? NULL : &d->error);
}

int mtnt_executor_migrate(mtnt_executor *executor, mtnt_tenant_source *source, mtnt_counts *ret_counts, mtnt_error *err)
{
    bool backward = executor->options.direction == MTNT_BACKWARD;
    struct dispatch d = {.executor = executor, .source = source, .depth = executor->workers * DEPTH_FIRST};
    int rc = mtnt__gate_init(&d.gate, err);

    if (rc != 0)
        return rc;
    rc = mtnt__slots_init(&d.slots, err);
    if (rc != 0) {
        mtnt__gate_release(&d.gate);
        return rc;
    }
    mtnt__store_new_call(executor->controller);
    mtnt__tally_init(&d.tally, &executor->options.reporter, executor->controller->system);
    rc = mtnt__job_init(&d.job, executor->controller, executor->chain, backward, &executor->options.migration, err);
    if (rc == 0)
        rc = make_room(&d, err);
    if (rc == 0)
        rc = mtnt__heartbeat_open(&d.heartbeat, executor->controller, mtnt_chain_name(executor->chain), &d.gate,
                                  &executor->options.migration, err);
    if (rc == 0)
        rc = mtnt__pool_new(&d.pool, executor->controller, &d.gate, &d.slots, executor->workers,
                            executor->window + BATCH, err);
    if (rc == 0) {
        show_pool(executor, d.pool);
        dispatch(&d);
        show_pool(executor, NULL);
        mtnt__pool_free(d.pool);
        count_rest(&d);
        remove_graves(&d);
        sweep(&d);
        finish_run(&d);
        *ret_counts = d.tally.counts;
        rc = d.error.code;
        if (rc != 0 && err != NULL)
            *err = d.error;
    }
    mtnt__heartbeat_free(d.heartbeat);
    free_room(&d);
    mtnt__job_release(&d.job);
    mtnt__slots_release(&d.slots);
    mtnt__gate_release(&d.gate);
    return rc;
}

static size_t default_workers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 1 ? 2 : processors > 8 ? 16 : (size_t)processors * 2;
}

int mtnt_executor_new(mtnt_executor **ret_executor, mtnt_controller *controller, const mtnt_chain *chain,
                      const mtnt_executor_options *options, mtnt_error *err)
{
    static const mtnt_executor_options defaults = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_executor *executor;
    mtnt__job job = {0};
    int rc;

    if (controller == NULL || chain == NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "an executor needs a controller and a chain");
    if (options == NULL)
        options = &defaults;
    if (options->version != MTNT_EXECUTOR_OPTIONS_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "mtnt_executor_options of version %u; initialise them with MTNT_EXECUTOR_OPTIONS_INIT",
                              (unsigned)options->version);
    if (options->workers < 0 || options->workers > MAX_WORKERS)
        return mtnt_error_set(err, MTNT_E_INVALID, "%d workers: it takes 1 to %d", options->workers, MAX_WORKERS);
    rc = mtnt__job_init(&job, controller, chain, options->direction == MTNT_BACKWARD, &options->migration, err);
    mtnt__job_release(&job);
    if (rc != 0)
        return rc;
    executor = calloc(1, sizeof(*executor));
    if (executor == NULL || pthread_mutex_init(&executor->mutex, NULL) != 0) {
        free(executor);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    executor->controller = controller;
    executor->chain = chain;
    executor->options = *options;
    executor->workers = options->workers > 0 ? (size_t)options->workers : default_workers();
    executor->window = executor->workers * 2 + 4 * BATCH;
    atomic_init(&executor->cancel, 0);
    *ret_executor = executor;
    return 0;
}

void mtnt_executor_free(mtnt_executor *executor)
{
    if (executor == NULL)
        return;
    pthread_mutex_destroy(&executor->mutex);
    free(executor);
}

void mtnt_executor_cancel(mtnt_executor *executor, mtnt_cancel how)
{
    int before = atomic_load(&executor->cancel);

    while (before < (int)how && !atomic_compare_exchange_weak(&executor->cancel, &before, (int)how))
        ;
    pthread_mutex_lock(&executor->mutex);
    if (executor->pool != NULL)
        mtnt__pool_wake(executor->pool);
    pthread_mutex_unlock(&executor->mutex);
}
