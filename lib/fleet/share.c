#include "fleet/share.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "fleet/admit.h"
#include "fleet/away.h"
#include "fleet/elsewhere.h"

#define BEAT_MS 1000
#define BUDGET_BEAT_MS 200 /* where failures of others may end the run */
#define LOOK_MS 200        /* at a wave that others are not over with */

/* In place of a mode, because nothing is run. */
static const char baseline[] = "baseline";

/* ---- terms ---- */

static void text(char *target, size_t size, const char *word)
{
    mtnt__text_copy(target, size, word == NULL ? "" : word);
}

/* What one process keeps for the whole run, and could not if others went ahead. */
static bool paced(const mtnt_rollout_options *rollout)
{
    return rollout->group_count > 0;
}

const char *mtnt__share_command(const mtnt_executor *executor)
{
    return executor->options.command == NULL ? "migrate" : executor->options.command;
}

void mtnt__share_terms(const mtnt_executor *executor, const mtnt__job *job, mtnt__run_terms *ret_terms)
{
    const mtnt_migration_options *options = &executor->options.migration;
    const mtnt_rollout_options *rollout = &executor->options.rollout;
    mtnt__run_terms terms = {.backward = job->backward,
                             .out_of_order = options->allow_out_of_order,
                             .may_delete = options->allow_delete,
                             .backs_up = options->backup != NULL,
                             .paced = paced(rollout) || options->adoption != NULL,
                             .canary = rollout->canary,
                             .soak_ms = rollout->soak_ms,
                             .expected = -1,
                             .steps = options->steps,
                             .only_run = job->only_run};

    text(terms.goal, sizeof(terms.goal), options->to);
    text(terms.waves, sizeof(terms.waves), rollout->waves);
    text(terms.max_failures, sizeof(terms.max_failures), rollout->max_failures);
    text(terms.atomicity, sizeof(terms.atomicity),
         options->atomicity == MTNT_ATOMICITY_OPERATION ? "operation" : "chain");
    text(terms.on_failure, sizeof(terms.on_failure), options->on_failure == MTNT_ON_FAILURE_KEEP ? "keep" : "rollback");
    text(terms.mode, sizeof(terms.mode), job->baseline ? baseline : options->mode == MTNT_MODE_SAGA ? "saga" : "auto");
    text(terms.digest, sizeof(terms.digest), job->ladder.rungs[job->ladder.count - 1].digest);
    *ret_terms = terms;
}

static void overrule(mtnt_executor *executor, const char *option, bool differs)
{
    char *text = executor->joined.overruled;
    size_t length = strlen(text);

    if (differs)
        snprintf(text + length, sizeof(executor->joined.overruled) - length, "%s%s", length == 0 ? "" : ", ", option);
}

static bool other(const char *ours, const char *theirs)
{
    return ours != NULL && strcmp(ours, theirs) != 0;
}

static void take_rollout(mtnt_executor *executor, const mtnt__run_terms *terms)
{
    mtnt_rollout_options *rollout = &executor->options.rollout;

    overrule(executor, "waves", other(rollout->waves, terms->waves));
    overrule(executor, "canary", rollout->canary != 0 && rollout->canary != terms->canary);
    overrule(executor, "soak", rollout->soak_ms != 0 && rollout->soak_ms != terms->soak_ms);
    overrule(executor, "max_failures", other(rollout->max_failures, terms->max_failures));
    text(executor->joined.waves, sizeof(executor->joined.waves), terms->waves);
    text(executor->joined.max_failures, sizeof(executor->joined.max_failures), terms->max_failures);
    executor->joined.expected = terms->expected;
    rollout->waves = terms->waves[0] == '\0' ? NULL : executor->joined.waves;
    rollout->max_failures = terms->max_failures[0] == '\0' ? NULL : executor->joined.max_failures;
    rollout->canary = terms->canary;
    rollout->soak_ms = terms->soak_ms;
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
    take_rollout(executor, terms);
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
    if (strcmp(row->terms.mode, baseline) == 0)
        return mtnt_error_set(err, MTNT_E_REFUSED,
                              "run %lld records what other tools have applied (baseline), and runs nothing: it is not "
                              "joined. Begin another one for other tenants",
                              run);
    if (strcmp(row->command, "adopt") == 0)
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "run %lld takes models over from another controller, which is not to be joined: any number "
            "of   mtnt-model adopt   may run beside each other",
            run);
    if (row->terms.paced || paced(&executor->options.rollout))
        return mtnt_error_set(
            err, MTNT_E_REFUSED,
            "run %lld: groups are kept by one process alone; not for this version to join, or to join with. Begin the run "
            "without them to work on it with several processes",
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

    mtnt__gate_enter(d->gate);
    rc = mtnt__store_run_enter(d->executor->controller, d->executor->options.join_run, err);
    mtnt__gate_leave(d->gate);
    if (rc == 0) {
        mtnt__away_note_timeline(d);
        d->job.run = d->tally.run = d->executor->options.join_run;
        d->share.sums.at_work = 2;
        d->share.sums.processes = 2;
    }
    return rc;
}

static bool has_places(const mtnt__dispatch *d)
{
    return d->waves.judges && !mtnt__waves_last(&d->waves);
}

int mtnt__share_restore(mtnt__dispatch *d, mtnt_error *err)
{
    const mtnt_executor *executor = d->executor;
    const mtnt__waves *waves = &d->waves;
    mtnt__run_waves there = {.wave = 0};
    mtnt__run_terms terms;
    int rc;

    if (d->job.run == 0 || !mtnt__away_is_back(d))
        return 0;
    mtnt__share_terms(executor, &d->job, &terms);
    terms.expected = waves->total;
    /* Tenants that ask for their place have none yet. */
    if (waves->judges)
        there = (mtnt__run_waves){waves->at, waves->begun - d->share.asking, waves->begun_before, waves->failed_before};
    rc = mtnt__store_run_restore(executor->controller, mtnt_chain_name(executor->chain), mtnt__share_command(executor),
                                 &terms, d->job.run, &there, err);
    if (rc == 0)
        mtnt__away_note_timeline(d);
    return rc;
}

void mtnt__share_say_terms(mtnt__dispatch *d)
{
    mtnt_error error = MTNT_ERROR_INIT;

    if (d->executor->joined.overruled[0] == '\0')
        return;
    mtnt_error_set(&error, MTNT_E_REFUSED, "run %lld keeps what it was begun with: %s of this process %s not used",
                   (long long)d->job.run, d->executor->joined.overruled,
                   strchr(d->executor->joined.overruled, ',') == NULL ? "is" : "are");
    mtnt__tally_warning(&d->tally, &error);
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

/* noted: what of ours they contain. */
static void show(mtnt__dispatch *d, const mtnt__run_sums *sums, const mtnt__run_note *noted)
{
    mtnt_counts *whole = &d->tally.whole;

    d->share.sums = *sums;
    d->share.noted_failed = noted->failed;
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

int64_t mtnt__share_failed(const mtnt__dispatch *d)
{
    const mtnt__run_sums *sums = &d->share.sums;
    int64_t met = d->tally.met;

    if (sums->processes <= 1)
        return d->tally.counts.failed;
    return sums->failed - sums->met + (d->tally.counts.failed - met - d->share.noted_failed) +
           (met > sums->met ? met : sums->met);
}

static int64_t beat_ms(const mtnt__dispatch *d)
{
    return d->waves.budgeted && mtnt__share_others(d) ? BUDGET_BEAT_MS : BEAT_MS;
}

void mtnt__share_beat(mtnt__dispatch *d)
{
    mtnt_controller *controller = d->executor->controller;
    int64_t now = mtnt__dispatch_now_ms(d);
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__run_sums sums;
    mtnt__run_note note;
    int rc;

    if (d->job.run == 0 || !mtnt__away_asks(d) || now - d->share.beat_ms < beat_ms(d) || !may_write(d))
        return;
    d->share.beat_ms = now;
    if (has_places(d)) {
        mtnt__share_look(d, NULL);
        return;
    }
    mtnt__share_note(d, &note);
    mtnt__gate_enter(d->gate);
    rc = mtnt__share_restore(d, &error);
    if (rc == 0)
        rc = mtnt__store_run_beat(controller, &note, &sums, &error);
    mtnt__gate_leave(d->gate);
    if (rc == 0)
        show(d, &sums, &note);
    if (rc == 0 || mtnt__away_may_come_back(rc, &error))
        (void)mtnt__away_hear(d, rc, &error);
    else
        mtnt__db_disconnect(controller->db);
}

/* ---- waves and the budget of all processes ---- */

/* In an exchange: what all have told until then, ours included. */
static bool is_spent(void *data, const mtnt__wave_row *row, const mtnt__run_sums *sums)
{
    const mtnt__dispatch *d = data;
    mtnt__waves waves = d->waves;

    if (!waves.budgeted)
        return false;
    if (!mtnt__waves_last(&waves) && row->wave < waves.count)
        mtnt__waves_set(&waves, (int)row->wave, row->begun, row->begun_before, row->failed_before);
    return mtnt__waves_spent(&waves, sums->failed);
}

/* The pacing of an exchange stays until its answer has come. One that has never got as far as to choose has begun nobody: it may find the budget spent. */
void mtnt__share_pace(mtnt__dispatch *d, mtnt__run_note *note)
{
    bool chosen = d->share.pacing.ends != NULL && d->share.pacing.chosen;

    if (d->job.run == 0 || !(d->waves.budgeted || has_places(d)))
        return;
    d->share.pacing = (mtnt__pacing){.ends = d->waves.ends,
                                     .wave_count = has_places(d) ? d->waves.count : 1,
                                     .spent = is_spent,
                                     .data = d,
                                     .again = chosen,
                                     .chosen = chosen};
    note->pacing = &d->share.pacing;
    d->share.pacing_note = *note;
}

void mtnt__share_paced(mtnt__dispatch *d)
{
    if (d->share.pacing.ends == NULL)
        return;
    show(d, &d->share.pacing.sums, &d->share.pacing_note);
    mtnt__admit_set_wave(d, &d->share.pacing.row);
    d->share.pacing.ends = NULL;
}

/* A tenant with a place that nobody is at: if we have it, it may begin. */
static bool take_up(mtnt__dispatch *d, const char *tenant)
{
    for (size_t i = 0; i < d->queued.count; i++)
        if (strcmp(mtnt_model_id(d->queued.items[i]->model), tenant) == 0)
            return d->queued.items[i]->placed = true;
    return false;
}

static void note_open(void *data, const char *tenant, bool gone)
{
    mtnt__dispatch *d = data;

    if (gone && !take_up(d, tenant))
        d->share.left_behind = true;
}

/* What waits here for its wave may long be done, and take the room of tenants that others have left behind: it is looked at anew. */
static void look_anew(mtnt__dispatch *d)
{
    size_t kept = 0, count = d->queued.count;

    for (size_t i = 0; i < count; i++) {
        mtnt__task *task = d->queued.items[i];

        if (task->counted || task->placed || task->again) {
            d->queued.items[kept++] = task;
            continue;
        }
        mtnt__elsewhere_add(d, task->model, "", NULL);
        mtnt__dispatch_free_task(d, task);
    }
    d->queued.count = kept;
}

bool mtnt__share_look(mtnt__dispatch *d, mtnt__wave_look *ret_look)
{
    mtnt_controller *controller = d->executor->controller;
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt__run_note note;
    mtnt__wave_look look = {.note = &note,
                            .chain = mtnt_chain_name(d->executor->chain),
                            .digest = mtnt__job_goal(&d->job),
                            .idle = d->waves.open == 0,
                            .open = note_open,
                            .data = d};
    int rc;

    d->share.left_behind = false;
    mtnt__share_note(d, &note);
    mtnt__gate_enter(d->gate);
    rc = mtnt__share_restore(d, &error);
    if (rc == 0)
        rc = mtnt__places_look(controller, &look, &error);
    mtnt__gate_leave(d->gate);
    if (mtnt__away_hear(d, rc, &error) != MTNT__HEARD_ANSWER)
        return false;
    show(d, &look.sums, &note);
    mtnt__admit_set_wave(d, &look.row);
    if (d->share.left_behind && !mtnt__waves_room(&d->waves))
        look_anew(d);
    if (ret_look != NULL)
        *ret_look = look;
    return true;
}

static bool move(mtnt__dispatch *d, const mtnt__wave_look *look)
{
    mtnt_controller *controller = d->executor->controller;
    mtnt_error error = MTNT_ERROR_INIT;
    int rc;

    mtnt__gate_enter(d->gate);
    rc = look->row.soak_until_ms == 0
             ? mtnt__wave_soak(controller, d->job.run, look->row.wave, d->waves.soak_ms, &error)
             : mtnt__wave_next(controller, d->job.run, look->row.wave, mtnt__share_failed(d), &error);
    mtnt__gate_leave(d->gate);
    return mtnt__away_hear(d, rc, &error) == MTNT__HEARD_ANSWER;
}

/* One step: it is judged, or soaks, or the next one begins. True: there may be another. */
static bool step(mtnt__dispatch *d, int64_t now_ms)
{
    int at = d->waves.at;
    mtnt__wave_look look;
    int64_t left_ms;

    d->share.look_ms = now_ms + LOOK_MS;
    if (!may_write(d) || !mtnt__share_look(d, &look) || d->waves.at != at || !mtnt__waves_complete(&d->waves))
        return false;
    if (look.row.soak_until_ms == 0 && look.open_count > 0)
        return false;
    if (look.row.soak_until_ms == 0) {
        mtnt__admit_judge(d);
        if (d->tally.counts.stop != MTNT_STOP_NONE)
            return false;
    }
    left_ms = look.row.soak_until_ms - look.row.now_ms;
    if (look.row.soak_until_ms == 0 || left_ms <= 0)
        return move(d, &look);
    mtnt__admit_finish_wave(d, d->waves.soak_ms);
    mtnt__waves_soak(&d->waves, now_ms + left_ms);
    mtnt__admit_show_soak(d, left_ms);
    return false;
}

void mtnt__share_wave(mtnt__dispatch *d)
{
    int64_t now_ms = mtnt__dispatch_now_ms(d), soak_until_ms = d->waves.soak_until_ms;
    int at = d->waves.at;

    if (soak_until_ms > now_ms)
        mtnt__admit_show_soak(d, soak_until_ms - now_ms);
    if (d->job.run == 0 || !mtnt__away_asks(d) ||
        (now_ms < d->share.look_ms && (soak_until_ms == 0 || now_ms < soak_until_ms)))
        return;
    /* Judged, soaked for no time, and gone on to the next one. */
    for (int i = 0; i < 3 && step(d, now_ms) && d->waves.at == at; i++)
        ;
}

bool mtnt__share_others(const mtnt__dispatch *d)
{
    return d->share.sums.at_work > 1;
}

/* ---- what others have tried ---- */

static int find_tried(mtnt__dispatch *d, size_t count, mtnt__share_facts *ret_facts, mtnt_error *err)
{
    const char *migrations[MTNT__BATCH];
    bool tried[MTNT__BATCH], rests[MTNT__BATCH], any = false;
    int rc;

    for (size_t i = 0; i < count; i++) {
        bool failed = mtnt__known_idle(d->known + i) && d->known[i].failed;

        migrations[i] = failed ? d->known[i].migration : "";
        any = any || failed;
    }
    if (!any)
        return 0;
    rc = mtnt__store_run_tried(d->executor->controller, d->job.run, migrations, count, tried, rests, err);
    for (size_t i = 0; i < count && rc == 0; i++) {
        ret_facts[i].tried = tried[i];
        ret_facts[i].rests = rests[i];
    }
    return rc;
}

static int find_places(mtnt__dispatch *d, size_t count, mtnt__share_facts *ret_facts, mtnt_error *err)
{
    const char *tenants[MTNT__BATCH];
    bool placed[MTNT__BATCH];
    int rc;

    if (!has_places(d) || !mtnt__share_others(d))
        return 0;
    for (size_t i = 0; i < count; i++)
        tenants[i] = mtnt_model_id(d->batch[i]);
    rc = mtnt__places_find(d->executor->controller, d->job.run, tenants, count, placed, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        ret_facts[i].placed = placed[i];
    return rc;
}

int mtnt__share_find(mtnt__dispatch *d, size_t count, mtnt__share_facts *ret_facts, mtnt_error *err)
{
    int rc = 0;

    memset(ret_facts, 0, count * sizeof(*ret_facts));
    if (d->job.run != 0)
        rc = find_tried(d, count, ret_facts, err);
    if (d->job.run != 0 && rc == 0)
        rc = find_places(d, count, ret_facts, err);
    return rc;
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
    rc = mtnt__share_restore(d, err);
    if (rc == 0)
        rc = mtnt__store_run_leave(d->executor->controller, &note, &sums, err);
    if (rc == 0) {
        int64_t rest = sums.total - sums.migrated - sums.current - sums.failed;

        show(d, &sums, &note);
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
                                .direction = strcmp(row.terms.mode, baseline) == 0 ? MTNT_BASELINE
                                             : row.terms.backward                  ? MTNT_BACKWARD
                                                                                   : MTNT_FORWARD,
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
