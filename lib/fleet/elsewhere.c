#include "fleet/elsewhere.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "fleet/away.h"
#include "fleet/intake.h"

#define LOOK_MS 1000       /* between two rounds while there is other work */
#define LOOK_IDLE_MS 200   /* when there is none */
#define TELL_AFTER_MS 5000 /* of waiting for nothing else */

struct mtnt__elsewhere_tenant {
    mtnt_model *model;
    mtnt_error *error;
    char asked[MTNT__ID_SIZE];
};

static void free_one(struct mtnt__elsewhere_tenant *tenant)
{
    mtnt_model_free(tenant->model);
    free(tenant->error);
}

/* Its group was not over while it was here. */
static void part_with(mtnt__dispatch *d, struct mtnt__elsewhere_tenant *tenant)
{
    mtnt__groups_part(&d->groups, mtnt__group_of(d->groups.list, d->groups.count, tenant->model));
    free_one(tenant);
}

static int grow(mtnt__elsewhere *held)
{
    size_t size = held->size == 0 ? MTNT__BATCH : held->size * 2;
    struct mtnt__elsewhere_tenant *items = realloc(held->items, size * sizeof(*items));

    if (items == NULL)
        return MTNT_E_NOMEM;
    held->items = items;
    held->size = size;
    return 0;
}

void mtnt__elsewhere_add(mtnt__dispatch *d, mtnt_model *model, const char *asked, const mtnt_error *error)
{
    struct mtnt__elsewhere_tenant tenant = {.error = NULL};
    mtnt_error own = MTNT_ERROR_INIT;

    if (error != NULL && (tenant.error = malloc(sizeof(*tenant.error))) != NULL)
        *tenant.error = *error;
    if ((error != NULL && tenant.error == NULL) ||
        (d->elsewhere.count == d->elsewhere.size && grow(&d->elsewhere) != 0)) {
        mtnt_error_set(&own, MTNT_E_NOMEM, "out of memory");
        mtnt__tally_failed(&d->tally, model, &own);
        free(tenant.error);
        return;
    }
    tenant.model = mtnt__model_ref(model);
    mtnt__groups_meet(&d->groups, mtnt__group_of(d->groups.list, d->groups.count, model));
    mtnt__text_copy(tenant.asked, sizeof(tenant.asked), asked);
    d->elsewhere.items[d->elsewhere.count++] = tenant;
}

bool mtnt__elsewhere_has(const mtnt__dispatch *d, const mtnt__known *known)
{
    return !mtnt__known_idle(known) &&
           !mtnt__known_takeable(d->executor->controller, known, mtnt__longest_ms(&d->job.options));
}

/* A claim of ours whose commit was answered with an error, and that is there all the same. No worker has ever had it. */
static int give_back(mtnt__dispatch *d, const mtnt_model *model, const mtnt__known *known, mtnt_error *err)
{
    const mtnt__system *system = d->executor->controller->system;
    const mtnt__end end = {.tenant = mtnt_model_id(model),
                           .migration = known->migration,
                           .epoch = known->epoch,
                           .state = mtnt__migration_move(MTNT__STATE_EXECUTING, MTNT__EVENT_ABORT),
                           .run = d->job.run,
                           .finished_ms = system->wall_ms(system->data)};
    int rc;

    mtnt__gate_enter(d->gate);
    rc = mtnt__store_finish(d->executor->controller, mtnt_chain_name(d->executor->chain), &end, 1, err);
    mtnt__gate_leave(d->gate);
    return rc;
}

static void sort_one(mtnt__dispatch *d, struct mtnt__elsewhere_tenant *tenant, mtnt__known *known,
                     const mtnt__intake_facts *facts)
{
    bool ours = !mtnt__known_idle(known) && strcmp(known->owner, d->executor->controller->owner) == 0;
    mtnt_error error = MTNT_ERROR_INIT;

    if (ours && tenant->error != NULL) {
        mtnt__tally_failed(&d->tally, tenant->model, tenant->error);
    } else if (ours && tenant->asked[0] != '\0' && strcmp(known->migration, tenant->asked) == 0) {
        switch (mtnt__away_hear(d, give_back(d, tenant->model, known, &error), &error)) {
        case MTNT__HEARD_ANSWER: mtnt__elsewhere_add(d, tenant->model, "", NULL); break;
        case MTNT__HEARD_NOTHING: mtnt__elsewhere_add(d, tenant->model, tenant->asked, NULL); break;
        case MTNT__HEARD_LOST: mtnt__tally_failed(&d->tally, tenant->model, &error); break;
        }
    } else if (mtnt__elsewhere_has(d, known)) {
        mtnt__text_copy(d->elsewhere.owner, sizeof(d->elsewhere.owner), known->owner);
        mtnt__elsewhere_add(d, tenant->model, tenant->asked, tenant->error);
    } else {
        mtnt__intake_sort(d, tenant->model, known, facts);
    }
    part_with(d, tenant);
}

/* Once, when nothing else is left to wait for. */
static void tell(mtnt__dispatch *d)
{
    mtnt__elsewhere *held = &d->elsewhere;
    mtnt_error error = MTNT_ERROR_INIT;

    if (held->count == 0 || !d->source_ended || d->in_flight > 0) {
        held->waiting_ms = 0;
        return;
    }
    if (held->waiting_ms == 0)
        held->waiting_ms = mtnt__dispatch_now_ms(d);
    if (held->told || held->owner[0] == '\0' || mtnt__dispatch_now_ms(d) - held->waiting_ms < TELL_AFTER_MS)
        return;
    held->told = true;
    mtnt_error_set(
        &error, MTNT_E_BUSY,
        "waiting for %zu tenant%s that other processes migrate, or whose lease is not over yet (one is of %.*s)",
        held->count, held->count == 1 ? "" : "s", (int)strcspn(held->owner, "#"), held->owner);
    mtnt__tally_warning(&d->tally, &error);
}

static size_t take_batch(mtnt__dispatch *d, struct mtnt__elsewhere_tenant *batch)
{
    mtnt__elsewhere *held = &d->elsewhere;
    size_t count = held->round < MTNT__BATCH ? held->round : MTNT__BATCH;

    memcpy(batch, held->items, count * sizeof(*batch));
    held->count -= count;
    held->round -= count;
    memmove(held->items, held->items + count, held->count * sizeof(*batch));
    return count;
}

/* A round looks at each once; what stays held goes behind. */
static bool due(mtnt__dispatch *d)
{
    mtnt__elsewhere *held = &d->elsewhere;
    int64_t now = mtnt__dispatch_now_ms(d);

    if (held->count == 0 || !mtnt__dispatch_has_room(d))
        return false;
    if (held->round == 0 && now - held->looked_ms < (d->in_flight == 0 ? LOOK_IDLE_MS : LOOK_MS))
        return false;
    if (held->round == 0) {
        held->round = held->count;
        held->looked_ms = now;
    }
    return true;
}

void mtnt__elsewhere_look(mtnt__dispatch *d)
{
    struct mtnt__elsewhere_tenant batch[MTNT__BATCH];
    mtnt__intake_facts facts[MTNT__BATCH];
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__heard heard;
    size_t count;

    tell(d);
    if (mtnt__dispatch_draining(d) || !mtnt__away_asks(d) || !due(d))
        return;
    count = take_batch(d, batch);
    for (size_t i = 0; i < count; i++)
        d->batch[i] = batch[i].model;
    heard = mtnt__away_hear(d, mtnt__intake_select(d, count, facts, &error), &error);
    for (size_t i = 0; i < count; i++) {
        if (heard == MTNT__HEARD_ANSWER) {
            sort_one(d, batch + i, d->known + i, facts + i);
            continue;
        }
        if (heard == MTNT__HEARD_NOTHING) {
            d->elsewhere.items[d->elsewhere.count++] = batch[i];
            continue;
        }
        mtnt__tally_untouched(&d->tally, batch[i].model);
        part_with(d, batch + i);
    }
}

static bool suspect(const mtnt__task *task)
{
    return !task->recovering && !task->taken && task->phase == MTNT__TASK_DONE && task->end_due &&
           task->verdict == MTNT__VERDICT_FAILED;
}

static void check_batch(mtnt__dispatch *d, mtnt__task *const *tasks, size_t count)
{
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__heard heard;
    int rc;

    for (size_t i = 0; i < count; i++) {
        d->batch[i] = tasks[i]->model;
        tasks[i]->unsure = !mtnt__away_asks(d);
    }
    if (!mtnt__away_asks(d))
        return;
    mtnt__gate_enter(d->gate);
    rc = mtnt__store_select(d->executor->controller, mtnt_chain_name(d->executor->chain),
                            (const mtnt_model *const *)d->batch, count, d->known, &error);
    mtnt__gate_leave(d->gate);
    /* Another error their ends will meet as well, which are written next. */
    if (rc != 0 && !mtnt__away_may_come_back(rc, &error))
        return;
    heard = mtnt__away_hear(d, rc, &error);
    for (size_t i = 0; i < count; i++) {
        tasks[i]->unsure = heard == MTNT__HEARD_NOTHING;
        if (heard == MTNT__HEARD_ANSWER)
            tasks[i]->taken = d->known[i].epoch != tasks[i]->claim.epoch;
    }
}

void mtnt__elsewhere_check(mtnt__dispatch *d)
{
    mtnt__task *tasks[MTNT__BATCH];
    size_t count = 0;

    /* With a SQLite controller a process that lives keeps what it has, and its write lock may be a worker's for long. */
    for (size_t i = 0; i < d->news.done_count && d->lost; i++)
        d->news.done[i]->unsure = false;
    if (d->lost || d->executor->controller->backend == MTNT_SQLITE)
        return;
    for (size_t i = 0; i < d->news.done_count; i++) {
        if (suspect(d->news.done[i]))
            tasks[count++] = d->news.done[i];
        if (count == MTNT__BATCH || (count > 0 && i + 1 == d->news.done_count)) {
            check_batch(d, tasks, count);
            count = 0;
        }
    }
}

void mtnt__elsewhere_drop(mtnt__dispatch *d)
{
    for (size_t i = 0; i < d->elsewhere.count; i++) {
        mtnt__tally_untouched(&d->tally, d->elsewhere.items[i].model);
        part_with(d, d->elsewhere.items + i);
    }
    d->elsewhere.count = d->elsewhere.round = 0;
}

void mtnt__elsewhere_release(mtnt__dispatch *d)
{
    for (size_t i = 0; i < d->elsewhere.count; i++)
        free_one(d->elsewhere.items + i);
    free(d->elsewhere.items);
    d->elsewhere = (mtnt__elsewhere){0};
}
