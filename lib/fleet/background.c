/* One thread runs the lanes that come one after another; each that is beside those has its own. The mutex is over what a lane has come to, and is
 * never held while a lane runs or anything of the caller's is called. */
#include "fleet/background.h"

#include <stdlib.h>
#include <string.h>

#include "base/later.h"
#include "base/text.h"

typedef struct lane_run {
    mtnt__background *background;
    const mtnt_chain *chain;
    const char *name;
    pthread_t thread;
    bool joinable;
    /* Of its own thread until `ended`. */
    char first_tenant[64]; /* that failed, as it may be shown */
    mtnt_error first;      /* why */
    bool first_is_held;
    /* Under the mutex. */
    mtnt_executor *executor; /* while it runs */
    mtnt_counts counts;
    mtnt_error error; /* of the run itself */
    bool ended;
} lane_run;

struct mtnt__background {
    mtnt_executor *outer;
    mtnt_tenants_open_fn open;
    void *data;
    lane_run *runs; /* in the chain's order */
    size_t count;
    int64_t at_once;  /* lanes, at most */
    pthread_t thread; /* of those that come one after another */
    bool joinable;
    mtnt__gate gate; /* one, since all of their handles write the same controller */
    mtnt__turns turns;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

/* ---- one lane ---- */

/* The first failure; a tenant that waits for another lane only as long as there is none. */
static void remember(lane_run *run, const mtnt_event *event)
{
    bool held = event->result == MTNT_RESULT_UNTOUCHED;

    if (event->error == NULL || event->tenant == NULL || (run->first.code != MTNT_OK && (held || !run->first_is_held)))
        return;
    run->first = *event->error;
    run->first_is_held = held;
    mtnt__text_copy(run->first_tenant, sizeof(run->first_tenant), mtnt_model_id(event->tenant));
}

static void hear(void *data, const mtnt_event *event)
{
    lane_run *run = data;
    const mtnt_reporter *reporter = &run->background->outer->options.reporter;

    if (event->type == MTNT_EVENT_TENANT_FINISHED &&
        (event->result == MTNT_RESULT_FAILED || event->result == MTNT_RESULT_IN_DOUBT ||
         event->result == MTNT_RESULT_UNTOUCHED))
        remember(run, event);
    if (reporter->event != NULL)
        reporter->event(reporter->data, event);
    /* No new tenant starts, in whatever lane. */
    if (run->background->outer->options.stop_on_error && event->counts != NULL && event->counts->failed > 0)
        mtnt_executor_cancel(run->background->outer, MTNT_CANCEL_DRAIN);
}

static bool any_before_is_at_work(void *data)
{
    lane_run *run = data;
    mtnt__background *background = run->background;
    bool at_work = false;

    pthread_mutex_lock(&background->mutex);
    for (const lane_run *before = background->runs; before < run; before++)
        at_work = at_work || !before->ended;
    pthread_mutex_unlock(&background->mutex);
    return at_work;
}

/* So that it can be cancelled: a word that came before is passed on. */
static void show(lane_run *run, mtnt_executor *executor)
{
    mtnt__background *background = run->background;
    int cancel;

    pthread_mutex_lock(&background->mutex);
    run->executor = executor;
    pthread_mutex_unlock(&background->mutex);
    cancel = atomic_load(&background->outer->cancel);
    if (executor != NULL && cancel != 0)
        mtnt_executor_cancel(executor, (mtnt_cancel)cancel);
}

/* What percentages of this lane are of; the source is read through for it. */
static int count_pending(lane_run *run, mtnt_controller *controller, mtnt_executor_options *options, mtnt_error *err)
{
    const mtnt__background *background = run->background;
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_executor *executor = NULL;
    mtnt_counts counts = {0};
    int rc;

    if (!mtnt_rollout_needs_count(&options->rollout))
        return 0;
    rc = mtnt_executor_new(&executor, controller, run->chain, options, err);
    if (rc == 0)
        rc = background->open(background->data, run->name, controller, &source, err);
    if (rc == 0)
        rc = mtnt_executor_count(executor, &source, &counts, err);
    if (rc == 0)
        options->rollout.pending = counts.untouched > 0 ? counts.untouched : 1;
    mtnt_tenant_source_close(&source);
    mtnt_executor_free(executor);
    return rc;
}

/* `to` is of one lane; what comes before that is done as a whole. */
static const char *goal_in(const lane_run *run, const char *to)
{
    const mtnt_chain *lane = to == NULL ? NULL : mtnt__chain_lane_of(run->chain, to);

    return lane == NULL || lane == run->chain ? to : NULL;
}

static int migrate(lane_run *run, mtnt_controller *controller, mtnt_counts *counts, mtnt_error *err)
{
    mtnt__background *background = run->background;
    mtnt_executor_options options = background->outer->options;
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_executor *executor = NULL;
    int rc;

    options.reporter = (mtnt_reporter){hear, run};
    options.join_run = 0; /* a run is one of a lane: each begins its own */
    options.rollout.connections /= background->at_once;
    options.rollout.pending = 0; /* that was of the first lane, if of any */
    options.migration.to = goal_in(run, options.migration.to);
    options.migration.deadline_ms = background->outer->said_deadline_ms;
    options.migration.operation_timeout_ms = background->outer->said_operation_timeout_ms;
    rc = count_pending(run, controller, &options, err);
    if (rc == 0)
        rc = mtnt_executor_new(&executor, controller, run->chain, &options, err);
    if (rc == 0)
        rc = background->open(background->data, run->name, controller, &source, err);
    if (rc == 0) {
        if (background->at_once > 1)
            executor->company = (mtnt__company){&background->gate, &background->turns,
                                                run->chain->lane.beside ? any_before_is_at_work : NULL, run};
        show(run, executor);
        rc = mtnt_executor_migrate(executor, &source, counts, err);
        show(run, NULL);
    }
    mtnt_tenant_source_close(&source);
    mtnt_executor_free(executor);
    return rc;
}

static bool is_cancelled(const lane_run *run)
{
    return atomic_load(&run->background->outer->cancel) != 0;
}

static void end(lane_run *run, const mtnt_counts *counts, const mtnt_error *error)
{
    mtnt__background *background = run->background;

    pthread_mutex_lock(&background->mutex);
    run->counts = *counts;
    run->error = *error;
    run->ended = true;
    pthread_cond_broadcast(&background->changed);
    pthread_mutex_unlock(&background->mutex);
}

static void wait_for_those_before(lane_run *run)
{
    mtnt__background *background = run->background;

    pthread_mutex_lock(&background->mutex);
    for (lane_run *before = background->runs; before < run; before++)
        while (!before->ended)
            pthread_cond_wait(&background->changed, &background->mutex);
    pthread_mutex_unlock(&background->mutex);
}

static void run_lane(lane_run *run)
{
    const mtnt_controller *outer = run->background->outer->controller;
    mtnt__gate *gate = &run->background->gate; /* opening writes, and another lane may have the lock for long */
    mtnt_controller *controller = NULL;
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt_counts counts = {.total = -1};
    int rc;

    mtnt__gate_enter(gate);
    rc = mtnt_controller_open(&controller, outer->dsn, &outer->options, &error);
    mtnt__gate_leave(gate);
    if (rc == 0)
        (void)migrate(run, controller, &counts, &error);
    mtnt_controller_close(controller);
    end(run, &counts, &error);
}

static void skip(lane_run *run, const char *why)
{
    const mtnt_counts none = {.total = -1};
    mtnt_error error = MTNT_ERROR_INIT;

    mtnt_error_set(&error, MTNT_E_CANCELLED, "lane `%s` was not begun: %s", run->name, why);
    end(run, &none, &error);
}

static void *work_beside(void *data)
{
    lane_run *run = data;

    if (is_cancelled(run))
        skip(run, "it was cancelled");
    else
        run_lane(run);
    return NULL;
}

/* Why lanes after this one do not begin; NULL = they do. */
static const char *stops(const lane_run *run)
{
    if (run->counts.stop == MTNT_STOP_BUDGET)
        return "more tenants failed in the lane before it than may";
    return (run->error.code != MTNT_OK || run->counts.failed > 0) && run->background->outer->options.stop_on_error
               ? "the lane before it has failures"
               : NULL;
}

static void *work(void *data)
{
    mtnt__background *background = data;

    for (lane_run *run = background->runs; run < background->runs + background->count; run++) {
        if (run->joinable)
            continue;
        const char *why = NULL;

        /* It depends on those beside, too. */
        wait_for_those_before(run);
        for (const lane_run *before = background->runs; before < run && why == NULL; before++)
            why = stops(before);
        if (why != NULL)
            skip(run, why);
        else if (is_cancelled(run))
            skip(run, "it was cancelled");
        else
            run_lane(run);
    }
    return NULL;
}

/* ---- starting and ending ---- */

static bool is_in(const char *const *names, const char *name)
{
    for (; names != NULL && *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static int choose(mtnt__background *background, const char *const *lanes, mtnt_error *err)
{
    const mtnt_chain *chain = background->outer->whole;
    const char *to = background->outer->options.migration.to;
    const mtnt_chain *last = to == NULL ? NULL : mtnt__chain_lane_of(chain, to);
    bool past = false;
    mtnt_lane lane;

    for (const char *const *name = lanes; name != NULL && *name != NULL; name++)
        if (mtnt_chain_lane(chain, *name) == NULL)
            return mtnt_error_set(err, MTNT_E_NOT_FOUND, "the chain %s has no lane `%s`", mtnt_chain_name(chain),
                                  *name);
    background->runs = calloc(mtnt_chain_lanes(chain), sizeof(*background->runs));
    if (background->runs == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; mtnt_chain_lane_at(chain, i, &lane); i++) {
        const mtnt_chain *one = mtnt_chain_lane(chain, lane.name);

        if (one == NULL || (lanes == NULL ? past : !is_in(lanes, lane.name)))
            continue;
        past = one == last;
        /* Set before any thread is there that reads it. */
        background->runs[background->count] = (lane_run){.background = background,
                                                         .chain = one,
                                                         .name = lane.name,
                                                         .joinable = background->count > 0 && lane.beside};
        background->at_once += background->count == 0 || background->runs[background->count].joinable;
        background->count++;
    }
    return 0;
}

static int start_threads(mtnt__background *background, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < background->count; i++)
        if (background->runs[i].joinable &&
            pthread_create(&background->runs[i].thread, NULL, work_beside, &background->runs[i]) != 0) {
            rc = MTNT_E_NOMEM;
            for (size_t j = i; j < background->count; j++)
                background->runs[j].joinable = false;
        }
    if (rc == 0) {
        background->joinable = pthread_create(&background->thread, NULL, work, background) == 0;
        rc = background->joinable ? 0 : MTNT_E_NOMEM;
    }
    return rc == 0 ? 0 : mtnt_error_set(err, MTNT_E_NOMEM, "a thread could not be started");
}

static void release_sync(mtnt__background *background)
{
    pthread_cond_destroy(&background->changed);
    pthread_mutex_destroy(&background->mutex);
    mtnt__turns_release(&background->turns);
    mtnt__gate_release(&background->gate);
}

static int init_sync(mtnt__background *background)
{
    if (mtnt__gate_init(&background->gate, NULL) != 0)
        return MTNT_E_NOMEM;
    if (mtnt__turns_init(&background->turns, NULL) != 0)
        goto no_turns;
    if (mtnt__later_init(&background->changed, NULL) != 0)
        goto no_condition;
    if (pthread_mutex_init(&background->mutex, NULL) == 0)
        return 0;
    pthread_cond_destroy(&background->changed);
no_condition:
    mtnt__turns_release(&background->turns);
no_turns:
    mtnt__gate_release(&background->gate);
    return MTNT_E_NOMEM;
}

int mtnt__background_start(mtnt__background **ret_background, mtnt_executor *executor, const char *const *lanes,
                           mtnt_tenants_open_fn open, void *data, mtnt_error *err)
{
    mtnt__background *background = calloc(1, sizeof(*background));
    int rc;

    if (background == NULL || init_sync(background) != 0) {
        free(background);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    background->outer = executor;
    background->open = open;
    background->data = data;
    rc = choose(background, lanes, err);
    if (rc == 0)
        rc = start_threads(background, err);
    if (rc == 0) {
        *ret_background = background;
        return 0;
    }
    /* Those beside may wait for others, which will never run. */
    mtnt_executor_cancel(executor, MTNT_CANCEL_INTERRUPT);
    mtnt__background_free(background);
    return rc;
}

/* What no thread will run is over. */
static void end_rest(mtnt__background *background)
{
    for (size_t i = 0; i < background->count; i++)
        if (!background->runs[i].joinable && !background->joinable)
            skip(&background->runs[i], "its thread could not be started");
}

void mtnt__background_free(mtnt__background *background)
{
    if (background == NULL)
        return;
    end_rest(background);
    mtnt__background_cancel(background, MTNT_CANCEL_DRAIN);
    if (background->joinable)
        pthread_join(background->thread, NULL);
    for (size_t i = 0; i < background->count; i++)
        if (background->runs[i].joinable)
            pthread_join(background->runs[i].thread, NULL);
    free(background->runs);
    release_sync(background);
    free(background);
}

void mtnt__background_cancel(mtnt__background *background, mtnt_cancel how)
{
    /* Held, so that the executors stay; theirs is only ever taken inside. */
    pthread_mutex_lock(&background->mutex);
    for (size_t i = 0; i < background->count; i++)
        if (background->runs[i].executor != NULL)
            mtnt_executor_cancel(background->runs[i].executor, how);
    pthread_mutex_unlock(&background->mutex);
}

/* ---- waiting ---- */

/* The lane has ended: 0 when it is complete. */
static int say(const lane_run *run, mtnt_error *err)
{
    const mtnt_counts *counts = &run->counts;

    if (run->error.code != MTNT_OK) {
        if (err != NULL)
            *err = run->error;
        return run->error.code;
    }
    if (counts->failed == 0 && counts->untouched == 0)
        return 0;
    if (run->first.code == MTNT_OK)
        return mtnt_error_set(err, MTNT_E_CANCELLED, "lane `%s` was stopped: %lld of %lld tenants were not begun",
                              run->name, (long long)counts->untouched, (long long)counts->total);
    if (err != NULL)
        *err = run->first;
    mtnt_error_wrap(err, "lane `%s`: %lld of %lld tenants have failed, %lld were not begun; %s", run->name,
                    (long long)counts->failed, (long long)counts->total, (long long)counts->untouched,
                    run->first_tenant);
    return run->first.code;
}

int mtnt__background_wait(mtnt__background *background, const char *lane, int64_t timeout_ms, mtnt_counts *ret_counts,
                          mtnt_error *err)
{
    const struct timespec until = mtnt__later(timeout_ms < 0 ? 0 : timeout_ms);
    lane_run *run = background->runs;
    int rc = 0;

    while (run < background->runs + background->count && strcmp(run->name, lane) != 0)
        run++;
    if (run == background->runs + background->count)
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "lane `%s` was not started", lane);
    pthread_mutex_lock(&background->mutex);
    while (!run->ended && rc == 0)
        rc = timeout_ms < 0 ? pthread_cond_wait(&background->changed, &background->mutex)
                            : pthread_cond_timedwait(&background->changed, &background->mutex, &until);
    if (run->ended && ret_counts != NULL)
        *ret_counts = run->counts;
    rc = run->ended ? say(run, err) : mtnt_error_set(err, MTNT_E_DEADLINE, "lane `%s` is at work yet", lane);
    pthread_mutex_unlock(&background->mutex);
    return rc;
}
