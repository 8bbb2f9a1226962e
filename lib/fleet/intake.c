/* What comes in: tenants from the source, and what the controller knows of them, a batch at a time. */
#include "fleet/intake.h"

#include <stdlib.h>
#include <string.h>

#include "fleet/admit.h"
#include "fleet/away.h"
#include "fleet/elsewhere.h"
#include "fleet/leftovers.h"
#include "fleet/share.h"

static void announce(mtnt__dispatch *d, const mtnt_model *model)
{
    const char *guarantee = NULL;

    if (d->announced)
        return;
    if (model != NULL && d->job.options.adoption != NULL)
        guarantee = mtnt__mode_guarantee(MTNT__MODE_ADOPTION);
    else if (model != NULL)
        guarantee = mtnt__mode_guarantee(
            mtnt__saga_expected(&d->executor->options.migration, d->executor->chain)
                ? MTNT__MODE_SAGA
                : mtnt__mode_choose(d->executor->controller, model, d->job.ladder.writes_after[0], false));
    if (d->source->total != NULL)
        d->tally.counts.total = d->source->total(d->source->data);
    mtnt__tally_run_started(&d->tally, (int)d->executor->workers, guarantee);
    d->announced = true;
    mtnt__share_say_terms(d);
    mtnt__admit_announce(d);
}

/* ---- looking ahead ---- */

static void note_end(mtnt__dispatch *d)
{
    d->source_ended = d->groups.all_known = d->ahead.ended && d->ahead.at == d->ahead.count;
}

static void read_ahead(mtnt__dispatch *d)
{
    mtnt_error error = MTNT_ERROR_INIT;

    d->ahead.at = d->ahead.count = 0;
    while (d->ahead.count < d->ahead.batch && !d->ahead.ended) {
        mtnt_model *model = NULL;

        if (d->source->next(d->source->data, &model, &error) != 0) {
            d->ahead.ended = true;
            mtnt__dispatch_note_error(d, &error);
        } else if (model == NULL) {
            d->ahead.ended = true;
        } else {
            d->ahead.models[d->ahead.count++] = model;
        }
    }
    note_end(d);
}

static void drop_current(mtnt__dispatch *d)
{
    size_t kept = 0;

    for (size_t i = 0; i < d->ahead.count; i++) {
        if (!d->ahead.current[i]) {
            d->ahead.models[kept++] = d->ahead.models[i];
            continue;
        }
        mtnt__tally_current(&d->tally, d->ahead.models[i]);
        mtnt_model_free(d->ahead.models[i]);
    }
    d->ahead.count = kept;
    d->ahead.batch = kept > 0 ? MTNT__BATCH : MTNT__BATCH_AHEAD;
    note_end(d);
}

/* Those that are plainly current cost one short question for many; the others are asked for again, and more. */
static void look_ahead(mtnt__dispatch *d)
{
    mtnt_executor *executor = d->executor;
    mtnt_error error = MTNT_ERROR_INIT;
    int rc;

    if (!d->ahead.unasked)
        read_ahead(d);
    announce(d, d->ahead.count == 0 ? NULL : d->ahead.models[0]);
    d->ahead.unasked =
        d->ahead.count > 0 && d->job.options.adoption == NULL; /* whose a model is, the controller does not know */
    if (!d->ahead.unasked)
        return;
    mtnt__gate_enter(d->gate);
    rc = mtnt__store_current(executor->controller, mtnt_chain_name(executor->chain), mtnt__job_goal(&d->job),
                             (const mtnt_model *const *)d->ahead.models, d->ahead.count, d->ahead.current, &error);
    mtnt__gate_leave(d->gate);
    if (mtnt__away_hear(d, rc, &error) != MTNT__HEARD_ANSWER)
        return;
    d->ahead.unasked = false;
    drop_current(d);
}

/* A group whose turn has come, and of which tenants have been waiting; lot_count = none. */
static size_t ready_lot(const mtnt__dispatch *d)
{
    size_t lot = 0;

    while (d->parking.count > 0 && lot < d->parking.lot_count &&
           (d->parking.lots[lot].count == 0 ||
            !(mtnt__groups_open(&d->groups, lot) || mtnt__groups_stopped(&d->groups, lot))))
        lot++;
    return d->parking.count == 0 ? d->parking.lot_count : lot;
}

/* Tenants of a group whose turn has come, or that were read and are not current. Each is met until it has been sorted in, so that no group behind
 * its own takes its turn meanwhile. */
static void pull(mtnt__dispatch *d)
{
    size_t count = 0, lot = ready_lot(d);
    mtnt_model *model;

    while (count < MTNT__BATCH && lot < d->parking.lot_count &&
           (model = mtnt__parking_take(&d->parking, lot)) != NULL) {
        d->batch_groups[count] = lot;
        d->pulled.models[count++] = model;
    }
    for (; count < MTNT__BATCH && d->ahead.at < d->ahead.count; count++) {
        model = d->ahead.models[d->ahead.at++];
        d->batch_groups[count] = mtnt__group_of(d->groups.list, d->groups.count, model);
        mtnt__groups_meet(&d->groups, d->batch_groups[count]);
        d->pulled.models[count] = model;
    }
    d->pulled.count = count;
    note_end(d);
}

/* ---- taking in ---- */

/* A tenant of which no task was made is over. */
static void part(mtnt__dispatch *d, size_t group, bool failed)
{
    mtnt__groups_part(&d->groups, group);
    if (failed)
        mtnt__groups_fail(&d->groups, group);
}

static void add_task(mtnt__dispatch *d, mtnt_model *model, size_t group, const mtnt__known *known,
                     const mtnt__intake_facts *facts)
{
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__task *task = calloc(1, sizeof(*task));

    if (task == NULL || mtnt__task_init(task, &d->job, model, known, &error) != 0 ||
        mtnt__servers_find(d, task, &error) != 0) {
        if (task != NULL)
            mtnt__task_release(task);
        free(task);
        if (error.code == MTNT_OK)
            mtnt_error_set(&error, MTNT_E_NOMEM, "out of memory");
        mtnt__tally_failed(&d->tally, model, &error);
        part(d, group, true);
        return;
    }
    d->in_flight++;
    task->recovering = !mtnt__known_idle(known);
    task->debt = facts->debt;
    task->placed = facts->shared.placed;
    task->group = group;
    d->queued.items[d->queued.count++] = task;
}

static int forget_gone(mtnt__dispatch *d, const mtnt_model *model, mtnt__known *known, mtnt_error *err)
{
    mtnt_executor *executor = d->executor;
    int rc;

    if (!mtnt__job_forgets(&d->job, known))
        return 0;
    if (d->job.options.rehearse) {
        *known = (mtnt__known){.epoch = known->epoch};
        return 0;
    }
    mtnt__gate_enter(d->gate);
    rc = mtnt__removal_forget(executor->controller, mtnt_chain_name(executor->chain), mtnt_model_id(model), known->uuid,
                              err);
    mtnt__gate_leave(d->gate);
    *known = (mtnt__known){.epoch = known->epoch};
    return rc;
}

bool mtnt__intake_held(mtnt__dispatch *d, mtnt_model *model, const mtnt__known *known, const mtnt__lane_debt *debt)
{
    mtnt_error error = MTNT_ERROR_INIT;
    /* What another tool has done, it has done in whatever order. */
    int rc = d->job.baseline
                 ? 0
                 : mtnt__lane_order_check(d->executor->chain, debt, d->job.backward, mtnt_model_id(model), &error);

    if (rc == 0 || !mtnt__known_idle(known))
        return false;
    if (rc == MTNT_E_REFUSED && d->early)
        mtnt__elsewhere_add(d, model, "", NULL);
    else if (rc == MTNT_E_REFUSED)
        mtnt__tally_held(&d->tally, model, &error);
    else
        mtnt__tally_failed(&d->tally, model, &error);
    return true;
}

/* Its group's turn has not come. */
static void park(mtnt__dispatch *d, mtnt_model *model, size_t group)
{
    mtnt_error error = MTNT_ERROR_INIT;

    if (mtnt__parking_put(&d->parking, group, mtnt__model_ref(model), &error) == 0)
        return;
    mtnt_model_free(model);
    mtnt__tally_failed(&d->tally, model, &error);
    part(d, group, true);
}

static bool waits(const mtnt__dispatch *d, const mtnt_model *model, size_t group, const mtnt__known *known)
{
    return !mtnt__groups_open(&d->groups, group) && !mtnt__groups_stopped(&d->groups, group) &&
           !mtnt__job_current(&d->job, model, known);
}

void mtnt__intake_sort(mtnt__dispatch *d, mtnt_model *model, mtnt__known *known, const mtnt__intake_facts *facts)
{
    size_t group = mtnt__group_of(d->groups.list, d->groups.count, model);
    mtnt_error error = MTNT_ERROR_INIT;
    bool failed = false, later;
    int rc;

    mtnt__groups_meet(&d->groups, group);
    if (waits(d, model, group, known)) {
        park(d, model, group);
        return;
    }
    if (known->gone && known->gone_here && known->removed_ms == 0 && known->now_ms >= known->remove_after_ms)
        mtnt__leftovers_note_grave(d, model);
    rc = forget_gone(d, model, known, &error);
    later = rc != 0 && mtnt__away_may_come_back(rc, &error) && mtnt__away_hear(d, rc, &error) == MTNT__HEARD_NOTHING;
    if (rc != 0 && !later) {
        failed = true;
        mtnt__tally_failed(&d->tally, model, &error);
    } else if (!later && mtnt__job_current(&d->job, model, known)) {
        mtnt__tally_current(&d->tally, model);
    } else if (!later && mtnt__groups_stopped(&d->groups, group)) {
        mtnt__tally_untouched(&d->tally, model);
    } else if (later || mtnt__elsewhere_has(d, known) || facts->shared.rests) {
        mtnt__elsewhere_add(d, model, "", NULL);
    } else if (facts->shared.tried) {
        mtnt__tally_elsewhere(&d->tally, model);
    } else if (!mtnt__intake_held(d, model, known, &facts->debt)) {
        add_task(d, model, group, known, facts);
        return;
    }
    part(d, group, failed);
}

/* Not asked for tenants that are current. */
static int look_at_lanes(mtnt__dispatch *d, size_t count, mtnt__lane_debt *ret_debts, mtnt_error *err)
{
    const mtnt_chain *chain = d->executor->chain;
    size_t i = 0;

    memset(ret_debts, 0, count * sizeof(*ret_debts));
    if (d->job.options.adoption != NULL)
        return 0;
    while (i < count && mtnt__job_current(&d->job, d->batch[i], d->known + i))
        i++;
    if (i == count)
        return 0;
    return mtnt__lane_order(d->executor->controller, chain, mtnt__job_floor(&d->job),
                            (const mtnt_model *const *)d->batch, count, ret_debts, err);
}

int mtnt__intake_select(mtnt__dispatch *d, size_t count, mtnt__intake_facts *ret_facts, mtnt_error *err)
{
    mtnt__lane_debt debts[MTNT__BATCH];
    mtnt__share_facts shared[MTNT__BATCH];
    int rc;

    /* Before it is looked up: what a lane has done that is over by then is seen. */
    d->early =
        d->executor->company.makes_models != NULL && d->executor->company.makes_models(d->executor->company.data);
    mtnt__gate_enter(d->gate);
    rc = mtnt__store_select(d->executor->controller, mtnt_chain_name(d->executor->chain),
                            (const mtnt_model *const *)d->batch, count, d->known, err);
    if (rc == 0)
        rc = look_at_lanes(d, count, debts, err);
    if (rc == 0)
        rc = mtnt__share_find(d, count, shared, err);
    mtnt__gate_leave(d->gate);
    for (size_t i = 0; i < count && rc == 0; i++)
        ret_facts[i] = (mtnt__intake_facts){debts[i], shared[i]};
    return rc;
}

/* Those that are too early are held in memory: no more of them are read than a few. */
static bool too_early(const mtnt__dispatch *d)
{
    return d->early && d->elsewhere.count >= MTNT__RESTING_MAX;
}

bool mtnt__intake_ready(const mtnt__dispatch *d)
{
    return !mtnt__dispatch_draining(d) && mtnt__dispatch_has_room(d) && !too_early(d) &&
           (d->pulled.count > 0 || !d->source_ended || ready_lot(d) < d->parking.lot_count);
}

/* facts NULL: they are not asked for any more. */
static void sort_pulled(mtnt__dispatch *d, const mtnt__intake_facts *facts)
{
    for (size_t i = 0; i < d->pulled.count; i++) {
        mtnt_model *model = d->pulled.models[i];

        if (facts != NULL)
            mtnt__intake_sort(d, model, d->known + i, facts + i);
        else
            mtnt__tally_untouched(&d->tally, model);
        part(d, d->batch_groups[i], false);
        mtnt_model_free(model);
    }
    d->pulled.count = 0;
}

void mtnt__intake(mtnt__dispatch *d)
{
    mtnt__intake_facts facts[MTNT__BATCH];
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__heard heard;

    if (!mtnt__intake_ready(d) || !mtnt__away_asks(d))
        return;
    if (d->pulled.count == 0) {
        if (d->ahead.unasked || (d->ahead.at == d->ahead.count && !d->source_ended))
            look_ahead(d);
        if (!d->ahead.unasked)
            pull(d);
    }
    if (d->pulled.count == 0)
        return;
    for (size_t i = 0; i < d->pulled.count; i++)
        d->batch[i] = d->pulled.models[i];
    heard = mtnt__away_hear(d, mtnt__intake_select(d, d->pulled.count, facts, &error), &error);
    if (heard != MTNT__HEARD_NOTHING)
        sort_pulled(d, heard == MTNT__HEARD_ANSWER ? facts : NULL);
}

/* What was never asked for counts too, so that the sums add up. */
void mtnt__intake_count_rest(mtnt__dispatch *d)
{
    announce(d, NULL);
    sort_pulled(d, NULL);
    while (!d->source_ended) {
        for (; d->ahead.at < d->ahead.count; d->ahead.at++) {
            mtnt__tally_untouched(&d->tally, NULL);
            mtnt_model_free(d->ahead.models[d->ahead.at]);
        }
        read_ahead(d);
    }
    /* The controller is lost: their ends stay in the register, and recovery reads them there. */
    for (size_t i = 0; i < d->ended.count; i++) {
        if (d->ended.items[i]->tries_on)
            mtnt__dispatch_count_dropped(d, d->ended.items[i]);
        mtnt__dispatch_free_task(d, d->ended.items[i]);
    }
    d->ended.count = 0;
}
