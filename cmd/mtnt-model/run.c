#include "run.h"

#include <string.h>

#include "commands.h"
#include "interrupt.h"
#include "isolate.h"
#include "plan_saved.h"
#include "report.h"

static bool is(const char *value, const char *word)
{
    return value != NULL && strcmp(value, word) == 0;
}

/* --on-failure keep has a meaning only where operations commit one by one. */
static int check_policy(mtnt__work *work)
{
    mtnt__settings *settings = &work->settings;

    if (is(settings->on_failure, "keep") && is(settings->atomicity, "chain"))
        return mtnt__work_fail(work, MTNT__EXIT_USAGE,
                               "--on-failure keep needs --atomicity operation: a chain commits as a whole or not "
                               "at all");
    if (is(settings->on_failure, "keep"))
        settings->atomicity = "operation";
    return 0;
}

static int check_to(mtnt__work *work)
{
    const char *to = work->settings.to, *near = NULL;
    mtnt_entry_info info;

    if (to == NULL || mtnt_chain_find(work->chain, to) >= 0)
        return 0;
    for (size_t i = 0; near == NULL && mtnt_chain_get(work->chain, i, &info); i++) {
        const char *const name[] = {info.name, NULL};

        near = mtnt__words_nearest(to, name);
    }
    return mtnt__work_fail(work, MTNT__EXIT_USAGE, "--to: the chain %s has no operation %s%s%s%s",
                           mtnt_chain_name(work->chain), to, near != NULL ? "; did you mean " : "",
                           near != NULL ? near : "", near != NULL ? "?" : "");
}

static int check_run(mtnt__work *work)
{
    int64_t number;

    if (work->settings.run == NULL || mtnt__words_int(work->settings.run, 1, INT64_MAX, &number))
        return 0;
    return mtnt__work_fail(work, MTNT__EXIT_USAGE, "--run: '%s' is no number of a run", work->settings.run);
}

/* Whether it gets that far with --steps is known of each tenant only, and then refused there. */
static int check_delete(mtnt__work *work, const mtnt__run_spec *spec)
{
    const mtnt__settings *settings = &work->settings;
    size_t last = mtnt_chain_len(work->chain);
    mtnt_entry_info info;

    if (spec->direction != MTNT_FORWARD || spec->steps > 0 || settings->yes || last == 0 ||
        !mtnt_chain_get(work->chain, last - 1, &info))
        return 0;
    if (info.disabled || (info.flags & MTNT_OPERATION_DELETES_MODEL) == 0)
        return 0;
    if (settings->to != NULL && strcmp(settings->to, info.name) != 0)
        return 0;
    return mtnt__work_fail(
        work, MTNT__EXIT_USAGE,
        "operation %lld %s deletes the models of the selected tenants: say --yes if that is meant, or "
        "stop before it with --to NAME",
        (long long)info.order, info.name);
}

int mtnt__run_prepare(mtnt__work *work)
{
    int exit_code = mtnt__work_load_chain(work);

    if (exit_code == 0)
        exit_code = check_run(work);

    if (exit_code == 0)
        exit_code = check_policy(work);
    return exit_code != 0 ? exit_code : check_to(work);
}

mtnt_mode mtnt__run_mode(const mtnt__work *work)
{
    return is(work->settings.mode, "saga") ? MTNT_MODE_SAGA : MTNT_MODE_AUTO;
}

void mtnt__run_options(const mtnt__work *work, const mtnt__run_spec *spec, mtnt_executor_options *options)
{
    const mtnt__settings *settings = &work->settings;

    options->workers = (int)settings->workers;
    options->direction = spec->direction;
    options->stop_on_error = is(settings->on_error, "stop");
    options->command = spec->command;
    /* Takeovers and baselines run nothing; a rehearsal is looked at from here. */
    if (spec->adoption == NULL && spec->rehearsal == NULL && spec->direction != MTNT_BASELINE)
        options->isolation = mtnt__isolate_of(work);
    options->rollout = (mtnt_rollout_options){.waves = settings->waves,
                                              .canary = settings->canary,
                                              .soak_ms = settings->soak_ms,
                                              .max_failures = settings->max_failures,
                                              .retries = settings->retries,
                                              .retry_ms = settings->retry_pause_ms,
                                              .per_server = settings->per_server,
                                              .connections = settings->connections,
                                              .rate = settings->rate,
                                              .controller_wait_ms = settings->controller_wait_ms,
                                              .groups = work->project.groups,
                                              .group_count = work->project.group_count};
    options->migration.atomicity =
        is(settings->atomicity, "operation") ? MTNT_ATOMICITY_OPERATION : MTNT_ATOMICITY_CHAIN;
    options->migration.fingerprint = is(settings->fingerprint, "always")  ? MTNT_FINGERPRINT_ALWAYS
                                     : is(settings->fingerprint, "never") ? MTNT_FINGERPRINT_NEVER
                                                                          : MTNT_FINGERPRINT_AUTO;
    options->migration.on_failure = is(settings->on_failure, "keep") ? MTNT_ON_FAILURE_KEEP : MTNT_ON_FAILURE_ROLLBACK;
    options->migration.mode = mtnt__run_mode(work);
    options->migration.to = settings->to;
    options->migration.steps = spec->steps;
    options->migration.run = spec->join ? NULL : settings->run;
    options->migration.allow_out_of_order = settings->allow_out_of_order;
    options->migration.accept_checksums = settings->accept_checksums;
    options->migration.keep_in_step = settings->keep_in_step;
    options->migration.backup = settings->backup;
    options->migration.rehearse = spec->rehearsal != NULL;
    options->migration.allow_delete = settings->yes;
    options->migration.adoption = spec->adoption;
    options->migration.deadline_ms = settings->deadline_ms;
    options->migration.operation_timeout_ms = settings->operation_timeout_ms;
    options->migration.unlock_deadline_ms = settings->unlock_deadline_ms;
    options->migration.heartbeat_ms = settings->heartbeat_ms;
    options->migration.heartbeat_retries = (int)settings->heartbeat_retries;
}

int mtnt__run_connections(mtnt__work *work, int *ret_workers, int64_t *ret_connections)
{
    const mtnt__run_spec spec = {.command = "migrate", .direction = MTNT_FORWARD};
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_executor *executor = NULL;
    mtnt_error err = MTNT_ERROR_INIT;

    mtnt__run_options(work, &spec, &options);
    if (mtnt_executor_new(&executor, work->controller, work->chain, &options, &err) != 0)
        return mtnt__work_fail_error(work, &err);
    *ret_workers = mtnt_executor_workers(executor);
    *ret_connections = mtnt_executor_connections(executor);
    mtnt_executor_free(executor);
    return 0;
}

/* A lane that waits for one that is only rehearsed has nothing to say yet. */
int mtnt__run_exit_code(const mtnt_counts *counts, int rc, const mtnt_error *err, int first_signal, bool rehearsal)
{
    int64_t untouched = counts->untouched - (rehearsal ? counts->held : 0);

    if (first_signal != 0)
        return MTNT__EXIT_SIGNAL + first_signal;
    if (rc != 0)
        return counts->migrated + counts->current + counts->failed > 0 ? MTNT__EXIT_FAILED : mtnt__work_exit_code(err);
    if (counts->stop == MTNT_STOP_BUDGET)
        return MTNT__EXIT_BUDGET;
    return counts->failed + counts->elsewhere > 0 || untouched > 0 ? MTNT__EXIT_FAILED : MTNT__EXIT_OK;
}

/* The run that is to be joined, and what is to be said of it. */
static int find_run(mtnt__work *work, mtnt__run_spec *spec, int64_t *ret_run)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_run_info info;
    int64_t wanted = 0;

    (void)mtnt__words_int(work->settings.run == NULL ? "0" : work->settings.run, 0, INT64_MAX, &wanted);
    if (mtnt_run_find(work->controller, work->chain, wanted, &info, &err) != 0) {
        (void)mtnt__work_fail_error(work, &err);
        return MTNT__EXIT_FATAL;
    }
    mtnt__work_note(work, "run %lld (%s): %lld process%s at work on it", (long long)info.run, info.command,
                    (long long)info.at_work, info.at_work == 1 ? " is" : "es are");
    spec->direction = info.direction;
    *ret_run = info.run;
    return 0;
}

static int perform(mtnt__work *work, mtnt_executor *executor, mtnt_tenant_source *source, mtnt__report *report,
                   json_t **ret_result)
{
    mtnt__interrupt interrupt;
    mtnt_error err = MTNT_ERROR_INIT;
    int rc, exit_code, error = mtnt__interrupt_start(&interrupt, executor, &work->screen);

    if (error != 0)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "cannot start a thread: %s", strerrordesc_np(error));
    report->stopping = &interrupt.count;
    rc = mtnt_executor_migrate(executor, source, &report->counts, &err);
    exit_code =
        mtnt__run_exit_code(&report->counts, rc, &err, mtnt__interrupt_stop(&interrupt), report->rehearsal != NULL);
    report->stopping = NULL;
    if (rc != 0) {
        (void)mtnt__work_fail_error(work, &err);
        report->error = err;
    }
    if (rc == 0 && report->counts.total == 0)
        mtnt__work_note(work, "no tenant is selected");
    mtnt__report_finish(report, exit_code, ret_result);
    return exit_code;
}

/* Percentages are of the tenants that have something to do: the source is read through for them. */
static int count_pending(mtnt__work *work, mtnt_executor_options *options)
{
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_executor *executor = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_counts counts;
    int exit_code;

    if (!mtnt_rollout_needs_count(&options->rollout))
        return 0;
    exit_code = mtnt__work_open_tenants(work, &source);
    if (exit_code != 0)
        return exit_code;
    if (mtnt_executor_new(&executor, work->controller, work->chain, options, &err) != 0 ||
        mtnt_executor_count(executor, &source, &counts, &err) != 0)
        exit_code = mtnt__work_fail_error(work, &err);
    else
        options->rollout.pending = counts.untouched > 0 ? counts.untouched : 1;
    mtnt_executor_free(executor);
    mtnt_tenant_source_close(&source);
    return exit_code;
}

int mtnt__run(mtnt__work *work, const mtnt__run_spec *asked, json_t **ret_result)
{
    mtnt__run_spec own = *asked, *spec = &own;
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_executor *executor = NULL;
    mtnt__report report = {.work = NULL};
    mtnt__saved_states states = {NULL, 0, 0, false};
    mtnt_error err = MTNT_ERROR_INIT;
    int exit_code = mtnt__run_prepare(work);

    if (exit_code == 0 && work->settings.plan != NULL && work->settings.isolate)
        exit_code = mtnt__work_fail(
            work, MTNT__EXIT_USAGE,
            "--plan and --isolate exclude each other: what a plan expects of a tenant is asked in this process");
    if (exit_code == 0 && spec->rehearsal != NULL && work->settings.isolate)
        mtnt__work_note(work, "operations are rehearsed in this process: one that crashes ends the rehearsal");
    if (exit_code == 0 && work->settings.plan != NULL) {
        exit_code = mtnt__saved_load(work, &states);
        spec->steps = work->settings.steps;
    }
    if (exit_code == 0 && !spec->join && spec->rehearsal == NULL && spec->adoption == NULL)
        exit_code = check_delete(work, spec);
    if (exit_code == 0)
        exit_code = mtnt__work_open_fleet(work, &source);
    if (exit_code == 0 && work->settings.plan != NULL)
        exit_code = mtnt__saved_compare(work, &states);
    if (exit_code == 0 && spec->join)
        exit_code = find_run(work, spec, &options.join_run);
    if (exit_code == 0)
        exit_code = mtnt__report_init(&report, work, spec->command, spec->direction);
    if (exit_code != 0)
        goto out;
    report.rehearsal = spec->rehearsal;
    mtnt__run_options(work, spec, &options);
    if (work->settings.plan != NULL) {
        options.migration.expect = mtnt__saved_expect;
        options.migration.expect_data = &states;
    }
    /* What a joined run's percentages are of was counted when it was begun. */
    exit_code = spec->join ? 0 : count_pending(work, &options);
    if (exit_code != 0)
        goto out;
    options.reporter = (mtnt_reporter){mtnt__report_event, &report};
    if (mtnt_executor_new(&executor, work->controller, work->chain, &options, &err) != 0) {
        exit_code = mtnt__work_fail_error(work, &err);
        goto out;
    }
    exit_code = perform(work, executor, &source, &report, ret_result);
out:
    mtnt_executor_free(executor);
    mtnt_tenant_source_close(&source);
    mtnt__report_release(&report);
    mtnt__saved_states_release(&states);
    return exit_code;
}
