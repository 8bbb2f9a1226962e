/* On access. Three layers: what is remembered (remembered.c), one flight for each tenant that is being asked about, whose result all its callers
 * get, and the controller, asked on connections that callers use in turn (handles.c). */
#include "mtnt/ensure.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "coordinate/task.h"
#include "fleet/handles.h"
#include "base/later.h"
#include "fleet/remembered.h"

#define MIGRATIONS 4
#define MIGRATIONS_MAX 1024
#define QUESTIONS 2 /* connections for the questions, which must not wait for migrations */
#define REMEMBERED 100000
#define WAIT_MS 60000
#define FIRST_PAUSE_MS 20 /* between two looks at what another process does; doubled each time */
#define LONGEST_PAUSE_MS 1000

/* One tenant that is asked about: by its first caller for all who come meanwhile. */
struct flight {
    struct flight *next;
    char *id, *key;
    uint64_t stamp; /* of the question: what is forgotten after it needs another one */
    size_t callers;
    bool landed;
    pthread_cond_t end;
    int rc;
    mtnt_error error;
};

/* A migration that a cancel has to reach. */
struct running {
    struct running *next;
    mtnt_coordinator *coordinator;
};

struct mtnt_ensure {
    const mtnt_chain *chain;
    char *dsn;
    mtnt_ensure_options options; /* with the defaults filled in */
    const mtnt__system *system;
    mtnt__job job; /* for what is current; its controller is none */
    mtnt__remembered *remembered;
    mtnt__templates templates;
    mtnt__handles questions, migrations;
    bool synced;            /* the two below are there */
    pthread_mutex_t mutex;  /* over what follows */
    pthread_cond_t changed; /* a flight has landed, or all is cancelled */
    struct flight *flights;
    struct running *running;
    atomic_bool cancelled;
    atomic_llong shared, current, migrated, failed;
};

static int cancelled_error(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled: the service is being shut down");
}

/* ---- options ---- */

static int check_options(const mtnt_ensure_options *options, mtnt_error *err)
{
    if (options->version != MTNT_ENSURE_OPTIONS_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "mtnt_ensure_options of version %u; initialise them with MTNT_ENSURE_OPTIONS_INIT",
                              (unsigned)options->version);
    if (options->migrations < 0 || options->migrations > MIGRATIONS_MAX)
        return mtnt_error_set(err, MTNT_E_INVALID, "%d migrations at a time: it takes 1 to %d", options->migrations,
                              MIGRATIONS_MAX);
    if (options->remember_ms < 0 || options->wait_ms < 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "negative times in mtnt_ensure_options");
    if (options->migration.steps != 0 || options->migration.run != NULL)
        return mtnt_error_set(
            err, MTNT_E_INVALID,
            "steps and run have no meaning for tenants that are to be current; name the last operation with `to`");
    if (options->migration.adoption != NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "models are not taken over from another controller in passing");
    if (options->controller.read_only)
        return mtnt_error_set(err, MTNT_E_INVALID, "a read-only controller cannot keep tenants current");
    return 0;
}

static void fill_options(mtnt_ensure *ensure, const mtnt_ensure_options *options)
{
    ensure->options = *options;
    if (options->migrations == 0)
        ensure->options.migrations = MIGRATIONS;
    if (options->remembered == 0)
        ensure->options.remembered = REMEMBERED;
    if (options->wait_ms == 0)
        ensure->options.wait_ms = WAIT_MS;
}

/* ---- making and freeing ---- */

static int init_sync(mtnt_ensure *ensure, mtnt_error *err)
{
    int rc = mtnt__later_init(&ensure->changed, err);

    if (rc == 0 && pthread_mutex_init(&ensure->mutex, NULL) != 0) {
        pthread_cond_destroy(&ensure->changed);
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
    }
    if (rc == 0 && mtnt__templates_init(&ensure->templates, err) != 0) {
        pthread_mutex_destroy(&ensure->mutex);
        pthread_cond_destroy(&ensure->changed);
        rc = MTNT_E_NOMEM;
    }
    ensure->synced = rc == 0;
    return rc;
}

static int init(mtnt_ensure *ensure, const char *dsn, mtnt_error *err)
{
    const mtnt_ensure_options *options = &ensure->options;
    mtnt_controller *controller = NULL;
    int rc = mtnt__job_init(&ensure->job, NULL, ensure->chain, MTNT_FORWARD, &options->migration, err);

    if (rc == 0 && (ensure->dsn = strdup(dsn)) == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = init_sync(ensure, err);
    if (rc == 0)
        rc = mtnt__remembered_new(&ensure->remembered, options->remembered, options->remember_ms, ensure->system, err);
    if (rc == 0)
        rc = mtnt__handles_init(&ensure->questions, ensure->dsn, &options->controller, QUESTIONS, err);
    if (rc == 0)
        rc = mtnt__handles_init(&ensure->migrations, ensure->dsn, &options->controller, (size_t)options->migrations,
                                err);
    /* What is wrong with the controller is to be said now. */
    if (rc == 0)
        rc = mtnt__handles_take(&ensure->questions, mtnt__deadline_in(ensure->system, options->wait_ms), &controller,
                                err);
    if (rc == 0)
        mtnt__handles_give(&ensure->questions, controller);
    return rc;
}

int mtnt_ensure_new(mtnt_ensure **ret_ensure, const char *controller_dsn, const mtnt_chain *chain,
                    const mtnt_ensure_options *options, mtnt_error *err)
{
    static const mtnt_ensure_options defaults = MTNT_ENSURE_OPTIONS_INIT;
    mtnt_ensure *ensure;
    int rc;

    if (controller_dsn == NULL || chain == NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "keeping tenants current needs a controller and a chain");
    if (options == NULL)
        options = &defaults;
    rc = check_options(options, err);
    if (rc != 0)
        return rc;
    ensure = calloc(1, sizeof(*ensure));
    if (ensure == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    ensure->chain = mtnt__chain_first_lane(chain);
    ensure->system = mtnt__system_default();
    atomic_init(&ensure->cancelled, false);
    fill_options(ensure, options);
    rc = init(ensure, controller_dsn, err);
    if (rc != 0)
        mtnt_ensure_free(ensure);
    else
        *ret_ensure = ensure;
    return rc;
}

void mtnt_ensure_free(mtnt_ensure *ensure)
{
    if (ensure == NULL)
        return;
    mtnt__handles_release(&ensure->migrations);
    mtnt__handles_release(&ensure->questions);
    mtnt__remembered_free(ensure->remembered);
    mtnt__job_release(&ensure->job);
    if (ensure->synced) {
        mtnt__templates_release(&ensure->templates);
        pthread_mutex_destroy(&ensure->mutex);
        pthread_cond_destroy(&ensure->changed);
    }
    free(ensure->dsn);
    free(ensure);
}

/* ---- one question, one migration ---- */

static int select_known(mtnt_ensure *ensure, mtnt_controller *controller, const mtnt_model *model, mtnt__known *known,
                        mtnt_error *err)
{
    int rc = mtnt__store_select(controller, mtnt_chain_name(ensure->chain), &model, 1, known, err);

    if (rc != MTNT_E_CONNECT)
        return rc;
    /* The connection may have died of old age since the last question. */
    mtnt_error_clear(err);
    mtnt__db_disconnect(controller->db);
    return mtnt__store_select(controller, mtnt_chain_name(ensure->chain), &model, 1, known, err);
}

static int ask(mtnt_ensure *ensure, const mtnt_model *model, mtnt__deadline_ms deadline, bool *ret_current,
               mtnt_error *err)
{
    mtnt_controller *controller = NULL;
    mtnt__known known;
    int rc = mtnt__handles_take(&ensure->questions, deadline, &controller, err);

    if (rc != 0)
        return rc;
    rc = select_known(ensure, controller, model, &known, err);
    mtnt__handles_give(&ensure->questions, controller);
    *ret_current = rc == 0 && mtnt__job_current(&ensure->job, model, &known);
    return rc;
}

static bool show_running(mtnt_ensure *ensure, struct running *running)
{
    bool cancelled;

    pthread_mutex_lock(&ensure->mutex);
    cancelled = atomic_load(&ensure->cancelled);
    if (!cancelled) {
        running->next = ensure->running;
        ensure->running = running;
    }
    pthread_mutex_unlock(&ensure->mutex);
    return !cancelled;
}

static void hide_running(mtnt_ensure *ensure, struct running *running)
{
    struct running **link = &ensure->running;

    pthread_mutex_lock(&ensure->mutex);
    while (*link != running)
        link = &(*link)->next;
    *link = running->next;
    pthread_mutex_unlock(&ensure->mutex);
}

/* What a lost answer has come to is asked at once, by the handle whose claim it is; then it is done, or to be done again. */
static int perform(mtnt_ensure *ensure, mtnt_coordinator *coordinator, mtnt_error *err)
{
    struct running running = {NULL, coordinator};
    mtnt_error other = MTNT_ERROR_INIT;
    int rc;

    if (!show_running(ensure, &running))
        return cancelled_error(err);
    rc = mtnt_coordinator_perform(coordinator, err);
    if (rc == MTNT_E_IN_DOUBT && mtnt_coordinator_recover(coordinator, &other) == 0) {
        mtnt_error_clear(err);
        rc = mtnt_coordinator_perform(coordinator, err);
    }
    hide_running(ensure, &running);
    return rc;
}

static int migrate(mtnt_ensure *ensure, const mtnt_model *model, mtnt__deadline_ms deadline, bool *ret_migrated,
                   mtnt_error *err)
{
    mtnt_coordinator *coordinator = NULL;
    mtnt_controller *controller = NULL;
    mtnt_outcome outcome;
    int rc = mtnt__handles_take(&ensure->migrations, deadline, &controller, err);

    if (rc != 0)
        return rc;
    rc = mtnt_coordinator_new(&coordinator, controller, model, ensure->chain, &ensure->options.migration, err);
    if (rc == 0) {
        mtnt__coordinator_share(coordinator, &ensure->templates, &ensure->cancelled);
        rc = perform(ensure, coordinator, err);
    }
    if (rc == 0) {
        mtnt_coordinator_outcome(coordinator, &outcome);
        *ret_migrated = outcome.executed > 0 || outcome.recovered;
    }
    mtnt_coordinator_free(coordinator);
    mtnt__handles_give(&ensure->migrations, controller);
    return rc;
}

/* False: the time is up, or nobody wants it any more. */
static bool pause_for(mtnt_ensure *ensure, int64_t ms, mtnt__deadline_ms deadline)
{
    int64_t left = mtnt__deadline_left(ensure->system, deadline);
    struct timespec until = mtnt__later(ms < left ? ms : left);

    if (left == 0)
        return false;
    pthread_mutex_lock(&ensure->mutex);
    while (!atomic_load(&ensure->cancelled) && pthread_cond_timedwait(&ensure->changed, &ensure->mutex, &until) == 0)
        ;
    pthread_mutex_unlock(&ensure->mutex);
    return !atomic_load(&ensure->cancelled);
}

static int gave_up_waiting(const mtnt_ensure *ensure, mtnt_error *err)
{
    if (atomic_load(&ensure->cancelled))
        return cancelled_error(err);
    mtnt_error_wrap(err, "waited %lld ms", (long long)ensure->options.wait_ms);
    if (err != NULL) {
        err->code = MTNT_E_DEADLINE;
        err->retryable = true;
    }
    return MTNT_E_DEADLINE;
}

/* Another process may be at it, or take it over: then its end is what we want as well. */
static int bring(mtnt_ensure *ensure, const mtnt_model *model, bool *ret_migrated, mtnt_error *err)
{
    mtnt__deadline_ms deadline = mtnt__deadline_in(ensure->system, ensure->options.wait_ms);
    int64_t pause_ms = FIRST_PAUSE_MS;
    bool current = false;
    int rc;

    for (;;) {
        mtnt_error_clear(err);
        rc = ask(ensure, model, deadline, &current, err);
        if (rc != 0 || current)
            return rc;
        rc = migrate(ensure, model, deadline, ret_migrated, err);
        if (rc != MTNT_E_BUSY && rc != MTNT_E_LEASE)
            return rc;
        if (!pause_for(ensure, pause_ms, deadline))
            return gave_up_waiting(ensure, err);
        pause_ms = pause_ms * 2 < LONGEST_PAUSE_MS ? pause_ms * 2 : LONGEST_PAUSE_MS;
    }
}

/* ---- flights: ensure->mutex is held where nothing else is said ---- */

static void free_flight(struct flight *flight)
{
    pthread_cond_destroy(&flight->end);
    free(flight->id);
    free(flight->key);
    free(flight);
}

static void leave_flight(struct flight *flight)
{
    if (--flight->callers == 0)
        free_flight(flight);
}

static struct flight *find_flight(const mtnt_ensure *ensure, const mtnt_model *model)
{
    struct flight *flight = ensure->flights;

    while (flight != NULL &&
           (strcmp(flight->id, mtnt_model_id(model)) != 0 || strcmp(flight->key, mtnt__model_key(model)) != 0))
        flight = flight->next;
    return flight;
}

static struct flight *begin_flight(mtnt_ensure *ensure, const mtnt_model *model, uint64_t stamp, mtnt_error *err)
{
    struct flight *flight = calloc(1, sizeof(*flight));

    if (flight == NULL || mtnt__later_init(&flight->end, err) != 0) {
        free(flight);
        mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        return NULL;
    }
    flight->callers = 1;
    flight->stamp = stamp;
    flight->id = strdup(mtnt_model_id(model));
    flight->key = strdup(mtnt__model_key(model));
    if (flight->id == NULL || flight->key == NULL) {
        free_flight(flight);
        mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        return NULL;
    }
    flight->next = ensure->flights;
    ensure->flights = flight;
    return flight;
}

static void land(mtnt_ensure *ensure, struct flight *flight, int rc, const mtnt_error *error)
{
    struct flight **link = &ensure->flights;

    while (*link != flight)
        link = &(*link)->next;
    *link = flight->next;
    flight->landed = true;
    flight->rc = rc;
    flight->error = *error;
    pthread_cond_broadcast(&flight->end);
    pthread_cond_broadcast(&ensure->changed);
    leave_flight(flight);
}

static int takes_too_long(mtnt_ensure *ensure, const mtnt_model *model, mtnt_error *err)
{
    mtnt_error_set(err, MTNT_E_DEADLINE,
                   "tenant %s: its migration, which another call is performing, takes longer than %lld ms",
                   mtnt_model_id(model), (long long)ensure->options.wait_ms);
    if (err != NULL)
        err->retryable = true;
    atomic_fetch_add(&ensure->failed, 1);
    return MTNT_E_DEADLINE;
}

static int wait_for_flight(mtnt_ensure *ensure, struct flight *flight, const mtnt_model *model,
                           const struct timespec *until, mtnt_error *err)
{
    int rc;

    flight->callers++;
    while (!flight->landed)
        if (pthread_cond_timedwait(&flight->end, &ensure->mutex, until) != 0)
            break;
    if (!flight->landed) {
        rc = takes_too_long(ensure, model, err);
    } else {
        rc = flight->rc;
        if (rc != 0 && err != NULL)
            *err = flight->error;
        atomic_fetch_add(&ensure->shared, 1);
    }
    leave_flight(flight);
    return rc;
}

/* The mutex is not held. */
static int fly(mtnt_ensure *ensure, struct flight *flight, const mtnt_model *model, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    bool migrated = false;
    int rc = bring(ensure, model, &migrated, &own);

    if (rc == 0)
        mtnt__remembered_add(ensure->remembered, model, flight->stamp);
    atomic_fetch_add(rc != 0 ? &ensure->failed : migrated ? &ensure->migrated : &ensure->current, 1);
    if (rc != 0 && err != NULL)
        *err = own;
    pthread_mutex_lock(&ensure->mutex);
    land(ensure, flight, rc, &own);
    pthread_mutex_unlock(&ensure->mutex);
    return rc;
}

/* Joins the flight of the tenant, or begins it: *ret_flight is the caller's to fly then. */
static int join(mtnt_ensure *ensure, const mtnt_model *model, struct flight **ret_flight, mtnt_error *err)
{
    struct timespec until = mtnt__later(ensure->options.wait_ms);
    uint64_t stamp = mtnt__remembered_stamp(ensure->remembered, mtnt_model_id(model));
    struct flight *flight;

    /* What was asked before something was forgotten is no answer; it is waited for, because there is only one at a time. */
    while ((flight = find_flight(ensure, model)) != NULL && flight->stamp != stamp)
        if (pthread_cond_timedwait(&ensure->changed, &ensure->mutex, &until) != 0)
            return takes_too_long(ensure, model, err);
    if (flight != NULL)
        return wait_for_flight(ensure, flight, model, &until, err);
    if (atomic_load(&ensure->cancelled)) {
        atomic_fetch_add(&ensure->failed, 1);
        return cancelled_error(err);
    }
    *ret_flight = begin_flight(ensure, model, stamp, err);
    if (*ret_flight != NULL)
        return 0;
    atomic_fetch_add(&ensure->failed, 1);
    return MTNT_E_NOMEM;
}

int mtnt_ensure_current(mtnt_ensure *ensure, const mtnt_model *model, mtnt_error *err)
{
    struct flight *flight = NULL;
    bool remembered;
    int rc = 0;

    if (mtnt__remembered_has(ensure->remembered, model))
        return 0;
    pthread_mutex_lock(&ensure->mutex);
    /* A flight may have landed meanwhile: what it has found is remembered before it is taken off the list. */
    remembered = mtnt__remembered_has(ensure->remembered, model);
    if (!remembered)
        rc = join(ensure, model, &flight, err);
    pthread_mutex_unlock(&ensure->mutex);
    return flight == NULL ? rc : fly(ensure, flight, model, err);
}

void mtnt_ensure_forget(mtnt_ensure *ensure, const char *tenant)
{
    mtnt__remembered_forget(ensure->remembered, tenant);
}

/* Nobody who runs can go away while the mutex is held; theirs are only ever taken inside. */
void mtnt_ensure_cancel(mtnt_ensure *ensure)
{
    mtnt__handles_end(&ensure->questions);
    mtnt__handles_end(&ensure->migrations);
    pthread_mutex_lock(&ensure->mutex);
    atomic_store(&ensure->cancelled, true);
    for (struct running *running = ensure->running; running != NULL; running = running->next)
        mtnt_coordinator_cancel(running->coordinator);
    pthread_cond_broadcast(&ensure->changed);
    pthread_mutex_unlock(&ensure->mutex);
}

void mtnt_ensure_count(mtnt_ensure *ensure, mtnt_ensure_counts *ret_counts)
{
    mtnt_ensure_counts counts = {.remembered = mtnt__remembered_hits(ensure->remembered),
                                 .shared = atomic_load(&ensure->shared),
                                 .current = atomic_load(&ensure->current),
                                 .migrated = atomic_load(&ensure->migrated),
                                 .failed = atomic_load(&ensure->failed)};

    counts.calls = counts.remembered + counts.shared + counts.current + counts.migrated + counts.failed;
    *ret_counts = counts;
}
