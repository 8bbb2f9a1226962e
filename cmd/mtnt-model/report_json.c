#include "failures.h"
#include "report.h"

/* Tenants that are listed one by one: a fleet in which all fail must not fill the memory. jsonl has them all. */
enum { LISTED_MAX = 1000 };

static const char *const results[] = {
    [MTNT_RESULT_NONE] = "none",           [MTNT_RESULT_MIGRATED] = "migrated",   [MTNT_RESULT_CURRENT] = "current",
    [MTNT_RESULT_FAILED] = "failed",       [MTNT_RESULT_IN_DOUBT] = "in_doubt",   [MTNT_RESULT_UNTOUCHED] = "untouched",
    [MTNT_RESULT_ELSEWHERE] = "elsewhere", [MTNT_RESULT_REHEARSED] = "rehearsed",
};

/* What every event of jsonl begins with. */
static json_t *begin(const mtnt_event *event, const char *name)
{
    return json_pack("{ss so sI}", "event", name, "time", mtnt__encode_time(event->wall_ms), "run",
                     (json_int_t)event->run);
}

/* The two objects become one; either may be NULL for lack of memory. */
static json_t *join(json_t *first, json_t *second)
{
    if (first == NULL || second == NULL || json_object_update(first, second) != 0) {
        json_decref(first);
        first = NULL;
    }
    json_decref(second);
    return first;
}

static json_t *describe_run(const mtnt__report *report)
{
    const mtnt_chain *chain = report->work->chain;

    return json_pack(
        "{ss so so* sI so si so}", "command", report->command, "chain", mtnt__encode_text(mtnt_chain_name(chain)),
        "lane", report->work->lane == NULL ? NULL : mtnt__encode_text(report->work->lane), "chain_length",
        (json_int_t)mtnt_chain_len(chain), "controller", mtnt__encode_text(report->controller), "workers",
        report->workers, "guarantee", mtnt__encode_text(report->guarantee[0] != '\0' ? report->guarantee : NULL));
}

/* Of the whole run, where several processes work on it; else nothing. */
static json_t *describe_whole(const mtnt__report *report)
{
    const mtnt_counts *whole = &report->whole;

    if (report->processes < 2)
        return json_object();
    return json_pack("{si si s{sI sI sI sI sI sI}}", "processes", report->processes, "at_work", report->at_work,
                     "whole", "total", (json_int_t)whole->total, "migrated", (json_int_t)whole->migrated, "current",
                     (json_int_t)whole->current, "failed", (json_int_t)whole->failed, "untouched",
                     (json_int_t)whole->untouched, "operations", (json_int_t)whole->operations);
}

static json_t *describe_outcome(const mtnt_outcome *outcome)
{
    return json_pack(
        "{so so sI sI sI sI sb sb sb sb so so sI so so*}", "migration", mtnt__encode_text(outcome->migration), "mode",
        mtnt__encode_text(outcome->mode), "executed", (json_int_t)outcome->executed, "rolled_back",
        (json_int_t)outcome->rolled_back, "from_version", (json_int_t)outcome->from_version, "version",
        (json_int_t)outcome->to_version, "created_model", outcome->created_model, "cloned_model", outcome->cloned_model,
        "recovered", outcome->recovered, "recovered_committed", outcome->recovered_committed, "note",
        mtnt__encode_text(outcome->note), "started", mtnt__encode_time(outcome->started_ms), "duration_ms",
        (json_int_t)(outcome->finished_ms - outcome->started_ms), "failed",
        outcome->failed_operation == NULL
            ? json_null()
            : json_pack("{so sI so}", "operation", mtnt__encode_text(outcome->failed_operation), "order",
                        (json_int_t)outcome->failed_order, "phase", mtnt__encode_text(outcome->failed_phase)),
        "adopted_from", outcome->adopted_from == NULL ? NULL : mtnt__encode_text(outcome->adopted_from));
}

static json_t *describe_tenant(const mtnt_event *event)
{
    json_t *tenant = json_pack("{so ss so}", "tenant", mtnt__encode_text(mtnt_model_id(event->tenant)), "result",
                               results[event->result], "error", mtnt__encode_error(event->error));

    return event->outcome == NULL ? tenant : join(tenant, describe_outcome(event->outcome));
}

static json_t *describe_operation(const mtnt_event *event)
{
    return json_pack("{so so sI ss ss sI so}", "tenant", mtnt__encode_text(mtnt_model_id(event->tenant)), "operation",
                     mtnt__encode_text(event->operation), "order", (json_int_t)event->order, "direction",
                     event->up ? "up" : "down", "status", mtnt_status_name(event->status), "duration_ms",
                     (json_int_t)event->duration_ms, "error", mtnt__encode_error(event->error));
}

static json_t *describe_wave(const mtnt_event *event)
{
    const mtnt_wave *wave = event->wave;
    json_t *object = json_pack("{si si so}", "wave", wave->number, "waves", wave->of, "tenants",
                               wave->tenants < 0 ? json_null() : json_integer((json_int_t)wave->tenants));

    if (event->type == MTNT_EVENT_WAVE_STARTED)
        return object;
    return join(object,
                json_pack("{sI sI sI sI}", "migrated", (json_int_t)wave->migrated, "current", (json_int_t)wave->current,
                          "failed", (json_int_t)wave->failed, "soak_ms", (json_int_t)wave->soak_ms));
}

static json_t *describe_retry(const mtnt_event *event)
{
    return json_pack("{so sI sI so so}", "tenant", mtnt__encode_text(mtnt_model_id(event->tenant)), "tries",
                     (json_int_t)event->tries, "pause_ms", (json_int_t)event->pause_ms, "operation",
                     mtnt__encode_text(event->outcome == NULL ? NULL : event->outcome->failed_operation), "error",
                     mtnt__encode_error(event->error));
}

static json_t *describe_event(mtnt__report *report, const mtnt_event *event)
{
    switch (event->type) {
    case MTNT_EVENT_RUN_STARTED:
        return join(join(begin(event, "run_started"), describe_run(report)),
                    json_pack("{sI}", "total", (json_int_t)report->counts.total));
    case MTNT_EVENT_TENANT_STARTED:
        return join(begin(event, "tenant_started"),
                    json_pack("{so}", "tenant", mtnt__encode_text(mtnt_model_id(event->tenant))));
    case MTNT_EVENT_OPERATION: return join(begin(event, "operation"), describe_operation(event));
    case MTNT_EVENT_TENANT_FINISHED: return join(begin(event, "tenant_finished"), describe_tenant(event));
    case MTNT_EVENT_PROGRESS:
        return join(
            begin(event, "progress"),
            join(join(mtnt__encode_counts(&report->counts), describe_whole(report)),
                 json_pack("{sI sI sI}", "running", (json_int_t)report->counts.running, "elapsed_ms",
                           (json_int_t)report->counts.elapsed_ms, "soak_ms", (json_int_t)report->counts.soak_ms)));
    case MTNT_EVENT_WARNING:
        return join(begin(event, "warning"), json_pack("{so}", "error", mtnt__encode_error(event->error)));
    case MTNT_EVENT_WAVE_STARTED: return join(begin(event, "wave_started"), describe_wave(event));
    case MTNT_EVENT_WAVE_FINISHED: return join(begin(event, "wave_finished"), describe_wave(event));
    case MTNT_EVENT_TENANT_RETRY: return join(begin(event, "tenant_retry"), describe_retry(event));
    case MTNT_EVENT_RUN_FINISHED: break; /* printed by the finish, which knows the exit code */
    }
    return NULL;
}

/* Where several lanes run, each event says whose it is. */
static json_t *in_lane(const mtnt__report *report, json_t *event)
{
    if (event == NULL || report->beside_count == 0 || json_object_get(event, "lane") != NULL)
        return event;
    return join(event, json_pack("{so}", "lane", mtnt__encode_text(report->work->lane)));
}

void mtnt__report_json_event(mtnt__report *report, const mtnt_event *event)
{
    bool failed = event->type == MTNT_EVENT_TENANT_FINISHED &&
                  (event->result == MTNT_RESULT_FAILED || event->result == MTNT_RESULT_IN_DOUBT);

    if (report->work->settings.format == MTNT__FORMAT_JSONL) {
        if (event->type == MTNT_EVENT_RUN_FINISHED ||
            (event->type == MTNT_EVENT_PROGRESS && report->work->settings.quiet))
            return;
        mtnt__encode_put(report->work->screen.out, in_lane(report, describe_event(report, event)), true);
        fflush(report->work->screen.out);
        return;
    }
    if (failed && json_array_size(report->failures) < LISTED_MAX)
        json_array_append_new(report->failures, describe_tenant(event));
    else if (failed)
        report->failures_unlisted++;
    mtnt__report_progress(report, &report->counts, false);
}

void mtnt__report_json_finish(mtnt__report *report, int exit_code, json_t **ret_result)
{
    bool lines = report->work->settings.format == MTNT__FORMAT_JSONL;
    json_t *result =
        json_pack("{so so sI so sO sI so so si}", "started", mtnt__encode_time(report->started_ms), "finished",
                  mtnt__encode_time(report->finished_ms), "duration_ms", (json_int_t)report->counts.elapsed_ms, "error",
                  mtnt__encode_error(&report->error), "failures", report->failures, "failures_unlisted",
                  (json_int_t)report->failures_unlisted, "failure_groups", mtnt__failures_describe(&report->groups),
                  "notes", mtnt__failures_describe_notes(&report->notes), "exit", exit_code);

    if (report->rehearsal != NULL)
        result = join(result, mtnt__rehearsal_describe(report->work, report->rehearsal));
    result =
        join(result, join(describe_run(report), join(mtnt__encode_counts(&report->counts), describe_whole(report))));
    if (lines) {
        const mtnt_event finished = {.wall_ms = report->finished_ms, .run = report->run};

        if (result != NULL) {
            json_object_del(result, "failures");
            json_object_del(result, "failures_unlisted");
        }
        mtnt__encode_put(report->work->screen.out, join(begin(&finished, "run_finished"), result), true);
    } else if (ret_result != NULL) {
        *ret_result = join(json_pack("{sI}", "run", (json_int_t)report->run), result);
    } else {
        mtnt__encode_put(report->work->screen.out, join(json_pack("{sI}", "run", (json_int_t)report->run), result),
                         false);
    }
}
