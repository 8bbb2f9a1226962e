/* Many models looked at by a few threads, a batch at a time; what was found is told, and repaired, on the caller's. */
#include "mtnt/verify.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coordinate/inspect.h"
#include "fleet/variants.h"

#define BATCH 128
#define MAX_WORKERS 1024
#define MAX_LANES 64

typedef struct verification {
    mtnt_controller *controller;
    const mtnt_chain *chain;
    const mtnt_verification_options *options;
    const mtnt_chain *lanes[MAX_LANES];
    size_t lane_count;
    bool asks_previous; /* the controller alone records something */

    mtnt_model *models[BATCH];
    mtnt__inspection *inspections; /* BATCH of them */
    mtnt__inspected_lane *inspected;
    mtnt__known *known;
    size_t count;
    atomic_size_t next;
    atomic_bool stopped;

    mtnt__variants variants;
    mtnt_verification_counts counts;
} verification;

struct mtnt__difference {
    const mtnt__catalogue *from, *to;
};

/* ---- one batch ---- */

static bool has_to_stop(verification *v)
{
    if (v->options->stop != NULL && !atomic_load(&v->stopped) && v->options->stop(v->options->data))
        atomic_store(&v->stopped, true);
    return atomic_load(&v->stopped);
}

static void *inspect_some(void *data)
{
    verification *v = data;
    size_t at;

    while (!has_to_stop(v) && (at = atomic_fetch_add(&v->next, 1)) < v->count)
        mtnt__inspect(v->inspections + at);
    return NULL;
}

static size_t worker_count(const verification *v)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t workers = (size_t)v->options->workers;

    if (workers == 0)
        workers = processors < 1 ? 2 : processors > 8 ? 16 : 2 * (size_t)processors;
    workers = workers < v->count ? workers : v->count;
    return workers == 0 ? 1 : workers;
}

/* Threads that cannot be had are done without: the caller's is one of them. */
static void inspect_all(verification *v)
{
    size_t workers = worker_count(v), started = 0;
    pthread_t *threads = calloc(workers, sizeof(*threads));

    atomic_store(&v->next, 0);
    while (threads != NULL && started + 1 < workers && pthread_create(threads + started, NULL, inspect_some, v) == 0)
        started++;
    inspect_some(v);
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
    free(threads);
}

static int look_up(verification *v, mtnt_error *err)
{
    int rc = 0;

    for (size_t lane = 0; lane < v->lane_count && rc == 0; lane++) {
        const char *name = mtnt_chain_name(v->lanes[lane]);

        memset(v->known, 0, BATCH * sizeof(*v->known));
        if (v->controller->tables)
            rc = mtnt__store_select(v->controller, name, (const mtnt_model *const *)v->models, v->count, v->known, err);
        for (size_t i = 0; i < v->count && rc == 0; i++) {
            mtnt__inspected_lane *into = v->inspections[i].lanes + lane;

            into->chain = v->lanes[lane];
            into->known = v->known[i];
            if (v->asks_previous && into->known.known)
                rc = mtnt__store_previous(v->controller, name, v->models[i], &into->previous, err);
        }
    }
    return rc;
}

static void begin_batch(verification *v)
{
    for (size_t i = 0; i < v->count; i++) {
        mtnt__inspected_lane *lanes = v->inspected + i * v->lane_count;

        memset(lanes, 0, v->lane_count * sizeof(*lanes));
        v->inspections[i] = (mtnt__inspection){.controller = v->controller,
                                               .model = v->models[i],
                                               .lanes = lanes,
                                               .lane_count = v->lane_count,
                                               .allow_out_of_order = v->options->allow_out_of_order,
                                               .catalogued = true};
    }
}

static void end_batch(verification *v)
{
    for (size_t i = 0; i < v->count; i++) {
        mtnt__inspection_clear(v->inspections + i);
        for (size_t lane = 0; lane < v->lane_count; lane++)
            mtnt__previous_release(&v->inspections[i].lanes[lane].previous);
        mtnt_model_free(v->models[i]);
    }
    v->count = 0;
}

/* ---- what came out ---- */

static void count(mtnt_verification_counts *counts, const mtnt__inspection *i)
{
    size_t repaired = 0;

    for (size_t n = 0; n < i->finding_count; n++)
        repaired += i->findings[n].repaired;
    counts->tenants++;
    counts->put_away += i->put_away;
    if (i->error.code != MTNT_OK)
        counts->failed++;
    else if (i->finding_count == 0)
        counts->sound++;
    else if (repaired == i->finding_count)
        counts->repaired++;
    else
        counts->unsound++;
}

static int tell(verification *v, mtnt__inspection *i, mtnt_error *err)
{
    const mtnt_verified verified = {.tenant = mtnt_model_id(i->model),
                                    .known = i->lanes[0].known.known,
                                    .exists = i->exists,
                                    .put_away = i->put_away,
                                    .version = i->lanes[0].position.version,
                                    .known_version = i->lanes[0].known.version,
                                    .schema = i->schema[0] == '\0' ? NULL : i->schema,
                                    .recorded = i->recorded,
                                    .findings = i->findings,
                                    .finding_count = i->finding_count,
                                    .error = i->error.code == MTNT_OK ? NULL : &i->error};

    return v->options->tenant == NULL ? 0 : v->options->tenant(v->options->data, &verified, err);
}

static bool same_known(const mtnt__known *a, const mtnt__known *b)
{
    return a->known == b->known && a->epoch == b->epoch && strcmp(a->state, b->state) == 0 &&
           strcmp(a->digest, b->digest) == 0 && strcmp(a->uuid, b->uuid) == 0 && a->gone == b->gone;
}

/* The controller was asked before the model was, and a migration in between is no finding. */
static int look_again(verification *v, mtnt__inspection *i, mtnt_error *err)
{
    bool same = true;
    int rc = 0;

    for (size_t lane = 0; lane < v->lane_count && rc == 0; lane++) {
        const char *name = mtnt_chain_name(v->lanes[lane]);
        mtnt__inspected_lane *into = i->lanes + lane;

        rc = mtnt__store_select(v->controller, name, &i->model, 1, v->known, err);
        if (rc != 0 || same_known(&into->known, v->known))
            continue;
        same = false;
        into->known = v->known[0];
        mtnt__previous_release(&into->previous);
        if (v->asks_previous && into->known.known)
            rc = mtnt__store_previous(v->controller, name, i->model, &into->previous, err);
    }
    if (rc == 0 && !same) {
        mtnt__inspection_clear(i);
        mtnt__inspect(i);
    }
    return rc;
}

static int take(verification *v, mtnt__inspection *i, mtnt_error *err)
{
    const mtnt__repair repair = {v->controller, v->options->who, v->options->reason, v->options->accept_replaced};
    mtnt_error failed = MTNT_ERROR_INIT;
    int rc = i->finding_count > 0 && v->controller->tables ? look_again(v, i, err) : 0;

    if (rc == 0)
        rc = mtnt__variants_add(&v->variants, i, err);
    if (rc != 0)
        return rc;
    if (v->options->repair && mtnt__inspection_repair(i, &repair, &failed) != 0)
        i->error = failed;
    count(&v->counts, i);
    return tell(v, i, err);
}

static int run_batch(verification *v, mtnt_error *err)
{
    size_t done;
    int rc;

    begin_batch(v);
    rc = look_up(v, err);
    if (rc == 0)
        inspect_all(v);
    done = atomic_load(&v->next) < v->count ? atomic_load(&v->next) : v->count;
    for (size_t i = 0; i < done && rc == 0; i++)
        rc = take(v, v->inspections + i, err);
    return rc;
}

static int run(verification *v, mtnt_tenant_source *source, mtnt_error *err)
{
    bool end = false;
    int rc = 0;

    while (rc == 0 && !end && !has_to_stop(v)) {
        while (rc == 0 && v->count < BATCH) {
            mtnt_model *model = NULL;

            rc = source->next(source->data, &model, err);
            if (rc != 0 || model == NULL) {
                end = true;
                break;
            }
            v->models[v->count++] = model;
        }
        /* Those that were given before the source failed are looked at all the same. */
        if (v->count > 0) {
            mtnt_error own = MTNT_ERROR_INIT;
            int batch = run_batch(v, &own);

            end_batch(v);
            if (batch != 0 && rc == 0) {
                rc = batch;
                if (err != NULL)
                    *err = own;
            }
        }
    }
    return rc;
}

/* ---- siblings ---- */

size_t mtnt_variant_diff(const mtnt_variant *variant, size_t most, mtnt_diff_fn each, void *data)
{
    const struct mtnt__difference *difference = variant->difference;

    return difference == NULL ? 0 : mtnt__catalogue_diff(difference->from, difference->to, most, each, data);
}

static int tell_variant(verification *v, const mtnt__siblings *siblings, const mtnt__schema_seen *measure,
                        const mtnt__schema_seen *seen, bool undecided, mtnt_error *err)
{
    const struct mtnt__difference difference = {&measure->catalogue, &seen->catalogue};
    const mtnt_variant variant = {.version = siblings->version,
                                  .backend = siblings->backend,
                                  .tenants = seen->tenants,
                                  .siblings = measure->tenants,
                                  .changed = seen->changed,
                                  .undecided =
                                      undecided && seen->tenants - seen->changed == measure->tenants - measure->changed,
                                  .schema = seen->schema,
                                  .examples = (const char *const *)seen->examples,
                                  .example_count = seen->example_count,
                                  .difference = measure->kept && seen->kept ? &difference : NULL};

    v->counts.unlike += seen->tenants;
    return v->options->variant == NULL ? 0 : v->options->variant(v->options->data, &variant, err);
}

static int compare_siblings(verification *v, mtnt_error *err)
{
    int rc = 0;

    for (size_t g = 0; g < v->variants.count && rc == 0; g++) {
        const mtnt__siblings *siblings = v->variants.groups + g;
        bool undecided;
        const mtnt__schema_seen *measure = mtnt__siblings_measure(siblings, &undecided);

        if (siblings->count == 1 && measure->tenants == 1)
            v->counts.alone += measure->unrecorded;
        for (size_t i = 0; i < siblings->count && rc == 0; i++)
            if (siblings->seen + i != measure)
                rc = tell_variant(v, siblings, measure, siblings->seen + i, undecided, err);
    }
    return rc;
}

/* ---- ---- */

static int check_options(const mtnt_controller *controller, const mtnt_verification_options *options, mtnt_error *err)
{
    if (options->version != MTNT_VERIFICATION_OPTIONS_VERSION)
        return mtnt_error_set(
            err, MTNT_E_INVALID,
            "mtnt_verification_options of version %u; initialise them with MTNT_VERIFICATION_OPTIONS_INIT",
            (unsigned)options->version);
    if (options->workers < 0 || options->workers > MAX_WORKERS)
        return mtnt_error_set(err, MTNT_E_INVALID, "%d workers in mtnt_verification_options: it takes 1 to %d",
                              options->workers, MAX_WORKERS);
    if (options->repair && (options->who == NULL || controller->options.read_only))
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "to repair takes a name (who) and a controller that is open for writing");
    return 0;
}

static int find_lanes(verification *v, mtnt_error *err)
{
    if (v->chain->lane_count > MAX_LANES)
        return mtnt_error_set(err, MTNT_E_INVALID, "%zu lanes: verify takes %d", v->chain->lane_count, MAX_LANES);
    v->lanes[0] = v->chain;
    v->lane_count = v->chain->lane_count == 0 ? 1 : v->chain->lane_count;
    for (size_t i = 0; i < v->chain->lane_count; i++)
        v->lanes[i] = v->chain->lanes[i];
    /* An operation that does not write the model is recorded by the controller where nothing else of its migration does. */
    for (size_t i = 0; i < v->chain->count; i++)
        v->asks_previous = v->asks_previous || (v->chain->entries[i].writes & MTNT_WRITES_MODEL) == 0 ||
                           (v->chain->entries[i].flags & MTNT_OPERATION_DELETES_MODEL) != 0;
    return 0;
}

int mtnt_verify_models(mtnt_controller *controller, const mtnt_chain *chain, mtnt_tenant_source *source,
                       const mtnt_verification_options *options, mtnt_verification_counts *ret_counts, mtnt_error *err)
{
    verification *v;
    int rc = check_options(controller, options, err);

    if (rc != 0)
        return rc;
    v = calloc(1, sizeof(*v));
    if (v == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    v->controller = controller;
    v->chain = chain;
    v->options = options;
    atomic_init(&v->next, 0);
    atomic_init(&v->stopped, false);
    rc = find_lanes(v, err);
    if (rc == 0) {
        v->inspections = calloc(BATCH, sizeof(*v->inspections));
        v->inspected = calloc(BATCH * v->lane_count, sizeof(*v->inspected));
        v->known = calloc(BATCH, sizeof(*v->known));
        if (v->inspections == NULL || v->inspected == NULL || v->known == NULL)
            rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    if (rc == 0)
        rc = run(v, source, err);
    v->counts.stopped = atomic_load(&v->stopped);
    if (rc == 0)
        rc = compare_siblings(v, err);
    *ret_counts = v->counts;
    mtnt__variants_release(&v->variants);
    free(v->inspections);
    free(v->inspected);
    free(v->known);
    free(v);
    return rc;
}
