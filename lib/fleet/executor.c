/* The public object, and the frame of a run: what it holds is made, the dispatcher runs, and what it leaves is removed. */
#include <stdlib.h>
#include <unistd.h>

#include "coordinate/deadlines.h"
#include "fleet/admit.h"
#include "fleet/away.h"
#include "fleet/background.h"
#include "fleet/intake.h"
#include "fleet/leftovers.h"
#include "fleet/share.h"
#include "state/lane_rows.h"

#define MAX_WORKERS 1024

static void show_pool(mtnt_executor *executor, mtnt__pool *pool)
{
    pthread_mutex_lock(&executor->mutex);
    executor->pool = pool;
    pthread_mutex_unlock(&executor->mutex);
}

static void finish_run(mtnt__dispatch *d)
{
    mtnt__heard heard = MTNT__HEARD_NOTHING;

    while (d->job.run != 0 && !d->lost && heard == MTNT__HEARD_NOTHING) {
        mtnt_error error = MTNT_ERROR_INIT;

        heard = mtnt__away_hear(d, mtnt__share_leave(d, &error), &error);
        if (heard == MTNT__HEARD_NOTHING)
            mtnt__away_sleep(d);
    }
    if (mtnt__away_is_back(d) && !d->lost)
        mtnt__away_note_timeline(d);
    mtnt__tally_run_finished(&d->tally, d->error.code == MTNT_OK ? NULL : &d->error);
}

/* For those who ask what is complete. The run goes on without: what it does is in its own rows. */
static int note_lanes(mtnt__dispatch *d, mtnt_error *err)
{
    mtnt_error error = MTNT_ERROR_INIT;
    int rc;

    mtnt__gate_enter(d->gate);
    rc = mtnt__lane_rows_write(d->executor->controller, d->executor->chain, &error);
    mtnt__gate_leave(d->gate);
    if (rc == MTNT_E_HISTORY && err != NULL)
        *err = error;
    if (rc == MTNT_E_HISTORY)
        return rc;
    if (rc != 0) {
        mtnt_error_wrap(&error, "what the lanes of chain %s come to could not be written, and mtnt_lane may be behind",
                        mtnt__chain_base(d->executor->chain));
        mtnt__tally_warning(&d->tally, &error);
    }
    return 0;
}

/* What percentages are of. */
static int64_t expected(const mtnt__dispatch *d)
{
    int64_t pending = d->executor->options.rollout.pending;

    if (d->executor->options.join_run != 0)
        return d->executor->joined.expected;
    if (pending > 0 || d->source->total == NULL)
        return pending > 0 ? pending : -1;
    return d->source->total(d->source->data);
}

/* One that is on its way to a run that goes on may wait for the controller as that does. */
static int enter(mtnt__dispatch *d, mtnt_error *err)
{
    mtnt__heard heard;
    int rc;

    do {
        mtnt_error error = MTNT_ERROR_INIT;

        rc = mtnt__share_enter(d, &error);
        heard = mtnt__away_hear(d, rc, &error);
        if (heard == MTNT__HEARD_NOTHING)
            mtnt__away_sleep(d);
        else if (rc != 0 && err != NULL)
            *err = error;
    } while (heard == MTNT__HEARD_NOTHING);
    return rc;
}

/* Everything that a run holds. What has been made before a failure is released by release(). */
static int make(mtnt__dispatch *d, mtnt_error *err)
{
    mtnt_executor *executor = d->executor;
    int rc = mtnt__job_init(&d->job, executor->controller, executor->chain, executor->options.direction,
                            &executor->options.migration, err);

    d->job.templates = &d->templates;
    if (rc == 0)
        rc = mtnt__admit_init(d, expected(d), err);
    if (rc == 0)
        rc = mtnt__dispatch_make_room(d, err);
    if (rc == 0)
        rc = mtnt__heartbeat_open(&d->heartbeat, executor->controller, mtnt_chain_name(executor->chain), d->gate,
                                  &executor->options.migration, err);
    if (rc == 0)
        rc = mtnt__pool_new(&d->pool, executor->controller, d->gate, &d->slots, &d->jointly, executor->company.turns,
                            executor->options.isolation, executor->workers, mtnt__dispatch_room(executor), err);
    if (rc == 0 && executor->options.join_run != 0)
        rc = enter(d, err);
    return rc;
}

static void release(mtnt__dispatch *d)
{
    mtnt__heartbeat_free(d->heartbeat);
    mtnt__dispatch_free_room(d);
    mtnt__admit_release(d);
    mtnt__job_release(&d->job);
}

static void warn_of_templates(mtnt__dispatch *d)
{
    mtnt_error warning = MTNT_ERROR_INIT;

    if (mtnt__templates_warning(&d->templates, &warning))
        mtnt__tally_warning(&d->tally, &warning);
}

static int run(mtnt__dispatch *d, mtnt_counts *ret_counts, mtnt_error *err)
{
    show_pool(d->executor, d->pool);
    mtnt__dispatch_run(d);
    show_pool(d->executor, NULL);
    mtnt__pool_free(d->pool);
    mtnt__intake_count_rest(d);
    mtnt__admit_conclude(d);
    warn_of_templates(d);
    mtnt__leftovers_remove_graves(d);
    mtnt__leftovers_sweep(d);
    finish_run(d);
    *ret_counts = d->tally.counts;
    if (d->error.code != 0 && err != NULL)
        *err = d->error;
    return d->error.code;
}

int mtnt_executor_migrate(mtnt_executor *executor, mtnt_tenant_source *source, mtnt_counts *ret_counts, mtnt_error *err)
{
    mtnt__dispatch d = {.executor = executor, .source = source, .depth = executor->workers * MTNT__DEPTH_FIRST};
    int rc = mtnt__gate_init(&d.own_gate, err);

    if (rc != 0)
        return rc;
    d.gate = executor->company.gate != NULL ? executor->company.gate : &d.own_gate;
    rc = mtnt__slots_init(&d.slots, err);
    if (rc != 0) {
        mtnt__gate_release(&d.own_gate);
        return rc;
    }
    rc = mtnt__jointly_init(&d.jointly, err);
    if (rc != 0) {
        mtnt__slots_release(&d.slots);
        mtnt__gate_release(&d.own_gate);
        return rc;
    }
    rc = mtnt__templates_init(&d.templates, err);
    if (rc != 0) {
        mtnt__jointly_release(&d.jointly);
        mtnt__slots_release(&d.slots);
        mtnt__gate_release(&d.own_gate);
        return rc;
    }
    mtnt__store_new_call(executor->controller);
    mtnt__tally_init(&d.tally, &executor->options.reporter, executor->controller->system);
    d.tally.lane = mtnt__chain_lane_name(executor->chain);
    rc = note_lanes(&d, err);
    if (rc == 0)
        rc = make(&d, err);
    if (rc == 0)
        rc = run(&d, ret_counts, err);
    release(&d);
    mtnt__templates_release(&d.templates);
    mtnt__jointly_release(&d.jointly);
    mtnt__slots_release(&d.slots);
    mtnt__gate_release(&d.own_gate);
    return rc;
}

/* At the same time: for the bookkeeping and the heartbeat; for a worker its controller session, its model's, and one more to make or remove a model
 * with. */
enum { OF_A_RUN = 2, OF_A_WORKER = 3 };

static int64_t connections_of(const mtnt_controller *controller, size_t workers)
{
    return controller->backend == MTNT_POSTGRES ? OF_A_RUN + (int64_t)workers * OF_A_WORKER
                                                : (int64_t)workers * (OF_A_WORKER - 1);
}

static int limit_workers(mtnt_executor *executor, mtnt_error *err)
{
    int64_t most = executor->options.rollout.connections, least = connections_of(executor->controller, 1);

    if (most > 0 && most < least)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "connections: %lld are too few: a run with one worker may need %lld at the same time",
                              (long long)most, (long long)least);
    while (most > 0 && connections_of(executor->controller, executor->workers) > most)
        executor->workers--;
    return 0;
}

int mtnt_executor_workers(const mtnt_executor *executor)
{
    return (int)executor->workers;
}

int64_t mtnt_executor_connections(const mtnt_executor *executor)
{
    return connections_of(executor->controller, executor->workers);
}

static size_t default_workers(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return processors < 1 ? 2 : processors > 8 ? 16 : (size_t)processors * 2;
}

static int check_rollout(const mtnt_rollout_options *options, mtnt_error *err)
{
    int rc = 0;

    if (options->canary < 0 || options->soak_ms < 0 || options->retries < 0 || options->retry_ms < 0 ||
        options->connections < 0 || options->per_server < 0 || options->per_server > MAX_WORKERS ||
        options->pending < 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "negative or too large numbers or times in mtnt_rollout_options");
    if (options->waves != NULL)
        rc = mtnt_rollout_check_waves(options->waves, err);
    if (rc == 0 && options->max_failures != NULL)
        rc = mtnt_rollout_check_max_failures(options->max_failures, err);
    if (rc == 0 && options->rate != NULL)
        rc = mtnt_rollout_check_rate(options->rate, err);
    return rc != 0 ? rc : mtnt_groups_check(options->groups, options->group_count, NULL, err);
}

int mtnt_executor_new(mtnt_executor **ret_executor, mtnt_controller *controller, const mtnt_chain *chain,
                      const mtnt_executor_options *options, mtnt_error *err)
{
    static const mtnt_executor_options defaults = MTNT_EXECUTOR_OPTIONS_INIT;
    const mtnt_chain *whole = chain;
    mtnt_migration_options checked;
    mtnt_executor *executor;
    mtnt__job job = {0};
    int rc;

    if (controller == NULL || chain == NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "an executor needs a controller and a chain");
    chain = mtnt__chain_first_lane(chain);
    if (options == NULL)
        options = &defaults;
    if (options->version != MTNT_EXECUTOR_OPTIONS_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "mtnt_executor_options of version %u; initialise them with MTNT_EXECUTOR_OPTIONS_INIT",
                              (unsigned)options->version);
    if (options->workers < 0 || options->workers > MAX_WORKERS)
        return mtnt_error_set(err, MTNT_E_INVALID, "%d workers: it takes 1 to %d", options->workers, MAX_WORKERS);
    if (options->isolation != NULL && (options->migration.before_each != NULL || options->migration.after_each != NULL))
        return mtnt_error_set(err, MTNT_E_INVALID, "hooks run in this process, and isolated operations do not");
    if (options->isolation != NULL && (options->direction == MTNT_BASELINE || options->migration.adoption != NULL ||
                                       options->migration.rehearse || options->migration.expect != NULL))
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "isolated processes run operations: no baseline, no takeover, no rehearsal, no `expect`");
    rc = check_rollout(&options->rollout, err);
    if (rc != 0)
        return rc;
    checked = options->migration;
    /* Of another lane, for mtnt_executor_start: it exists. */
    if (checked.to != NULL && whole != chain && mtnt__chain_lane_of(whole, checked.to) != NULL)
        checked.to = NULL;
    rc = mtnt__job_init(&job, controller, chain, options->direction, &checked, err);
    mtnt__job_release(&job);
    if (rc != 0)
        return rc;
    executor = calloc(1, sizeof(*executor));
    if (executor == NULL || pthread_mutex_init(&executor->mutex, NULL) != 0) {
        free(executor);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    atomic_init(&executor->cancel, 0);
    executor->controller = controller;
    executor->chain = chain;
    executor->whole = whole;
    executor->options = *options;
    executor->said_deadline_ms = options->migration.deadline_ms;
    executor->said_operation_timeout_ms = options->migration.operation_timeout_ms;
    rc = executor->options.join_run == 0 ? 0 : mtnt__share_join(executor, err);
    if (rc != 0) {
        mtnt_executor_free(executor);
        return rc;
    }
    mtnt__lane_deadlines(&executor->options.migration, chain);
    executor->workers = options->workers > 0      ? (size_t)options->workers
                        : chain->lane.workers > 0 ? (size_t)chain->lane.workers
                                                  : default_workers();
    rc = limit_workers(executor, err);
    if (rc != 0) {
        mtnt_executor_free(executor);
        return rc;
    }
    executor->window = executor->workers * 2 + 4 * MTNT__BATCH;
    *ret_executor = executor;
    return 0;
}

void mtnt_executor_free(mtnt_executor *executor)
{
    if (executor == NULL)
        return;
    mtnt_executor_cancel(executor, MTNT_CANCEL_DRAIN);
    mtnt__background_free(executor->background);
    pthread_mutex_destroy(&executor->mutex);
    free(executor);
}

void mtnt_executor_cancel(mtnt_executor *executor, mtnt_cancel how)
{
    int before = atomic_load(&executor->cancel);

    while (before < (int)how && !atomic_compare_exchange_weak(&executor->cancel, &before, (int)how))
        ;
    pthread_mutex_lock(&executor->mutex);
    /* The dispatcher may be waiting for what one of them holds. */
    if (executor->pool != NULL && how == MTNT_CANCEL_INTERRUPT)
        mtnt__pool_cancel_running(executor->pool);
    if (executor->pool != NULL)
        mtnt__pool_wake(executor->pool);
    if (executor->background != NULL)
        mtnt__background_cancel(executor->background, how);
    pthread_mutex_unlock(&executor->mutex);
}

static mtnt__background *background_of(mtnt_executor *executor)
{
    mtnt__background *background;

    pthread_mutex_lock(&executor->mutex);
    background = executor->background;
    pthread_mutex_unlock(&executor->mutex);
    return background;
}

int mtnt_executor_start(mtnt_executor *executor, const char *const *lanes, mtnt_tenants_open_fn open, void *data,
                        mtnt_error *err)
{
    mtnt__background *background = NULL;
    int rc;

    if (open == NULL || executor->options.direction != MTNT_FORWARD)
        return mtnt_error_set(err, MTNT_E_INVALID, "lanes are started forward, with a function that opens the tenants");
    if (background_of(executor) != NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "this executor was started before: make another one");
    rc = mtnt__background_start(&background, executor, lanes, open, data, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&executor->mutex);
    executor->background = background;
    /* A word that came while it was being started. */
    if (atomic_load(&executor->cancel) != 0)
        mtnt__background_cancel(background, (mtnt_cancel)atomic_load(&executor->cancel));
    pthread_mutex_unlock(&executor->mutex);
    return 0;
}

int mtnt_executor_wait_lane(mtnt_executor *executor, const char *lane, int64_t timeout_ms, mtnt_counts *ret_counts,
                            mtnt_error *err)
{
    mtnt__background *background = background_of(executor);

    if (background == NULL)
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "lane `%s` was not started", lane);
    return mtnt__background_wait(background, lane, timeout_ms, ret_counts, err);
}
