/* Many tenants at once: counts that add up, failures in the middle, draining, interrupting, sources that end badly, and answers that need no
 * model. Clean under ThreadSanitizer: the log of the fixture is the only thing that bodies share. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_run.h"

/* ---- hundreds of small SQLite tenants in one folder ---- */

#define CROWD 200

typedef struct crowd {
    fleet *f;
    int given, count, fails_at; /* the source fails after so many; 0 = never */
    char folder[128];
} crowd;

static void crowd_dsn(const crowd *c, int number, char *dsn, size_t size)
{
    snprintf(dsn, size, "sqlite:%s/c%d.db", c->folder, number);
}

static int next_of_crowd(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    crowd *c = data;
    char id[20], dsn[200];

    *ret_model = NULL;
    if (c->fails_at > 0 && c->given == c->fails_at)
        return mtnt_error_set(err, MTNT_E_IO, "the pipe has burst");
    if (c->given == c->count)
        return 0;
    c->given++;
    snprintf(id, sizeof(id), "c%d", c->given);
    crowd_dsn(c, c->given, dsn, sizeof(dsn));
    options.id = id;
    options.dsn = dsn;
    return mtnt_model_new(ret_model, &options, err);
}

static int64_t size_of_crowd(void *data)
{
    return ((crowd *)data)->count;
}

static mtnt_tenant_source crowd_source(crowd *c)
{
    c->given = 0;
    return (mtnt_tenant_source){next_of_crowd, size_of_crowd, NULL, c};
}

static void creates_crowd(fleet *f, crowd *c, int count)
{
    *c = (crowd){.f = f, .count = count};
    snprintf(c->folder, sizeof(c->folder), "%s", f->folder);
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
}

static int fail_every_seventh(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int number = atoi(mtnt_model_id(mtnt_scope_tenant(context)) + 1);

    (void)f;
    (void)operation;
    return number % 7 == 0 ? mtnt_error_set(err, MTNT_E_OPERATION, "no luck") : 0;
}

static int files_of(const crowd *c)
{
    int count = 0;

    for (int i = 1; i <= c->count; i++) {
        char dsn[200];

        crowd_dsn(c, i, dsn, sizeof(dsn));
        count += access(dsn + strlen("sqlite:"), F_OK) == 0;
    }
    return count;
}

static void many_tenants(fleet *f, int workers, uint32_t writes)
{
    mtnt_tenant_source source;
    fleet_report r;
    crowd c;

    creates_crowd(f, &c, CROWD);
    fleet_add(f, "a", writes);
    fleet_add_body(f, "b", writes, (body){.during = fail_every_seventh});
    source = crowd_source(&c);
    assert_code(f, fleet_run_over(f, &source, workers, NULL, &r), 0);
    assert_int_equal(r.counts.total, CROWD);
    assert_int_equal(r.counts.failed, CROWD / 7);
    assert_int_equal(r.counts.rolled_back, CROWD / 7);
    assert_int_equal(r.counts.migrated, CROWD - CROWD / 7);
    assert_int_equal(r.counts.operations, 3 * (CROWD - CROWD / 7));
    assert_int_equal(files_of(&c), CROWD - CROWD / 7);
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_ask_controller(f, "SELECT state, version, count(*) FROM mtnt_tenant GROUP BY 1, 2 ORDER BY 2"),
                "idle|0|28;idle|3|172");
    assert_text(fleet_ask_controller(f, "SELECT migrated, already_current, failed, untouched FROM mtnt_run"),
                "172|0|28|0");
    assert_text(fleet_ask_controller(f, "SELECT count(DISTINCT tenant) FROM notes"),
                writes == WRITES_BOTH ? "172" : "0");

    /* Again: what is current costs no model, what failed is tried again. */
    fleet_log_clear(f);
    source = crowd_source(&c);
    assert_code(f, fleet_run_over(f, &source, workers, NULL, &r), 0);
    assert_int_equal(r.counts.current, 172);
    assert_int_equal(r.counts.failed, 28);
    assert_null(strstr(fleet_log(f, NULL), "c1: "));
}

static void many_tenants_one_worker(fleet *f)
{
    many_tenants(f, 1, MTNT_WRITES_MODEL);
}

static void many_tenants_many_workers(fleet *f)
{
    many_tenants(f, 16, MTNT_WRITES_MODEL);
}

static void many_tenants_both_written(fleet *f)
{
    many_tenants(f, 8, WRITES_BOTH);
}

static void source_fails_midway(fleet *f)
{
    mtnt_tenant_source source;
    fleet_report r;
    crowd c;

    creates_crowd(f, &c, CROWD);
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    c.fails_at = 50;
    source = crowd_source(&c);
    assert_code(f, fleet_run_over(f, &source, 8, NULL, &r), MTNT_E_IO);
    assert_text(f->err.message, "the pipe has burst");
    assert_int_equal(r.counts.total, 50);
    assert_int_equal(r.counts.migrated, 50);
    assert_text(fleet_ask_controller(f, "SELECT migrated, failed, untouched, finished_ms IS NOT NULL FROM mtnt_run"),
                f->controller_backend == MTNT_SQLITE ? "50|0|0|1" : "50|0|0|t");
}

static void stop_on_error(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source;
    fleet_report r;
    crowd c;

    creates_crowd(f, &c, CROWD);
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.fail_at = "execute", .fail_for = "c3"});
    options.stop_on_error = true;
    source = crowd_source(&c);
    assert_code(f, fleet_run_over(f, &source, 2, &options, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    assert_int_equal(r.counts.total, CROWD);
    assert_true(r.counts.untouched > 0);
    assert_int_equal(r.counts.migrated, files_of(&c));
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle'"), "0");
    /* The rest is taken up by the next run. */
    fleet_new_chain(f);
    creates_crowd(f, &c, CROWD);
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    source = crowd_source(&c);
    assert_code(f, fleet_run_over(f, &source, 8, NULL, &r), 0);
    assert_int_equal(r.counts.failed + r.counts.untouched, 0);
    assert_int_equal(files_of(&c), CROWD);
}

/* ---- cancelling from another thread ---- */

typedef struct canceller {
    mtnt_executor *executor;
    mtnt_cancel how;
    atomic_int started;
    int after;
} canceller;

static canceller *now_cancelling; /* set before any thread starts */

static void *cancel_when_started(void *data)
{
    canceller *c = data;

    while (atomic_load(&c->started) < c->after)
        usleep(500);
    mtnt_executor_cancel(c->executor, c->how);
    return NULL;
}

static int linger(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    atomic_fetch_add(&now_cancelling->started, 1);
    usleep(20000);
    return 0;
}

static int wait_to_be_cancelled(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    atomic_fetch_add(&now_cancelling->started, 1);
    for (int i = 0; i < 20000 && !mtnt_context_cancelled(context); i++)
        usleep(1000);
    return mtnt_error_set(err, MTNT_E_CANCELLED, "told to stop");
}

static void run_and_cancel(fleet *f, crowd *c, mtnt_cancel how, int after, int workers,
                           const mtnt_executor_options *more, fleet_report *r)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = crowd_source(c);
    canceller cancelling = {.how = how, .after = after};
    mtnt_counts counts = {0};
    pthread_t thread;

    if (more != NULL)
        options = *more;
    memset(r, 0, sizeof(*r));
    options.workers = workers;
    options.reporter = (mtnt_reporter){fleet_report_event, r};
    now_cancelling = &cancelling;
    assert_code(f, mtnt_executor_new(&cancelling.executor, f->controller, f->chain, &options, &f->err), 0);
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_started, &cancelling), 0);
    assert_code(f, mtnt_executor_migrate(cancelling.executor, &source, &counts, &f->err), 0);
    pthread_join(thread, NULL);
    mtnt_executor_free(cancelling.executor);
    fleet_report_check(r, &counts);
    assert_int_equal(counts.total, c->count);
}

static void drained(fleet *f)
{
    fleet_report r;
    crowd c;

    creates_crowd(f, &c, CROWD);
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = linger});
    run_and_cancel(f, &c, MTNT_CANCEL_DRAIN, 5, 4, NULL, &r);
    /* Those that ran have finished; nobody was cut off. */
    assert_int_equal(r.counts.failed, 0);
    assert_true(r.counts.migrated >= 5 && r.counts.migrated < CROWD);
    assert_int_equal(r.counts.migrated, files_of(&c));
    assert_int_equal(r.counts.untouched, CROWD - r.counts.migrated);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle'"), "0");
    assert_int_equal(fleet_provisional(f), 0);
}

static void interrupted(fleet *f)
{
    fleet_report r;
    crowd c;

    creates_crowd(f, &c, CROWD);
    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = wait_to_be_cancelled});
    /* A SQLite controller that is written lets one in at a time. */
    run_and_cancel(f, &c, MTNT_CANCEL_INTERRUPT, 1, 4, NULL, &r);
    assert_int_equal(r.counts.migrated, 0);
    assert_true(r.counts.failed >= 1);
    assert_true(r.counts.rolled_back >= 1); /* the others were refused before they began */
    assert_int_equal(files_of(&c), 0);
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle'"), "0");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM notes"), "0");
}

/* A statement that would run for ever is stopped too. */
static void interrupted_in_sql(fleet *f)
{
    static const char sqlite[] =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    fleet_report r;
    crowd c;

    creates_crowd(f, &c, 20);
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = linger});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.model_up = sqlite});
    run_and_cancel(f, &c, MTNT_CANCEL_INTERRUPT, 4, 4, NULL, &r);
    assert_int_equal(r.counts.migrated, 0);
    assert_true(r.counts.failed >= 4);
    assert_int_equal(files_of(&c), 0);
    assert_int_equal(fleet_provisional(f), 0);
}

/* By the operation: what an interrupted tenant has done is taken back. */
static void interrupted_on_the_way(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;
    crowd c = {.f = f, .count = 4};

    snprintf(c.folder, sizeof(c.folder), "%s", f->folder);
    for (int i = 1; i <= c.count; i++) {
        char from[160], to[160];

        /* t1 … t4 were made with `precious` in them. */
        snprintf(from, sizeof(from), "%s/t%d.db", f->folder, i);
        snprintf(to, sizeof(to), "%s/c%d.db", f->folder, i);
        assert_int_equal(rename(from, to), 0);
        assert_int_equal(symlink(to, from), 0);
    }
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.during = wait_to_be_cancelled});
    options.migration.atomicity = MTNT_ATOMICITY_OPERATION;
    run_and_cancel(f, &c, MTNT_CANCEL_INTERRUPT, 2, 2, &options, &r);
    assert_int_equal(r.counts.migrated, 0);
    assert_int_equal(r.counts.kept, 0);
    for (size_t i = 0; i < 4; i++)
        assert_text(fleet_tables(f, i), "precious");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle' OR version <> 0"), "0");
}

/* A run that was cancelled before it began takes nobody. */
static void cancelled_before(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source;
    mtnt_executor *executor;
    mtnt_counts counts;
    crowd c;

    creates_crowd(f, &c, 30);
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    mtnt_executor_cancel(executor, MTNT_CANCEL_DRAIN);
    source = crowd_source(&c);
    assert_code(f, mtnt_executor_migrate(executor, &source, &counts, &f->err), 0);
    mtnt_executor_free(executor);
    assert_int_equal(counts.untouched, 30);
    assert_int_equal(counts.total, 30);
    assert_int_equal(files_of(&c), 0);
}

/* ---- one tenant, cancelled from another thread ---- */

struct single {
    mtnt_coordinator *coordinator;
    atomic_int started;
};

static void *cancel_coordinator(void *data)
{
    struct single *s = data;

    while (atomic_load(&s->started) == 0)
        usleep(500);
    mtnt_coordinator_cancel(s->coordinator);
    return NULL;
}

static int wait_in_sql(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    struct single *s = f->data;

    (void)operation;
    atomic_store(&s->started, 1);
    return mtnt_db_exec(mtnt_scope_model(context), err,
                        f->model_backend == MTNT_SQLITE
                            ? "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
                            : "SELECT pg_sleep(60)");
}

static void coordinator_cancelled(fleet *f)
{
    char *before = fleet_dump_model(f, 0), *after;
    struct single s = {NULL, 0};
    pthread_t thread;
    mtnt_outcome outcome;

    f->data = &s;
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = wait_in_sql});
    assert_code(f, mtnt_coordinator_new(&s.coordinator, f->controller, f->tenants[0].model, f->chain, NULL, &f->err),
                0);
    assert_int_equal(pthread_create(&thread, NULL, cancel_coordinator, &s), 0);
    assert_code(f, mtnt_coordinator_perform(s.coordinator, &f->err), MTNT_E_CANCELLED);
    pthread_join(thread, NULL);
    mtnt_coordinator_outcome(s.coordinator, &outcome);
    assert_text(outcome.failed_operation, "b");
    mtnt_coordinator_free(s.coordinator);
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, before);
    free(before);
    free(after);
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_gids(f), "");
}

/* ---- answered by the controller ---- */

static void current_without_a_model(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    assert_code(f, fleet_run(f, 3, NULL, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    for (size_t i = 0; i < f->count; i++)
        fleet_remove_model(f, i);
    assert_code(f, fleet_run(f, 3, NULL, &r), 0);
    assert_int_equal(r.counts.current, 3);
    for (size_t i = 0; i < f->count; i++) {
        assert_int_equal(r.results[i], MTNT_RESULT_CURRENT);
        assert_int_equal(r.started[i], 0);
        assert_int_equal(r.finished[i], 1);
    }
    /* No run is noted that did nothing. */
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_run"), "1");
    /* Also up to an operation that lies behind. */
    options.migration.to = "a";
    assert_code(f, fleet_run(f, 3, &options, &r), 0);
    assert_int_equal(r.counts.current, 3);
    /* But not when there is something to do. */
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    assert_code(f, fleet_run(f, 3, NULL, &r), 0);
    assert_int_equal(r.counts.failed, 3);
}

/* A source that gives a tenant twice: it is migrated once, and the second is no disaster. */
static int twice(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    fleet *f = data;
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;

    *ret_model = NULL;
    if (f->counter++ >= 2)
        return 0;
    options.id = f->tenants[0].id;
    options.dsn = f->tenants[0].dsn;
    options.schema = f->tenants[0].schema[0] == '\0' ? NULL : f->tenants[0].schema;
    return mtnt_model_new(ret_model, &options, err);
}

static void given_twice(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor;
    mtnt_counts counts;

    fleet_add(f, "a", WRITES_BOTH);
    source.next = twice;
    source.total = NULL;
    options.workers = 2;
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    assert_code(f, mtnt_executor_migrate(executor, &source, &counts, &f->err), 0);
    mtnt_executor_free(executor);
    assert_int_equal(counts.total, 2);
    assert_int_equal(counts.migrated, 1);
    assert_text(fleet_log(f, NULL), "t1: setup a, t1: execute a");
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

/* The second time comes while a worker has it: it is alive, and nobody gives it up. */
#define STRANGERS 300

static atomic_int strangers_given;

static int again_later(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    fleet *f = data;
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    char id[20], dsn[200];

    *ret_model = NULL;
    if (f->counter > STRANGERS + 1)
        return 0;
    snprintf(id, sizeof(id), "x%d", (int)f->counter);
    snprintf(dsn, sizeof(dsn), "sqlite:%s/%s.db", f->folder, id);
    options.id = id;
    options.dsn = dsn;
    if (f->counter == 0 || f->counter == STRANGERS + 1) {
        options.id = f->tenants[0].id;
        options.dsn = f->tenants[0].dsn;
        options.schema = f->tenants[0].schema[0] == '\0' ? NULL : f->tenants[0].schema;
    }
    f->counter++;
    atomic_store(&strangers_given, (int)f->counter);
    return mtnt_model_new(ret_model, &options, err);
}

static int wait_for_the_last(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    for (int i = 0; i < 5000 && atomic_load(&strangers_given) < STRANGERS + 2; i++)
        usleep(1000);
    usleep(300000);
    return 0;
}

static void given_again_later(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor;
    mtnt_counts counts;

    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = wait_for_the_last});
    atomic_store(&strangers_given, 0);
    source.next = again_later;
    source.total = NULL;
    options.workers = 2;
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    assert_code(f, mtnt_executor_migrate(executor, &source, &counts, &f->err), 0);
    mtnt_executor_free(executor);
    assert_int_equal(counts.total, STRANGERS + 2);
    assert_int_equal(counts.migrated, 1);
    assert_int_equal(counts.current, 1); /* waited for, as for another process's */
    assert_int_equal(counts.failed, STRANGERS);
    assert_int_equal(counts.recovered_aborted, 0);
    assert_text(fleet_log(f, NULL), "t1: setup a, t1: execute a");
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

/* The same executor, used for one run after another. */
static void used_again(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_executor *executor;
    mtnt_counts counts;

    fleet_add(f, "a", WRITES_BOTH);
    options.workers = 2;
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    for (int i = 0; i < 3; i++) {
        mtnt_tenant_source source = fleet_source(f);

        assert_code(f, mtnt_executor_migrate(executor, &source, &counts, &f->err), 0);
        assert_int_equal(counts.total, 3);
        assert_int_equal(i == 0 ? counts.migrated : counts.current, 3);
    }
    mtnt_executor_free(executor);
}

/* The controller's server drops everybody in the middle of a run. */
static int kill_sessions(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    char sql[300];

    (void)operation;
    (void)err;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t2") != 0 || f->data == NULL)
        return 0;
    f->data = NULL;
    snprintf(
        sql, sizeof(sql),
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'mtnt_test_%d_controller' AND backend_type = 'client backend'",
        (int)getpid());
    fleet_ask_database(f, NULL, sql);
    return 0;
}

static void controller_sessions_killed(fleet *f)
{
    fleet_report r;

    f->data = f;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = kill_sessions});
    fleet_run(f, 1, NULL, &r);
    assert_int_equal(r.counts.total, 3);
    fleet_log_clear(f);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.migrated + r.counts.current, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_text(fleet_tables(f, i), "a;precious");
        assert_text(fleet_known(f, i), "idle|1|ok");
    }
}

int main(void)
{
    const pair_test tests[] = {
        {"many_tenants_one_worker", many_tenants_one_worker, ON(PAIR_SQLITE), 0, true},
        {"many_tenants_many_workers", many_tenants_many_workers, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 0, true},
        {"many_tenants_both_written", many_tenants_both_written, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 0, true},
        {"source_fails_midway", source_fails_midway, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 0, true},
        {"stop_on_error", stop_on_error, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 0, true},
        {"drained", drained, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 0, true},
        {"interrupted", interrupted, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 0, true},
        {"interrupted_in_sql", interrupted_in_sql, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 0, true},
        {"interrupted_on_the_way", interrupted_on_the_way, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 4, false},
        {"cancelled_before", cancelled_before, ON(PAIR_SQLITE), 0, true},
        {"coordinator_cancelled", coordinator_cancelled, ON_ALL, 1, false},
        {"current_without_a_model", current_without_a_model, ON_ALL, 3, false},
        {"given_twice", given_twice, ON_ALL, 1, false},
        {"given_again_later", given_again_later, ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA), 1, false},
        {"used_again", used_again, ON_ALL, 3, false},
        {"controller_sessions_killed", controller_sessions_killed, ON(PAIR_POSTGRES), 3, false},
    };

    return run_pair_tests("executor", tests, sizeof(tests) / sizeof(*tests));
}
