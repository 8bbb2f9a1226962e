#include "coordinate/attempt.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/baseline.h"
#include "coordinate/clone.h"
#include "coordinate/snapshots.h"

static const mtnt__chain_entry *creator(const mtnt_chain *chain)
{
    const mtnt__chain_entry *first = chain->count == 0 ? NULL : chain->entries;

    return first != NULL && !first->disabled && (first->flags & MTNT_OPERATION_CREATES_MODEL) != 0 ? first : NULL;
}

/* A model that the controller has met is never made anew: it has been lost, and that is for a person. */
int mtnt__attempt_missing(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt_model *model = attempt->claim->model;
    int rc = attempt->mode == MTNT__MODE_PROVISIONAL ? 0 : mtnt__sides_open_controller(attempt, err);

    if (rc == 0 && attempt->controller != NULL)
        rc = mtnt__remove_explain(attempt->controller, model, attempt->known.uuid, err);

    if (rc != 0)
        return rc;
    if (attempt->known.uuid[0] != '\0')
        return mtnt_error_set(err, MTNT_E_NOT_FOUND,
                              "its model %s is not there, and the controller knows it at version %" PRId64
                              ": moved, or lost? Put it back, or restore it from a backup. Nothing was changed",
                              model->shown, attempt->known.version);
    if (attempt->claim->backward)
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "its model %s is not there", model->shown);
    return mtnt_error_set(
        err, MTNT_E_NOT_FOUND,
        "its model %s does not exist, and the chain does not begin with a create_model operation that would make it",
        model->shown);
}

static bool may_create(const mtnt__attempt *attempt)
{
    return attempt->known.uuid[0] == '\0' && !attempt->claim->backward && creator(attempt->chain) != NULL;
}

static int other_mode(mtnt__attempt *attempt, uint32_t needs, bool provisional)
{
    attempt->verdict = MTNT__VERDICT_OTHER_MODE;
    attempt->needs = needs;
    attempt->needs_provisional = provisional;
    return 0;
}

mtnt__expected mtnt__attempt_expects(const mtnt__attempt *attempt)
{
    return (mtnt__expected){mtnt_model_id(attempt->claim->model), attempt->link->controller->id, attempt->known.uuid};
}

static int tombstone_mode(mtnt__attempt *attempt)
{
    attempt->needs_tombstone = true;
    return other_mode(attempt, MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER, false);
}

static int read_schema(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(bool *)data = mtnt_row_int(row, 0) > 0;
    return 0;
}

int mtnt__attempt_look_for_schema(mtnt__attempt *attempt, bool *ret_there, mtnt_error *err)
{
    const char *schema = attempt->claim->model->schema;
    char tombstone[MTNT__TOMBSTONE_SIZE];
    mtnt_value values[] = {mtnt_value_text(schema), mtnt_value_end()};

    *ret_there = true;
    if (schema == NULL)
        return 0;
    if (attempt->mode == MTNT__MODE_TOMBSTONE && attempt->claim->backward) {
        mtnt__tombstone_schema(attempt->claim->model, attempt->known.gone_by, tombstone);
        values[0] = mtnt_value_text(tombstone);
    }
    return mtnt__db_run(attempt->model, read_schema, ret_there, err,
                        "SELECT count(*) FROM pg_catalog.pg_namespace WHERE nspname = $1", values);
}

/* A model that the chain makes. */
static int to_be_created(mtnt__attempt *attempt, uint32_t needs, bool provisional)
{
    if (!attempt->baseline)
        return other_mode(attempt, needs, provisional);
    mtnt__baseline_no_model(attempt);
    return 0;
}

static int take_model(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__expected expected = mtnt__attempt_expects(attempt);
    bool there = true;
    int rc = attempt->mode == MTNT__MODE_TOMBSTONE ? mtnt__remove_settle_prepared(attempt, err) : 0;

    if (rc == 0)
        rc = mtnt__sides_begin(attempt, err);

    if (rc == MTNT_E_NOT_FOUND)
        return may_create(attempt) ? to_be_created(attempt, 0, true) : mtnt__attempt_missing(attempt, err);
    if (rc == 0)
        rc = mtnt__attempt_look_for_schema(attempt, &there, err);
    if (rc == 0 && !there) {
        const uint32_t both = MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER;

        attempt->model_missing = true;
        if (!may_create(attempt))
            return mtnt__attempt_missing(attempt, err);
        /* It has no register yet: the controller has to decide. */
        return !attempt->baseline && attempt->mode != MTNT__MODE_SAGA &&
                       (mtnt__mode_covers(attempt->mode) & both) == both
                   ? 0
                   : to_be_created(attempt, both, false);
    }
    if (rc == 0 && (attempt->mode == MTNT__MODE_SINGLE_CONTROLLER || attempt->mode == MTNT__MODE_TOMBSTONE ||
                    attempt->mode == MTNT__MODE_SAGA))
        return mtnt__model_state_read(attempt->model, attempt->chain, &expected, &attempt->identity, &attempt->applied,
                                      err);
    if (rc == 0)
        rc = mtnt__model_state_take(attempt->model, attempt->chain, &expected, attempt->link->controller->system,
                                    &attempt->identity, &attempt->applied, err);
    return rc;
}

static int take_nothing(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(attempt->link->controller, attempt->claim->model);
    bool exists = false;
    int rc = mtnt__db_exists(mtnt__model_dsn(attempt->claim->model), &options, &exists, err);

    if (rc == 0 && exists)
        return other_mode(attempt, MTNT_WRITES_MODEL, false);
    attempt->model_missing = true;
    if (rc == 0 && !may_create(attempt))
        rc = mtnt__attempt_missing(attempt, err);
    return rc;
}

/* The saga has planned and checked it all; a model that has been changed since is somebody else's work. */
static int plan_unit(mtnt__attempt *attempt, mtnt_error *err)
{
    attempt->plan = calloc(attempt->unit.count + 1, sizeof(*attempt->plan));
    if (attempt->plan == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    attempt->count = attempt->unit.count;
    for (size_t i = 0; i < attempt->count; i++) {
        attempt->plan[i] = attempt->unit.only[i];
        if (!attempt->claim->backward && !attempt->unit.unrecorded &&
            mtnt__applied_has(&attempt->applied, attempt->chain->entries + attempt->plan[i]))
            return mtnt_error_set(err, MTNT_E_BUSY, "operation %s has been applied meanwhile, by somebody else",
                                  attempt->chain->entries[attempt->plan[i]].name);
    }
    return 0;
}

static int plan(mtnt__attempt *attempt, mtnt_error *err)
{
    const char *tenant = mtnt_model_id(attempt->claim->model);
    bool backward = attempt->claim->backward;
    int rc;

    if (attempt->unit.is)
        return plan_unit(attempt, err);
    /* Operations that wrote nothing but the controller are recorded there. */
    rc = mtnt__previous_add_applied(&attempt->claim->previous, &attempt->applied, err);
    if (rc == 0)
        rc = mtnt__applied_check(&attempt->applied, attempt->chain, tenant,
                                 backward || attempt->baseline || attempt->options->allow_out_of_order, err);
    if (rc == 0)
        rc = mtnt__position_of(&attempt->applied, attempt->chain, &attempt->position, err);
    if (rc == 0 && attempt->expects && attempt->options->expect != NULL)
        rc = attempt->options->expect(attempt->options->expect_data, attempt->claim->model, attempt->position.version,
                                      attempt->applied.count == 0 ? "" : attempt->position.digest, err);
    if (rc == 0 && !backward && !attempt->baseline)
        rc = mtnt__baseline_check_unheeded(attempt, err);
    if (rc == 0 && attempt->baseline)
        rc = mtnt__baseline_plan(attempt, err);
    else if (rc == 0)
        rc = backward ? mtnt__plan_backward(&attempt->applied, attempt->chain, attempt->last, attempt->steps_limit,
                                            attempt->only_run, &attempt->plan, &attempt->count, err)
                      : mtnt__plan_forward(&attempt->applied, attempt->chain, attempt->last, attempt->steps_limit,
                                           &attempt->plan, &attempt->count, err);
    if (rc == 0 && attempt->options->rehearse)
        mtnt__rehearse_leave_out(attempt);
    attempt->before = attempt->position;
    attempt->from_version = attempt->position.version;
    attempt->positioned = rc == 0;
    return rc;
}

static int check_entry(const mtnt__attempt *attempt, const mtnt__chain_entry *entry, mtnt_error *err)
{
    if (mtnt__operations_outside(attempt, entry) && (entry->writes & MTNT_WRITES_CONTROLLER) != 0)
        mtnt_error_set(
            err, MTNT_E_REFUSED,
            "operation %" PRId64
            " `%s` writes the controller outside a transaction, which cannot be taken back together with the "
            "model that this migration creates. Take that in two steps:   --to   the operation before it first. "
            "Nothing was changed",
            entry->order, entry->name);
    else if (attempt->claim->backward && entry->operation_class->rollback == NULL &&
             entry->writes != MTNT_WRITES_NOTHING && !(attempt->unit.no_way_back && mtnt__saga_restorable(entry)))
        mtnt_error_set(err, MTNT_E_REFUSED,
                       "operation %" PRId64
                       " `%s` has no rollback (no `down`), so it cannot be taken back. Nothing was changed",
                       entry->order, entry->name);
    else
        return 0;
    return mtnt_error_at(err, entry->file, entry->line, 0);
}

static bool deletes(const mtnt__step *step)
{
    return (step->entry->flags & MTNT_OPERATION_DELETES_MODEL) != 0;
}

/* What commits with the deletion is decided in the controller, and so must not have been written to the model. */
static int check_deletion(const mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__chain_entry *deleter = attempt->steps[attempt->count - 1].entry;
    const mtnt__chain_entry *writer = NULL;

    for (size_t i = 0; i + 1 < attempt->count && writer == NULL; i++)
        if ((attempt->steps[i].entry->writes & MTNT_WRITES_MODEL) != 0)
            writer = attempt->steps[i].entry;
    if (!attempt->options->allow_delete)
        mtnt_error_set(err, MTNT_E_REFUSED,
                       "operation %" PRId64
                       " `%s` deletes the model: say --yes (allow_delete) if that is meant. Nothing was changed",
                       deleter->order, deleter->name);
    else if (writer != NULL)
        mtnt_error_set(
            err, MTNT_E_REFUSED,
            "operation %" PRId64 " `%s` writes the model that operation %" PRId64
            " `%s` takes away, and the two cannot commit together. First   mtnt-model migrate --to %s   and then "
            "migrate again. Nothing was changed",
            writer->order, writer->name, deleter->order, deleter->name, attempt->steps[attempt->count - 2].entry->name);
    else
        return 0;
    return mtnt_error_at(err, deleter->file, deleter->line, 0);
}

/* The mode goes with the last step: forward only the last of the chain deletes, backward it is taken back first, and alone. */
static int choose_tombstone(mtnt__attempt *attempt, mtnt_error *err)
{
    bool backward = attempt->claim->backward, tombstone = attempt->mode == MTNT__MODE_TOMBSTONE;
    bool due = attempt->count > 0 && deletes(attempt->steps + (backward ? 0 : attempt->count - 1));
    int rc = due && !backward ? check_deletion(attempt, err) : 0;

    if (rc != 0 || due == tombstone || attempt->count == 0)
        return rc;
    if (due && backward && !attempt->known.gone)
        return mtnt_error_set(
            err, MTNT_E_CORRUPT,
            "the controller says that its model has been put away, and not where. Nothing was changed");
    return due ? tombstone_mode(attempt) : other_mode(attempt, attempt->writes, false);
}

static bool recorded_in_controller(const mtnt__attempt *attempt, const mtnt__chain_entry *entry)
{
    const mtnt__record *record = mtnt__applied_find(&attempt->applied, entry->name);

    if (attempt->claim->backward && record != NULL)
        return record->in_controller;
    if (attempt->unit.is)
        return attempt->mode == MTNT__MODE_SINGLE_CONTROLLER && !attempt->unit.unrecorded;
    if (attempt->mode == MTNT__MODE_SAGA)
        return entry->writes == MTNT_WRITES_CONTROLLER;
    return attempt->writes == MTNT_WRITES_CONTROLLER || attempt->mode == MTNT__MODE_TOMBSTONE;
}

static int schema_in_a_saga(mtnt__attempt *attempt, mtnt_error *err)
{
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "its schema is not there yet, and what is to be done after making it runs outside a transaction (a saga): take that in two steps, "
        "first   --to %s   and then the rest. Nothing was changed",
        creator(attempt->chain)->name);
}

static int deletion_in_a_saga(mtnt__attempt *attempt, mtnt_error *err)
{
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "its model is to be taken away, and what comes before that runs outside a transaction (a saga): take that in two steps, "
        "first   --to %s   and then the rest. Nothing was changed",
        attempt->steps[attempt->count < 2 ? 0 : attempt->count - 2].entry->name);
}

/* Nothing is run, so nothing but the model is written: all of it is recorded there. */
static int make_baseline_steps(mtnt__attempt *attempt)
{
    attempt->writes = MTNT_WRITES_MODEL;
    for (size_t i = 0; i < attempt->count; i++) {
        const mtnt__foreign_mark *mark = attempt->foreign.marks + attempt->plan[i];

        attempt->steps[i].checksum = mark->checksum[0] == '\0' ? NULL : mark->checksum;
        mtnt__operations_status(attempt, attempt->steps + i, MTNT_STATUS_PENDING);
    }
    return 0;
}

static int make_steps(mtnt__attempt *attempt, mtnt_error *err)
{
    uint32_t needs = 0;
    bool saga = false;
    int rc = 0;

    attempt->steps = calloc(attempt->count + 1, sizeof(*attempt->steps));
    if (attempt->steps == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    /* All of them before anything is refused: reporters look at each. */
    for (size_t i = 0; i < attempt->count; i++)
        attempt->steps[i] =
            (mtnt__step){.entry = attempt->chain->entries + attempt->plan[i], .status = MTNT_STATUS_PENDING};
    if (attempt->baseline)
        return make_baseline_steps(attempt);
    for (size_t i = 0; i < attempt->count && rc == 0; i++) {
        const mtnt__chain_entry *entry = attempt->steps[i].entry;

        attempt->writes |= attempt->unit.is ? entry->writes & attempt->unit.writes : entry->writes;
        saga = saga || mtnt__saga_asked(attempt->options, entry);
        rc = check_entry(attempt, entry, err);
    }
    if (rc == 0)
        rc = choose_tombstone(attempt, err);
    if (rc != 0 || attempt->verdict == MTNT__VERDICT_OTHER_MODE)
        return rc;
    needs = attempt->writes;
    for (size_t i = 0; i < attempt->count; i++) {
        attempt->steps[i].in_controller = recorded_in_controller(attempt, attempt->steps[i].entry);
        if (attempt->unit.unrecorded)
            continue;
        needs |= attempt->steps[i].in_controller ? MTNT_WRITES_CONTROLLER : MTNT_WRITES_MODEL;
    }
    if (rc == 0 && saga && attempt->mode == MTNT__MODE_TOMBSTONE)
        return deletion_in_a_saga(attempt, err);
    if (rc == 0 && saga && attempt->model_missing && attempt->mode != MTNT__MODE_PROVISIONAL)
        return schema_in_a_saga(attempt, err);
    if (rc == 0 && attempt->count > 0 && !attempt->unit.is && attempt->mode != MTNT__MODE_PROVISIONAL &&
        saga != (attempt->mode == MTNT__MODE_SAGA)) {
        attempt->needs_saga = saga;
        return other_mode(attempt, needs, false);
    }
    if (rc == 0 && !attempt->unit.is && (needs & ~mtnt__mode_covers(attempt->mode)) != 0)
        return other_mode(attempt, needs, false);
    for (size_t i = 0; i < attempt->count && rc == 0 && !attempt->unit.is; i++)
        mtnt__operations_status(attempt, attempt->steps + i, MTNT_STATUS_PENDING);
    return rc;
}

int mtnt__recorded_steps(const mtnt__applied *applied, const mtnt_chain *chain, mtnt__step **ret_steps,
                         size_t *ret_count, mtnt_error *err)
{
    mtnt__step *steps = calloc(applied->count + 1, sizeof(*steps));
    size_t count = 0;

    if (steps == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < applied->count; i++) {
        const mtnt__record *record = applied->records + i;
        ptrdiff_t index = mtnt_chain_find(chain, record->name);

        if (index >= 0)
            steps[count++] = (mtnt__step){.entry = chain->entries + index,
                                          .status = MTNT_STATUS_COMPLETED,
                                          .started_ms = record->started_ms,
                                          .finished_ms = record->finished_ms,
                                          .in_controller = record->in_controller};
    }
    *ret_steps = steps;
    *ret_count = count;
    return 0;
}

int mtnt__attempt_tell_recorded(mtnt__attempt *attempt, mtnt_error *err)
{
    if (!attempt->positioned || strcmp(attempt->position.digest, attempt->known.digest) == 0 ||
        attempt->applied.count == 0)
        return 0;
    return mtnt__recorded_steps(&attempt->applied, attempt->chain, &attempt->recorded, &attempt->recorded_count, err);
}

int mtnt__attempt_look_ahead(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_db *controller = NULL;
    int rc;

    if (attempt->unit.is || attempt->model_missing || !attempt->identity.known || attempt->identity.fresh ||
        strcmp(attempt->position.digest, attempt->known.digest) == 0)
        return 0;
    rc = mtnt__sides_look_at_controller(attempt, &controller, err);
    if (rc == 0)
        rc = mtnt__ahead_look(attempt->model, controller, attempt->chain, &attempt->applied, attempt->known.digest,
                              &attempt->ahead, err);
    if (rc != 0 || attempt->ahead.both == 0)
        return rc;
    attempt->verdict = MTNT__VERDICT_DIVERGED;
    return mtnt__ahead_explain(&attempt->ahead, mtnt_model_id(attempt->claim->model), err);
}

int mtnt__attempt_applied_after(const mtnt__attempt *attempt, mtnt__applied *ret_after, mtnt_error *err)
{
    mtnt__applied after = {0};
    int rc = 0;

    for (size_t i = 0; i < attempt->applied.count && rc == 0; i++) {
        const mtnt__record *record = attempt->applied.records + i;
        bool gone = false;

        for (size_t k = 0; k < attempt->count && attempt->claim->backward; k++)
            gone = gone || (attempt->steps[k].status == MTNT_STATUS_ROLLED_BACK &&
                            strcmp(attempt->steps[k].entry->name, record->name) == 0);
        if (!gone)
            rc = mtnt__applied_add(&after, record, err);
    }
    for (size_t i = 0; i < attempt->count && rc == 0 && !attempt->claim->backward; i++) {
        const mtnt__chain_entry *entry = attempt->steps[i].entry;
        mtnt__record record = {.name = entry->name, .position = entry->order};

        if (attempt->steps[i].status != MTNT_STATUS_COMPLETED)
            continue;
        mtnt__text_copy(record.checksum, sizeof(record.checksum), mtnt__step_checksum(attempt->steps + i));
        if (entry->flags & MTNT_OPERATION_REPEATABLE)
            mtnt__applied_drop(&after, entry->name);
        rc = mtnt__applied_add(&after, &record, err);
    }
    if (rc == 0)
        *ret_after = after;
    else
        mtnt__applied_release(&after);
    return rc;
}

/* The applied set as it is after the steps, for the controller's row. */
int mtnt__attempt_move_position(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__applied after = {0};
    int rc = mtnt__attempt_applied_after(attempt, &after, err);

    if (rc == 0)
        rc = mtnt__position_of(&after, attempt->chain, &attempt->position, err);
    mtnt__applied_release(&after);
    return rc;
}

static int perform(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__snapshots_look(attempt, err);

    if (rc == 0)
        rc = mtnt__operations_prepare(attempt, err);
    if (rc == 0)
        rc = mtnt__sides_begin_controller(attempt, err);
    if (rc == 0)
        rc = mtnt__commit_check(attempt, err);
    if (rc == 0)
        rc = mtnt__clone_model(attempt, err);
    if (rc == 0 && !attempt->clone.done)
        rc = mtnt__operations_run(attempt, err);
    if (rc == 0 && !attempt->clone.done)
        rc = mtnt__clone_witness(attempt, err);
    /* Allocated before the commit: after it nothing may fail. */
    if (rc == 0)
        rc = mtnt__attempt_move_position(attempt, err);
    if (rc == 0)
        rc = mtnt__snapshots_note(attempt, err);
    if (rc == 0)
        return attempt->options->rehearse ? mtnt__commit_rehearse(attempt, err) : mtnt__commit(attempt, err);
    attempt->verdict = MTNT__VERDICT_FAILED;
    return rc;
}

static int perform_baseline(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__sides_begin_controller(attempt, err);

    if (rc == 0)
        rc = mtnt__commit_check(attempt, err);
    mtnt__baseline_complete(attempt);
    if (rc == 0)
        rc = mtnt__attempt_move_position(attempt, err);
    if (rc == 0)
        return mtnt__commit(attempt, err);
    attempt->verdict = MTNT__VERDICT_FAILED;
    return rc;
}

/* A unit outside a transaction: no lock and no transaction of ours while its body runs, because some statements would wait for them for ever. What it has
 * done is recorded by a transaction of its own after it, with the unit's row in the register: whoever has given the unit up stops that one. */
static int perform_outside(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__snapshots_look(attempt, err);

    if (rc == 0)
        rc = mtnt__snapshots_keep_tables(attempt, err);
    mtnt__sides_rollback(attempt);
    if (rc == 0)
        rc = mtnt__operations_prepare(attempt, err);
    if (rc == 0)
        rc = mtnt__sides_stand_alone(attempt, err);
    attempt->scope.model = mtnt__sides_work_on(attempt);
    if (rc == 0)
        rc = mtnt__operations_run(attempt, err);
    mtnt__sides_stand_together(attempt);
    if (rc == 0) {
        mtnt__applied_release(&attempt->applied);
        rc = take_model(attempt, err);
    }
    if (rc == 0 && attempt->mode == MTNT__MODE_SINGLE_CONTROLLER)
        rc = mtnt__sides_begin_controller(attempt, err);
    if (rc == 0)
        rc = mtnt__snapshots_note(attempt, err);
    return rc == 0 ? mtnt__commit(attempt, err) : rc;
}

static int run(mtnt__attempt *attempt, mtnt_error *err)
{
    int rc = mtnt__sides_open(attempt, err);

    attempt->verdict = MTNT__VERDICT_FAILED;
    if (rc == 0)
        rc = attempt->mode == MTNT__MODE_PROVISIONAL ? take_nothing(attempt, err) : take_model(attempt, err);
    if (rc != 0 || attempt->verdict != MTNT__VERDICT_FAILED)
        return rc;
    rc = plan(attempt, err);
    if (rc == 0)
        rc = mtnt__attempt_look_ahead(attempt, err);
    if (rc == 0 && !attempt->unit.is)
        rc = mtnt__attempt_tell_recorded(attempt, err);
    if (rc == 0)
        rc = make_steps(attempt, err);
    if (rc != 0 || attempt->verdict == MTNT__VERDICT_OTHER_MODE)
        return rc;
    attempt->told = calloc(attempt->count + attempt->recorded_count + 1, sizeof(*attempt->told));
    if (attempt->told == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (attempt->count == 0) {
        attempt->verdict = attempt->skipped > 0 ? MTNT__VERDICT_REHEARSED : MTNT__VERDICT_NOTHING;
        return 0;
    }
    /* From here on it may take long. */
    if (attempt->link->finish.attempt != NULL)
        attempt->link->collect(attempt->link->collect_data);
    rc = mtnt__backup_before(attempt, err);
    if (rc != 0)
        return rc;
    if (attempt->baseline)
        return perform_baseline(attempt, err);
    if (attempt->mode == MTNT__MODE_SAGA)
        return mtnt__saga_perform(attempt, err);
    return attempt->unit.outside ? perform_outside(attempt, err) : perform(attempt, err);
}

static void take_back(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt_error other = MTNT_ERROR_INIT;

    mtnt__sides_uncancel(attempt);
    mtnt__sides_rollback(attempt);
    if (attempt->reached > 0)
        mtnt__snapshots_note_failure(attempt);
    /* What a unit has done outside a transaction is the saga's to take back. */
    if (attempt->operations != NULL && !attempt->unit.outside)
        mtnt__operations_compensate(attempt, err);
    /* Whatever its operation did about it: nothing provisional stays. */
    if (attempt->created && mtnt__provision_delete(attempt, &other) != 0)
        mtnt_error_keep(err, &other);
}

/* It went through; what survives a rollback is taken back as after a failure. The position stays what it would be. */
static int end_rehearsal(mtnt__attempt *attempt, mtnt_error *err)
{
    /* What looked for something that was not there may have said so. */
    mtnt_error_clear(err);
    take_back(attempt, err);
    attempt->positioned = attempt->positioned && attempt->identity.known && !attempt->identity.fresh;
    if (err->code == MTNT_OK)
        return 0;
    mtnt_error_wrap(err, "the rehearsal went through, and could not be taken back");
    attempt->verdict = MTNT__VERDICT_FAILED;
    return err->code;
}

static void give_up(mtnt__attempt *attempt, mtnt_error *err)
{
    ptrdiff_t index;

    take_back(attempt, err);
    attempt->position = attempt->before;
    attempt->positioned = attempt->positioned && attempt->identity.known && !attempt->identity.fresh;
    index = attempt->failed;
    if (index >= 0 && err != NULL && err->line == 0)
        mtnt_error_at(err, attempt->steps[index].entry->file, attempt->steps[index].entry->line, 0);
}

int mtnt__attempt_run(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__system *system = attempt->link->controller->system;
    int64_t deadline_ms = attempt->compensates ? mtnt__unlock_ms(attempt->options) : mtnt__run_ms(attempt->options);
    mtnt_error own = MTNT_ERROR_INIT;
    int rc;

    attempt->failed = -1;
    attempt->deadline = attempt->unit.is ? attempt->unit.deadline : mtnt__deadline_in(system, deadline_ms);
    attempt->at = MTNT__STATE_EXECUTING;
    attempt->scope = (mtnt_scope){.tenant = attempt->claim->model,
                                  .migration = attempt->claim->migration,
                                  .key = attempt->unit.is ? attempt->unit.effect : attempt->claim->migration,
                                  .progress = (int)attempt->unit.progress,
                                  .saved = attempt->unit.saved,
                                  .system = system,
                                  .deadline = attempt->deadline,
                                  .cancelled = attempt->cancelled,
                                  .create_model = mtnt__provision_create,
                                  .delete_model = mtnt__provision_delete,
                                  .remove_model = mtnt__remove_model,
                                  .restore_model = mtnt__restore_model,
                                  .data = attempt};
    rc = attempt->mode == MTNT__MODE_ADOPTION ? mtnt__adopt_run(attempt, &own) : run(attempt, &own);
    if (attempt->steps == NULL)
        attempt->count = 0;
    attempt->controller_lost = attempt->controller_lost || (rc != 0 && mtnt__db_lost(attempt->controller));
    if (rc != 0 && attempt->verdict == MTNT__VERDICT_FAILED)
        give_up(attempt, &own);
    else if (attempt->verdict == MTNT__VERDICT_REHEARSED)
        rc = end_rehearsal(attempt, &own);
    else
        mtnt__sides_rollback(attempt);
    /* A model without our tables says nothing, unless the controller has records of its own. */
    if (attempt->verdict == MTNT__VERDICT_NOTHING && (!attempt->identity.known || attempt->identity.fresh) &&
        attempt->applied.count == 0)
        attempt->positioned = false;
    /* A mark that was rolled back with the rest is nobody's: told to the controller, it would make the model a stranger for ever. */
    if (attempt->identity.fresh && attempt->verdict != MTNT__VERDICT_COMMITTED)
        attempt->identity.uuid[0] = '\0';
    mtnt__clone_release(attempt);
    mtnt__operations_release(attempt);
    mtnt__sides_close(attempt);
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

void mtnt__attempt_release(mtnt__attempt *attempt)
{
    mtnt__applied_release(&attempt->applied);
    mtnt__foreign_found_release(&attempt->foreign);
    mtnt__ahead_release(&attempt->ahead);
    free(attempt->plan);
    free(attempt->steps);
    free(attempt->recorded);
    free(attempt->told);
    free(attempt->provisional);
    free(attempt->prepared_server);
    free(attempt->locks);
    attempt->locks = NULL;
    mtnt__snapshots_release(attempt);
    attempt->plan = NULL;
    attempt->steps = attempt->recorded = attempt->told = NULL;
    attempt->provisional = attempt->prepared_server = NULL;
}
