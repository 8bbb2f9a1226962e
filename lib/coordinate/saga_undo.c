#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "coordinate/saga.h"

#define TRIES 3
#define PAUSE_MS 200

static int turn(mtnt__saga *saga, void *data, mtnt_error *err)
{
    (void)data;
    return mtnt__journal_turn(saga->controller, saga->claim->migration, err);
}

/* An answer that was lost is asked for again: turning twice is turning once. */
static int turn_saga(mtnt__saga *saga, mtnt_error *err)
{
    int rc = mtnt__saga_journal(saga, turn, NULL, err);

    if (rc == MTNT_E_IN_DOUBT) {
        mtnt_error_clear(err);
        rc = mtnt__saga_journal(saga, turn, NULL, err);
    }
    if (rc == 0)
        saga->at = MTNT__STATE_COMPENSATING;
    return rc;
}

/* ---- one unit ---- */

struct undo {
    const mtnt__journal_step *forward;
    mtnt__journal_step backward;
    size_t *only;
    size_t count;
    mtnt_progress progress;
    size_t *snapshots; /* chain indexes of those before it */
    size_t snapshot_count;
    bool committed;
};

static size_t count_names(const char *operations)
{
    size_t count = 0;

    for (const char *c = operations; *c != '\0'; c++)
        count += *c == '\n';
    return count;
}

/* Chain indexes of a unit's operations, the last first. */
static int find_operations(const mtnt__saga *saga, struct undo *undo, mtnt_error *err)
{
    const char *name = undo->forward->operations;
    size_t count = count_names(name);

    undo->only = calloc(count + 1, sizeof(*undo->only));
    if (undo->only == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    undo->count = count;
    for (size_t i = count; i > 0; i--) {
        size_t length = strcspn(name, "\n");
        char *copy = strndup(name, length);
        ptrdiff_t index = copy == NULL ? -1 : mtnt_chain_find(saga->chain, copy);

        free(copy);
        if (index < 0)
            return mtnt_error_set(
                err, MTNT_E_HISTORY,
                "operation `%.*s` of its interrupted saga is not in this chain, so it cannot be taken back: use the chain "
                "that has it",
                (int)length, name);
        undo->only[i - 1] = (size_t)index;
        name += length + 1;
    }
    return 0;
}

/* The snapshots that are restored after it. */
static int find_snapshots(const mtnt__saga *saga, const mtnt__journal *journal, struct undo *undo, mtnt_error *err)
{
    undo->snapshots = calloc(journal->count + 1, sizeof(*undo->snapshots));
    if (undo->snapshots == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < journal->count; i++) {
        const mtnt__journal_step *step = journal->steps + i;
        struct undo earlier = {.forward = step};
        int rc;

        if (step->backward || step->unit <= saga->floor || step->unit >= undo->forward->unit)
            continue;
        rc = find_operations(saga, &earlier, err);
        if (rc == 0 && earlier.count == 1 &&
            (saga->chain->entries[earlier.only[0]].flags & MTNT_OPERATION_SNAPSHOT) != 0)
            undo->snapshots[undo->snapshot_count++] = earlier.only[0];
        free(earlier.only);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static bool counts_on_restore(const mtnt__saga *saga, const struct undo *undo)
{
    for (size_t i = 0; i < undo->count && undo->snapshot_count > 0; i++)
        if (mtnt__saga_restorable(saga->chain->entries + undo->only[i]))
            return true;
    return false;
}

static int write_intent(mtnt__saga *saga, void *data, mtnt_error *err)
{
    const struct undo *undo = data;
    const mtnt__system *system = saga->link->controller->system;

    return mtnt__journal_intend(saga->controller, saga->claim->migration, &undo->backward,
                                mtnt__migration_state_name(MTNT__STATE_COMPENSATING), system->wall_ms(system->data),
                                err);
}

static int undo_once(mtnt__saga *saga, struct undo *undo, mtnt__verdict *ret_verdict, mtnt_error *err)
{
    int64_t unlock_ms = mtnt__unlock_ms(saga->options);
    const mtnt__saga_work work = {.step = &undo->backward,
                                  .only = undo->only,
                                  .count = undo->count,
                                  .progress = undo->progress,
                                  .snapshots = undo->snapshots,
                                  .snapshot_count = undo->snapshot_count,
                                  .no_way_back = counts_on_restore(saga, undo),
                                  .saved = undo->committed,
                                  .deadline = mtnt__deadline_in(saga->link->controller->system, unlock_ms)};
    mtnt__attempt attempt = {0};
    int rc = mtnt__journal_key(saga->claim->migration, undo->backward.unit, true, undo->backward.tries,
                               undo->backward.key, err);

    *ret_verdict = MTNT__VERDICT_IN_DOUBT;
    if (rc == 0)
        rc = mtnt__saga_journal(saga, write_intent, undo, err);
    if (rc != 0)
        return rc;
    rc = mtnt__saga_run_unit(saga, &work, &attempt, err);
    *ret_verdict = attempt.verdict;
    mtnt__attempt_release(&attempt);
    mtnt__saga_note(saga, &undo->backward, rc == 0, rc == 0 ? NULL : err->message);
    return rc;
}

/* Something that may be better when recovery comes by again; everything else is for a person. */
static bool passes(int code)
{
    return code == MTNT_E_CONNECT || code == MTNT_E_IN_DOUBT || code == MTNT_E_NOMEM || code == MTNT_E_CANCELLED ||
           code == MTNT_E_HISTORY;
}

static int64_t jitter(const mtnt__system *system)
{
    unsigned char byte = 0;

    return system->random(system->data, &byte, sizeof(byte)) == 0 ? (int64_t)byte * PAUSE_MS / 256 : 0;
}

/* What the database says for good it says again; worse, a second try is in doubt, and passes over what it does not find. A body of the user's may have
 * met something that passes. */
static bool may_pass(const mtnt_error *err)
{
    return err->retryable || err->code == MTNT_E_OPERATION;
}

/* 0: undone. Not 0 with *ret_failed: it keeps failing. */
static int undo_unit(mtnt__saga *saga, const mtnt__journal *journal, struct undo *undo, bool *ret_failed,
                     mtnt_error *err)
{
    const mtnt__system *system = saga->link->controller->system;
    mtnt__verdict verdict = MTNT__VERDICT_IN_DOUBT;
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = find_operations(saga, undo, &own);

    /* A rewind restores nothing. */
    if (rc == 0 && !saga->claim->backward)
        rc = find_snapshots(saga, journal, undo, &own);
    for (int tries = 1; rc == 0; tries++) {
        rc = undo_once(saga, undo, &verdict, &own);
        if (rc == 0 || verdict == MTNT__VERDICT_IN_DOUBT || verdict == MTNT__VERDICT_BLOCKED || tries == TRIES ||
            !may_pass(&own))
            break;
        /* Others that wait for the same lock wait for other times. */
        system->sleep_ms(system->data, PAUSE_MS * tries + jitter(system));
        undo->backward.tries++;
        if (undo->forward->outside)
            undo->progress = MTNT_PROGRESS_IN_DOUBT;
        mtnt_error_clear(&own);
        rc = 0;
    }
    free(undo->only);
    free(undo->snapshots);
    undo->only = undo->snapshots = NULL;
    if (rc == 0)
        return 0;
    *ret_failed = verdict == MTNT__VERDICT_FAILED && !passes(rc);
    if (err != NULL)
        *err = own;
    return rc;
}

/* ---- all of them ---- */

/* What there is to undo of a unit that went forward. */
static int look_at(mtnt__saga *saga, const mtnt__journal *journal, const mtnt__journal_step *forward, struct undo *undo,
                   bool *ret_needed, mtnt_error *err)
{
    const mtnt__journal_step *earlier = mtnt__journal_find(journal, forward->unit, true);
    bool committed = forward->state == MTNT__JOURNAL_DONE, undone = false;
    int rc = 0;

    *ret_needed = false;
    if (earlier != NULL && earlier->state == MTNT__JOURNAL_DONE)
        return 0;
    /* Settled already: asked again it would wait for the lock of what is prepared, which is settled after it. */
    if (!committed && forward->state != MTNT__JOURNAL_FAILED)
        rc = mtnt__saga_settle(saga, forward, &committed, err);
    if (rc == 0 && earlier != NULL)
        rc = mtnt__saga_settle(saga, earlier, &undone, err);
    if (rc != 0)
        return rc;
    if (undone)
        mtnt__saga_note(saga, earlier, true, NULL);
    if (undone || (!committed && !forward->outside)) {
        if (!committed)
            mtnt__saga_note(saga, forward, false, "not committed");
        return 0;
    }
    *undo = (struct undo){.forward = forward,
                          .committed = committed,
                          .backward = *forward,
                          .progress = !forward->outside                    ? MTNT_PROGRESS_DONE
                                      : earlier != NULL                    ? MTNT_PROGRESS_IN_DOUBT
                                      : committed                          ? MTNT_PROGRESS_DONE
                                      : saga->not_started == forward->unit ? MTNT_PROGRESS_NOT_STARTED
                                                                           : MTNT_PROGRESS_IN_DOUBT};
    undo->backward.backward = true;
    undo->backward.state = MTNT__JOURNAL_INTENT;
    undo->backward.tries = earlier == NULL ? 1 : earlier->tries + 1;
    *ret_needed = true;
    return 0;
}

/* Units of a forward-only operation, and all before them, stay. */
static int find_floor(mtnt__saga *saga, const mtnt__journal *journal, bool *ret_kept, mtnt_error *err)
{
    const mtnt__journal_step *last = NULL;
    bool committed = false;
    int rc = 0;

    for (size_t i = 0; i < journal->count; i++)
        if (!journal->steps[i].backward && journal->steps[i].retriable)
            last = journal->steps + i;
    if (last == NULL)
        return 0;
    saga->floor = last->unit;
    committed = last->state == MTNT__JOURNAL_DONE;
    if (last->state == MTNT__JOURNAL_INTENT) {
        rc = mtnt__saga_settle(saga, last, &committed, err);
        if (rc == 0)
            mtnt__saga_note(saga, last, committed, committed ? NULL : "not completed");
    }
    /* Its intent says that all units before it are done. */
    *ret_kept = committed || saga->floor > 0;
    return rc;
}

static int undo_all(mtnt__saga *saga, const mtnt__journal *journal, mtnt__migration_event *ret_event, mtnt_error *err)
{
    bool kept = false;
    int rc = find_floor(saga, journal, &kept, err);

    for (size_t i = journal->count; i > 0 && rc == 0; i--) {
        const mtnt__journal_step *forward = journal->steps + i - 1;
        bool needed = false, failed = false;
        struct undo undo;

        if (forward->backward || forward->unit <= saga->floor)
            continue;
        rc = look_at(saga, journal, forward, &undo, &needed, err);
        if (rc == 0 && needed)
            rc = undo_unit(saga, journal, &undo, &failed, err);
        if (failed) {
            *ret_event = MTNT__EVENT_FAIL_TO_UNDO;
            return 0;
        }
    }
    if (rc == 0)
        *ret_event = kept ? MTNT__EVENT_COMMIT : MTNT__EVENT_ABORT;
    return rc;
}

/* Half an operation is taken back, the controller's: the model's half follows, whatever it takes. */
static int complete_half(mtnt__saga *saga, const mtnt__journal *journal, const mtnt__journal_step *half,
                         bool *ret_failed, mtnt_error *err)
{
    const mtnt__journal_step *other = mtnt__journal_find(journal, half->unit + 1, true);
    struct undo undo = {.forward = half, .backward = *half, .progress = MTNT_PROGRESS_DONE};
    bool committed = other != NULL && other->state == MTNT__JOURNAL_DONE;
    int rc = 0;

    if (other != NULL && !committed)
        rc = mtnt__saga_settle(saga, other, &committed, err);
    if (rc != 0 || committed)
        return rc;
    undo.backward.unit = half->unit + 1;
    undo.backward.half = false;
    undo.backward.writes = MTNT_WRITES_MODEL;
    undo.backward.state = MTNT__JOURNAL_INTENT;
    undo.backward.tries = other == NULL ? 1 : other->tries + 1;
    mtnt__text_copy(undo.backward.mode, sizeof(undo.backward.mode), mtnt__mode_name(MTNT__MODE_SINGLE_MODEL));
    mtnt__text_copy(undo.backward.decider, sizeof(undo.backward.decider), "model");
    return undo_unit(saga, journal, &undo, ret_failed, err);
}

/* A rewind stays where it is: each open unit is settled, and what was taken back stays so. */
static int stop_rewind(mtnt__saga *saga, const mtnt__journal *journal, mtnt__migration_event *ret_event,
                       mtnt_error *err)
{
    bool any = false, failed = false;
    int rc = 0;

    for (size_t i = 0; i < journal->count && rc == 0; i++) {
        const mtnt__journal_step *step = journal->steps + i;
        bool committed = step->state == MTNT__JOURNAL_DONE;

        if (!committed)
            rc = mtnt__saga_settle(saga, step, &committed, err);
        if (rc == 0 && step->state == MTNT__JOURNAL_INTENT)
            mtnt__saga_note(saga, step, committed, committed ? NULL : "not completed");
        if (rc == 0 && committed && step->half)
            rc = complete_half(saga, journal, step, &failed, err);
        if (failed) {
            *ret_event = MTNT__EVENT_FAIL_TO_UNDO;
            return 0;
        }
        any = any || committed;
    }
    *ret_event = any ? MTNT__EVENT_COMMIT : MTNT__EVENT_ABORT;
    return rc;
}

int mtnt__saga_undo(mtnt__saga *saga, mtnt__migration_event *ret_event, mtnt_error *err)
{
    mtnt__journal journal = {0};
    int rc = turn_saga(saga, err);

    /* Read after the turn: nobody adds to it any more. */
    if (rc == 0)
        rc = mtnt__saga_read(saga, &journal, err);
    if (rc == 0 && mtnt__journal_completed(&journal, saga->claim->backward))
        *ret_event = MTNT__EVENT_COMMIT;
    else if (rc == 0)
        rc = saga->claim->backward ? stop_rewind(saga, &journal, ret_event, err)
                                   : undo_all(saga, &journal, ret_event, err);
    mtnt__journal_release(&journal);
    return rc;
}

/* ---- recovery ---- */

/* Every unit that was planned has committed, and so has the saga: there is nothing to take back. */
static int all_committed(mtnt__saga *saga, bool *ret_all, mtnt_error *err)
{
    bool backward = saga->claim->backward;
    mtnt__journal journal = {0};
    const mtnt__journal_step *last = NULL;
    bool committed = false;
    int rc = mtnt__saga_read(saga, &journal, err);

    for (size_t i = 0; rc == 0 && i < journal.count; i++)
        if (journal.steps[i].backward == backward)
            last = journal.steps + i;
    *ret_all = rc == 0 && mtnt__journal_completed(&journal, backward);
    /* Only the last one can be open when all the others are done: each intent says that the unit before it is. */
    if (rc == 0 && last != NULL && last->state == MTNT__JOURNAL_INTENT && last->unit == last->units - 1) {
        rc = mtnt__saga_settle(saga, last, &committed, err);
        if (rc == 0 && committed)
            rc = mtnt__saga_complete(saga, last, err);
        *ret_all = rc == 0 && committed;
    }
    mtnt__journal_release(&journal);
    return rc;
}

int mtnt__saga_recover(mtnt_controller *controller, const mtnt_chain *chain, const mtnt__claim *claim,
                       const mtnt__known *known, const char *const owners[2], const mtnt_migration_options *options,
                       mtnt__gate *gate, const mtnt__bodies *bodies, mtnt__migration_state *ret_at,
                       mtnt__migration_event *ret_event, mtnt_error *err)
{
    static const mtnt_migration_options defaults = MTNT_MIGRATION_OPTIONS_INIT;
    mtnt__link link = {.controller = controller, .gate = gate, .bodies = bodies};
    mtnt__saga saga = {.link = &link,
                       .chain = chain,
                       .options = options == NULL ? &defaults : options,
                       .claim = claim,
                       .known = *known,
                       .owners = {owners[0], owners[1]},
                       .at = *ret_at,
                       .not_started = -1,
                       .floor = -1};
    bool all = false;
    int rc = mtnt__saga_open(&saga, err);

    if (rc == 0 && saga.at != MTNT__STATE_COMPENSATING)
        rc = all_committed(&saga, &all, err);
    if (rc == 0 && all)
        *ret_event = MTNT__EVENT_COMMIT;
    else if (rc == 0)
        rc = mtnt__saga_undo(&saga, ret_event, err);
    *ret_at = saga.at;
    mtnt__saga_close(&saga);
    mtnt__link_release(&link);
    return rc;
}
