#include "fleet/share.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "fleet/away.h"

#define BEAT_MS 1000

/* ---- terms ---- */

static void text(char *target, size_t size, const char *word)
{
    mtnt__text_copy(target, size, word == NULL ? "" : word);
}

/* What one process keeps for the whole run, and could not if others went ahead. */
static bool paced(const mtnt_rollout_options *rollout)
{
    return rollout->waves != NULL || rollout->canary > 0 || rollout->max_failures != NULL || rollout->group_count > 0;
}

void mtnt__share_terms(const mtnt_executor *executor, const mtnt__job *job, mtnt__run_terms *ret_terms)
{
    const mtnt_migration_options *options = &executor->options.migration;
    mtnt__run_terms terms = {.backward = job->backward,
                             .out_of_order = options->allow_out_of_order,
                             .may_delete = options->allow_delete,
                             .backs_up = options->backup != NULL,
                             .paced = paced(&executor->options.rollout),
                             .steps = options->steps,
                             .only_run = job->only_run};

    text(terms.goal, sizeof(terms.goal), options->to);
    text(terms.atomicity, sizeof(terms.atomicity),
         options->atomicity == MTNT_ATOMICITY_OPERATION ? "operation" : "chain");
    text(terms.on_failure, sizeof(terms.on_failure), options->on_failure == MTNT_ON_FAILURE_KEEP ? "keep" : "rollback");
    text(terms.mode, sizeof(terms.mode), options->mode == MTNT_MODE_SAGA ? "saga" : "auto");
    text(terms.digest, sizeof(terms.digest), job->ladder.rungs[job->ladder.count - 1].digest);
    *ret_terms = terms;
}

static void take_terms(mtnt_executor *executor, const mtnt__run_row *row)
{
    mtnt_migration_options *options = &executor->options.migration;
    const mtnt__run_terms *terms = &row->terms;

    text(executor->joined.goal, sizeof(executor->joined.goal), terms->goal);
    text(executor->joined.command, sizeof(executor->joined.command), row->command);
    snprintf(executor->joined.only_run, sizeof(executor->joined.only_run), "%lld", (long long)terms->only_run);
    executor->options.command = executor->joined.command;
    executor->options.direction = terms->backward ? MTNT_BACKWARD : MTNT_FORWARD;
    options->to = terms->goal[0] == '\0' ? NULL : executor->joined.goal;
    options->steps = terms->steps;
    options->run = terms->only_run == 0 ? NULL : executor->joined.only_run;
    options->atomicity = strcmp(terms->atomicity, "operation") == 0 ? MTNT_ATOMICITY_OPERATION : MTNT_ATOMICITY_CHAIN;
    options->on_failure = strcmp(terms->on_failure, "keep") == 0 ? MTNT_ON_FAILURE_KEEP : MTNT_ON_FAILURE_ROLLBACK;
    options->mode = strcmp(terms->mode, "saga") == 0 ? MTNT_MODE_SAGA : MTNT_MODE_AUTO;
    options->allow_out_of_order = terms->out_of_order;
    options->allow_delete = terms->may_delete;
}

static int check_row(const mtnt_executor *executor, const mtnt__run_row *row, mtnt_error *err)
{
    long long run = (long long)executor->options.join_run;
    const char *chain = mtnt_chain_name(executor->chain);

    if (row->run == 0)
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "controller %s knows no run %lld", executor->controller->shown,
                              run);
    if (strcmp(row->chain, chain) != 0)
        return mtnt_error_set(err, MTNT_E_REFUSED, "run %lld is one of chain %s, and this is chain %s", run, row->chain,
                              chain);
    if (row->finished_ms != 0)
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "run %lld has ended: there is nothing to join. Begin another one with   mtnt-model migrate", run);
    if (!row->joinable)
        return mtnt_error_set(err, MTNT_E_REFUSED,
                              "run %lld was begun by an earlier release, which did not write down what another process "
                              "has to agree about: it cannot be joined",
                              run);
    if (row->terms.paced || paced(&executor->options.rollout))
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "run %lld: waves, a canary, groups and a failure budget are kept by one process alone; not for this "
            "version to join, or to join with. Begin the run without them to work on it with several processes",
            run);
    if (row->terms.backs_up && executor->options.migration.backup == NULL)
        return mtnt_error_set(err, MTNT_E_REFUSED,
                              "run %lld saves each model before its first change, and this process has no folder for "
                              "that: give it one with --backup DIR",
                              run);
    return 0;
}

/* Another version of the chain would do something else under the same names. */
static int check_chain(mtnt_executor *executor, const mtnt__run_row *row, mtnt_error *err)
{
    mtnt__ladder ladder = {0};
    int rc = mtnt__ladder_new(&ladder, executor->chain, err);

    if (rc == 0 && strcmp(ladder.rungs[ladder.count - 1].digest, row->terms.digest) != 0)
        rc = mtnt_error_set(err, MTNT_E_REFUSED,
                            "run %lld works with other operations in chain %s than this process: give both the same "
                            "files. Nothing was changed",
                            (long long)row->run, row->chain);
    mtnt__ladder_release(&ladder);
    return rc;
}

int mtnt__share_join(mtnt_executor *executor, mtnt_error *err)
{
    mtnt__run_row row;
    int rc;

    if (executor->options.join_run < 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "run %lld: a run's number is 1 or more",
                              (long long)executor->options.join_run);
    rc = mtnt__store_run_find(executor->controller, mtnt_chain_name(executor->chain), executor->options.join_run, &row,
                              err);
    if (rc == 0)
        rc = check_row(executor, &row, err);
    if (rc == 0)
        rc = check_chain(executor, &row, err);
    if (rc == 0)
        take_terms(executor, &row);
    return rc;
}

int mtnt__share_enter(mtnt__dispatch *d, mtnt_error *err)
{
    int rc;

    mtnt__gate_enter(&d->gate);
    rc = mtnt__store_run_enter(d->executor->controller, d->executor->options.join_run, err);
    mtnt__gate_leave(&d->gate);
    if (rc == 0) {
        mtnt__away_note_timeline(d);
        d->job.run = d->tally.run = d->executor->options.join_run;
        d->share.sums.at_work = 2;
    }
    return rc;
}

/* ---- counts ---- */

void mtnt__share_note(const mtnt__dispatch *d, mtnt__run_note *ret_note)
{
    const mtnt_counts *counts = &d->tally.counts;

    *ret_note = (mtnt__run_note){.run = d->job.run,
                                 .total = counts->total,
                                 .migrated = counts->migrated,
                                 .current = counts->current + counts->elsewhere,
                                 .failed = counts->failed - d->tally.met,
                                 .met = d->tally.met,
                                 .operations = counts->operations};
}

static void show(mtnt__dispatch *d, const mtnt__run_sums *sums)
{
    mtnt_counts *whole = &d->tally.whole;

    d->share.sums = *sums;
    d->tally.processes = (int)sums->processes;
    *whole = (mtnt_counts){.total = sums->total,
                           .migrated = sums->migrated,
                           .current = sums->current,
                           .failed = sums->failed,
                           .operations = sums->operations};
}

/* A worker of ours may have a SQLite controller's write lock for as long as its operations take, and the loop must not wait for that. */
static bool may_write(const mtnt__dispatch *d)
{
    return d->executor->controller->backend != MTNT_SQLITE || d->news.running == 0;
}

void mtnt__share_beat(mtnt__dispatch *d)
{
    mtnt_controller *controller = d->executor->controller;
    int64_t now = mtnt__dispatch_now_ms(d);
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__run_sums sums;
    mtnt__run_note note;
    int rc;

    if (d->job.run == 0 || !mtnt__away_asks(d) || now - d->share.beat_ms < BEAT_MS || !may_write(d))
        return;
    d->share.beat_ms = now;
    mtnt__share_note(d, &note);
    mtnt__gate_enter(&d->gate);
    rc = mtnt__store_run_beat(controller, &note, &sums, &error);
    mtnt__gate_leave(&d->gate);
    if (rc == 0)
        show(d, &sums);
    if (rc == 0 || mtnt__away_may_come_back(rc, &error))
        (void)mtnt__away_hear(d, rc, &error);
    else
        mtnt__db_disconnect(controller->db);
}

bool mtnt__share_others(const mtnt__dispatch *d)
{
    return d->share.sums.at_work > 1;
}

/* ---- what others have tried ---- */

int mtnt__share_tried(mtnt__dispatch *d, size_t count, bool *ret_tried, mtnt_error *err)
{
    const char *migrations[MTNT__BATCH];
    bool any = false;

    memset(ret_tried, 0, count * sizeof(*ret_tried));
    if (d->job.run == 0)
        return 0;
    for (size_t i = 0; i < count; i++) {
        bool failed = mtnt__known_idle(d->known + i) && d->known[i].failed;

        migrations[i] = failed ? d->known[i].migration : "";
        any = any || failed;
    }
    if (!any)
        return 0;
    return mtnt__store_run_tried(d->executor->controller, d->job.run, migrations, count, ret_tried, err);
}

/* ---- the end ---- */

int mtnt__share_leave(mtnt__dispatch *d, mtnt_error *err)
{
    const mtnt_counts *counts = &d->tally.counts;
    mtnt__run_note note;
    mtnt__run_sums sums;
    int rc;

    mtnt__share_note(d, &note);
    note.total = counts->migrated + counts->current + counts->failed + counts->untouched + counts->elsewhere;
    rc = mtnt__store_run_leave(d->executor->controller, &note, &sums, err);
    if (rc == 0) {
        int64_t rest = sums.total - sums.migrated - sums.current - sums.failed;

        show(d, &sums);
        d->tally.whole.untouched = rest > 0 && sums.at_work == 0 ? rest : 0;
        d->tally.at_work = (int)sums.at_work;
    }
    return rc;
}

/* ---- for people ---- */

int mtnt_run_find(mtnt_controller *controller, const mtnt_chain *chain, int64_t run, mtnt_run_info *ret_info,
                  mtnt_error *err)
{
    mtnt__run_row row = {.run = 0};
    mtnt__run_sums sums = {.total = -1};
    int rc = 0;

    chain = mtnt__chain_first_lane(chain);
    if (controller->tables)
        rc = mtnt__store_run_find(controller, mtnt_chain_name(chain), run, &row, err);
    if (rc == 0 && row.run == 0)
        rc = run == 0
                 ? mtnt_error_set(err, MTNT_E_NOT_FOUND, "no process is at work on a run of chain %s in controller %s",
                                  mtnt_chain_name(chain), controller->shown)
                 : mtnt_error_set(err, MTNT_E_NOT_FOUND, "controller %s knows no run %lld", controller->shown,
                                  (long long)run);
    if (rc == 0)
        rc = mtnt__store_run_sum(controller, row.run, &sums, err);
    if (rc != 0)
        return rc;
    *ret_info = (mtnt_run_info){.run = row.run,
                                .direction = row.terms.backward ? MTNT_BACKWARD : MTNT_FORWARD,
                                .started_ms = row.started_ms,
                                .finished_ms = row.finished_ms,
                                .processes = sums.processes,
                                .at_work = sums.at_work,
                                .counts = {.total = sums.total,
                                           .migrated = sums.migrated,
                                           .current = sums.current,
                                           .failed = sums.failed,
                                           .operations = sums.operations}};
    text(ret_info->command, sizeof(ret_info->command), row.command);
    return 0;
}
