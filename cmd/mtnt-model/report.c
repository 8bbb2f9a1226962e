#include "report.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "quote.h"

static int open_log(mtnt__report *report)
{
    const char *path = report->work->settings.log_file;
    int fd;

    if (path == NULL)
        return 0;
    fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd >= 0)
        report->log = fdopen(fd, "a");
    if (report->log == NULL)
        return mtnt__work_fail(report->work, MTNT__EXIT_FATAL, "cannot write the log file %s: %m", path);
    return 0;
}

int mtnt__report_init(mtnt__report *report, mtnt__work *work, const char *command, mtnt_direction direction)
{
    *report = (mtnt__report){.work = work, .command = command, .direction = direction};
    report->again = mtnt__quote_context(work);
    report->controller = mtnt__quote_near(mtnt_controller_shown(work->controller));
    report->failures = json_array();
    if (report->again == NULL || report->controller == NULL || report->failures == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    return open_log(report);
}

void mtnt__report_release(mtnt__report *report)
{
    if (report->log != NULL)
        fclose(report->log);
    free(report->again);
    free(report->controller);
    json_decref(report->failures);
    mtnt__tally_groups_release(&report->groups);
    mtnt__tally_groups_release(&report->notes);
    memset(report, 0, sizeof *report);
}

/* Without memory it is of no group, and shown. */
static void group_failure(mtnt__report *report, const mtnt_event *event)
{
    const mtnt_error *err = event->error;
    const char *operation = event->outcome == NULL ? NULL : event->outcome->failed_operation;

    report->nth = 0;
    if (event->result != MTNT_RESULT_FAILED && event->result != MTNT_RESULT_IN_DOUBT)
        return;
    if (mtnt__tally_failure_add(&report->groups, mtnt_model_id(event->tenant), err == NULL ? "" : err->message,
                                operation, err == NULL ? NULL : err->state, err == NULL ? NULL : err->statement,
                                &report->nth) != 0)
        report->nth = 0;
}

/* What the summary needs, whatever the format. */
static void remember(mtnt__report *report, const mtnt_event *event)
{
    if (event->counts != NULL)
        report->counts = *event->counts;
    if (event->whole != NULL) {
        report->whole = *event->whole;
        report->processes = event->processes;
        report->at_work = event->at_work;
    }
    switch (event->type) {
    case MTNT_EVENT_TENANT_FINISHED:
        if (event->tenant != NULL)
            group_failure(report, event);
        if (event->tenant != NULL && event->error == NULL && event->outcome != NULL && event->outcome->note != NULL)
            (void)mtnt__tally_group_add_plain(&report->notes, mtnt_model_id(event->tenant), event->outcome->note);
        if (event->tenant != NULL && report->rehearsal != NULL)
            mtnt__rehearsal_note(report->rehearsal, event);
        break;
    case MTNT_EVENT_RUN_STARTED:
        report->run = event->run;
        report->started_ms = event->wall_ms;
        report->workers = event->workers;
        snprintf(report->guarantee, sizeof report->guarantee, "%s", event->guarantee != NULL ? event->guarantee : "");
        break;
    case MTNT_EVENT_RUN_FINISHED:
        report->run = event->run;
        report->finished_ms = event->wall_ms;
        if (event->error != NULL)
            report->error = *event->error;
        break;
    default: break;
    }
}

void mtnt__report_event(void *data, const mtnt_event *event)
{
    mtnt__report *report = data;

    remember(report, event);
    if (report->log != NULL)
        mtnt__report_log(report->log, event);
    if (report->work->settings.verbose) {
        mtnt__screen_line(&report->work->screen, NULL);
        mtnt__report_log(report->work->screen.err, event);
    }
    if (report->work->settings.format == MTNT__FORMAT_TEXT)
        mtnt__report_text_event(report, event);
    else
        mtnt__report_json_event(report, event);
}

void mtnt__report_finish(mtnt__report *report, int exit_code, json_t **ret_result)
{
    mtnt__screen_line(&report->work->screen, NULL);
    mtnt__tally_groups_sort(&report->groups);
    mtnt__tally_groups_sort(&report->notes);
    if (report->work->settings.format == MTNT__FORMAT_TEXT)
        mtnt__report_text_finish(report, exit_code);
    else
        mtnt__report_json_finish(report, exit_code, ret_result);
}
