#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lanes.h"
#include "failures.h"
#include "report.h"

static void put_header(mtnt__report *report, const mtnt_event *event)
{
    const mtnt__screen *screen = &report->work->screen;
    const char *dot = mtnt__screen_sign(screen, " · ", " - ");
    size_t operations = mtnt_chain_len(report->work->chain);

    mtnt__lanes_put_chain(report->work);
    fprintf(screen->out, "%s%zu operation%s", dot, operations, operations == 1 ? "" : "s");
    if (report->counts.total >= 0)
        fprintf(screen->out, "%s%" PRId64 " tenant%s", dot, report->counts.total, report->counts.total == 1 ? "" : "s");
    fprintf(screen->out, "%s%d worker%s%scontroller ", dot, event->workers, event->workers == 1 ? "" : "s", dot);
    mtnt__words_put(screen->out, report->controller);
    fputc('\n', screen->out);
    if (report->rehearsal != NULL) {
        fputs("rehearsal: everything is run, and rolled back\n", screen->out);
    } else if (event->guarantee != NULL) {
        fputs("guarantee: ", screen->out);
        mtnt__words_put(screen->out, event->guarantee);
        fputc('\n', screen->out);
    }
    fputc('\n', screen->out);
    fflush(screen->out);
}

static void put_warning(mtnt__report *report, const mtnt_error *err)
{
    mtnt__screen *screen = &report->work->screen;

    if (err == NULL || report->work->settings.verbose)
        return; /* said by the log */
    mtnt__screen_line(screen, NULL);
    fputs("mtnt-model: warning: ", screen->err);
    mtnt__words_put(screen->err, err->message);
    fputc('\n', screen->err);
}

static void put_wave(const mtnt__report *report, const mtnt_wave *wave)
{
    FILE *out = report->work->screen.out;
    char soak[MTNT__WORDS_DURATION_SIZE];

    if (report->beside_count > 0) {
        fputs("lane ", out);
        mtnt__words_put(out, report->work->lane);
        fputs(", ", out);
    }
    fprintf(out, "wave %d of %d: %" PRId64 " tenant%s, %" PRId64 " failed", wave->number, wave->of, wave->tenants,
            wave->tenants == 1 ? "" : "s", wave->failed);
    mtnt__words_duration(soak, wave->soak_ms);
    if (wave->soak_ms > 0)
        fprintf(out, "; the next one in %s", soak);
    fputc('\n', out);
    fflush(out);
}

static bool is_failure(const mtnt_event *event)
{
    return event->result == MTNT_RESULT_FAILED || event->result == MTNT_RESULT_IN_DOUBT;
}

void mtnt__report_text_event(mtnt__report *report, const mtnt_event *event)
{
    mtnt__screen *screen = &report->work->screen;

    switch (event->type) {
    case MTNT_EVENT_RUN_STARTED:
        mtnt__screen_line(screen, NULL); /* another lane's */
        if (!report->work->settings.quiet)
            put_header(report, event);
        break;
    case MTNT_EVENT_TENANT_FINISHED:
        /* The examples of each kind; the others are counted at the end. */
        if (is_failure(event) && report->nth <= MTNT__TALLY_EXAMPLES) {
            mtnt__screen_line(screen, NULL);
            mtnt__report_failure(report, event);
            fflush(screen->out);
        }
        if (event->result == MTNT_RESULT_UNTOUCHED && event->error != NULL && !report->held_said) {
            report->held_said = true;
            mtnt__work_note(report->work, "%s", event->error->message);
        }
        mtnt__report_progress(report, &report->counts, false);
        break;
    case MTNT_EVENT_TENANT_STARTED:
    case MTNT_EVENT_PROGRESS: mtnt__report_progress(report, &report->counts, false); break;
    case MTNT_EVENT_WARNING: put_warning(report, event->error); break;
    case MTNT_EVENT_WAVE_FINISHED:
        mtnt__screen_line(screen, NULL);
        if (!report->work->settings.quiet)
            put_wave(report, event->wave);
        break;
    case MTNT_EVENT_WAVE_STARTED:
    case MTNT_EVENT_TENANT_RETRY:
    case MTNT_EVENT_OPERATION: break;
    case MTNT_EVENT_RUN_FINISHED: mtnt__screen_line(screen, NULL); break;
    }
}

/* " (1 rolled back, 2 not begun)": adds up to the number of failed ones. */
static void put_failed(FILE *out, const mtnt_counts *counts)
{
    const struct {
        int64_t count;
        const char *word;
    } parts[] = {
        {counts->rolled_back, "rolled back"},
        {counts->kept, "kept in part"},
        {counts->in_doubt, "in doubt"},
        {counts->failed - counts->rolled_back - counts->kept - counts->in_doubt, "not begun"},
    };
    const char *separator = " (";

    fprintf(out, "%" PRId64 " failed", counts->failed);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (parts[i].count > 0) {
            fprintf(out, "%s%" PRId64 " %s", separator, parts[i].count, parts[i].word);
            separator = ", ";
        }
    if (counts->failed > 0)
        fputc(')', out);
}

static void put_recovered(FILE *out, const mtnt_counts *counts)
{
    int64_t count = counts->recovered_aborted + counts->recovered_committed;

    if (count > 0)
        fprintf(out,
                "%" PRId64 " tenant%s interrupted earlier; recovered: %" PRId64 " rolled back, %" PRId64 " completed\n",
                count, count == 1 ? " was" : "s were", counts->recovered_aborted, counts->recovered_committed);
}

static void put_retries(FILE *out, const mtnt_counts *counts)
{
    if (counts->retries > 0)
        fprintf(out, "%" PRId64 " tr%s failed and %s repeated\n", counts->retries, counts->retries == 1 ? "y" : "ies",
                counts->retries == 1 ? "was" : "were");
}

/* When not all of them have been shown. */
static void put_failures(const mtnt__report *report)
{
    bool hidden = false;

    for (size_t i = 0; i < report->groups.count; i++)
        hidden = hidden || report->groups.items[i].tenants > MTNT__TALLY_EXAMPLES;
    if (hidden)
        mtnt__failures_put(report->work, &report->groups);
}

/* Not without a reader: with --quiet they are left out. */
static void put_notes(const mtnt__report *report)
{
    if (!report->work->settings.quiet)
        mtnt__failures_put(report->work, &report->notes);
}

static void put_stop(const mtnt__report *report)
{
    const mtnt_counts *counts = &report->counts;
    FILE *out = report->work->screen.out;

    if (counts->stop != MTNT_STOP_BUDGET || counts->untouched == 0)
        return;
    fprintf(out, "stopped: more tenants failed than may; %" PRId64 " %s begun and %s as before\n", counts->untouched,
            counts->untouched == 1 ? "was not" : "were not", counts->untouched == 1 ? "is" : "are");
    fprintf(out, "  next: see to the failures, then   mtnt-model %s", report->command);
    mtnt__words_put(out, report->again);
    fputc('\n', out);
}

static const char *done_word(const mtnt__report *report)
{
    if (strcmp(report->command, "adopt") == 0)
        return "taken over";
    return report->direction == MTNT_BACKWARD   ? "taken back"
           : report->direction == MTNT_BASELINE ? "recorded"
                                                : "migrated";
}

static const char *nothing_word(const mtnt__report *report)
{
    if (strcmp(report->command, "adopt") == 0)
        return "this controller's already";
    return report->direction == MTNT_BACKWARD   ? "with nothing to take back"
           : report->direction == MTNT_BASELINE ? "with nothing to record"
                                                : "already current";
}

/* The run is that of several processes: the sums are of all of them, and this is what one has had to do with it. */
static void put_part(FILE *out, const mtnt__report *report)
{
    const mtnt_counts *counts = &report->counts;
    int others = report->at_work;

    fprintf(out, "  by %d processes, this one: %" PRId64 " %s, %" PRId64 " failed", report->processes, counts->migrated,
            done_word(report), counts->failed);
    if (others > 0)
        fprintf(out, "; %d other%s still at work", others, others == 1 ? " is" : "s are");
    fputc('\n', out);
}

static void put_sums(FILE *out, const mtnt__report *report)
{
    bool shared = report->processes > 1;
    const mtnt_counts *counts = shared ? &report->whole : &report->counts;
    int64_t total =
        counts->total >= 0 ? counts->total : counts->migrated + counts->current + counts->failed + counts->untouched;
    char duration[MTNT__WORDS_DURATION_SIZE];

    mtnt__words_duration(duration, counts->elapsed_ms);
    fprintf(out, "%" PRId64 " tenant%s: %" PRId64 " %s", total, total == 1 ? "" : "s", counts->migrated,
            report->rehearsal != NULL ? "rehearsed" : done_word(report));
    if (counts->cloned > 0)
        fprintf(out, " (%" PRId64 " as copies)", counts->cloned);
    fprintf(out, ", %" PRId64 " %s, ", counts->current, nothing_word(report));
    if (shared)
        fprintf(out, "%" PRId64 " failed", counts->failed);
    else
        put_failed(out, counts);
    fprintf(out, ", %" PRId64 " untouched", counts->untouched);
    if (counts->held > 0)
        fprintf(out, " (%" PRId64 " %s for another lane)", counts->held, counts->held == 1 ? "waits" : "wait");
    fprintf(out, "   in %s", duration);
}

/* One line for a pipe; on a terminal that is too narrow for it, broken behind a comma. */
static void put_line(const mtnt__screen *screen, char *line)
{
    size_t width = (size_t)mtnt__screen_width(screen);

    if (isatty(fileno(screen->out)) && strlen(line) > width) {
        char *comma = NULL;

        for (char *c = line; *c != '\0' && (size_t)(c - line) < width; c++)
            if (c[0] == ',' && c[1] == ' ')
                comma = c;
        if (comma != NULL) {
            comma[1] = '\0';
            fprintf(screen->out, "%s\n  ", line);
            line = comma + 2;
        }
    }
    fprintf(screen->out, "%s\n", line);
}

void mtnt__report_text_finish(mtnt__report *report, int exit_code)
{
    const mtnt__screen *screen = &report->work->screen;
    const mtnt_counts *counts = &report->counts;
    char *sums = NULL;
    size_t length = 0;
    FILE *text = open_memstream(&sums, &length);
    bool single = strcmp(report->command, "do") == 0 || strcmp(report->command, "undo") == 0;
    FILE *out = screen->out;

    put_recovered(out, counts);
    put_retries(out, counts);
    put_failures(report);
    put_notes(report);
    put_stop(report);
    if (report->rehearsal != NULL)
        mtnt__rehearsal_put(report->work, report->rehearsal);
    if (single && exit_code == 0 && counts->migrated == 0)
        fputs("Nothing to be done\n", out);
    if (text != NULL) {
        put_sums(text, report);
        fclose(text);
    }
    if (sums != NULL)
        put_line(screen, sums);
    free(sums);
    if (report->processes > 1)
        put_part(out, report);
    if (report->run > 0)
        fprintf(out, "run %" PRId64 "%s", report->run, mtnt__screen_sign(screen, " · ", " - "));
    fprintf(out, "exit %d\n", exit_code);
}
