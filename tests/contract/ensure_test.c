/* On access: a current tenant costs nothing, a stale one is migrated once however many ask. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet/remembered.h"
#include "fleet_fixture.h"

#define PATIENCE_MS 30000
#define THREADS 16

/* ---- callers, many at once ---- */

/* Looks into what is remembered; each caller that does not find its tenant looks twice, the second time when it is about to wait for another. */
static atomic_int looks;

bool __real_mtnt__remembered_has(mtnt__remembered *remembered, const mtnt_model *model);
bool __wrap_mtnt__remembered_has(mtnt__remembered *remembered, const mtnt_model *model);
bool __wrap_mtnt__remembered_has(mtnt__remembered *remembered, const mtnt_model *model)
{
    atomic_fetch_add(&looks, 1);
    return __real_mtnt__remembered_has(remembered, model);
}

static int64_t wait_until_looks(int count, mtnt_error *err)
{
    for (int waited = 0; waited < PATIENCE_MS; waited++) {
        if (atomic_load(&looks) >= count)
            return 0;
        usleep(1000);
    }
    return mtnt_error_set(err, MTNT_E_INVALID, "only %d looks", atomic_load(&looks));
}

struct caller {
    pthread_t thread;
    fleet *f;
    mtnt_ensure *ensure;
    size_t first, count; /* tenants, in turn */
    int rounds, rc;
    mtnt_error err;
};

static void *call(void *data)
{
    struct caller *caller = data;

    for (int round = 0; round < caller->rounds && caller->rc == 0; round++)
        for (size_t i = 0; i < caller->count && caller->rc == 0; i++)
            caller->rc = mtnt_ensure_current(
                caller->ensure, caller->f->tenants[(caller->first + i) % caller->f->count].model, &caller->err);
    return NULL;
}

static void begin(struct caller *caller, fleet *f, mtnt_ensure *ensure, size_t first, size_t count, int rounds)
{
    *caller = (struct caller){.f = f, .ensure = ensure, .first = first, .count = count, .rounds = rounds};
    assert_int_equal(pthread_create(&caller->thread, NULL, call, caller), 0);
}

static int end(struct caller *caller)
{
    pthread_join(caller->thread, NULL);
    caller->f->err = caller->err;
    return caller->rc;
}

static mtnt_ensure *ensure_with(fleet *f, const mtnt_ensure_options *options)
{
    mtnt_ensure *ensure = NULL;

    atomic_store(&looks, 0);
    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, options, &f->err), 0);
    return ensure;
}

static int current(fleet *f, mtnt_ensure *ensure, size_t tenant)
{
    mtnt_error_clear(&f->err);
    return mtnt_ensure_current(ensure, f->tenants[tenant].model, &f->err);
}

static void assert_counts(mtnt_ensure *ensure, mtnt_ensure_counts expected)
{
    mtnt_ensure_counts counts;

    mtnt_ensure_count(ensure, &counts);
    assert_int_equal(counts.remembered, expected.remembered);
    assert_int_equal(counts.shared, expected.shared);
    assert_int_equal(counts.current, expected.current);
    assert_int_equal(counts.migrated, expected.migrated);
    assert_int_equal(counts.failed, expected.failed);
    assert_int_equal(counts.calls,
                     counts.remembered + counts.shared + counts.current + counts.migrated + counts.failed);
}

/* ---- one caller ---- */

static void f1_migrates_then_remembers(fleet *f)
{
    mtnt_ensure *ensure;
    const char *answer;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    ensure = ensure_with(f, NULL);
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a");
    assert_text(fleet_known(f, 0), "idle|1|ok");
    assert_counts(ensure, (mtnt_ensure_counts){.migrated = 1});
    /* Whoever asked the controller now would hear of a tenant that a person has to look at. */
    answer = fleet_ask_controller(f, "UPDATE mtnt_tenant SET state = 'diverged'");
    assert_text(answer, "");
    assert_code(f, current(f, ensure, 0), 0);
    assert_counts(ensure, (mtnt_ensure_counts){.migrated = 1, .remembered = 1});
    mtnt_ensure_forget(ensure, "t1");
    assert_code(f, current(f, ensure, 0), MTNT_E_BLOCKED);
    assert_says(f->err.message, "mtnt-model resolve");
    assert_counts(ensure, (mtnt_ensure_counts){.migrated = 1, .remembered = 1, .failed = 1});
    mtnt_ensure_free(ensure);
}

/* What the controller calls current is not migrated, and its model is not opened. */
static void f2_current_by_one_query(fleet *f)
{
    mtnt_ensure *ensure;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    fleet_log_clear(f);
    if (f->model_backend == MTNT_SQLITE)
        fleet_remove_model(f, 0);
    ensure = ensure_with(f, NULL);
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_log(f, "t1"), "");
    assert_counts(ensure, (mtnt_ensure_counts){.current = 1});
    mtnt_ensure_free(ensure);
}

static void f3_forgetting_asks_anew(fleet *f)
{
    mtnt_ensure *ensure;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    ensure = ensure_with(f, NULL);
    assert_code(f, current(f, ensure, 0), 0);
    fleet_must_rewind(f, 0);
    assert_text(fleet_applied(f, 0), "");
    /* Nobody has told it. */
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_applied(f, 0), "");
    mtnt_ensure_forget(ensure, NULL);
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_applied(f, 0), "a;b");
    mtnt_ensure_free(ensure);
}

static void f3_forgets_after_its_time(fleet *f)
{
    mtnt_ensure_options options = MTNT_ENSURE_OPTIONS_INIT;
    mtnt_ensure *ensure;

    options.remember_ms = 1;
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    ensure = ensure_with(f, &options);
    assert_code(f, current(f, ensure, 0), 0);
    fleet_must_rewind(f, 0);
    usleep(5000);
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_applied(f, 0), "a");
    mtnt_ensure_free(ensure);
}

static void f4_up_to_an_operation(fleet *f)
{
    mtnt_ensure_options options = MTNT_ENSURE_OPTIONS_INIT;
    mtnt_ensure *ensure;

    options.migration.to = "a";
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    ensure = ensure_with(f, &options);
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_applied(f, 0), "a");
    fleet_must_perform(f, 0);
    /* Beyond it is fine. */
    mtnt_ensure_forget(ensure, "t1");
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_applied(f, 0), "a;b");
    mtnt_ensure_free(ensure);
}

static void f5_refused_options(fleet *f)
{
    mtnt_ensure_options options = MTNT_ENSURE_OPTIONS_INIT, bad;
    mtnt_ensure *ensure = NULL;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    bad = options;
    bad.version = 7;
    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, &bad, &f->err), MTNT_E_INVALID);
    assert_says(f->err.message, "MTNT_ENSURE_OPTIONS_INIT");
    bad = options;
    bad.migration.steps = 1;
    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, &bad, &f->err), MTNT_E_INVALID);
    bad = options;
    bad.migrations = -1;
    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, &bad, &f->err), MTNT_E_INVALID);
    bad = options;
    bad.wait_ms = -1;
    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, &bad, &f->err), MTNT_E_INVALID);
    bad = options;
    bad.controller.read_only = true;
    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, &bad, &f->err), MTNT_E_INVALID);
    bad = options;
    bad.migration.to = "nothing";
    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, &bad, &f->err), MTNT_E_NOT_FOUND);
    /* What is wrong with the controller is said at once. */
    assert_code(f, mtnt_ensure_new(&ensure, "sqlite:/nowhere/at/all.db", f->chain, &options, &f->err),
                MTNT_E_NOT_FOUND);
    assert_null(ensure);
}

/* ---- many ---- */

/* Each tenant's body has run once, whoever called. */
static void assert_once_each(fleet *f)
{
    for (size_t i = 0; i < f->count; i++) {
        assert_text(fleet_log(f, f->tenants[i].id), "setup a, execute a, setup b, execute b");
        assert_text(fleet_applied(f, i), "a;b");
        assert_text(fleet_known(f, i), "idle|2|ok");
    }
}

static void f6_sixteen_threads_one_migration_each(fleet *f)
{
    struct caller callers[THREADS];
    mtnt_ensure_counts counts;
    mtnt_ensure *ensure;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    ensure = ensure_with(f, NULL);
    for (size_t i = 0; i < THREADS; i++)
        begin(callers + i, f, ensure, i, f->count, 20);
    for (size_t i = 0; i < THREADS; i++)
        assert_code(f, end(callers + i), 0);
    assert_once_each(f);
    mtnt_ensure_count(ensure, &counts);
    assert_int_equal(counts.calls, THREADS * 20 * (int64_t)f->count);
    assert_int_equal(counts.migrated, (int64_t)f->count);
    assert_int_equal(counts.failed, 0);
    assert_int_equal(counts.current, 0);
    mtnt_ensure_free(ensure);
}

/* Two services, as far as the controller can tell: who comes second waits for the other's lease, and looks again. */
static void f7_two_services_one_migration_each(fleet *f)
{
    struct caller callers[8];
    mtnt_ensure *ensure[2];

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    ensure[0] = ensure_with(f, NULL);
    ensure[1] = ensure_with(f, NULL);
    for (size_t i = 0; i < 8; i++)
        begin(callers + i, f, ensure[i % 2], i / 2, f->count, 2);
    for (size_t i = 0; i < 8; i++)
        assert_code(f, end(callers + i), 0);
    assert_once_each(f);
    mtnt_ensure_free(ensure[0]);
    mtnt_ensure_free(ensure[1]);
}

/* ---- failures ---- */

static atomic_bool broken;

static int wait_for_everybody_and_fail(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    if (!atomic_load(&broken))
        return 0;
    if (wait_until_looks(2 * THREADS, err) != 0)
        return MTNT_E_INVALID;
    return mtnt_error_set(err, MTNT_E_OPERATION, "the dog has eaten it");
}

static void f8_a_failure_is_told_to_all_and_tried_again(fleet *f)
{
    struct caller callers[THREADS];
    mtnt_ensure *ensure;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = wait_for_everybody_and_fail});
    atomic_store(&broken, true);
    ensure = ensure_with(f, NULL);
    for (size_t i = 0; i < THREADS; i++)
        begin(callers + i, f, ensure, 0, 1, 1);
    for (size_t i = 0; i < THREADS; i++) {
        assert_code(f, end(callers + i), MTNT_E_OPERATION);
        assert_says(f->err.message, "the dog has eaten it");
    }
    assert_counts(ensure, (mtnt_ensure_counts){.failed = 1, .shared = THREADS - 1});
    assert_text(fleet_log(f, "t1"), "setup a, execute a");
    atomic_store(&broken, false);
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_applied(f, 0), "a");
    assert_counts(ensure, (mtnt_ensure_counts){.failed = 1, .shared = THREADS - 1, .migrated = 1});
    mtnt_ensure_free(ensure);
}

static atomic_bool held;

static int while_held(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    for (int waited = 0; atomic_load(&held) && waited < PATIENCE_MS; waited++) {
        if (mtnt_context_cancelled(context))
            return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled in its body");
        usleep(1000);
    }
    return 0;
}

static void f9_who_waits_too_long_is_told(fleet *f)
{
    mtnt_ensure_options options = MTNT_ENSURE_OPTIONS_INIT;
    struct caller first, second;
    mtnt_ensure *ensure, *other;

    options.wait_ms = 60;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = while_held});
    atomic_store(&held, true);
    ensure = ensure_with(f, &options);
    begin(&first, f, ensure, 0, 1, 1);
    assert_int_equal(wait_until_looks(2, NULL), 0);
    begin(&second, f, ensure, 0, 1, 1);
    assert_code(f, end(&second), MTNT_E_DEADLINE);
    assert_true(f->err.retryable);
    assert_says(f->err.message, "takes longer than 60 ms");
    /* Another service waits for the lease, no longer either. */
    other = ensure_with(f, &options);
    assert_code(f, current(f, other, 0), MTNT_E_DEADLINE);
    assert_true(f->err.retryable);
    assert_says(f->err.message, "another process");
    atomic_store(&held, false);
    assert_code(f, end(&first), 0);
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a");
    mtnt_ensure_free(other);
    mtnt_ensure_free(ensure);
}

/* One connection, and it is in use: questions have their own, and are answered. */
static void f10_questions_do_not_wait_for_migrations(fleet *f)
{
    mtnt_ensure_options options = MTNT_ENSURE_OPTIONS_INIT;
    struct caller first;
    mtnt_ensure *ensure;

    options.migrations = 1;
    options.wait_ms = 60;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = while_held});
    atomic_store(&held, false);
    fleet_must_perform(f, 1);
    atomic_store(&held, true);
    ensure = ensure_with(f, &options);
    begin(&first, f, ensure, 0, 1, 1);
    assert_int_equal(wait_until_looks(2, NULL), 0);
    assert_code(f, current(f, ensure, 1), 0);
    for (int waited = 0; strcmp(fleet_log(f, "t1"), "setup a, execute a") != 0 && waited < PATIENCE_MS; waited++)
        usleep(1000);
    assert_code(f, current(f, ensure, 2), MTNT_E_DEADLINE);
    assert_says(f->err.message, "connections to the controller were in use");
    atomic_store(&held, false);
    assert_code(f, end(&first), 0);
    assert_code(f, current(f, ensure, 2), 0);
    mtnt_ensure_free(ensure);
}

static void f11_cancelled(fleet *f)
{
    struct caller first, second;
    mtnt_ensure *ensure;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = while_held});
    atomic_store(&held, false);
    ensure = ensure_with(f, NULL);
    assert_code(f, current(f, ensure, 1), 0);
    atomic_store(&held, true);
    atomic_store(&looks, 0);
    begin(&first, f, ensure, 0, 1, 1);
    begin(&second, f, ensure, 0, 1, 1);
    assert_int_equal(wait_until_looks(4, NULL), 0);
    for (int waited = 0; strcmp(fleet_log(f, "t1"), "setup a, execute a") != 0 && waited < PATIENCE_MS; waited++)
        usleep(1000);
    mtnt_ensure_cancel(ensure);
    assert_code(f, end(&first), MTNT_E_CANCELLED);
    assert_code(f, end(&second), MTNT_E_CANCELLED);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_code(f, current(f, ensure, 0), MTNT_E_CANCELLED);
    /* What is remembered needs nothing. */
    assert_code(f, current(f, ensure, 1), 0);
    mtnt_ensure_free(ensure);
}

/* What was asked before something was forgotten is no answer to who comes after. */
static void f12_forgotten_in_flight(fleet *f)
{
    struct caller first, second;
    mtnt_ensure *ensure;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = while_held});
    atomic_store(&held, true);
    ensure = ensure_with(f, NULL);
    begin(&first, f, ensure, 0, 1, 1);
    for (int waited = 0; strcmp(fleet_log(f, "t1"), "setup a, execute a") != 0 && waited < PATIENCE_MS; waited++)
        usleep(1000);
    mtnt_ensure_forget(ensure, "t1");
    begin(&second, f, ensure, 0, 1, 1);
    assert_int_equal(wait_until_looks(4, NULL), 0);
    atomic_store(&held, false);
    assert_code(f, end(&first), 0);
    assert_code(f, end(&second), 0);
    assert_counts(ensure, (mtnt_ensure_counts){.migrated = 1, .current = 1});
    assert_text(fleet_log(f, "t1"), "setup a, execute a");
    mtnt_ensure_free(ensure);
}

/* ---- a process that has died in the middle ---- */

static int die(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    if (f->counter == 1)
        _exit(7);
    return 0;
}

static void perform_in_child(fleet *f)
{
    f->counter = 1;
    fleet_perform(f, 0, NULL);
}

static void f13_interrupted_elsewhere(fleet *f)
{
    mtnt_ensure *ensure;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = die});
    fleet_in_child(f, perform_in_child);
    assert_text(fleet_known(f, 0), "executing|0|ok");
    ensure = ensure_with(f, NULL);
    assert_code(f, current(f, ensure, 0), 0);
    assert_text(fleet_applied(f, 0), "a");
    assert_counts(ensure, (mtnt_ensure_counts){.migrated = 1});
    mtnt_ensure_free(ensure);
}

#define ON_SOME (ON(PAIR_SQLITE) | ON(PAIR_POSTGRES) | ON(PAIR_SQLITE_POSTGRES))

int main(void)
{
    static const pair_test tests[] = {
        {"f1_migrates_then_remembers", f1_migrates_then_remembers, ON_ALL, 1, false},
        {"f2_current_by_one_query", f2_current_by_one_query, ON_SOME, 1, false},
        {"f3_forgetting_asks_anew", f3_forgetting_asks_anew, ON_SOME, 1, false},
        {"f3_forgets_after_its_time", f3_forgets_after_its_time, ON_SOME, 1, false},
        {"f4_up_to_an_operation", f4_up_to_an_operation, ON_SOME, 1, false},
        {"f5_refused_options", f5_refused_options, ON(PAIR_SQLITE), 1, false},
        {"f6_sixteen_threads_one_migration_each", f6_sixteen_threads_one_migration_each, ON_ALL, 4, false},
        {"f7_two_services_one_migration_each", f7_two_services_one_migration_each, ON_ALL, 3, false},
        {"f8_a_failure_is_told_to_all_and_tried_again", f8_a_failure_is_told_to_all_and_tried_again, ON_ALL, 1, false},
        {"f9_who_waits_too_long_is_told", f9_who_waits_too_long_is_told, ON_SOME, 1, false},
        {"f10_questions_do_not_wait_for_migrations", f10_questions_do_not_wait_for_migrations,
         ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 3, false},
        {"f11_cancelled", f11_cancelled, ON_SOME, 2, false},
        {"f12_forgotten_in_flight", f12_forgotten_in_flight, ON_SOME, 1, false},
        {"f13_interrupted_elsewhere", f13_interrupted_elsewhere, ON_SOME, 1, false},
    };

    return run_pair_tests("on access", tests, sizeof(tests) / sizeof(*tests));
}
