#include "coordinate/baseline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/origin.h"

static const char *tenant(const mtnt__attempt *attempt)
{
    return mtnt_model_id(attempt->claim->model);
}

static bool is_applied(const mtnt__attempt *attempt, size_t index)
{
    return mtnt__applied_find(&attempt->applied, attempt->chain->entries[index].name) != NULL;
}

static mtnt__foreign_word word_of(const mtnt__attempt *attempt, size_t index)
{
    return attempt->foreign.marks[index].word;
}

static void note(mtnt__attempt *attempt, const char *text)
{
    size_t used = strlen(attempt->note);

    snprintf(attempt->note + used, sizeof(attempt->note) - used, "%s%s", used > 0 ? "; " : "", text);
}

void mtnt__baseline_no_model(mtnt__attempt *attempt)
{
    attempt->verdict = MTNT__VERDICT_NOTHING;
    note(attempt, "its model is not there yet: nothing was recorded, migrate makes it");
}

/* ---- --to: a person says what is applied, where no table does ---- */

static int check_to(const mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt_chain *chain = attempt->chain;
    const char *to = attempt->last < 0 ? NULL : chain->entries[attempt->last].name;

    for (size_t i = 0; to != NULL && i < chain->count; i++) {
        const mtnt__chain_entry *entry = chain->entries + i;
        bool within = (ptrdiff_t)i <= attempt->last;

        if (entry->flags & MTNT_OPERATION_REPEATABLE)
            continue;
        if (within && (entry->flags & MTNT_OPERATION_DELETES_MODEL) != 0)
            return mtnt_error_set(err, MTNT_E_REFUSED,
                                  "operation `%s` deletes the model, so it cannot have been applied to it",
                                  entry->name);
        if (within && !entry->disabled && word_of(attempt, i) == MTNT__FOREIGN_PENDING && !is_applied(attempt, i))
            return mtnt_error_set(
                err, MTNT_E_HISTORY,
                "tenant %s: operation `%s` is to be taken as applied (--to %s), but %s says that it is "
                "not. Nothing was changed",
                tenant(attempt), entry->name, to, attempt->foreign.names);
        if (!within && word_of(attempt, i) == MTNT__FOREIGN_APPLIED && !is_applied(attempt, i))
            return mtnt_error_set(
                err, MTNT_E_HISTORY,
                "tenant %s: operation `%s` comes after `%s`, and %s says that it is applied as well. Leave "
                "--to out to go by that. Nothing was changed",
                tenant(attempt), entry->name, to, attempt->foreign.names);
    }
    return 0;
}

static bool is_said(const mtnt__attempt *attempt, size_t index)
{
    const mtnt__chain_entry *entry = attempt->chain->entries + index;

    if (word_of(attempt, index) == MTNT__FOREIGN_APPLIED)
        return true;
    return word_of(attempt, index) == MTNT__FOREIGN_SILENT && !entry->disabled && (ptrdiff_t)index <= attempt->last;
}

/* ---- the plan ---- */

/* That a model is there means that its creation is behind it. */
static void add_creation(mtnt__attempt *attempt)
{
    const mtnt__chain_entry *first = attempt->chain->entries;

    if (attempt->chain->count == 0 || (first->flags & MTNT_OPERATION_CREATES_MODEL) == 0 || first->disabled ||
        is_applied(attempt, 0) || attempt->count + attempt->applied.count == 0 ||
        (attempt->count > 0 && attempt->plan[0] == 0))
        return;
    memmove(attempt->plan + 1, attempt->plan, attempt->count * sizeof(*attempt->plan));
    attempt->plan[0] = 0;
    attempt->count++;
}

/* An operation that is missing in between is as late here as it will be for migrate. */
static int check_order(mtnt__attempt *attempt, mtnt_error *err)
{
    mtnt__applied after = {0};
    int rc = 0;

    for (size_t i = 0; i < attempt->applied.count && rc == 0; i++)
        rc = mtnt__applied_add(&after, attempt->applied.records + i, err);
    for (size_t i = 0; i < attempt->count && rc == 0; i++) {
        const mtnt__chain_entry *entry = attempt->chain->entries + attempt->plan[i];
        mtnt__record record = {.name = entry->name, .position = entry->order};

        mtnt__text_copy(record.checksum, sizeof(record.checksum), entry->checksum);
        rc = mtnt__applied_add(&after, &record, err);
    }
    if (rc == 0)
        rc = mtnt__applied_check(&after, attempt->chain, tenant(attempt), attempt->options->allow_out_of_order, err);
    mtnt__applied_release(&after);
    return rc;
}

/* No table, no word of a person, and no record: the model is new, or of an unknown past. */
static int explain_silence(mtnt__attempt *attempt, mtnt_error *err)
{
    int64_t objects = 0;
    char text[300];
    int rc = mtnt__attempt_count_objects(attempt, &objects, err);

    if (rc != 0)
        return rc;
    if (objects > 0)
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "its model is not empty, and no table of another tool is in it (looked for: %s) that tells what "
            "is applied. If you know it, say so with --to NAME: everything up to that operation. Nothing was "
            "changed",
            attempt->foreign.names);
    snprintf(text, sizeof(text),
             "its model is empty, without a table of another tool (%.120s): nothing was recorded, migrate "
             "begins at the beginning",
             attempt->foreign.names);
    note(attempt, text);
    return 0;
}

static size_t count_applied(const mtnt__attempt *attempt)
{
    size_t count = 0;

    for (size_t i = 0; i < attempt->chain->count; i++)
        count += word_of(attempt, i) == MTNT__FOREIGN_APPLIED;
    return count;
}

/* sqitch's registry is outside the model, and others may share it. */
static int check_registry(mtnt__attempt *attempt, mtnt_error *err)
{
    int64_t objects = 0;
    int rc;

    if (attempt->applied.count > 0 || count_applied(attempt) == 0)
        return 0;
    rc = mtnt__attempt_count_objects(attempt, &objects, err);
    return rc != 0 || objects > 0
               ? rc
               : mtnt_error_set(err, MTNT_E_REFUSED,
                                "its model is empty, and %s says that something is applied: does it speak of another "
                                "database? Nothing was changed",
                                attempt->foreign.names);
}

int mtnt__baseline_check_unheeded(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__foreign_question question = {attempt->model, attempt->claim->model, attempt->chain, true};
    int64_t objects = 0;
    size_t count;
    int rc;

    if (attempt->model_missing || attempt->applied.count > 0 || (attempt->identity.known && !attempt->identity.fresh) ||
        !mtnt__origin_any(attempt->chain))
        return 0;
    rc = mtnt__attempt_count_objects(attempt, &objects, err);
    if (rc != 0 || objects == 0)
        return rc;
    rc = mtnt__foreign_look(&question, &attempt->foreign, err);
    if (rc != 0)
        return rc;
    count = count_applied(attempt);
    return count == 0
               ? 0
               : mtnt_error_set(err, MTNT_E_REFUSED,
                                "%s says that another tool has applied %zu of these operations to its model, and "
                                "that was not taken over. First   mtnt-model baseline --tenant %s   and then "
                                "migrate. Nothing was changed",
                                attempt->foreign.names, count, tenant(attempt));
}

int mtnt__baseline_plan(mtnt__attempt *attempt, mtnt_error *err)
{
    const mtnt__foreign_question question = {attempt->model, attempt->claim->model, attempt->chain,
                                             attempt->options->accept_checksums};
    int rc = mtnt__foreign_look(&question, &attempt->foreign, err);

    if (rc == 0)
        rc = check_registry(attempt, err);
    if (rc != 0)
        return rc;
    note(attempt, attempt->foreign.note);
    rc = check_to(attempt, err);
    attempt->plan = calloc(attempt->chain->count + 1, sizeof(*attempt->plan));
    if (rc == 0 && attempt->plan == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; rc == 0 && i < attempt->chain->count; i++)
        if (is_said(attempt, i) && !is_applied(attempt, i))
            attempt->plan[attempt->count++] = i;
    if (rc != 0)
        return rc;
    add_creation(attempt);
    if (attempt->count > 0)
        return check_order(attempt, err);
    if (attempt->applied.count > 0)
        return 0;
    if (attempt->foreign.tables > 0) {
        note(attempt,
             "nothing is applied yet, as its table says: nothing was recorded, migrate begins at the beginning");
        return 0;
    }
    return mtnt__origin_any(attempt->chain) ? explain_silence(attempt, err) : 0;
}

void mtnt__baseline_complete(mtnt__attempt *attempt)
{
    const mtnt__system *system = attempt->link->controller->system;

    for (size_t i = 0; i < attempt->count; i++) {
        mtnt__step *step = attempt->steps + i;

        step->started_ms = step->finished_ms = system->wall_ms(system->data);
        mtnt__operations_status(attempt, step, MTNT_STATUS_COMPLETED);
    }
}

/* ---- in step ---- */

/* What the tables have to say of all that is applied, not only of what was applied just now: they may have been left behind earlier. */
static int gather(mtnt__attempt *attempt, mtnt__foreign_want *wants, int64_t *durations_ms, mtnt_error *err)
{
    mtnt__applied after = {0};
    int rc = mtnt__attempt_applied_after(attempt, &after, err);

    for (size_t i = 0; rc == 0 && i < attempt->chain->count; i++)
        wants[i] =
            mtnt__applied_has(&after, attempt->chain->entries + i) ? MTNT__FOREIGN_HOLDS : MTNT__FOREIGN_AS_IT_IS;
    for (size_t i = 0; rc == 0 && i < attempt->count; i++) {
        const mtnt__step *step = attempt->steps + i;
        ptrdiff_t index = mtnt_chain_find(attempt->chain, step->entry->name);

        if (index >= 0 && step->status == MTNT_STATUS_ROLLED_BACK)
            wants[index] = MTNT__FOREIGN_HOLDS_NOT;
        if (index >= 0 && step->finished_ms > step->started_ms)
            durations_ms[index] = step->finished_ms - step->started_ms;
    }
    mtnt__applied_release(&after);
    return rc;
}

int mtnt__baseline_keep_in_step(mtnt__attempt *attempt, mtnt_error *err)
{
    /* What was recorded here is true, whatever the files have become since. */
    const mtnt__foreign_question question = {attempt->model, attempt->claim->model, attempt->chain, true};
    bool all = attempt->options->keep_in_step;
    mtnt__foreign_want *wants;
    int64_t *durations_ms;
    int rc = 0;

    if (!mtnt__foreign_is_kept(attempt->chain, all))
        return 0;
    wants = calloc(attempt->chain->count + 1, sizeof(*wants));
    durations_ms = calloc(attempt->chain->count + 1, sizeof(*durations_ms));
    if (wants == NULL || durations_ms == NULL)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    if (rc == 0)
        rc = gather(attempt, wants, durations_ms, err);
    if (rc == 0)
        rc = mtnt__foreign_keep(&question, all, wants, durations_ms, err);
    free(wants);
    free(durations_ms);
    return rc;
}
