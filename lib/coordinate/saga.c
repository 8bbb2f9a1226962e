#include "coordinate/saga.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define JOURNAL_TRIES 4

/* ---- the journal ---- */

static mtnt__deadline_ms fresh_deadline(const mtnt__saga *saga)
{
    int64_t unlock_ms = mtnt__unlock_ms(saga->options);

    return mtnt__deadline_in(saga->link->controller->system, unlock_ms);
}

int mtnt__saga_open(mtnt__saga *saga, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(saga->link->controller, NULL);

    return mtnt__db_open(&saga->controller, saga->link->controller->dsn, &options, err);
}

void mtnt__saga_close(mtnt__saga *saga)
{
    mtnt__db_close(saga->controller);
    saga->controller = NULL;
}

static int write_once(mtnt__saga *saga, mtnt__saga_write write, void *data, mtnt_error *err)
{
    bool gated = saga->link->controller->backend == MTNT_SQLITE;
    int rc;

    if (gated)
        mtnt__gate_enter(saga->link->gate);
    mtnt__db_set_deadline(saga->controller, fresh_deadline(saga));
    rc = mtnt__db_begin(saga->controller, err);
    if (rc == 0)
        rc = write(saga, data, err);
    if (rc == 0)
        rc = mtnt__db_commit(saga->controller, err);
    else
        mtnt__db_rollback(saga->controller);
    if (gated)
        mtnt__gate_leave(saga->link->gate);
    return rc;
}

/* Only what certainly was not committed is tried again. */
int mtnt__saga_journal(mtnt__saga *saga, mtnt__saga_write write, void *data, mtnt_error *err)
{
    const mtnt__system *system = saga->link->controller->system;
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = 0;

    for (int tries = 1;; tries++) {
        mtnt_error_clear(&own);
        rc = write_once(saga, write, data, &own);
        if (rc == 0 || tries == JOURNAL_TRIES || !(rc == MTNT_E_CONNECT || own.retryable))
            break;
        mtnt__db_disconnect(saga->controller);
        system->sleep_ms(system->data, 20 << tries);
    }
    if (rc != 0) {
        mtnt_error_wrap(&own, "the saga's journal");
        if (err != NULL)
            *err = own;
    }
    return rc;
}

static int read_journal(mtnt__saga *saga, void *data, mtnt_error *err)
{
    return mtnt__journal_read(saga->controller, saga->claim->migration, data, err);
}

int mtnt__saga_read(mtnt__saga *saga, mtnt__journal *ret_journal, mtnt_error *err)
{
    return mtnt__saga_journal(saga, read_journal, ret_journal, err);
}

struct note {
    const mtnt__journal_step *step;
    const char *error;
};

static int write_note(mtnt__saga *saga, void *data, mtnt_error *err)
{
    const struct note *note = data;
    const mtnt__system *system = saga->link->controller->system;

    return mtnt__journal_finish(saga->controller, saga->claim->migration, note->step, note->error,
                                system->wall_ms(system->data), err);
}

void mtnt__saga_note(mtnt__saga *saga, const mtnt__journal_step *step, bool done, const char *error)
{
    mtnt__journal_step ended = *step;
    struct note note = {&ended, error};

    ended.state = done ? MTNT__JOURNAL_DONE : MTNT__JOURNAL_FAILED;
    mtnt__saga_journal(saga, write_note, &note, NULL);
}

static int write_completion(mtnt__saga *saga, void *data, mtnt_error *err)
{
    const mtnt__system *system = saga->link->controller->system;

    return mtnt__journal_complete(saga->controller, saga->claim->migration, data, system->wall_ms(system->data), err);
}

int mtnt__saga_complete(mtnt__saga *saga, const mtnt__journal_step *last, mtnt_error *err)
{
    mtnt__journal_step step = *last;

    return mtnt__saga_journal(saga, write_completion, &step, err);
}

/* Which database the decider of a unit was. */
static const char *home_of(const mtnt__saga *saga, const char *decider)
{
    return strcmp(decider, "model") == 0 ? saga->known.uuid : saga->claim->home;
}

int mtnt__saga_settle(mtnt__saga *saga, const mtnt__journal_step *step, bool *ret_committed, mtnt_error *err)
{
    const mtnt__settlement settlement = {.controller = saga->link->controller,
                                         .model = saga->claim->model,
                                         .migration = step->key,
                                         .mode = mtnt__mode_parse(step->mode, step->decider),
                                         .decider = step->decider,
                                         .home = home_of(saga, step->decider),
                                         .options = saga->options,
                                         .blockers = {saga->claim->migration, {saga->owners[0], saga->owners[1]}},
                                         .gate = saga->link->gate};
    mtnt__migration_event event = MTNT__EVENT_LOSE_ANSWER;
    int rc;

    if (settlement.mode == 0 || settlement.mode == MTNT__MODE_SAGA)
        return mtnt_error_set(err, MTNT_E_NEWER, "its saga has a unit of mode `%s`, which only a newer release knows",
                              step->mode);
    rc = mtnt__settle(&settlement, &event, err);
    if (rc == 0 && event != MTNT__EVENT_COMMIT && event != MTNT__EVENT_ABORT)
        rc = mtnt_error_set(err, MTNT_E_BLOCKED, "the two databases do not agree about a unit of its saga (%s)",
                            mtnt__migration_event_name(event));
    if (rc == 0)
        *ret_committed = event == MTNT__EVENT_COMMIT;
    return rc;
}

/* ---- one unit ---- */

int mtnt__saga_run_unit(mtnt__saga *saga, const mtnt__saga_work *work, mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__claim claim = *saga->claim;
    char effect[MTNT__ID_SIZE];
    int rc = mtnt__journal_key(claim.migration, work->step->unit, false, 1, effect, err);

    if (rc != 0)
        return rc;
    claim.mode = work->step->mode;
    claim.decider = work->step->decider;
    claim.backward = work->step->backward;
    claim.home = home_of(saga, claim.decider);
    *attempt = (mtnt__attempt){.chain = saga->chain,
                               .options = saga->options,
                               .link = saga->link,
                               .claim = &claim,
                               .mode = mtnt__mode_parse(work->step->mode, work->step->decider),
                               .known = saga->known,
                               .last = -1,
                               .cancelled = work->cancelled,
                               .unit = {.is = true,
                                        .key = work->step->key,
                                        .effect = effect,
                                        .only = work->only,
                                        .count = work->count,
                                        .writes = work->step->writes,
                                        .outside = work->step->outside,
                                        .unrecorded = work->step->half,
                                        .progress = work->progress,
                                        .snapshots = work->snapshots,
                                        .snapshot_count = work->snapshot_count,
                                        .no_way_back = work->no_way_back,
                                        .saved = work->saved,
                                        .deadline = work->deadline},
                               .publish = work->publish,
                               .publish_data = work->publish_data,
                               /* Taking back is shown once it is done. */
                               .status = work->step->backward == saga->claim->backward ? saga->status : NULL,
                               .status_data = saga->status_data};
    rc = mtnt__attempt_run(attempt, err);
    if (attempt->identity.known && attempt->verdict == MTNT__VERDICT_COMMITTED) {
        saga->identity = attempt->identity;
        saga->identity.fresh = false;
    }
    /* The model was looked at and is not as it was planned for. */
    if (rc == 0 && attempt->verdict != MTNT__VERDICT_COMMITTED) {
        attempt->verdict = MTNT__VERDICT_FAILED;
        rc = mtnt_error_set(err, MTNT_E_BUSY,
                            "the model changes while it is being migrated; somebody else is working on it");
    }
    attempt->claim = NULL; /* ours, and gone when this returns */
    return rc;
}

/* ---- forward ---- */

struct forward {
    mtnt__attempt *whole;
    mtnt__saga saga;
    mtnt__saga_units units;
    size_t at;                         /* the unit at work */
    mtnt__journal_step step, previous; /* of it, and of the one before, which is done */
    char *operations;
    size_t *snapshots; /* room for one for each unit */
};

static char *names_of(const mtnt__attempt *whole, const mtnt__saga_unit *unit)
{
    mtnt__buffer names = {0};

    for (size_t i = 0; i < unit->count; i++) {
        mtnt__buffer_add_text(&names, whole->steps[unit->first + i].entry->name);
        mtnt__buffer_add_text(&names, "\n");
    }
    if (!names.failed)
        return mtnt__buffer_take(&names);
    mtnt__buffer_release(&names);
    return NULL;
}

static int describe(struct forward *f, mtnt_error *err)
{
    const mtnt_controller *controller = f->whole->link->controller;
    const mtnt__saga_unit *unit = f->units.units + f->at;

    free(f->operations);
    f->operations = names_of(f->whole, unit);
    if (f->operations == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    f->previous = f->step;
    f->step = (mtnt__journal_step){.unit = (int64_t)f->at,
                                   .units = (int64_t)f->units.count,
                                   .backward = f->whole->claim->backward,
                                   .outside = unit->outside,
                                   .retriable = unit->retriable,
                                   .half = unit->half,
                                   .operations = f->operations,
                                   .writes = unit->writes,
                                   .tries = 1,
                                   .state = MTNT__JOURNAL_INTENT};
    mtnt__text_copy(f->step.mode, sizeof(f->step.mode), mtnt__mode_name(unit->mode));
    mtnt__text_copy(f->step.decider, sizeof(f->step.decider),
                    mtnt__mode_decider(unit->mode, controller->backend, mtnt_model_backend(f->whole->claim->model)));
    return mtnt__journal_key(f->whole->claim->migration, f->step.unit, f->step.backward, 1, f->step.key, err);
}

/* The intent, and with it that the unit before is done: one commit for both. */
static int write_intent(mtnt__saga *saga, void *data, mtnt_error *err)
{
    struct forward *f = data;
    const mtnt__system *system = saga->link->controller->system;
    int64_t now_ms = system->wall_ms(system->data);
    int rc = 0;

    if (f->at > 0) {
        f->previous.state = MTNT__JOURNAL_DONE;
        rc = mtnt__journal_finish(saga->controller, saga->claim->migration, &f->previous, NULL, now_ms, err);
    }
    if (rc == 0)
        rc = mtnt__journal_intend(saga->controller, saga->claim->migration, &f->step,
                                  mtnt__migration_state_name(MTNT__STATE_EXECUTING), now_ms, err);
    return rc;
}

static void take_over(struct forward *f, const mtnt__attempt *unit)
{
    mtnt__attempt *whole = f->whole;
    size_t first = f->units.units[f->at].first;

    for (size_t i = 0; i < unit->count && unit->steps != NULL; i++) {
        mtnt__step *step = whole->steps + first + i;
        int64_t started_ms = step->started_ms;

        step->status = unit->steps[i].status;
        step->started_ms = started_ms != 0 ? started_ms : unit->steps[i].started_ms;
        step->finished_ms = unit->steps[i].finished_ms;
    }
    whole->made_model = whole->made_model || unit->made_model;
    if (unit->failed < 0)
        return;
    whole->failed = (ptrdiff_t)first + unit->failed;
    whole->failed_phase = unit->failed_phase;
    mtnt__text_copy(whole->failed_text, sizeof(whole->failed_text), unit->failed_text);
    whole->steps[whole->failed].error = whole->failed_text;
}

static int run_unit(struct forward *f, mtnt__verdict *ret_verdict, mtnt_error *err)
{
    const mtnt__attempt *whole = f->whole;
    const mtnt__saga_unit *unit = f->units.units + f->at;
    /* What an earlier rewind has left half-way is not known any more. */
    bool doubted = whole->claim->backward && unit->outside && whole->known.failed;
    const mtnt__saga_work work = {.step = &f->step,
                                  .only = whole->plan + unit->first,
                                  .count = unit->count,
                                  .snapshots = f->snapshots,
                                  .snapshot_count = mtnt__saga_snapshots(whole, &f->units, f->at, f->snapshots),
                                  .progress = doubted ? MTNT_PROGRESS_IN_DOUBT : MTNT_PROGRESS_DONE,
                                  .deadline = whole->deadline,
                                  .cancelled = whole->cancelled,
                                  .publish = whole->publish,
                                  .publish_data = whole->publish_data};
    mtnt__attempt attempt = {0};
    int rc = mtnt__saga_run_unit(&f->saga, &work, &attempt, err);

    *ret_verdict = attempt.verdict;
    if (attempt.reached > 0)
        f->saga.not_started = -1;
    take_over(f, &attempt);
    mtnt__attempt_release(&attempt);
    return rc;
}

static int check_cancelled(const mtnt__attempt *whole, mtnt_error *err)
{
    if (whole->cancelled != NULL && atomic_load(whole->cancelled))
        return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
    if (mtnt__deadline_left(whole->link->controller->system, whole->deadline) == 0)
        return mtnt_error_set(err, MTNT_E_DEADLINE, "the time for this tenant is used up");
    return 0;
}

static int run_all(struct forward *f, mtnt__verdict *ret_verdict, mtnt_error *err)
{
    int rc = 0;

    *ret_verdict = MTNT__VERDICT_FAILED;
    for (f->at = 0; f->at < f->units.count && rc == 0; f->at++) {
        rc = check_cancelled(f->whole, err);
        if (rc == 0)
            rc = describe(f, err);
        f->saga.not_started = rc == 0 ? f->step.unit : -1;
        if (rc == 0)
            rc = mtnt__saga_journal(&f->saga, write_intent, f, err);
        if (rc == 0)
            rc = run_unit(f, ret_verdict, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Its operations' statuses, for the controller and for reporters. */
static void show_undone(struct forward *f)
{
    for (size_t u = 0; u < f->units.count; u++) {
        const mtnt__saga_unit *unit = f->units.units + u;

        for (size_t i = unit->first; i < unit->first + unit->count && (int64_t)u > f->saga.floor; i++)
            if (f->whole->steps[i].status == MTNT_STATUS_COMPLETED)
                mtnt__operations_status(f->whole, f->whole->steps + i, MTNT_STATUS_ROLLED_BACK);
    }
}

static bool any_ended(const mtnt__attempt *whole)
{
    mtnt_status ended = whole->claim->backward ? MTNT_STATUS_ROLLED_BACK : MTNT_STATUS_COMPLETED;

    for (size_t i = 0; i < whole->count; i++)
        if (whole->steps[i].status == ended)
            return true;
    return false;
}

/* A failure: back, as far as it goes. err keeps what has failed first. */
static int go_back(struct forward *f, mtnt_error *err)
{
    mtnt__migration_event event = MTNT__EVENT_LOSE_ANSWER;
    mtnt_error other = MTNT_ERROR_INIT;
    int rc = mtnt__saga_undo(&f->saga, &event, &other);

    f->whole->at = f->saga.at;
    if (rc != 0) {
        f->whole->verdict = MTNT__VERDICT_IN_DOUBT;
        mtnt_error_wrap(&other, "taking it back was interrupted, and recovery goes on with it");
        mtnt_error_keep(err, &other);
        return err->code;
    }
    if (event == MTNT__EVENT_FAIL_TO_UNDO) {
        f->whole->verdict = MTNT__VERDICT_ROLLBACK_FAILED;
        mtnt_error_keep(err, &other);
        return err->code;
    }
    if (!f->whole->claim->backward)
        show_undone(f);
    f->whole->verdict =
        event == MTNT__EVENT_COMMIT && any_ended(f->whole) ? MTNT__VERDICT_COMMITTED : MTNT__VERDICT_FAILED;
    if (f->whole->verdict == MTNT__VERDICT_COMMITTED && mtnt__attempt_move_position(f->whole, &other) != 0)
        f->whole->positioned = false;
    return err->code;
}

/* Every unit has committed; whether the saga has is decided here, against a recovery that may have turned it meanwhile. */
static int complete(struct forward *f, mtnt__verdict *ret_verdict, mtnt_error *err)
{
    int rc = mtnt__attempt_move_position(f->whole, err);

    if (rc != 0)
        return rc;
    rc = mtnt__saga_complete(&f->saga, &f->step, err);
    if (rc != 0)
        *ret_verdict = MTNT__VERDICT_IN_DOUBT;
    /* Whoever has turned it goes on with it. */
    if (rc == MTNT_E_CANCELLED)
        f->whole->at = MTNT__STATE_COMPENSATING;
    return rc;
}

int mtnt__saga_perform(mtnt__attempt *attempt, mtnt_error *err)
{
    struct forward f = {.whole = attempt,
                        .saga = {.link = attempt->link,
                                 .chain = attempt->chain,
                                 .options = attempt->options,
                                 .claim = attempt->claim,
                                 .known = attempt->known,
                                 .status = attempt->status,
                                 .status_data = attempt->status_data,
                                 .identity = attempt->identity,
                                 .at = MTNT__STATE_EXECUTING,
                                 .not_started = -1,
                                 .floor = -1}};
    mtnt__verdict verdict;
    int rc = mtnt__saga_plan(attempt, &f.units, err);

    attempt->verdict = MTNT__VERDICT_FAILED;
    mtnt__sides_rollback(attempt);
    mtnt__sides_close(attempt);
    if (rc == 0 && (f.snapshots = calloc(f.units.count + 1, sizeof(*f.snapshots))) == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = mtnt__saga_open(&f.saga, err);
    if (rc != 0)
        goto out;
    rc = run_all(&f, &verdict, err);
    if (rc == 0)
        rc = complete(&f, &verdict, err);
    if (rc == 0)
        attempt->verdict = MTNT__VERDICT_COMMITTED;
    else if (verdict == MTNT__VERDICT_IN_DOUBT || verdict == MTNT__VERDICT_BLOCKED)
        attempt->verdict = verdict;
    else
        rc = go_back(&f, err);
    attempt->identity = f.saga.identity;
out:
    mtnt__saga_close(&f.saga);
    free(f.units.units);
    free(f.operations);
    free(f.snapshots);
    return rc;
}
