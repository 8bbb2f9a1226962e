#include "fleet_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t number_of(const mtnt_model *tenant)
{
    return (size_t)strtoul(mtnt_model_id(tenant) + 1, NULL, 10) - 1;
}

static void finished(fleet_report *r, const mtnt_event *event)
{
    size_t number = number_of(event->tenant);

    r->in_block[0] = '\0';
    if (number >= FLEET_TENANTS)
        return;
    r->finished[number]++;
    r->results[number] = event->result;
    if (event->error != NULL)
        snprintf(r->texts[number], sizeof(r->texts[0]), "%s", event->error->message);
}

void fleet_report_event(void *data, const mtnt_event *event)
{
    fleet_report *r = data;

    switch (event->type) {
    case MTNT_EVENT_RUN_STARTED:
        r->run_started++;
        snprintf(r->guarantee, sizeof(r->guarantee), "%s", event->guarantee == NULL ? "" : event->guarantee);
        break;
    case MTNT_EVENT_RUN_FINISHED:
        r->run_finished++;
        r->counts = *event->counts;
        break;
    case MTNT_EVENT_TENANT_STARTED:
        if (number_of(event->tenant) < FLEET_TENANTS)
            r->started[number_of(event->tenant)]++;
        break;
    case MTNT_EVENT_OPERATION:
        r->operations++;
        r->mixed = r->mixed || (r->in_block[0] != '\0' && strcmp(r->in_block, mtnt_model_id(event->tenant)) != 0);
        snprintf(r->in_block, sizeof(r->in_block), "%s", mtnt_model_id(event->tenant));
        break;
    case MTNT_EVENT_TENANT_FINISHED:
        if (event->tenant != NULL)
            finished(r, event);
        break;
    case MTNT_EVENT_WARNING: snprintf(r->warning, sizeof(r->warning), "%s", event->error->message); break;
    case MTNT_EVENT_PROGRESS:
    case MTNT_EVENT_WAVE_STARTED:
    case MTNT_EVENT_WAVE_FINISHED: break;
    case MTNT_EVENT_TENANT_RETRY:
        r->retries++;
        r->in_block[0] = 0;
        break;
    }
}

void fleet_report_check(const fleet_report *r, const mtnt_counts *counts)
{
    assert_int_equal(r->run_started, 1);
    assert_int_equal(r->run_finished, 1);
    assert_false(r->mixed);
    assert_int_equal(counts->total, counts->migrated + counts->current + counts->failed + counts->untouched);
    assert_true(counts->failed >= counts->rolled_back + counts->in_doubt + counts->kept);
    assert_int_equal(counts->total, r->counts.total);
    assert_int_equal(counts->migrated, r->counts.migrated);
    assert_int_equal(counts->running, 0);
    for (size_t i = 0; i < FLEET_TENANTS; i++)
        assert_true(r->finished[i] <= 1);
}

int fleet_run_over(fleet *f, mtnt_tenant_source *source, int workers, const mtnt_executor_options *more,
                   fleet_report *r)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_executor *executor;
    mtnt_counts counts = {0};
    int rc;

    memset(r, 0, sizeof(*r));
    if (more != NULL)
        options = *more;
    options.workers = workers;
    options.reporter = (mtnt_reporter){fleet_report_event, r};
    mtnt_error_clear(&f->err);
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    rc = mtnt_executor_migrate(executor, source, &counts, &f->err);
    mtnt_executor_free(executor);
    assert_int_equal(rc, f->err.code);
    fleet_report_check(r, &counts);
    return rc;
}

int fleet_run(fleet *f, int workers, const mtnt_executor_options *more, fleet_report *r)
{
    mtnt_tenant_source source = fleet_source(f);

    return fleet_run_over(f, &source, workers, more, r);
}
