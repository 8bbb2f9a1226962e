/* The controller's rows, brought in step with a model. The model is the truth, and is only read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/audit.h"
#include "coordinate/inspect.h"

/* Whether everything that was found can be repaired, for one thing that cannot makes the model's word doubtful. */
static bool may_repair(const mtnt__inspection *i, const mtnt__repair *repair)
{
    bool something = false;

    for (size_t n = 0; n < i->finding_count; n++) {
        const mtnt_finding *finding = i->findings + n;
        bool about_rows = finding->kind != MTNT_FINDING_CHANGED && finding->kind != MTNT_FINDING_OUT_OF_ORDER;

        if (finding->repairable && (finding->kind != MTNT_FINDING_REPLACED || repair->accept_replaced))
            something = true;
        else if (about_rows)
            return false;
    }
    return something;
}

/* A row for each operation: what is applied, and what the controller thought was. */
static mtnt__step *make_steps(const mtnt__inspected_lane *lane, size_t *ret_count)
{
    mtnt__step *steps = calloc(lane->chain->count + 1, sizeof(*steps));

    *ret_count = 0;
    for (size_t n = 0; steps != NULL && n < lane->chain->count; n++) {
        const mtnt__chain_entry *entry = lane->chain->entries + n;
        const mtnt__record *record = mtnt__applied_find(&lane->applied, entry->name);
        mtnt__step step = {.entry = entry, .status = MTNT_STATUS_ROLLED_BACK};

        if (record != NULL) {
            step.status = MTNT_STATUS_COMPLETED;
            step.started_ms = record->started_ms;
            step.finished_ms = record->finished_ms;
            step.in_controller = record->in_controller;
        } else if (entry->order > lane->known.version || entry->disabled) {
            continue;
        }
        steps[(*ret_count)++] = step;
    }
    return steps;
}

static int write_lane(mtnt__inspection *i, mtnt__inspected_lane *lane, const mtnt__claim *claim,
                      const mtnt__ahead *ahead, const mtnt__repair *repair, mtnt_error *err)
{
    mtnt_controller *controller = repair->controller;
    char reason[500];
    const mtnt__audit audit = {"executing", repair->who, reason, NULL};
    mtnt__end end = {.tenant = mtnt_model_id(i->model),
                     .migration = claim->migration,
                     .epoch = claim->epoch,
                     .state = MTNT__STATE_ABORTED,
                     .moved = true,
                     .position = lane->position,
                     .placed = mtnt__model_key(i->model),
                     .uuid = i->identity.uuid[0] == '\0' ? NULL : i->identity.uuid,
                     .ahead = ahead,
                     .finished_ms = controller->system->wall_ms(controller->system->data)};
    mtnt__step *steps = make_steps(lane, &end.step_count);
    int rc;

    if (steps == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    end.steps = steps;
    snprintf(reason, sizeof(reason), "verify --repair: version %" PRId64 " → %" PRId64 "%s%.300s", lane->known.version,
             lane->position.version, repair->reason == NULL ? "" : ": ", repair->reason == NULL ? "" : repair->reason);
    rc = mtnt__store_reconcile(controller, mtnt_chain_name(lane->chain), &end, &audit, err);
    free(steps);
    return rc;
}

/* The controller has lost its half of something: its rows cannot be put right by the model's word, and a person sees to it. */
static int part_ways(mtnt__inspection *i, mtnt__inspected_lane *lane, const mtnt__claim *claim,
                     const mtnt__ahead *ahead, const mtnt__repair *repair, mtnt_error *err)
{
    mtnt_controller *controller = repair->controller;
    mtnt_error why = MTNT_ERROR_INIT;
    const mtnt__end end = {.tenant = mtnt_model_id(i->model),
                           .migration = claim->migration,
                           .epoch = claim->epoch,
                           .state = MTNT__STATE_DIVERGED,
                           .error = &why,
                           .finished_ms = controller->system->wall_ms(controller->system->data)};
    int rc = mtnt__ahead_explain(ahead, mtnt_model_id(i->model), &why);
    int written = mtnt__store_finish(controller, mtnt_chain_name(lane->chain), &end, 1, err);

    if (written == 0 && err != NULL)
        *err = why;
    return written != 0 ? written : rc;
}

/* The claim ends as it began: nothing was done to the model. */
static void give_up(mtnt__inspection *i, mtnt__inspected_lane *lane, const mtnt__claim *claim,
                    const mtnt__repair *repair)
{
    const mtnt__end end = {.tenant = mtnt_model_id(i->model),
                           .migration = claim->migration,
                           .epoch = claim->epoch,
                           .state = MTNT__STATE_ABORTED,
                           .finished_ms = repair->controller->system->wall_ms(repair->controller->system->data)};

    /* What cannot be written now is settled by recovery. */
    (void)mtnt__store_finish(repair->controller, mtnt_chain_name(lane->chain), &end, 1, NULL);
}

static int claim_lane(mtnt__inspection *i, mtnt__inspected_lane *lane, mtnt__claim *claim, const mtnt__repair *repair,
                      mtnt_error *err)
{
    const mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    mtnt_controller *controller = repair->controller;
    int rc;

    *claim = (mtnt__claim){.model = i->model,
                           .mode = mtnt__mode_name(MTNT__MODE_SINGLE_CONTROLLER),
                           .decider = "controller",
                           .home = controller->home,
                           .as_seen = true,
                           .seen = lane->known.epoch};
    rc = mtnt__random_id(controller->system, claim->migration, err);
    if (rc == 0)
        rc = mtnt__store_claim(controller, mtnt_chain_name(lane->chain), &claim, 1, mtnt__recovery_lease_ms(&options),
                               err);
    if (rc == 0 && !claim->claimed) {
        rc = mtnt_error_set(err, MTNT_E_BUSY, "another process has had the tenant meanwhile: look again");
        if (err != NULL)
            err->retryable = true;
    }
    return rc;
}

/* Under the claim the model is looked at again: what is written is what nobody of ours can change meanwhile. */
static int repair_lane(mtnt__inspection *i, mtnt__inspected_lane *lane, const mtnt__repair *repair, mtnt_error *err)
{
    mtnt__audited audited = {.identity = {.known = false}};
    mtnt__known known;
    mtnt__claim claim;
    int rc = claim_lane(i, lane, &claim, repair, err);

    if (rc != 0)
        return rc;
    mtnt__previous_release(&lane->previous);
    lane->previous = claim.previous;
    mtnt__inspection_clear(i);
    mtnt__inspect(i);
    known = lane->known;
    mtnt__text_copy(known.uuid, sizeof(known.uuid), i->identity.uuid); /* a replaced one is accepted as it is */
    if (!may_repair(i, repair) || !lane->positioned)
        rc = mtnt_error_set(err, MTNT_E_BUSY, "it has been changed meanwhile: look again");
    if (rc == 0)
        rc = mtnt__audit_look(repair->controller, lane->chain, i->model, &known, &audited, err);
    if (rc == 0 && audited.ahead.both == 0)
        rc = write_lane(i, lane, &claim, &audited.ahead, repair, err);
    else if (rc == 0)
        rc = part_ways(i, lane, &claim, &audited.ahead, repair, err);
    if (rc != 0 && audited.ahead.both == 0)
        give_up(i, lane, &claim, repair);
    mtnt__audited_release(&audited);
    return rc;
}

static bool differs(const mtnt__inspection *i, const mtnt__inspected_lane *lane)
{
    return !lane->consistent ||
           (lane->known.known && lane->known.uuid[0] != '\0' && strcmp(lane->known.uuid, i->identity.uuid) != 0);
}

int mtnt__inspection_repair(mtnt__inspection *i, const mtnt__repair *repair, mtnt_error *err)
{
    int rc = 0;

    if (!may_repair(i, repair))
        return 0;
    for (size_t n = 0; n < i->lane_count && rc == 0; n++)
        if (differs(i, i->lanes + n))
            rc = repair_lane(i, i->lanes + n, repair, err);
    for (size_t n = 0; n < i->finding_count && rc == 0; n++)
        i->findings[n].repaired = i->findings[n].repairable;
    return rc;
}
