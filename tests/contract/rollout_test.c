/* A rollout over databases: waves that are judged, groups that take turns, budgets, tries that are repeated, and sources that end badly meanwhile. What
 * was not begun is looked at where it would be: its database is not there, and the controller does not know it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/database.h"
#include "fleet_run.h"
#include "state/runs.h"

#define SQLITE_MODELS (ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE))

/* ---- a fleet of SQLite models that the chain makes: c1, c2 …, every third one `tier=gold`, every fifth one `region=eu` ---- */

typedef struct crowd {
    fleet *f;
    int given, count, ends_at, fails_at, null_at; /* 0 = never */
    bool silent;                                  /* it cannot tell how many there are */
    bool all_gold, stop_on_error;
    int fails_from; /* tenants from this number on fail, at every `every` */
    int every;
    int wave_finished, waves_started, made_after[8]; /* models that are there when a wave has been judged */
    mtnt_counts then;
    mtnt_executor *executor;
    mtnt_event_type cancel_at; /* cancels the run when this comes */
    fleet_report report;
} crowd;

static crowd *now_running; /* set before any thread starts */

static void path_of(const crowd *c, int number, char *path, size_t size)
{
    snprintf(path, size, "%s/c%d.db", c->f->folder, number);
}

static bool is_there(const crowd *c, int number)
{
    char path[200];

    path_of(c, number, path, sizeof(path));
    return access(path, F_OK) == 0;
}

static int there(const crowd *c)
{
    int count = 0;

    for (int i = 1; i <= c->count; i++)
        count += is_there(c, i);
    return count;
}

static int next_of_crowd(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    const char *labels[3] = {NULL, NULL, NULL};
    char id[20], path[200], dsn[220];
    crowd *c = data;
    int label = 0;

    *ret_model = NULL;
    if (c->fails_at > 0 && c->given == c->fails_at)
        return mtnt_error_set(err, MTNT_E_IO, "the pipe has burst");
    if (c->given == c->count || (c->ends_at > 0 && c->given == c->ends_at) ||
        (c->null_at > 0 && c->given == c->null_at))
        return 0;
    c->given++;
    snprintf(id, sizeof(id), "c%d", c->given);
    path_of(c, c->given, path, sizeof(path));
    snprintf(dsn, sizeof(dsn), "sqlite:%s", path);
    if (c->given % 3 == 0 || c->all_gold)
        labels[label++] = "tier=gold";
    if (c->given % 5 == 0)
        labels[label++] = "region=eu";
    options.id = id;
    options.dsn = dsn;
    options.labels = labels;
    return mtnt_model_new(ret_model, &options, err);
}

static int64_t size_of_crowd(void *data)
{
    return ((crowd *)data)->silent ? -1 : ((crowd *)data)->count;
}

static int fail_some(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int number = atoi(mtnt_model_id(mtnt_scope_tenant(context)) + 1);
    const crowd *c = now_running;

    (void)f;
    (void)operation;
    if (c->every == 0 || number < c->fails_from || number % c->every != 0)
        return 0;
    return mtnt_error_set(err, MTNT_E_OPERATION, "no luck");
}

static void watch(void *data, const mtnt_event *event)
{
    crowd *c = data;

    fleet_report_event(&c->report, event);
    if (event->type == MTNT_EVENT_WAVE_STARTED)
        c->waves_started++;
    if (event->type == MTNT_EVENT_WAVE_FINISHED && c->wave_finished < 8)
        c->made_after[c->wave_finished++] = there(c);
    if (event->type == c->cancel_at)
        mtnt_executor_cancel(c->executor, MTNT_CANCEL_DRAIN);
}

static crowd crowd_of(fleet *f, int count)
{
    crowd c = {.f = f, .count = count};

    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = fail_some});
    return c;
}

/* What the executor says; counts in c->report.counts, which have been checked. */
static int roll_out(crowd *c, int workers, const mtnt_rollout_options *rollout)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = {next_of_crowd, size_of_crowd, NULL, c};
    mtnt_counts counts = {0};
    int rc;

    c->given = c->wave_finished = c->waves_started = 0;
    c->report = (fleet_report){0};
    options.workers = workers;
    options.reporter = (mtnt_reporter){watch, c};
    options.rollout = *rollout;
    options.stop_on_error = c->stop_on_error;
    now_running = c;
    mtnt_error_clear(&c->f->err);
    assert_code(c->f, mtnt_executor_new(&c->executor, c->f->controller, c->f->chain, &options, &c->f->err), 0);
    rc = mtnt_executor_migrate(c->executor, &source, &counts, &c->f->err);
    mtnt_executor_free(c->executor);
    if (counts.total > 0)
        fleet_report_check(&c->report, &counts);
    c->then = counts;
    return rc;
}

/* ---- waves ---- */

static void waves_one_after_another(fleet *f)
{
    crowd c = crowd_of(f, 40);

    assert_code(f, roll_out(&c, 8, &(mtnt_rollout_options){.waves = "1,5,50%,100%", .soak_ms = 20}), 0);
    assert_int_equal(c.waves_started, 4);
    assert_int_equal(c.wave_finished, 4);
    /* When a wave is judged its tenants are all done, and nobody else's. */
    assert_int_equal(c.made_after[0], 1);
    assert_int_equal(c.made_after[1], 5);
    assert_int_equal(c.made_after[2], 20);
    assert_int_equal(c.made_after[3], 40);
    assert_int_equal(c.then.migrated, 40);
    assert_int_equal(c.then.stop, MTNT_STOP_NONE);
    assert_true(is_there(&c, 1)); /* in the order of the source */
}

static void canary_that_fails(fleet *f)
{
    crowd c = crowd_of(f, 40);

    c.fails_from = 2;
    c.every = 2;
    assert_code(f, roll_out(&c, 4, &(mtnt_rollout_options){.canary = 3}), 0);
    assert_int_equal(c.then.stop, MTNT_STOP_BUDGET);
    assert_int_equal(c.then.failed, 1);
    assert_int_equal(c.then.migrated, 2);
    assert_int_equal(c.then.untouched, 37);
    assert_int_equal(there(&c), 2);
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant"), "3");
    /* The reason is gone: the next run goes on, with a canary of those that are left. */
    c.every = 0;
    assert_code(f, roll_out(&c, 4, &(mtnt_rollout_options){.canary = 3}), 0);
    assert_int_equal(c.made_after[0], 5);
    assert_int_equal(c.then.migrated, 38);
    assert_int_equal(c.then.current, 2);
}

static void budget_is_spent(fleet *f)
{
    crowd c = crowd_of(f, 60);

    c.fails_from = 1;
    c.every = 3;
    assert_code(f, roll_out(&c, 1, &(mtnt_rollout_options){.max_failures = "2"}), 0);
    assert_int_equal(c.then.stop, MTNT_STOP_BUDGET);
    assert_int_equal(c.then.failed, 3);
    assert_int_equal(c.then.budget, 2);
    /* Exactly: c9 was the third to fail, and the only worker has begun nothing after it. */
    assert_int_equal(c.then.migrated, 6);
    assert_int_equal(c.then.untouched, 51);
    assert_int_equal(there(&c), 6);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle'"), "0");
    /* As many as may. */
    c.fails_from = 59;
    assert_code(f, roll_out(&c, 4, &(mtnt_rollout_options){.max_failures = "1"}), 0);
    assert_int_equal(c.then.stop, MTNT_STOP_NONE);
    assert_int_equal(c.then.failed, 1);
    assert_int_equal(c.then.untouched, 0);
}

static void percentages_are_of_the_pending(fleet *f)
{
    crowd c = crowd_of(f, 40);
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = {next_of_crowd, size_of_crowd, NULL, &c};
    mtnt_executor *executor;
    mtnt_counts counts;

    c.ends_at = 20;
    assert_code(f, roll_out(&c, 4, &(mtnt_rollout_options){0}), 0);
    c.ends_at = 0;
    c.silent = true;
    assert_code(f, roll_out(&c, 4, &(mtnt_rollout_options){.waves = "10%"}), MTNT_E_INVALID);
    assert_non_null(strstr(f->err.message, "mtnt_executor_count"));
    assert_int_equal(there(&c), 20);
    c.given = 0;
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    assert_code(f, mtnt_executor_count(executor, &source, &counts, &f->err), 0);
    mtnt_executor_free(executor);
    assert_int_equal(counts.total, 40);
    assert_int_equal(counts.current, 20);
    assert_int_equal(counts.untouched, 20);
    assert_code(f, roll_out(&c, 4, &(mtnt_rollout_options){.waves = "10%", .pending = counts.untouched}), 0);
    assert_int_equal(c.made_after[0], 22);
    assert_int_equal(there(&c), 40);
}

/* The only worker begins nothing after the first failure. */
static void stops_at_once(fleet *f)
{
    crowd c = crowd_of(f, 40);

    c.stop_on_error = true;
    c.fails_from = 5;
    c.every = 5;
    assert_code(f, roll_out(&c, 1, &(mtnt_rollout_options){0}), 0);
    assert_int_equal(c.then.stop, MTNT_STOP_ON_ERROR);
    assert_int_equal(c.then.failed, 1);
    assert_int_equal(c.then.migrated, 4);
    assert_int_equal(c.then.untouched, 35);
    assert_int_equal(there(&c), 4);
}

/* Cancelled while it waits for an hour: at once. */
static void cancelled_in_a_soak(fleet *f)
{
    crowd c = crowd_of(f, 30);

    c.cancel_at = MTNT_EVENT_WAVE_FINISHED;
    assert_code(f, roll_out(&c, 4, &(mtnt_rollout_options){.canary = 2, .soak_ms = 3600000}), 0);
    assert_int_equal(c.then.migrated, 2);
    assert_int_equal(c.then.untouched, 28);
    assert_int_equal(there(&c), 2);
    assert_true(c.then.elapsed_ms < 600000);
}

/* ---- groups ---- */

static const char *const gold[] = {"tier=gold", NULL}, *const eu[] = {"region=eu", NULL},
                         *const on_gold[] = {"gold", NULL};

/* The place of tenant's last line in the log, or -1. */
static long place_of(fleet *f, int number)
{
    const char *log = fleet_log(f, NULL), *at;
    char line[40];

    snprintf(line, sizeof(line), "c%d: execute a", number);
    for (at = strstr(log, line); at != NULL && at[strlen(line)] != ',' && at[strlen(line)] != '\0';)
        at = strstr(at + 1, line);
    return at == NULL ? -1 : (long)(at - log);
}

static void groups_take_turns(fleet *f)
{
    const mtnt_group groups[] = {{.name = "eu", .match = eu, .order = 2},
                                 {.name = "gold", .match = gold, .order = 1, .parallel = 1}};
    crowd c = crowd_of(f, 30);
    long last_gold = -1, first_eu = 1L << 30, last_eu = -1, first_other = 1L << 30;

    assert_code(f, roll_out(&c, 8, &(mtnt_rollout_options){.groups = groups, .group_count = 2}), 0);
    assert_int_equal(c.then.migrated, 30);
    for (int i = 1; i <= 30; i++) {
        long place = place_of(f, i);

        assert_true(place >= 0);
        if (i % 5 == 0) { /* the first group that it matches */
            first_eu = place < first_eu ? place : first_eu;
            last_eu = place > last_eu ? place : last_eu;
        } else if (i % 3 == 0) {
            last_gold = place > last_gold ? place : last_gold;
        } else {
            first_other = place < first_other ? place : first_other;
        }
    }
    assert_true(last_gold < first_eu);
    assert_true(last_eu < first_other);
}

static void group_that_is_stopped(fleet *f)
{
    const mtnt_group groups[] = {{.name = "gold", .match = gold, .parallel = 1, .on_error = MTNT_ON_ERROR_STOP},
                                 {.name = "eu", .match = eu, .depends_on = on_gold}};
    crowd c = crowd_of(f, 30);

    c.fails_from = 6; /* c6 is the second of gold */
    c.every = 6;
    assert_code(f, roll_out(&c, 4, &(mtnt_rollout_options){.groups = groups, .group_count = 2}), 0);
    assert_int_equal(c.then.migrated, 1);
    assert_int_equal(c.then.failed, 1);
    assert_int_equal(c.then.untouched, 28);
    assert_int_equal(c.then.stop, MTNT_STOP_NONE);
    assert_true(is_there(&c, 3));
    assert_int_equal(there(&c), 1);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant"), "2");
}

/* Those whose group's turn has not come count, too. */
static void budget_before_a_turn(fleet *f)
{
    const mtnt_group groups[] = {{.name = "gold", .match = gold, .order = 1, .parallel = 1}};
    crowd c = crowd_of(f, 30);

    c.fails_from = 1;
    c.every = 3;
    assert_code(f, roll_out(&c, 1, &(mtnt_rollout_options){.groups = groups, .group_count = 1, .max_failures = "0"}),
                0);
    assert_int_equal(c.then.stop, MTNT_STOP_BUDGET);
    assert_int_equal(c.then.failed, 1);
    assert_int_equal(c.then.untouched, 29);
    assert_int_equal(c.then.total, 30);
}

static int fail_first(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    bool first;

    (void)operation;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "c3") != 0)
        return 0;
    pthread_mutex_lock(&f->mutex);
    first = f->counter++ == 0;
    pthread_mutex_unlock(&f->mutex);
    if (!first)
        return 0;
    mtnt_error_set(err, MTNT_E_DATABASE, "deadlock detected");
    err->retryable = true;
    return MTNT_E_DATABASE;
}

/* A tenant that is tried again has not failed yet. */
static void group_that_tries_again(fleet *f)
{
    const mtnt_group groups[] = {{.name = "gold", .match = gold, .parallel = 1, .on_error = MTNT_ON_ERROR_STOP}};
    crowd c = {.f = f, .count = 12};

    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = fail_first});
    f->counter = 0;
    assert_code(
        f, roll_out(&c, 2, &(mtnt_rollout_options){.groups = groups, .group_count = 1, .retries = 1, .retry_ms = 50}),
        0);
    assert_int_equal(c.then.retries, 1);
    assert_int_equal(c.then.migrated, 12);
}

/* f->counter: how many are at work; *f->data: how many have been at once. */
static int count_at_work(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int *most = f->data;

    (void)operation;
    (void)context;
    (void)err;
    pthread_mutex_lock(&f->mutex);
    if (++f->counter > *most)
        *most = (int)f->counter;
    pthread_mutex_unlock(&f->mutex);
    usleep(5000);
    pthread_mutex_lock(&f->mutex);
    f->counter--;
    pthread_mutex_unlock(&f->mutex);
    return 0;
}

static void so_many_of_a_group(fleet *f)
{
    const mtnt_group groups[] = {{.name = "gold", .match = gold, .parallel = 2}};
    crowd c = {.f = f, .count = 40, .all_gold = true};
    int most = 0;

    f->data = &most;
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = count_at_work});
    assert_code(f, roll_out(&c, 8, &(mtnt_rollout_options){.groups = groups, .group_count = 1}), 0);
    assert_int_equal(c.then.migrated, 40);
    assert_int_equal(most, 2);
}

/* ---- tries ---- */

static int failures_left; /* of t1; under the fleet's mutex while it runs */

static int fail_for_a_while(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int left;

    (void)operation;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t1") != 0)
        return 0;
    pthread_mutex_lock(&f->mutex);
    left = failures_left;
    failures_left -= left > 0;
    pthread_mutex_unlock(&f->mutex);
    if (left == 0)
        return 0;
    mtnt_error_set(err, MTNT_E_DATABASE, "deadlock detected");
    err->retryable = f->data == NULL;
    return MTNT_E_DATABASE;
}

static void tried_again(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = fail_for_a_while});
    failures_left = 2;
    options.rollout.retries = 3;
    options.rollout.retry_ms = 5;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    assert_int_equal(r.counts.failed, 0);
    assert_int_equal(r.counts.retries, 2);
    assert_int_equal(r.counts.operations, 6);
    assert_int_equal(r.started[0], 1);
    assert_int_equal(r.finished[0], 1);
    assert_text(fleet_applied(f, 0), "a;b");
    /* Each try is a migration of its own. */
    assert_text(fleet_ask_controller(f, "SELECT state, count(*) FROM mtnt_migration WHERE tenant = 't1' GROUP BY state "
                                        "ORDER BY state"),
                "aborted|2;committed|1");
}

static void tries_run_out(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = fail_for_a_while});
    failures_left = 100;
    options.rollout.retries = 2;
    options.rollout.retry_ms = 1;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 2);
    assert_int_equal(r.counts.failed, 1);
    assert_int_equal(r.counts.rolled_back, 1);
    assert_int_equal(r.counts.retries, 2);
    assert_int_equal(failures_left, 97);
    assert_non_null(strstr(r.texts[0], "deadlock detected"));
    assert_text(fleet_known(f, 0), "idle|0|error");
    /* What will not pass is tried once. */
    f->data = f;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    assert_int_equal(r.counts.retries, 0);
    assert_int_equal(failures_left, 96);
}

/* One by one, and what succeeded is kept: the next try begins behind it, and --steps holds over all tries. */
static void tried_again_by_the_operation(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = fail_for_a_while});
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    failures_left = 1;
    options.rollout.retries = 1;
    options.rollout.retry_ms = 1;
    options.migration.atomicity = MTNT_ATOMICITY_OPERATION;
    options.migration.on_failure = MTNT_ON_FAILURE_KEEP;
    options.migration.steps = 2;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    assert_int_equal(r.counts.operations, 6);
    assert_int_equal(r.counts.retries, 1);
    assert_text(fleet_applied(f, 0), "a;b");
    /* The same, and taken back: all of it is done again. */
    failures_left = 1;
    options.migration.on_failure = MTNT_ON_FAILURE_ROLLBACK;
    for (size_t i = 0; i < 3; i++)
        fleet_must_rewind(f, i);
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    assert_int_equal(r.counts.operations, 6);
    assert_text(fleet_applied(f, 0), "a;b");
}

/* The only worker goes on with the others meanwhile. */
static void rests_beside_the_worker(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    const char *log;
    fleet_report r;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = fail_for_a_while});
    failures_left = 1;
    options.rollout.retries = 1;
    options.rollout.retry_ms = 1500;
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    assert_true(r.counts.elapsed_ms >= 750); /* chance takes half of it at most */
    log = fleet_log(f, NULL);
    assert_non_null(strstr(log, "t3: execute a"));
    assert_text(log + strlen(log) - strlen("t1: execute a"), "t1: execute a");
}

static mtnt_executor *to_cancel;

static void cancel_at_a_retry(void *data, const mtnt_event *event)
{
    fleet_report_event(data, event);
    if (event->type == MTNT_EVENT_TENANT_RETRY)
        mtnt_executor_cancel(to_cancel, MTNT_CANCEL_DRAIN);
}

/* What rests when the run is drained has failed, as its last try did. */
static void cancelled_at_rest(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_counts counts;
    fleet_report r = {0};

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = fail_for_a_while});
    failures_left = 1;
    options.workers = 1;
    options.rollout.retries = 1;
    options.rollout.retry_ms = 3600000;
    options.reporter = (mtnt_reporter){cancel_at_a_retry, &r};
    assert_code(f, mtnt_executor_new(&to_cancel, f->controller, f->chain, &options, &f->err), 0);
    assert_code(f, mtnt_executor_migrate(to_cancel, &source, &counts, &f->err), 0);
    mtnt_executor_free(to_cancel);
    fleet_report_check(&r, &counts);
    assert_int_equal(r.results[0], MTNT_RESULT_FAILED);
    assert_non_null(strstr(r.texts[0], "deadlock detected"));
    assert_int_equal(counts.failed, 1);
    assert_int_equal(counts.rolled_back, 1);
    assert_text(fleet_known(f, 0), "idle|0|error");
}

/* ---- seats on servers ---- */

static int at_work, most_at_work; /* under the fleet's mutex while it runs */

static int note_work(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    pthread_mutex_lock(&f->mutex);
    if (++at_work > most_at_work)
        most_at_work = at_work;
    pthread_mutex_unlock(&f->mutex);
    usleep(20000);
    pthread_mutex_lock(&f->mutex);
    at_work--;
    pthread_mutex_unlock(&f->mutex);
    return 0;
}

static void so_many_of_a_server(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    at_work = most_at_work = 0;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = note_work});
    options.rollout.per_server = 2;
    assert_code(f, fleet_run(f, 8, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 8);
    if (f->model_backend == MTNT_POSTGRES)
        assert_in_range(most_at_work, 1, 2);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_seat"), "0");
}

/* Every other tenant. */
typedef struct half {
    fleet *f;
    size_t from;
    mtnt_controller *controller;
    mtnt_counts counts;
    mtnt_error err;
    int rc;
} half;

static int next_of_half(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    half *h = data;
    const struct fleet_tenant *tenant = h->f->tenants + h->from;

    *ret_model = NULL;
    if (h->from >= h->f->count)
        return 0;
    h->from += 2;
    options.id = tenant->id;
    options.dsn = tenant->dsn;
    options.schema = tenant->schema[0] == '\0' ? NULL : tenant->schema;
    return mtnt_model_new(ret_model, &options, err);
}

static void *run_half(void *data)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    half *h = data;
    mtnt_tenant_source source = {next_of_half, NULL, NULL, h};
    mtnt_executor *executor = NULL;

    options.workers = 4;
    options.rollout.per_server = 2;
    h->rc = mtnt_executor_new(&executor, h->controller, h->f->chain, &options, &h->err);
    if (h->rc == 0)
        h->rc = mtnt_executor_migrate(executor, &source, &h->counts, &h->err);
    mtnt_executor_free(executor);
    return NULL;
}

/* Two handles of the controller are two processes, as far as seats go. */
static void so_many_of_a_server_in_all(fleet *f)
{
    half halves[2] = {{.f = f, .from = 0}, {.f = f, .from = 1}};
    pthread_t threads[2];

    at_work = most_at_work = 0;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = note_work});
    for (int i = 0; i < 2; i++)
        assert_code(f, mtnt_controller_open(&halves[i].controller, f->controller_dsn, NULL, &f->err), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(threads + i, NULL, run_half, halves + i), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        mtnt_controller_close(halves[i].controller);
        if (halves[i].rc != 0)
            fail_msg("%s", halves[i].err.message);
        assert_int_equal(halves[i].counts.migrated, 4);
    }
    assert_in_range(most_at_work, 1, 2);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_seat"), "0");
}

static char seats_then[40]; /* while t1 was at work alone */

static int note_seats(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int64_t count = 0;
    mtnt_controller *controller = NULL;
    int rc;

    (void)operation;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t1") != 0)
        return 0;
    usleep(2500000);
    rc = mtnt_controller_open(&controller, f->controller_dsn, NULL, err);
    if (rc == 0)
        rc = mtnt_db_query_int(mtnt_controller_db(controller), &count, err, "SELECT count(*) FROM mtnt_seat");
    mtnt_controller_close(controller);
    snprintf(seats_then, sizeof(seats_then), "%d", (int)count);
    return rc;
}

/* What nobody waits for is others' to have. */
static void seats_that_are_not_used(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = note_seats});
    options.rollout.per_server = 3;
    assert_code(f, fleet_run(f, 8, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 8);
    assert_text(seats_then, "1");
}

/* Seats of a process that is gone are free when their leases are over; until then they are respected. */
static void seats_of_the_gone(fleet *f)
{
    const char *now = f->controller_backend == MTNT_SQLITE
                          ? "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
                          : "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)";
    char *server = mtnt__dsn_server(f->tenants[0].dsn), sql[400];
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    at_work = most_at_work = 0;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = note_work});
    snprintf(sql, sizeof(sql),
             "INSERT INTO mtnt_seat (server, seat, owner, lease_until_ms) VALUES ('%s', 1, 'gone', 0), "
             "('%s', 2, 'there', %s + 600000)",
             server, server, now);
    free(server);
    assert_text(fleet_ask_controller(f, sql), "");
    options.rollout.per_server = 2;
    assert_code(f, fleet_run(f, 8, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 8);
    assert_int_equal(most_at_work, 1);
    assert_text(fleet_ask_controller(f, "SELECT seat, owner FROM mtnt_seat"), "2|there");
}

/* ---- connections ---- */

static int most_connections; /* under the fleet's mutex while it runs */

/* Other tests may use the server, too. */
static const char *our_sessions(char sql[200])
{
    snprintf(sql, 200,
             "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'mtnt-model' AND datname LIKE "
             "'mtnt_test_%d_%%'",
             (int)getpid());
    return sql;
}

static int count_connections(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    char sql[200];
    int64_t count = 0;
    int rc = note_work(f, operation, context, err);

    if (rc == 0)
        rc = mtnt_db_query_int(mtnt_scope_model(context), &count, err, our_sessions(sql));
    pthread_mutex_lock(&f->mutex);
    if (count > most_connections)
        most_connections = (int)count;
    pthread_mutex_unlock(&f->mutex);
    return rc;
}

static void so_many_connections(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_executor *executor = NULL;
    char sql[200];
    fleet_report r;
    int before;

    at_work = most_at_work = most_connections = 0;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = count_connections});
    before = atoi(fleet_ask_controller(f, our_sessions(sql)));
    options.rollout.connections = 8;
    assert_code(f, fleet_run(f, 8, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 8);
    assert_int_equal(most_at_work, 2);
    assert_in_range(most_connections, 1, before + 8);
    /* Not enough for anybody. */
    options.rollout.connections = 4;
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), MTNT_E_INVALID);
    assert_text(f->err.message, "connections: 4 are too few: a run with one worker may need 5 at the same time");
}

/* ---- one run, two of them ---- */

typedef struct partner {
    fleet *f;
    mtnt_controller *controller;
    mtnt_executor_options options;
    fleet_report report;
    mtnt_counts counts;
    mtnt_error err;
    int rc;
} partner;

static void *run_partner(void *data)
{
    partner *p = data;
    mtnt_tenant_source source = fleet_source(p->f);
    mtnt_executor *executor = NULL;

    p->options.workers = 2;
    p->options.reporter = (mtnt_reporter){fleet_report_event, &p->report};
    p->rc = mtnt_executor_new(&executor, p->controller, p->f->chain, &p->options, &p->err);
    if (p->rc == 0)
        p->rc = mtnt_executor_migrate(executor, &source, &p->counts, &p->err);
    mtnt_executor_free(executor);
    return NULL;
}

/* The first one begins, and t1 rests there; then the second one joins. */
static void rest_together(fleet *f, partner two[2], const char *meanwhile)
{
    mtnt_run_info info;
    pthread_t thread;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = fail_for_a_while});
    failures_left = 1;
    for (int i = 0; i < 2; i++) {
        two[i] = (partner){.f = f, .options = MTNT_EXECUTOR_OPTIONS_INIT, .err = MTNT_ERROR_INIT};
        assert_code(f, mtnt_controller_open(&two[i].controller, f->controller_dsn, NULL, &f->err), 0);
    }
    two[0].options.rollout.retries = 1;
    two[0].options.rollout.retry_ms = 4000;
    assert_int_equal(pthread_create(&thread, NULL, run_partner, two), 0);
    while (strcmp(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_migration WHERE rests = 1"), "1") != 0)
        usleep(5000);
    if (meanwhile != NULL)
        fleet_ask_controller(f, meanwhile);
    assert_code(f, mtnt_run_find(f->controller, f->chain, 1, &info, &f->err), 0);
    two[1].options.join_run = info.run;
    two[1].options.rollout = (mtnt_rollout_options){.max_failures = "7", .canary = 1};
    run_partner(two + 1);
    pthread_join(thread, NULL);
    for (int i = 0; i < 2; i++) {
        mtnt_controller_close(two[i].controller);
        if (two[i].rc != 0)
            fail_msg("%s", two[i].err.message);
        assert_int_equal(two[i].counts.total, 3);
        assert_int_equal(two[i].counts.failed + two[i].counts.elsewhere, 0);
    }
    /* What the second one has said for itself is not the run's. */
    assert_non_null(strstr(two[1].report.warning, "run 1 keeps what it was begun with: canary, max_failures of this "
                                                  "process are not used"));
}

/* Who rests has not failed for those who look on. */
static void rests_elsewhere(fleet *f)
{
    partner two[2];

    rest_together(f, two, NULL);
    assert_int_equal(two[0].counts.migrated, 3);
    assert_int_equal(two[0].counts.retries, 1);
    assert_text(fleet_ask_controller(f, "SELECT migrated, failed, untouched FROM mtnt_run"), "3|0|0");
    assert_int_equal(two[1].counts.current, 3);
}

/* Its process is gone, as far as anybody knows: it is anybody's. */
static void rests_with_the_gone(fleet *f)
{
    partner two[2];

    rest_together(f, two, "DELETE FROM mtnt_run_process");
    assert_int_equal(two[0].counts.migrated, 2);
    assert_int_equal(two[0].counts.current, 1);
    assert_int_equal(two[1].counts.migrated, 1);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_migration WHERE tenant = 't1'"), "2");
    assert_int_equal(two[1].counts.current, 2);
}

/* ---- a rate ---- */

static void no_faster(fleet *f)
{
    crowd c = crowd_of(f, 9);

    assert_code(f, roll_out(&c, 8, &(mtnt_rollout_options){.rate = "20/s"}), 0);
    assert_int_equal(c.then.migrated, 9);
    assert_true(c.then.elapsed_ms >= 300); /* the first two may come at once */
}

/* ---- A13: the source ends early, gives a NULL item, or fails midway ---- */

static void a13(fleet *f, int workers, const mtnt_rollout_options *rollout)
{
    crowd c = crowd_of(f, 40);

    c.fails_at = 25;
    assert_code(f, roll_out(&c, workers, rollout), MTNT_E_IO);
    assert_text(f->err.message, "the pipe has burst");
    assert_int_equal(c.then.total, 25);
    assert_int_equal(c.then.migrated, 25);
    assert_int_equal(there(&c), 25);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state = 'idle' AND version = 2"), "25");
    c.fails_at = 0;
    c.ends_at = 30; /* and it had said 40 */
    assert_code(f, roll_out(&c, workers, rollout), 0);
    assert_int_equal(c.then.total, 30);
    assert_int_equal(c.then.migrated, 5);
    assert_int_equal(there(&c), 30);
    c.ends_at = 0;
    c.null_at = 35; /* which is the end */
    assert_code(f, roll_out(&c, workers, rollout), 0);
    assert_int_equal(c.then.migrated, 5);
    assert_int_equal(there(&c), 35);
}

static void a13_with_workers(fleet *f)
{
    a13(f, 1, &(mtnt_rollout_options){0});
    fleet_new_chain(f);
    for (int i = 1; i <= 40; i++) {
        char path[200];

        snprintf(path, sizeof(path), "%s/c%d.db", f->folder, i);
        unlink(path);
    }
    fleet_ask_controller(f, "DELETE FROM mtnt_tenant");
    a13(f, 8, &(mtnt_rollout_options){0});
}

static void a13_with_waves(fleet *f)
{
    a13(f, 4, &(mtnt_rollout_options){.waves = "1,3,10%,50%", .soak_ms = 5, .max_failures = "1%"});
}

static void a13_with_groups(fleet *f)
{
    const mtnt_group groups[] = {{.name = "gold", .match = gold, .order = 2}, {.name = "eu", .match = eu, .order = 1}};

    a13(f, 4, &(mtnt_rollout_options){.groups = groups, .group_count = 2, .canary = 2});
}

static void restore(fleet *f, int64_t run, const mtnt__run_waves *waves, const char *expected)
{
    const mtnt__run_terms terms = {.atomicity = "chain", .on_failure = "rollback", .mode = "auto", .waves = "1,50%"};

    assert_code(f, mtnt__store_run_restore(f->controller, "shop", "migrate", &terms, run, waves, &f->err), 0);
    assert_text(fleet_ask_controller(f, "SELECT run, waves, wave, begun, begun_before, failed_before FROM mtnt_run"),
                expected);
}

/* A controller that has failed over is told where the waves are, and what it knows better stays. */
static void run_is_told_anew(fleet *f)
{
    const mtnt__run_terms terms = {.atomicity = "chain", .on_failure = "rollback", .mode = "auto", .waves = "1,50%"};
    int64_t run = 0, found = 0, next = 0;

    assert_code(f, mtnt__store_run_begin(f->controller, "shop", "migrate", &terms, &run, &f->err), 0);
    assert_int_equal(run, 1);
    (void)fleet_ask_controller(f, "UPDATE mtnt_run SET wave = 1, begun = 5, begun_before = 1, soak_until_ms = 9");
    restore(f, run, &(mtnt__run_waves){1, 4, 1, 0}, "1|1,50%|1|5|1|0");
    assert_text(fleet_ask_controller(f, "SELECT soak_until_ms FROM mtnt_run"), "9");
    restore(f, run, &(mtnt__run_waves){1, 6, 1, 0}, "1|1,50%|1|6|1|0");
    restore(f, run, &(mtnt__run_waves){2, 6, 6, 1}, "1|1,50%|2|6|6|1");
    (void)fleet_ask_controller(f, "DELETE FROM mtnt_run_process");
    (void)fleet_ask_controller(f, "DELETE FROM mtnt_run");
    restore(f, 7, &(mtnt__run_waves){2, 6, 6, 1}, "7|1,50%|2|6|6|1");
    restore(f, 7, &(mtnt__run_waves){2, 6, 6, 1}, "7|1,50%|2|6|6|1");
    assert_code(f, mtnt__store_run_of(f->controller, &found, &f->err), 0);
    assert_int_equal(found, 7);
    assert_code(f, mtnt__store_run_begin(f->controller, "shop", "migrate", &terms, &next, &f->err), 0);
    assert_int_equal(next, 8);
}

int main(void)
{
    const pair_test tests[] = {
        {"waves_one_after_another", waves_one_after_another, SQLITE_MODELS, 0, true},
        {"run_is_told_anew", run_is_told_anew, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"canary_that_fails", canary_that_fails, SQLITE_MODELS, 0, true},
        {"budget_is_spent", budget_is_spent, SQLITE_MODELS, 0, true},
        {"percentages_are_of_the_pending", percentages_are_of_the_pending, SQLITE_MODELS, 0, true},
        {"stops_at_once", stops_at_once, ON(PAIR_SQLITE), 0, true},
        {"cancelled_in_a_soak", cancelled_in_a_soak, SQLITE_MODELS, 0, true},
        {"groups_take_turns", groups_take_turns, SQLITE_MODELS, 0, true},
        {"group_that_is_stopped", group_that_is_stopped, SQLITE_MODELS, 0, true},
        {"budget_before_a_turn", budget_before_a_turn, ON(PAIR_SQLITE), 0, true},
        {"group_that_tries_again", group_that_tries_again, ON(PAIR_SQLITE), 0, true},
        {"so_many_of_a_group", so_many_of_a_group, ON(PAIR_SQLITE), 0, true},
        {"tried_again", tried_again, ON_ALL, 3, false},
        {"tries_run_out", tries_run_out, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 3, false},
        {"tried_again_by_the_operation", tried_again_by_the_operation, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 3, false},
        {"rests_beside_the_worker", rests_beside_the_worker, ON(PAIR_SQLITE), 3, false},
        {"cancelled_at_rest", cancelled_at_rest, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 3, false},
        {"so_many_of_a_server", so_many_of_a_server, ON_ALL, 8, false},
        {"so_many_of_a_server_in_all", so_many_of_a_server_in_all, ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA), 8, false},
        {"seats_that_are_not_used", seats_that_are_not_used, ON(PAIR_POSTGRES), 8, false},
        {"seats_of_the_gone", seats_of_the_gone, ON(PAIR_POSTGRES) | ON(PAIR_SQLITE_POSTGRES), 8, false},
        {"so_many_connections", so_many_connections, ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA), 8, false},
        {"rests_elsewhere", rests_elsewhere, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 3, false},
        {"rests_with_the_gone", rests_with_the_gone, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 3, false},
        {"no_faster", no_faster, ON(PAIR_SQLITE), 0, true},
        {"a13_with_workers", a13_with_workers, SQLITE_MODELS, 0, true},
        {"a13_with_waves", a13_with_waves, SQLITE_MODELS, 0, true},
        {"a13_with_groups", a13_with_groups, SQLITE_MODELS, 0, true},
    };

    return run_pair_tests("rollout", tests, sizeof(tests) / sizeof(*tests));
}
