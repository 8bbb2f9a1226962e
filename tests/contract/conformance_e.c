/* CONFORMANCE, E: environments merged into one chain, groups that fail together, deadlines, latecomers. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fleet_run.h"

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void e1_merged_by_order(fleet *f)
{
    /* "base", then "test", as two folders would be read. */
    fleet_add_body(f, "base_10", WRITES_BOTH, (body){.order = 10});
    fleet_add_body(f, "base_30", WRITES_BOTH, (body){.order = 30});
    fleet_add_body(f, "test_20", WRITES_BOTH, (body){.order = 20});
    fleet_add_body(f, "test_40", WRITES_BOTH, (body){.order = 40});
    fleet_must_perform(f, 0);
    assert_text(
        fleet_log(f, "t1"),
        "setup base_10, execute base_10, setup test_20, execute test_20, setup base_30, execute base_30, setup test_40, execute test_40");
    assert_text(fleet_known(f, 0), "idle|40|ok");
}

static int nothing(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    (void)err;
    return 0;
}

static void e1_duplicate_order(fleet *f)
{
    static const mtnt_operation_class late = {MTNT_OPERATION_CLASS_INIT, .name = "test_10", .execute = nothing};

    fleet_add_body(f, "base_10", WRITES_BOTH, (body){.order = 10});
    assert_int_equal(mtnt_chain_add(f->chain, &late, 10, NULL, &f->err), MTNT_E_CONFIG);
    assert_says(f->err.message, "order 10");
    assert_says(f->err.message, "`base_10`");
}

static void e1_empty(fleet *f)
{
    fleet_report r;

    fleet_must_perform(f, 0);
    assert_int_equal(f->outcome.executed, 0);
    assert_text(fleet_tables(f, 0), "precious");
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.current, 1);
    fleet_must_rewind(f, 0);
}

static void e2_last_operation_fails(fleet *f)
{
    char *before, *after, *controller, *controller_after;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    before = fleet_dump_model(f, 0);
    controller = fleet_dump_controller(f);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add_body(f, "c", WRITES_BOTH,
                   (body){.model_up = "CREATE TABLE c (a INTEGER NOT NULL); INSERT INTO c VALUES (NULL)"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_DATABASE);
    assert_says(f->err.message, "execute operation c: ");
    assert_text(f->err.state, f->model_backend == MTNT_SQLITE ? "SQLITE_CONSTRAINT_NOTNULL" : "23502");
    after = fleet_dump_model(f, 0);
    controller_after = fleet_dump_controller(f);
    assert_string_equal(after, before);
    assert_string_equal(controller_after, controller);
    assert_text(fleet_known(f, 0), "idle|1|error");
    assert_text(fleet_ask_controller(f, "SELECT error_operation, error_state FROM mtnt_tenant"),
                f->model_backend == MTNT_SQLITE ? "c|SQLITE_CONSTRAINT_NOTNULL" : "c|23502");
    assert_says(fleet_ask_controller(f, "SELECT error FROM mtnt_tenant"), "execute operation c: ");
    assert_int_equal(f->outcome.from_version, 1);
    assert_int_equal(f->outcome.to_version, 1);
    assert_int_equal(f->outcome.rolled_back, 1);
    free(before);
    free(after);
    free(controller);
    free(controller_after);
}

/* ---- E3: what is applied is read from the model once its lock is held ---- */

static void e3_controller_is_behind(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    /* As if it had been restored from an old backup. */
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_tenant SET version = 0, digest = ''; DELETE FROM mtnt_operation"),
                "");
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "");
    assert_int_equal(f->outcome.from_version, 2);
    assert_int_equal(f->outcome.executed, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|COMPLETED;b|COMPLETED");
}

static void e3_controller_is_ahead(fleet *f)
{
    mtnt_migration_options to_a = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_add(f, "c", WRITES_BOTH);
    to_a.to = "b";
    assert_code(f, fleet_perform(f, 0, &to_a), 0);
    /* The model as it was before b: restored. */
    assert_text(fleet_ask_model(f, 0, "DELETE FROM mtnt_applied WHERE name = 'b'; DROP TABLE b"), "");
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup b, execute b, setup c, execute c");
    assert_int_equal(f->outcome.from_version, 1);
    assert_text(fleet_applied(f, 0), "a;b;c");
}

struct rival {
    fleet *f;
    mtnt_controller *controller;
    int rc;
    mtnt_outcome outcome;
    mtnt_error err;
};

static void *compete(void *data)
{
    struct rival *r = data;
    mtnt_coordinator *coordinator = NULL;

    r->rc = mtnt_coordinator_new(&coordinator, r->controller, r->f->tenants[0].model, r->f->chain, NULL, &r->err);
    if (r->rc == 0)
        r->rc = mtnt_coordinator_perform(coordinator, &r->err);
    mtnt_coordinator_free(coordinator);
    return NULL;
}

static void e3_two_at_once(fleet *f)
{
    struct rival rivals[2] = {{.f = f}, {.f = f}};
    pthread_t threads[2];
    int good = 0;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    for (int i = 0; i < 2; i++)
        assert_code(f, mtnt_controller_open(&rivals[i].controller, f->controller_dsn, NULL, &f->err), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(threads + i, NULL, compete, rivals + i), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        mtnt_controller_close(rivals[i].controller);
        good += rivals[i].rc == 0;
        if (rivals[i].rc != 0 && rivals[i].rc != MTNT_E_BUSY)
            fail_msg("%s: %s", mtnt_code_name(rivals[i].rc), rivals[i].err.message);
    }
    assert_true(good >= 1);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_notes(f, 0), "a;b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* ---- E4 ---- */

static const char *endless(mtnt_backend backend)
{
    return backend == MTNT_SQLITE
               ? "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
               : "SELECT pg_sleep(60)";
}

static void unchanged(fleet *f, char *model, char *controller)
{
    char *after = fleet_dump_model(f, 0), *controller_after = fleet_dump_controller(f);

    assert_string_equal(after, model);
    assert_string_equal(controller_after, controller);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_gids(f), "");
    free(model);
    free(after);
    free(controller);
    free(controller_after);
}

static void e4_endless(fleet *f, mtnt_migration_options options, bool in_controller)
{
    char *model = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f);
    int64_t before = now_ms();
    body how = {0};

    if (in_controller)
        how.controller_up = endless(f->controller_backend);
    else
        how.model_up = endless(f->model_backend);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, how);
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_DEADLINE);
    assert_text(f->outcome.failed_operation, "b");
    assert_true(now_ms() - before >= 200);
    assert_true(now_ms() - before < 20000);
    unchanged(f, model, controller);
}

static void e4_operation_timeout(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.operation_timeout_ms = 200;
    e4_endless(f, options, false);
}

static void e4_operation_timeout_in_controller(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.operation_timeout_ms = 200;
    e4_endless(f, options, true);
}

static void e4_overall_deadline(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.deadline_ms = 400;
    e4_endless(f, options, false);
}

/* The one that ends first counts. */
static void e4_callers_deadline_wins(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.deadline_ms = 400;
    options.operation_timeout_ms = 3600 * 1000;
    e4_endless(f, options, false);
}

static int note_remaining(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)err;
    f->counter = mtnt_context_remaining_ms(context);
    return 0;
}

static void e4_remaining_time(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = note_remaining});
    options.steps = 1;
    options.operation_timeout_ms = 60 * 1000;
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_true(f->counter > 30 * 1000 && f->counter <= 60 * 1000);
    /* 0 = off for the operation: what the tenant has. */
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = note_remaining});
    options.operation_timeout_ms = 0;
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_true(f->counter > 30 * 60 * 1000 && f->counter <= 60 * 60 * 1000);
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.during = note_remaining});
    options.deadline_ms = 10 * 60 * 1000;
    options.operation_timeout_ms = 20 * 60 * 1000;
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_true(f->counter > 5 * 60 * 1000 && f->counter <= 10 * 60 * 1000);
}

static int linger(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    usleep(150 * 1000);
    return 0;
}

/* A body that does not look at its time: the next one does not begin. */
static void e4_body_lingers(fleet *f)
{
    char *model = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f);
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = linger});
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = linger});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.during = linger});
    options.deadline_ms = 200;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_DEADLINE);
    assert_null(strstr(fleet_log(f, "t1"), "setup c"));
    unchanged(f, model, controller);
}

static int wait_for_the_end(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    while (mtnt_context_remaining_ms(context) > 0)
        usleep(1000);
    return mtnt_error_set(err, MTNT_E_DEADLINE, "out of time");
}

static int look_around(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int64_t rows;

    (void)operation;
    f->counter = mtnt_context_remaining_ms(context);
    if (mtnt_context_cancelled(context))
        return mtnt_error_set(err, MTNT_E_CANCELLED, "a rollback was told to stop");
    return mtnt_db_query_int(mtnt_scope_model(context), &rows, err, "SELECT count(*) FROM precious") ||
                   mtnt_db_query_int(mtnt_scope_controller(context), &rows, err, "SELECT count(*) FROM notes")
               ? err->code
               : 0;
}

static void e4_rollback_has_its_own(fleet *f)
{
    char *model = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f);
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add_body(f, "a", MTNT_WRITES_NOTHING,
                   (body){.flags = MTNT_OPERATION_EXTERNAL, .during_rollback = look_around});
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = wait_for_the_end});
    options.deadline_ms = 300;
    options.unlock_deadline_ms = 60 * 1000;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_DEADLINE);
    assert_text(f->err.message, "execute operation b: out of time");
    assert_true(f->counter > 30 * 1000 && f->counter <= 60 * 1000);
    unchanged(f, model, controller);
}

/* The time is used up when the body ends: what has become of it is written on fresh time, and so is everything that recovery needs to be told. */
static void e4_failure_is_written(fleet *f)
{
    char *model = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f);
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = wait_for_the_end});
    fleet_add(f, "c", WRITES_BOTH);
    options.deadline_ms = 200;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_DEADLINE);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|ROLLED_BACK;b|FAILED;c|PENDING");
    assert_text(fleet_ask_controller(f, "SELECT error_operation, error FROM mtnt_tenant"),
                "b|execute operation b: out of time");
    assert_text(fleet_gids(f), "");
    unchanged(f, model, controller);
    /* Nothing holds the tenant: neither a lock nor a lease. */
    f->counter = 0;
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

/* A model that was being made when the time was over is taken away on fresh time. */
static void e4_new_model_is_taken_away(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "CREATE TABLE precious (a INTEGER)"});
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = wait_for_the_end});
    options.deadline_ms = 3000;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_DEADLINE);
    assert_says(fleet_log(f, "t1"), "execute b");
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_notes(f, 0), "");
}

/* One by one, then back to the start: the way back has time of its own too. */
static void e4_going_back_has_its_own(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = wait_for_the_end});
    options.deadline_ms = 500;
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_DEADLINE);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b, rollback a");
    assert_text(fleet_applied(f, 0), "");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_tables(f, 0), "precious");
}

/* ---- E6 ---- */

static void e6_latecomer(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add_body(f, "a", WRITES_BOTH, (body){.order = 10});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.order = 30});
    fleet_must_perform(f, 0);
    fleet_log_clear(f);
    /* The tenant was current a moment ago; now it is not, and that is said, not skipped over. */
    fleet_add_body(f, "b", WRITES_BOTH, (body){.order = 20});
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    assert_says(r.texts[0], "20 `b`");
    assert_says(r.texts[0], "--allow-out-of-order");
    options.migration.to = "c";
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    options.migration.to = "a";
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    assert_text(fleet_log(f, NULL), "");
    options.migration.to = NULL;
    options.migration.allow_out_of_order = true;
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 1);
    assert_text(fleet_log(f, "t1"), "setup b, execute b");
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_text(fleet_known(f, 0), "idle|30|ok");
    /* And then it is current. */
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.current, 1);
}

int main(void)
{
    static const pair_test tests[] = {
        {"e1_merged_by_order", e1_merged_by_order, ON_ALL, 1, false},
        {"e1_duplicate_order", e1_duplicate_order, ON(PAIR_SQLITE), 1, false},
        {"e1_empty", e1_empty, ON_ALL, 1, false},
        {"e2_last_operation_fails", e2_last_operation_fails, ON_ALL, 1, false},
        {"e3_controller_is_behind", e3_controller_is_behind, ON_ALL, 1, false},
        {"e3_controller_is_ahead", e3_controller_is_ahead, ON_ALL, 1, false},
        {"e3_two_at_once", e3_two_at_once, ON_ALL, 1, false},
        {"e4_operation_timeout", e4_operation_timeout, ON_ALL, 1, false},
        {"e4_operation_timeout_in_controller", e4_operation_timeout_in_controller, ON_ALL, 1, false},
        {"e4_overall_deadline", e4_overall_deadline, ON_ALL, 1, false},
        {"e4_callers_deadline_wins", e4_callers_deadline_wins, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"e4_remaining_time", e4_remaining_time, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"e4_body_lingers", e4_body_lingers, ON_ALL, 1, false},
        {"e4_rollback_has_its_own", e4_rollback_has_its_own, ON_ALL, 1, false},
        {"e4_failure_is_written", e4_failure_is_written, ON_ALL, 1, false},
        {"e4_new_model_is_taken_away", e4_new_model_is_taken_away, ON_ALL, 1, true},
        {"e4_going_back_has_its_own", e4_going_back_has_its_own, ON_ALL, 1, false},
        {"e6_latecomer", e6_latecomer, ON_ALL, 1, false},
    };

    return run_pair_tests("conformance_e", tests, sizeof(tests) / sizeof(*tests));
}
