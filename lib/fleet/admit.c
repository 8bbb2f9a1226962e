#include "fleet/admit.h"

#include <inttypes.h>

#include "fleet/share.h"

#define SEAT_WAIT_MS 100 /* while other processes have all seats of a server */

int mtnt__admit_init(mtnt__dispatch *d, int64_t total, mtnt_error *err)
{
    const mtnt_rollout_options *options = &d->executor->options.rollout;
    int rc = mtnt__waves_plan(&d->waves, options, total, err);

    if (rc == 0 && options->rate != NULL && !mtnt__rate_parse(options->rate, &d->pace.count, &d->pace.ms))
        rc = mtnt_rollout_check_rate(options->rate, err);
    if (rc == 0)
        rc = mtnt__groups_init(&d->groups, options, err);
    if (rc == 0)
        rc = mtnt__parking_init(&d->parking, options->group_count + 1, err);
    d->tally.counts.budget = mtnt__waves_budget(&d->waves);
    d->left = INT64_MAX;
    return rc;
}

void mtnt__admit_release(mtnt__dispatch *d)
{
    mtnt__groups_release(&d->groups);
    mtnt__parking_release(&d->parking);
    mtnt__servers_release(&d->servers);
}

/* ---- waves ---- */

static void show_wave(mtnt__dispatch *d, int64_t soak_ms)
{
    d->tally.counts.wave = d->waves.judges ? d->waves.at + 1 : 0;
    d->tally.counts.waves = d->waves.judges ? d->waves.count : 0;
    d->tally.counts.soak_ms = soak_ms;
}

void mtnt__admit_announce(mtnt__dispatch *d)
{
    mtnt_wave wave = {.number = d->waves.at + 1, .of = d->waves.count, .tenants = mtnt__waves_size(&d->waves)};

    d->wave_began = d->tally.counts;
    d->judged = false;
    show_wave(d, 0);
    if (d->waves.judges)
        mtnt__tally_wave(&d->tally, MTNT_EVENT_WAVE_STARTED, &wave);
}

void mtnt__admit_finish_wave(mtnt__dispatch *d, int64_t soak_ms)
{
    const mtnt_counts *now = &d->tally.counts, *then = &d->wave_began;
    mtnt_wave wave = {.number = d->waves.at + 1,
                      .of = d->waves.count,
                      .tenants = d->waves.begun - d->waves.begun_before,
                      .migrated = now->migrated - then->migrated,
                      .failed = now->failed - then->failed,
                      .soak_ms = soak_ms};
    bool shared = d->share.sums.processes > 1;

    if (d->judged || !d->waves.judges || wave.tenants == 0)
        return;
    d->judged = true;
    if (shared) { /* what others have done in it is not told apart */
        wave.failed = mtnt__share_failed(d) - d->waves.failed_before;
        wave.migrated = wave.tenants - wave.failed - d->waves.open;
    }
    wave.current = wave.tenants - wave.migrated - wave.failed - d->waves.open;
    mtnt__tally_wave(&d->tally, MTNT_EVENT_WAVE_FINISHED, &wave);
}

void mtnt__admit_conclude(mtnt__dispatch *d)
{
    mtnt__servers_give_all(d);
    mtnt__admit_finish_wave(d, 0);
    d->tally.counts.soak_ms = 0;
}

static void stop(mtnt__dispatch *d)
{
    int64_t failed = mtnt__share_failed(d), here = failed - d->waves.failed_before;
    int64_t budget = mtnt__waves_budget(&d->waves);
    mtnt_error error = MTNT_ERROR_INIT;

    d->tally.counts.stop = MTNT_STOP_BUDGET;
    if (d->waves.budgeted && failed > budget)
        mtnt_error_set(&error, MTNT_E_CANCELLED,
                       "the failure budget is spent: %" PRId64 " tenant%s failed, and at most %" PRId64 " may "
                       "(max_failures %s). No further tenant is begun",
                       failed, failed == 1 ? "" : "s", budget, d->executor->options.rollout.max_failures);
    else
        mtnt_error_set(&error, MTNT_E_CANCELLED,
                       "wave %d of %d has not passed: %" PRId64 " of its %" PRId64 " tenant%s failed, and %s%s may. "
                       "No further tenant is begun",
                       d->waves.at + 1, d->waves.count, here, mtnt__waves_size(&d->waves),
                       mtnt__waves_size(&d->waves) == 1 ? "" : "s", d->waves.budgeted ? "no more than " : "none",
                       d->waves.budgeted ? d->executor->options.rollout.max_failures : "");
    mtnt__tally_warning(&d->tally, &error);
}

void mtnt__admit_judge_budget(mtnt__dispatch *d)
{
    if (d->waves.budgeted)
        mtnt__admit_judge(d);
}

void mtnt__admit_judge(mtnt__dispatch *d)
{
    if (d->tally.counts.stop == MTNT_STOP_NONE && mtnt__waves_spent(&d->waves, mtnt__share_failed(d)))
        stop(d);
}

void mtnt__admit_show_soak(mtnt__dispatch *d, int64_t soak_ms)
{
    show_wave(d, soak_ms);
}

void mtnt__admit_set_wave(mtnt__dispatch *d, const mtnt__wave_row *row)
{
    bool moved = row->wave > d->waves.at;

    /* Everybody has a place in the last one, and none is written down. */
    if (mtnt__waves_last(&d->waves) || row->wave < d->waves.at || row->wave >= d->waves.count)
        return;
    if (moved)
        mtnt__admit_finish_wave(d, 0);
    mtnt__waves_set(&d->waves, (int)row->wave, row->begun + d->share.asking, row->begun_before, row->failed_before);
    if (moved)
        mtnt__admit_announce(d);
}

/* A wave is over when the ends of all its tenants are written, by whatever process. No wave is complete for everybody that is not so here. */
static void move_on(mtnt__dispatch *d)
{
    mtnt__admit_judge_budget(d);
    if (d->tally.counts.stop == MTNT_STOP_NONE && mtnt__waves_complete(&d->waves))
        mtnt__share_wave(d);
}

/* ---- letting go ---- */

/* A seat on its server is asked for last: nothing else stands against it. */
static bool may_begin(mtnt__dispatch *d, const mtnt__task *task)
{
    return (task->counted || task->placed || mtnt__waves_room(&d->waves)) &&
           mtnt__groups_room(&d->groups, task->group) && mtnt__servers_room(d, task);
}

static void begin(mtnt__dispatch *d, mtnt__task *task, int64_t now_ms)
{
    if (!task->counted && task->placed) {
        mtnt__waves_inherit(&d->waves);
    } else if (!task->counted) {
        mtnt__waves_begin(&d->waves);
        task->asks = true;
        d->share.asking++;
    }
    task->counted = task->seated = true;
    mtnt__groups_sit(&d->groups, task->group);
    mtnt__servers_sit(d, task);
    mtnt__pace_take(&d->pace, now_ms);
    /* An interrupted migration is settled by a worker: it may take long, and nobody else is to wait for it. */
    if (task->recovering)
        mtnt__pool_push(d->pool, task);
    else
        d->wanting.items[d->wanting.count++] = task;
}

/* Whether anybody may. */
static bool let_go(mtnt__dispatch *d)
{
    int64_t now_ms = mtnt__dispatch_now_ms(d);
    size_t kept = 0, before = d->queued.count;

    mtnt__servers_begin_round(&d->servers);
    for (size_t i = 0; i < before; i++) {
        mtnt__task *task = d->queued.items[i];

        if (mtnt__groups_stopped(&d->groups, task->group)) {
            mtnt__dispatch_count_dropped(d, task);
            mtnt__dispatch_free_task(d, task);
        } else if (mtnt__pace_room(&d->pace, now_ms) && may_begin(d, task)) {
            begin(d, task, now_ms);
        } else {
            d->queued.items[kept++] = task;
        }
    }
    d->queued.count = kept;
    return kept < before;
}

void mtnt__admit(mtnt__dispatch *d)
{
    move_on(d);
    if (mtnt__dispatch_draining(d))
        return;
    d->moved = let_go(d);
    if (mtnt__servers_trade(d))
        d->moved = let_go(d) || d->moved;
}

void mtnt__admit_limit(mtnt__dispatch *d)
{
    int64_t failed = d->tally.counts.failed, left = mtnt__waves_left(&d->waves, mtnt__share_failed(d));

    if (d->executor->options.stop_on_error)
        left = -failed;
    /* Whoever is at it then was begun before, and is to finish. */
    if (d->tally.counts.stop != MTNT_STOP_NONE || mtnt__dispatch_draining(d))
        left = INT64_MAX;
    if (left == INT64_MAX && d->left == INT64_MAX)
        return;
    d->left = left;
    mtnt__pool_allow(d->pool, left);
}

void mtnt__admit_over(mtnt__dispatch *d, mtnt__task *task)
{
    if (task->seated) {
        mtnt__groups_rise(&d->groups, task->group);
        mtnt__servers_rise(d, task);
    }
    task->seated = false;
    if (task->result_code != 0 && !task->tries_on && !task->taken)
        mtnt__groups_fail(&d->groups, task->group);
}

static void ask_no_more(mtnt__dispatch *d, mtnt__task *task)
{
    if (task->asks)
        d->share.asking--;
    task->asks = false;
}

void mtnt__admit_placed(mtnt__dispatch *d, mtnt__task *task)
{
    ask_no_more(d, task);
    task->placed = !mtnt__waves_last(&d->waves);
}

static void leave_wave(mtnt__dispatch *d, mtnt__task *task)
{
    if (task->counted && task->asks)
        mtnt__waves_forget(&d->waves);
    else if (task->counted)
        mtnt__waves_end(&d->waves);
    ask_no_more(d, task);
    task->counted = false;
}

void mtnt__admit_back(mtnt__dispatch *d, mtnt__task *task)
{
    mtnt__admit_over(d, task);
    leave_wave(d, task);
    d->queued.items[d->queued.count++] = task;
}

void mtnt__admit_aside(mtnt__dispatch *d, mtnt__task *task)
{
    leave_wave(d, task);
    task->result_code = 0;
}

void mtnt__admit_gone(mtnt__dispatch *d, mtnt__task *task)
{
    if (task->counted)
        mtnt__waves_end(&d->waves);
    if (task->asks && !mtnt__waves_last(&d->waves))
        d->waves.begun--; /* it had nothing to do, and leaves its place to another */
    ask_no_more(d, task);
}

void mtnt__admit_drop(mtnt__dispatch *d)
{
    for (size_t i = 0; i < d->queued.count; i++) {
        mtnt__dispatch_count_dropped(d, d->queued.items[i]);
        mtnt__dispatch_free_task(d, d->queued.items[i]);
    }
    d->queued.count = 0;
    for (size_t lot = 0; lot < d->parking.lot_count; lot++) {
        mtnt_model *model;

        while ((model = mtnt__parking_take(&d->parking, lot)) != NULL) {
            mtnt__groups_part(&d->groups, lot);
            mtnt__tally_untouched(&d->tally, model);
            mtnt_model_free(model);
        }
    }
}

/* At rest: something that was let go, or a wave that is over, is for the next round. */
int64_t mtnt__admit_idle_ms(const mtnt__dispatch *d, int64_t most)
{
    int64_t now_ms = mtnt__dispatch_now_ms(d), until_ms = now_ms + most;

    if (d->moved)
        return 1;
    if (mtnt__waves_complete(&d->waves) && d->share.look_ms < until_ms)
        until_ms = d->share.look_ms;
    if (d->queued.count > 0 && !mtnt__pace_room(&d->pace, now_ms) &&
        now_ms + mtnt__pace_wait_ms(&d->pace, now_ms) < until_ms)
        until_ms = now_ms + mtnt__pace_wait_ms(&d->pace, now_ms);
    for (size_t i = 0; i < d->resting.count; i++)
        if (d->resting.items[i]->due_ms < until_ms)
            until_ms = d->resting.items[i]->due_ms;
    if (mtnt__servers_wanted(&d->servers) && now_ms + SEAT_WAIT_MS < until_ms)
        until_ms = now_ms + SEAT_WAIT_MS;
    return until_ms > now_ms ? until_ms - now_ms : 1;
}
