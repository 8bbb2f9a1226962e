#include "beside.h"

#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "interrupt.h"
#include "lanes.h"
#include "report.h"
#include "run.h"

/* One lane. Events come from its own thread; the mutex is over all that they change, and is not needed once the lanes are over. */
typedef struct side {
    mtnt__work work; /* the caller's, with the chain and the name of the lane; nothing in it is owned */
    mtnt__report report;
    bool has_ended, was_stopped; /* its run; by a signal before that */
} side;

typedef struct sides {
    mtnt__work *work;
    side *items;
    size_t count;
    mtnt__report **reports; /* of all of them, for the progress line */
    pthread_mutex_t mutex;
    mtnt_executor *executor;
    mtnt__interrupt interrupt;
} sides;

/* ---- what the executor calls on its threads ---- */

static side *find(const sides *all, const char *lane)
{
    side *at = all->items;

    while (at + 1 < all->items + all->count && strcmp(at->work.lane, lane) != 0)
        at++;
    return at;
}

static void hear(void *data, const mtnt_event *event)
{
    sides *all = data;
    side *at = find(all, event->lane);
    mtnt__screen *screen = &all->work->screen;

    pthread_mutex_lock(&all->mutex);
    at->work.screen.line_shown = screen->line_shown;
    if (event->type == MTNT_EVENT_RUN_STARTED && all->work->settings.format == MTNT__FORMAT_JSONL)
        mtnt__lanes_put_event(&at->work);
    mtnt__report_event(&at->report, event);
    screen->line_shown = at->work.screen.line_shown;
    if (event->type == MTNT_EVENT_RUN_FINISHED) {
        at->has_ended = true;
        at->was_stopped = atomic_load(&all->interrupt.count) > 0;
    }
    pthread_mutex_unlock(&all->mutex);
}

static int open_tenants(void *data, const char *lane, mtnt_controller *controller, mtnt_tenant_source *ret_source,
                        mtnt_error *err)
{
    const sides *all = data;
    const mtnt__settings *settings = &all->work->settings;
    const char *path = strcmp(settings->tenants, "-") == 0 ? "<stdin>" : settings->tenants;
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    int rc = mtnt_tenants_load(&source, path, all->work->tenants_text, controller, err);

    (void)lane;
    if (rc == 0 && (settings->only.count > 0 || settings->exclude.count > 0 || settings->where.count > 0))
        return mtnt_tenants_select(ret_source, &source, settings->only.items, settings->exclude.items,
                                   settings->where.items, err);
    if (rc == 0)
        *ret_source = source;
    return rc;
}

/* ---- running ---- */

static int run_all(sides *all, const char *const *names)
{
    mtnt_error err = MTNT_ERROR_INIT;

    if (mtnt_executor_start(all->executor, names, open_tenants, all, &err) != 0)
        return mtnt__work_fail_error(all->work, &err);
    for (size_t i = 0; i < all->count; i++)
        (void)mtnt_executor_wait_lane(all->executor, names[i], -1, NULL, NULL);
    return 0;
}

/* What it has come to, and whether there is anything to be told of it: a lane that was not begun has no summary. */
static int conclude(const sides *all, side *at, int first_signal, bool *ret_told)
{
    mtnt_error err = MTNT_ERROR_INIT;
    int rc = 0;

    *ret_told = at->has_ended;
    if (at->has_ended) {
        if (at->report.error.code != MTNT_OK)
            (void)mtnt__work_fail_error(all->work, &at->report.error);
        return mtnt__run_exit_code(&at->report.counts, at->report.error.code, &at->report.error,
                                   at->was_stopped ? first_signal : 0, false);
    }
    rc = mtnt_executor_wait_lane(all->executor, at->work.lane, 0, NULL, &err);
    if (rc == 0)
        return MTNT__EXIT_OK;
    if (rc != MTNT_E_CANCELLED)
        return mtnt__work_fail_error(all->work, &err);
    mtnt__work_note(all->work, "%s", err.message);
    return first_signal != 0 ? MTNT__EXIT_SIGNAL + first_signal : MTNT__EXIT_OK;
}

static void put_lane(const sides *all, side *at, size_t nth, int exit_code, bool told)
{
    FILE *out = all->work->screen.out;
    json_t *result = NULL;

    switch (all->work->settings.format) {
    case MTNT__FORMAT_JSON:
        fprintf(out, "%s\"%s\": ", nth == 0 ? "{\"lanes\": {\n" : ",\n", at->work.lane);
        if (told)
            mtnt__report_finish(&at->report, exit_code, &result);
        if (told)
            mtnt__encode_put(out, result, false);
        else
            fputs("null\n", out);
        break;
    case MTNT__FORMAT_TEXT:
        if (!told)
            break;
        fprintf(out, "%slane ", nth == 0 ? "" : "\n");
        mtnt__screen_put(&all->work->screen, out, MTNT__STYLE_STRONG, at->work.lane);
        fputc('\n', out);
        mtnt__report_finish(&at->report, exit_code, NULL);
        break;
    default:
        if (told)
            mtnt__report_finish(&at->report, exit_code, NULL);
    }
}

static int put_all(sides *all, int first_signal)
{
    int exit_code = MTNT__EXIT_OK;
    bool none = true;

    mtnt__screen_line(&all->work->screen, NULL);
    for (size_t i = 0; i < all->count; i++) {
        bool told;
        int code = conclude(all, &all->items[i], first_signal, &told);

        all->items[i].work.screen.line_shown = false;
        none = none && told && all->items[i].report.counts.total == 0;
        put_lane(all, &all->items[i], i, code, told);
        exit_code = mtnt__lanes_worse(all->work, exit_code, code);
    }
    if (none)
        mtnt__work_note(all->work, "no tenant is selected");
    if (all->work->settings.format == MTNT__FORMAT_JSON)
        fprintf(all->work->screen.out, "}, \"exit\": %d}\n", exit_code);
    return exit_code;
}

/* ---- the frame ---- */

static int make(sides *all, const mtnt__beside_lane *lanes, const mtnt__run_spec *spec, const char **names)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_error err = MTNT_ERROR_INIT;

    for (size_t i = 0; i < all->count; i++) {
        side *at = &all->items[i];
        int exit_code;

        at->work = *all->work;
        at->work.chain = (mtnt_chain *)(uintptr_t)lanes[i].chain; /* nobody changes it */
        at->work.lane = names[i] = lanes[i].name;
        exit_code = mtnt__report_init(&at->report, &at->work, spec->command, spec->direction);
        if (exit_code != 0)
            return exit_code;
        all->reports[i] = &at->report;
        at->report.beside = all->reports;
        at->report.beside_count = all->count;
    }
    mtnt__run_options(all->work, spec, &options);
    options.reporter = (mtnt_reporter){hear, all};
    if (mtnt_executor_new(&all->executor, all->work->controller, all->work->chain, &options, &err) != 0)
        return mtnt__work_fail_error(all->work, &err);
    return 0;
}

static int migrate(sides *all, const char *const *names)
{
    int error = mtnt__interrupt_start(&all->interrupt, all->executor, &all->work->screen), exit_code, first_signal;

    if (error != 0)
        return mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "cannot start a thread: %s", strerrordesc_np(error));
    for (size_t i = 0; i < all->count; i++)
        all->items[i].report.stopping = &all->interrupt.count;
    exit_code = run_all(all, names);
    first_signal = mtnt__interrupt_stop(&all->interrupt);
    return exit_code != 0 ? exit_code : put_all(all, first_signal);
}

int mtnt__beside_migrate(mtnt__work *work, const mtnt__beside_lane *lanes, size_t count)
{
    const mtnt__run_spec spec = {.command = "migrate", .direction = MTNT_FORWARD};
    sides all = {.work = work,
                 .items = calloc(count, sizeof *all.items),
                 .count = count,
                 .reports = calloc(count, sizeof(mtnt__report *)),
                 .mutex = PTHREAD_MUTEX_INITIALIZER};
    const char **names = calloc(count + 1, sizeof *names);
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    int exit_code;

    if (all.items == NULL || all.reports == NULL || names == NULL)
        exit_code = mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    else
        exit_code = mtnt__run_prepare(work);
    if (exit_code == 0)
        exit_code = mtnt__work_open_fleet(work, &source);
    /* Each lane opens them for itself: this was to see whether they are right. */
    mtnt_tenant_source_close(&source);
    if (exit_code == 0)
        exit_code = make(&all, lanes, &spec, names);
    if (exit_code == 0)
        exit_code = migrate(&all, names);
    mtnt_executor_free(all.executor);
    for (size_t i = 0; all.items != NULL && i < count; i++)
        mtnt__report_release(&all.items[i].report);
    free(names);
    free(all.reports);
    free(all.items);
    return exit_code;
}
