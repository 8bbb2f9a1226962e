#include <inttypes.h>

#include "report.h"

static const char *result_word(mtnt_result result)
{
    static const char *const words[] = {
        [MTNT_RESULT_NONE] = "",
        [MTNT_RESULT_MIGRATED] = "migrated",
        [MTNT_RESULT_CURRENT] = "current",
        [MTNT_RESULT_FAILED] = "failed",
        [MTNT_RESULT_IN_DOUBT] = "in doubt",
        [MTNT_RESULT_UNTOUCHED] = "untouched",
        [MTNT_RESULT_ELSEWHERE] = "failed in another process",
        [MTNT_RESULT_REHEARSED] = "rehearsed",
    };

    return words[result];
}

static void put_error(FILE *to, const mtnt_error *err)
{
    if (err == NULL || err->code == MTNT_OK)
        return;
    fputs(": ", to);
    if (err->file[0] != '\0') {
        mtnt__words_put(to, err->file);
        fprintf(to, ":%u: ", err->line);
    }
    mtnt__words_put(to, err->message);
    if (err->state[0] != '\0') {
        fputs(" (", to);
        mtnt__words_put(to, err->state);
        fputc(')', to);
    }
}

static void put_tenant(FILE *to, const mtnt_event *event)
{
    const mtnt_outcome *outcome = event->outcome;

    mtnt__words_put(to, mtnt_model_id(event->tenant));
    fprintf(to, " %s", result_word(event->result));
    if (outcome != NULL && event->result == MTNT_RESULT_MIGRATED)
        fprintf(to, ", version %" PRId64 " to %" PRId64 ", %s, in %" PRId64 " ms", outcome->from_version,
                outcome->to_version, outcome->mode != NULL ? outcome->mode : "nothing to commit",
                outcome->finished_ms - outcome->started_ms);
    put_error(to, event->error);
}

static void put_operation(FILE *to, const mtnt_event *event)
{
    mtnt__words_put(to, mtnt_model_id(event->tenant));
    fprintf(to, " %s %" PRId64 " ", event->up ? "operation" : "rollback of", event->order);
    mtnt__words_put(to, event->operation != NULL ? event->operation : "");
    fprintf(to, " %s in %" PRId64 " ms", mtnt_status_name(event->status), event->duration_ms);
    put_error(to, event->error);
}

static void put_wave(FILE *to, const mtnt_event *event)
{
    const mtnt_wave *wave = event->wave;

    fprintf(to, "wave %d of %d ", wave->number, wave->of);
    if (event->type == MTNT_EVENT_WAVE_STARTED) {
        fputs("started", to);
        if (wave->tenants >= 0)
            fprintf(to, ", %" PRId64 " tenant%s", wave->tenants, wave->tenants == 1 ? "" : "s");
        return;
    }
    fprintf(to, "finished, %" PRId64 " tenant%s: %" PRId64 " migrated, %" PRId64 " current, %" PRId64 " failed",
            wave->tenants, wave->tenants == 1 ? "" : "s", wave->migrated, wave->current, wave->failed);
    if (wave->soak_ms > 0)
        fprintf(to, ", the next one in %" PRId64 " ms", wave->soak_ms);
}

static void put_retry(FILE *to, const mtnt_event *event)
{
    mtnt__words_put(to, mtnt_model_id(event->tenant));
    fprintf(to, " try %" PRId64 " failed, the next one in %" PRId64 " ms", event->tries, event->pause_ms);
    put_error(to, event->error);
}

void mtnt__report_log(FILE *to, const mtnt_event *event)
{
    char time[MTNT__WORDS_TIME_SIZE];

    if (event->type == MTNT_EVENT_PROGRESS)
        return;
    mtnt__words_time(time, event->wall_ms);
    fprintf(to, "%s ", time);
    if (event->run > 0)
        fprintf(to, "run %" PRId64 " ", event->run);
    switch (event->type) {
    case MTNT_EVENT_RUN_STARTED:
        fprintf(to, "started, %d workers, %s", event->workers, event->guarantee != NULL ? event->guarantee : "");
        break;
    case MTNT_EVENT_TENANT_STARTED:
        mtnt__words_put(to, mtnt_model_id(event->tenant));
        fputs(" started", to);
        break;
    case MTNT_EVENT_TENANT_FINISHED: put_tenant(to, event); break;
    case MTNT_EVENT_OPERATION: put_operation(to, event); break;
    case MTNT_EVENT_WARNING:
        fputs("warning", to);
        put_error(to, event->error);
        break;
    case MTNT_EVENT_RUN_FINISHED:
        fputs("finished", to);
        put_error(to, event->error);
        break;
    case MTNT_EVENT_WAVE_STARTED:
    case MTNT_EVENT_WAVE_FINISHED: put_wave(to, event); break;
    case MTNT_EVENT_TENANT_RETRY: put_retry(to, event); break;
    case MTNT_EVENT_PROGRESS: break;
    }
    fputc('\n', to);
    fflush(to);
}
