#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"

enum { REDRAW_MS = 100, BAR = 28, BAR_LEAST = 6, INDENT = 4 };

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void time_text(char ret_text[32], const char *before, int64_t s)
{
    if (s < 60)
        snprintf(ret_text, 32, "%s %" PRId64 "s", before, s);
    else if (s < 3600)
        snprintf(ret_text, 32, "%s %" PRId64 "m%02" PRId64 "s", before, s / 60, s % 60);
    else
        snprintf(ret_text, 32, "%s %" PRId64 "h%02" PRId64 "m", before, s / 3600, s % 3600 / 60);
}

static void rate_text(char ret_text[32], int64_t done, int64_t elapsed_ms)
{
    double rate = elapsed_ms > 0 ? (double)done * 1000.0 / (double)elapsed_ms : 0.0;

    snprintf(ret_text, 32, rate < 10.0 ? "%.1f/s" : "%.0f/s", rate);
}

static void eta_text(char ret_text[32], int64_t done, const mtnt_counts *counts)
{
    int64_t left = counts->total - done;
    int64_t s = done > 0 ? (int64_t)((double)counts->elapsed_ms * (double)left / (double)done / 1000.0 + 0.5) : -1;

    if (s < 0)
        snprintf(ret_text, 32, "eta ?");
    else
        time_text(ret_text, "eta", s);
}

/* The words beside the bar, ASCII only; `detail` 3 is all of them, and each less leaves one out. */
static void words(const mtnt__report *report, const mtnt_counts *counts, int detail, char ret_text[160])
{
    int64_t done = counts->migrated + counts->current + counts->failed;
    char rate[32], end[48], failed[40] = "";
    int stopping = report->stopping != NULL ? atomic_load(report->stopping) : 0;

    rate_text(rate, done, counts->elapsed_ms);
    if (stopping > 0)
        snprintf(end, sizeof end, "stopping, %" PRId64 " running", counts->running);
    else if (counts->soak_ms > 0)
        time_text(end, "next wave in", (counts->soak_ms + 999) / 1000);
    else if (counts->total < 0)
        end[0] = '\0';
    else
        eta_text(end, done, counts);
    if (counts->failed > 0 || detail >= 3)
        snprintf(failed, sizeof failed, "   failed %" PRId64, counts->failed);

    if (counts->total >= 0)
        snprintf(ret_text, 160, "%" PRId64 "/%" PRId64, done, counts->total);
    else
        snprintf(ret_text, 160, "%" PRId64 " tenants", done);
    if (detail >= 2)
        snprintf(ret_text + strlen(ret_text), 160 - strlen(ret_text), "   %s", rate);
    if (detail >= 1)
        snprintf(ret_text + strlen(ret_text), 160 - strlen(ret_text), "%s", failed);
    if (end[0] != '\0' && (detail >= 2 || stopping > 0))
        snprintf(ret_text + strlen(ret_text), 160 - strlen(ret_text), "   %s", end);
}

static void put_line(mtnt__screen *screen, const char *text, int bar, const mtnt_counts *counts)
{
    char *line = NULL;
    size_t length;
    FILE *out = open_memstream(&line, &length);

    if (out == NULL)
        return;
    if (bar > 0) {
        fprintf(out, "%*s", INDENT, "");
        mtnt__screen_bar(screen, out, bar, counts->migrated + counts->current + counts->failed, counts->total);
        fputs("  ", out);
    }
    fputs(text, out);
    if (fclose(out) == 0)
        mtnt__screen_line(screen, line);
    free(line);
}

static const mtnt_counts *whole_of(const mtnt__report *report)
{
    return report->processes > 1 ? &report->whole : &report->counts;
}

/* Of all lanes that have begun; `words` and the bar use no more of it. */
static void sum_up(const mtnt__report *report, mtnt_counts *ret_sum)
{
    *ret_sum = (mtnt_counts){.total = 0};
    for (size_t i = 0; i < report->beside_count; i++) {
        const mtnt__report *one = report->beside[i];
        const mtnt_counts *counts = whole_of(one);

        if (one->run == 0 && one->started_ms == 0)
            continue;
        ret_sum->total = ret_sum->total < 0 || counts->total < 0 ? -1 : ret_sum->total + counts->total;
        ret_sum->migrated += counts->migrated;
        ret_sum->current += counts->current;
        ret_sum->failed += counts->failed;
        ret_sum->running += one->finished_ms == 0 ? counts->running : 0;
        if (counts->elapsed_ms > ret_sum->elapsed_ms)
            ret_sum->elapsed_ms = counts->elapsed_ms;
    }
}

void mtnt__report_progress(mtnt__report *report, const mtnt_counts *counts, bool now)
{
    const mtnt_counts *shown = report->processes > 1 ? &report->whole : counts;
    mtnt_counts sum;
    mtnt__screen *screen = &report->work->screen;
    int64_t ms = now_ms();
    int width, bar, detail = 3;
    char text[160];

    if (!screen->live || (!now && screen->line_shown && ms - report->drawn_ms < REDRAW_MS))
        return;
    report->drawn_ms = ms;
    if (report->beside_count > 0) {
        sum_up(report, &sum);
        shown = &sum;
    }
    /* The last column stays free: a terminal wraps when it is written to. */
    width = mtnt__screen_width(screen) - 1;
    words(report, shown, detail, text);
    while (detail > 0 && (int)strlen(text) > width)
        words(report, shown, --detail, text);
    text[width < (int)sizeof text ? width : (int)sizeof text - 1] = '\0';
    bar = width - INDENT - 2 - (int)strlen(text);
    if (shown->total < 0 || bar < BAR_LEAST)
        bar = 0;
    put_line(screen, text, bar > BAR ? BAR : bar, shown);
}
