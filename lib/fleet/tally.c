#include "fleet/tally.h"

#include <string.h>

#define PROGRESS_EVERY_MS 100

void mtnt__tally_init(mtnt__tally *tally, const mtnt_reporter *reporter, const mtnt__system *system)
{
    *tally = (mtnt__tally){.reporter = reporter, .system = system, .started_ms = system->boot_ms(system->data)};
    tally->counts.total = -1;
    tally->counts.budget = -1;
}

static void emit(mtnt__tally *tally, mtnt_event event)
{
    tally->counts.elapsed_ms = tally->system->boot_ms(tally->system->data) - tally->started_ms;
    if (tally->reporter->event == NULL)
        return;
    if (event.wall_ms == 0)
        event.wall_ms = tally->system->wall_ms(tally->system->data);
    event.run = tally->run;
    event.lane = tally->lane;
    event.processes = tally->processes;
    event.at_work = tally->at_work;
    if (tally->processes > 1 && event.counts != NULL) {
        tally->whole.elapsed_ms = tally->counts.elapsed_ms;
        tally->whole.running = tally->counts.running;
        event.whole = &tally->whole;
    }
    tally->reporter->event(tally->reporter->data, &event);
}

void mtnt__tally_run_started(mtnt__tally *tally, int workers, const char *guarantee)
{
    emit(tally,
         (mtnt_event){
             .type = MTNT_EVENT_RUN_STARTED, .counts = &tally->counts, .workers = workers, .guarantee = guarantee});
}

void mtnt__tally_tenant_started(mtnt__tally *tally, const mtnt__task *task)
{
    emit(tally, (mtnt_event){.type = MTNT_EVENT_TENANT_STARTED, .tenant = task->model});
}

void mtnt__tally_current(mtnt__tally *tally, const mtnt_model *model)
{
    tally->counts.current++;
    emit(tally, (mtnt_event){.type = MTNT_EVENT_TENANT_FINISHED,
                             .tenant = model,
                             .result = MTNT_RESULT_CURRENT,
                             .counts = &tally->counts});
}

void mtnt__tally_recovered(mtnt__tally *tally, bool committed)
{
    if (committed)
        tally->counts.recovered_committed++;
    else
        tally->counts.recovered_aborted++;
}

void mtnt__tally_failed(mtnt__tally *tally, const mtnt_model *model, const mtnt_error *error)
{
    bool doubt = error->code == MTNT_E_IN_DOUBT || error->code == MTNT_E_BLOCKED;

    tally->counts.failed++;
    tally->met++;
    tally->counts.in_doubt += doubt;
    emit(tally, (mtnt_event){.type = MTNT_EVENT_TENANT_FINISHED,
                             .tenant = model,
                             .result = doubt ? MTNT_RESULT_IN_DOUBT : MTNT_RESULT_FAILED,
                             .error = error,
                             .counts = &tally->counts});
}

void mtnt__tally_elsewhere(mtnt__tally *tally, const mtnt_model *model)
{
    tally->counts.elsewhere++;
    emit(tally, (mtnt_event){.type = MTNT_EVENT_TENANT_FINISHED,
                             .tenant = model,
                             .result = MTNT_RESULT_ELSEWHERE,
                             .counts = &tally->counts});
}

void mtnt__tally_untouched(mtnt__tally *tally, const mtnt_model *model)
{
    tally->counts.untouched++;
    if (model != NULL)
        emit(tally, (mtnt_event){.type = MTNT_EVENT_TENANT_FINISHED,
                                 .tenant = model,
                                 .result = MTNT_RESULT_UNTOUCHED,
                                 .counts = &tally->counts});
}

void mtnt__tally_held(mtnt__tally *tally, const mtnt_model *model, const mtnt_error *error)
{
    tally->counts.untouched++;
    tally->counts.held++;
    emit(tally, (mtnt_event){.type = MTNT_EVENT_TENANT_FINISHED,
                             .tenant = model,
                             .result = MTNT_RESULT_UNTOUCHED,
                             .error = error,
                             .counts = &tally->counts});
}

static void operations(mtnt__tally *tally, const mtnt__task *task)
{
    for (size_t i = 0; i < task->history_count; i++) {
        const mtnt__step *step = task->history + i;

        emit(tally, (mtnt_event){.type = MTNT_EVENT_OPERATION,
                                 .wall_ms = step->finished_ms,
                                 .tenant = task->model,
                                 .operation = step->entry->name,
                                 .order = step->entry->order,
                                 .status = step->status,
                                 .duration_ms = step->finished_ms - step->started_ms,
                                 .up = !task->job->backward});
    }
}

static mtnt_result count_result(mtnt__tally *tally, const mtnt__task *task)
{
    mtnt_counts *counts = &tally->counts;

    switch (task->verdict) {
    case MTNT__VERDICT_COMMITTED:
        counts->migrated++;
        counts->operations += (int64_t)task->outcome.executed;
        counts->cloned += task->outcome.cloned_model;
        return MTNT_RESULT_MIGRATED;
    case MTNT__VERDICT_REHEARSED:
        counts->migrated++;
        counts->operations += (int64_t)task->outcome.executed;
        return MTNT_RESULT_REHEARSED;
    case MTNT__VERDICT_NOTHING: counts->current++; return MTNT_RESULT_CURRENT;
    case MTNT__VERDICT_IN_DOUBT:
    case MTNT__VERDICT_BLOCKED:
    case MTNT__VERDICT_DIVERGED:
    case MTNT__VERDICT_ROLLBACK_FAILED:
        counts->failed++;
        counts->in_doubt++;
        return MTNT_RESULT_IN_DOUBT;
    case MTNT__VERDICT_FAILED:
    case MTNT__VERDICT_OTHER_MODE: break;
    }
    counts->failed++;
    counts->operations += (int64_t)task->outcome.executed;
    if (task->outcome.executed > 0)
        counts->kept++;
    else if (task->history_count > 0)
        counts->rolled_back++;
    return MTNT_RESULT_FAILED;
}

void mtnt__tally_finished(mtnt__tally *tally, const mtnt__task *task)
{
    mtnt_result result;

    operations(tally, task);
    result = count_result(tally, task);
    if (task->outcome.migration == NULL && task->result_code != 0)
        tally->met++;
    emit(tally, (mtnt_event){.type = MTNT_EVENT_TENANT_FINISHED,
                             .tenant = task->model,
                             .result = result,
                             .outcome = &task->outcome,
                             .error = task->result_code != 0 ? &task->error : NULL,
                             .counts = &tally->counts});
}

void mtnt__tally_retry(mtnt__tally *tally, const mtnt__task *task, int64_t pause_ms)
{
    mtnt_event event = {.type = MTNT_EVENT_TENANT_RETRY,
                        .tenant = task->model,
                        .error = &task->error,
                        .tries = task->tries,
                        .pause_ms = pause_ms,
                        .counts = &tally->counts};

    tally->counts.retries++;
    if (task->outcome.migration != NULL && !task->again) {
        operations(tally, task);
        event.outcome = &task->outcome;
        /* What was kept is nobody's at the end otherwise. */
        tally->counts.operations += (int64_t)task->outcome.executed;
    }
    emit(tally, event);
}

void mtnt__tally_wave(mtnt__tally *tally, mtnt_event_type type, const mtnt_wave *wave)
{
    emit(tally, (mtnt_event){.type = type, .wave = wave, .counts = &tally->counts});
}

void mtnt__tally_progress(mtnt__tally *tally, size_t running)
{
    int64_t now = tally->system->boot_ms(tally->system->data);

    tally->counts.running = (int64_t)running;
    if (now - tally->progress_ms < PROGRESS_EVERY_MS)
        return;
    tally->progress_ms = now;
    emit(tally, (mtnt_event){.type = MTNT_EVENT_PROGRESS, .counts = &tally->counts});
}

void mtnt__tally_warning(mtnt__tally *tally, const mtnt_error *error)
{
    emit(tally, (mtnt_event){.type = MTNT_EVENT_WARNING, .error = error});
}

void mtnt__tally_remark(mtnt__tally *tally, const mtnt__task *task)
{
    mtnt_error warning = MTNT_ERROR_INIT;

    if (task->attempt.remark[0] == '\0')
        return;
    mtnt_error_set(&warning, MTNT_E_OPERATION, "tenant %s: all of it is committed, but %s", mtnt_model_id(task->model),
                   task->attempt.remark);
    mtnt__tally_warning(tally, &warning);
}

void mtnt__tally_run_finished(mtnt__tally *tally, const mtnt_error *error)
{
    mtnt_counts *counts = &tally->counts;

    counts->running = 0;
    counts->total = counts->migrated + counts->current + counts->failed + counts->untouched + counts->elsewhere;
    emit(tally, (mtnt_event){.type = MTNT_EVENT_RUN_FINISHED, .error = error, .counts = counts});
}
