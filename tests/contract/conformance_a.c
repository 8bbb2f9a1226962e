/* CONFORMANCE, A: tenants in parallel. Rows about words and exit codes of the command are tested with it; here is what the library does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_run.h"

static size_t count_calls(fleet *f, const char *phase)
{
    const char *log = fleet_log(f, NULL);
    size_t count = 0;

    for (const char *at = log; (at = strstr(at, phase)) != NULL; at++)
        count++;
    return count;
}

static void three_operations(fleet *f, uint32_t writes)
{
    fleet_add(f, "a", writes);
    fleet_add(f, "b", writes);
    fleet_add(f, "c", writes);
}

static void a1_every_tenant_once(fleet *f, int workers)
{
    fleet_report r;

    three_operations(f, f->which == PAIR_SCHEMA ? WRITES_BOTH : MTNT_WRITES_MODEL);
    assert_code(f, fleet_run(f, workers, NULL, &r), 0);
    assert_int_equal(count_calls(f, "execute "), 12);
    assert_int_equal(r.operations, 12);
    assert_int_equal(r.counts.total, 4);
    assert_int_equal(r.counts.migrated, 4);
    assert_int_equal(r.counts.operations, 12);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(r.started[i], 1);
        assert_int_equal(r.finished[i], 1);
        assert_int_equal(r.results[i], MTNT_RESULT_MIGRATED);
        assert_text(fleet_log(f, f->tenants[i].id), "setup a, execute a, setup b, execute b, setup c, execute c");
        assert_text(fleet_tables(f, i), "a;b;c;precious");
        assert_text(fleet_applied(f, i), "a;b;c");
        assert_text(fleet_known(f, i), "idle|3|ok");
    }
}

static void a1_one_worker(fleet *f)
{
    a1_every_tenant_once(f, 1);
}

static void a1_three_workers(fleet *f)
{
    a1_every_tenant_once(f, 3);
}

static void a2_goes_on_where_it_stopped(fleet *f)
{
    mtnt_migration_options first = MTNT_MIGRATION_OPTIONS_INIT;

    three_operations(f, WRITES_BOTH);
    first.to = "a";
    assert_code(f, fleet_perform(f, 0, &first), 0);
    assert_int_equal(f->outcome.to_version, 1);
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup b, execute b, setup c, execute c");
    assert_int_equal(f->outcome.from_version, 1);
    assert_int_equal(f->outcome.to_version, 3);
    assert_int_equal(f->outcome.executed, 2);
    assert_text(fleet_known(f, 0), "idle|3|ok");
}

static void fails_at_b(fleet *f, uint32_t writes)
{
    fleet_add(f, "a", writes);
    fleet_add_body(f, "b", writes, (body){.fail_at = "execute"});
    fleet_add(f, "c", writes);
}

static void a3_failure_keep(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fails_at_b(f, WRITES_BOTH);
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    options.on_failure = MTNT_ON_FAILURE_KEEP;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_int_equal(f->outcome.executed, 1);
    assert_int_equal(f->outcome.to_version, 1);
    assert_text(f->outcome.failed_operation, "b");
    assert_int_equal(f->outcome.failed_order, 2);
    assert_text(f->outcome.failed_phase, "execute");
    assert_text(f->err.message, "execute operation b: boom");
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_notes(f, 0), "a");
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_known(f, 0), "idle|1|error");
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|COMPLETED;b|FAILED");
}

static void a3_failure_keep_in_a_run(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fails_at_b(f, MTNT_WRITES_MODEL);
    options.migration.atomicity = MTNT_ATOMICITY_OPERATION;
    options.migration.on_failure = MTNT_ON_FAILURE_KEEP;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.failed, (int64_t)f->count);
    assert_int_equal(r.counts.kept, (int64_t)f->count);
    assert_int_equal(r.counts.rolled_back, 0);
    assert_int_equal(r.counts.operations, (int64_t)f->count);
    for (size_t i = 0; i < f->count; i++) {
        assert_text(fleet_known(f, i), "idle|1|error");
        assert_text(fleet_applied(f, i), "a");
    }
}

/* By the operation, and taken back to where it started. */
static void a3_failure_rollback(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    char *before = fleet_dump_controller(f), *after;

    fails_at_b(f, WRITES_BOTH);
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b, rollback a");
    assert_int_equal(f->outcome.executed, 0);
    assert_int_equal(f->outcome.rolled_back, 1);
    assert_int_equal(f->outcome.to_version, 0);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_applied(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(f->outcome.failed_operation, "b");
    after = fleet_dump_controller(f);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void a4_out_of_order(fleet *f)
{
    mtnt_migration_options one = MTNT_MIGRATION_OPTIONS_INIT, all = MTNT_MIGRATION_OPTIONS_INIT;
    char *before, *after;

    fleet_add_body(f, "b", WRITES_BOTH, (body){.order = 2});
    fleet_must_perform(f, 0);
    fleet_add_body(f, "a", WRITES_BOTH, (body){.order = 1});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.order = 3});
    fleet_log_clear(f);
    before = fleet_dump_model(f, 0);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_HISTORY);
    assert_says(f->err.message, "1 `a`");
    assert_says(f->err.message, "2 `b`");
    one.steps = 1;
    assert_code(f, fleet_perform(f, 0, &one), MTNT_E_HISTORY);
    assert_text(fleet_log(f, "t1"), "");
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, before);
    free(before);
    free(after);
    assert_text(fleet_known(f, 0), "idle|2|error");
    /* Allowed by an explicit flag. */
    all.allow_out_of_order = true;
    assert_code(f, fleet_perform(f, 0, &all), 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup c, execute c");
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_text(fleet_known(f, 0), "idle|3|ok");
}

static void a5_rewind(fleet *f)
{
    char *model = fleet_dump_controller(f), *after;

    three_operations(f, WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_log_clear(f);
    fleet_must_rewind(f, 0);
    assert_text(fleet_log(f, "t1"), "rollback c, rollback b, rollback a");
    assert_int_equal(f->outcome.executed, 3);
    assert_int_equal(f->outcome.from_version, 3);
    assert_int_equal(f->outcome.to_version, 0);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_applied(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|ok");
    after = fleet_dump_controller(f);
    assert_string_equal(after, model);
    free(model);
    free(after);
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|ROLLED_BACK;b|ROLLED_BACK;c|ROLLED_BACK");
}

static void a5_failing_rollback(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "rollback"});
    fleet_add(f, "c", WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_log_clear(f);
    /* All together: it stops there, and nothing has been taken back. */
    assert_code(f, fleet_rewind(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), "rollback c, rollback b");
    assert_text(f->err.message, "rollback operation b: boom");
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_text(fleet_notes(f, 0), "a;b;c");
    assert_text(fleet_known(f, 0), "idle|3|error");
    /* One by one: what was taken back before stays so, and the failing operation stays recorded. */
    fleet_log_clear(f);
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    options.on_failure = MTNT_ON_FAILURE_KEEP;
    assert_code(f, fleet_rewind(f, 0, &options), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), "rollback c, rollback b");
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_notes(f, 0), "a;b");
    assert_text(fleet_known(f, 0), "idle|2|error");
}

/* The table that the result is recorded in does not take it: body and record are both undone. */
static int spoil_record(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    mtnt_db *db = mtnt_scope_model(context);

    (void)operation;
    if (f->model_backend == MTNT_SQLITE)
        return mtnt_db_exec(
            db, err,
            "CREATE TRIGGER spoil BEFORE INSERT ON mtnt_applied BEGIN SELECT RAISE(ABORT, 'no room in mtnt_applied'); END");
    return mtnt_db_exec(db, err, "ALTER TABLE mtnt_applied ADD CONSTRAINT spoil CHECK (name <> 'b')");
}

static void a6_recording_fails(fleet *f)
{
    char *before, *after, *controller = fleet_dump_controller(f), *controller_after;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = spoil_record});
    before = fleet_dump_model(f, 0);
    assert_int_not_equal(fleet_perform(f, 0, NULL), 0);
    assert_says(f->err.message, "cannot record what was done");
    assert_text(f->outcome.failed_phase, "commit");
    after = fleet_dump_model(f, 0);
    controller_after = fleet_dump_controller(f);
    assert_string_equal(after, before);
    assert_string_equal(controller_after, controller);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_gids(f), "");
    free(before);
    free(after);
    free(controller);
    free(controller_after);
}

static void a7_reset(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    three_operations(f, WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_log_clear(f);
    fleet_must_rewind(f, 0);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"),
                "rollback c, rollback b, rollback a, setup a, execute a, setup b, execute b, setup c, execute c");
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    /* The last one alone: 3 undone, then 3 done. */
    fleet_log_clear(f);
    options.steps = 1;
    assert_code(f, fleet_rewind(f, 0, &options), 0);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_text(fleet_log(f, "t1"), "rollback c, setup c, execute c");
}

typedef struct listing {
    char text[500];
} listing;

static int list_operation(void *data, const mtnt_operation_info *info, mtnt_error *err)
{
    listing *l = data;
    size_t length = strlen(l->text);

    (void)err;
    snprintf(l->text + length, sizeof(l->text) - length, "%s%lld %s %s", length > 0 ? ", " : "", (long long)info->order,
             info->name, info->applied ? "applied" : "pending");
    return 0;
}

static void a8_listed_by_order(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    listing l = {""};

    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.order = 30});
    fleet_must_perform(f, 0);
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.order = 10});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.order = 20});
    fleet_add_body(f, "d", MTNT_WRITES_MODEL, (body){.order = 40});
    options.allow_out_of_order = true;
    options.to = "b";
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_code(f, mtnt_controller_operations(f->controller, f->chain, "t1", list_operation, &l, &f->err), 0);
    assert_text(l.text, "10 a applied, 20 b applied, 30 c applied, 40 d pending");
}

/* `do` and `undo` are steps = 1. */
static void a9_nothing_left(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    three_operations(f, WRITES_BOTH);
    options.migration.steps = 1;
    for (int i = 0; i < 3; i++) {
        assert_code(f, fleet_run(f, 1, &options, &r), 0);
        assert_int_equal(r.counts.migrated, 1);
        assert_int_equal(r.counts.operations, 1);
    }
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    assert_int_equal(r.results[0], MTNT_RESULT_CURRENT);
    assert_int_equal(r.counts.current, 1);
    options.direction = MTNT_BACKWARD;
    for (int i = 0; i < 3; i++) {
        assert_code(f, fleet_run(f, 1, &options, &r), 0);
        assert_int_equal(r.counts.migrated, 1);
    }
    assert_text(fleet_applied(f, 0), "");
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    assert_int_equal(r.results[0], MTNT_RESULT_CURRENT);
    /* And with a coordinator. */
    assert_code(f, fleet_rewind(f, 0, &options.migration), 0);
    assert_int_equal(f->outcome.executed, 0);
}

static void a10_pending_and_executed(fleet *f)
{
    listing l = {""};

    three_operations(f, MTNT_WRITES_MODEL);
    assert_code(f, mtnt_controller_operations(f->controller, f->chain, "t1", list_operation, &l, &f->err), 0);
    assert_text(l.text, "1 a pending, 2 b pending, 3 c pending");
    fleet_must_perform(f, 0);
    l.text[0] = '\0';
    assert_code(f, mtnt_controller_operations(f->controller, f->chain, "t1", list_operation, &l, &f->err), 0);
    assert_text(l.text, "1 a applied, 2 b applied, 3 c applied");
    fleet_must_rewind(f, 0);
    l.text[0] = '\0';
    assert_code(f, mtnt_controller_operations(f->controller, f->chain, "t1", list_operation, &l, &f->err), 0);
    assert_text(l.text, "1 a pending, 2 b pending, 3 c pending");
}

static int body_of_nothing(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    (void)err;
    return 0;
}

static void a11_duplicates(fleet *f)
{
    static const mtnt_operation_class again = {MTNT_OPERATION_CLASS_INIT, .name = "a", .execute = body_of_nothing};
    static const mtnt_operation_class other = {MTNT_OPERATION_CLASS_INIT, .name = "other", .execute = body_of_nothing};

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    assert_int_equal(mtnt_chain_add(f->chain, &again, 7, NULL, &f->err), MTNT_E_CONFIG);
    assert_says(f->err.message, "names are unique");
    assert_int_equal(mtnt_chain_add(f->chain, &other, 1, NULL, &f->err), MTNT_E_CONFIG);
    assert_says(f->err.message, "orders are unique");
    assert_int_equal(mtnt_chain_len(f->chain), 1);
}

/* ---- A13: sources that end badly ---- */

struct bad_source {
    mtnt_tenant_source inner;
    int given, good;
    bool with_error;
};

static int bad_next(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    struct bad_source *bad = data;

    if (bad->given == bad->good) {
        *ret_model = NULL;
        return bad->with_error ? mtnt_error_set(err, MTNT_E_IO, "the pipe has burst") : 0;
    }
    bad->given++;
    return bad->inner.next(bad->inner.data, ret_model, err);
}

static int64_t promised(void *data)
{
    (void)data;
    return 4;
}

static void a13_source_fails_midway(fleet *f)
{
    struct bad_source bad = {.inner = fleet_source(f), .good = 2, .with_error = true};
    mtnt_tenant_source source = {bad_next, promised, NULL, &bad};
    fleet_report r;

    three_operations(f, MTNT_WRITES_MODEL);
    assert_code(f, fleet_run_over(f, &source, 2, NULL, &r), MTNT_E_IO);
    assert_says(f->err.message, "the pipe has burst");
    assert_int_equal(r.counts.migrated, 2);
    assert_int_equal(r.counts.total, 2);
    assert_text(fleet_known(f, 0), "idle|3|ok");
    assert_text(fleet_known(f, 1), "idle|3|ok");
    assert_text(fleet_known(f, 2), "-");
}

/* Early, or with a NULL where there should be a tenant: that is how a source says that it is done. */
static void a13_source_ends_early(fleet *f)
{
    struct bad_source bad = {.inner = fleet_source(f), .good = 3};
    mtnt_tenant_source source = {bad_next, promised, NULL, &bad};
    fleet_report r;

    three_operations(f, MTNT_WRITES_MODEL);
    assert_code(f, fleet_run_over(f, &source, 2, NULL, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    assert_int_equal(r.counts.total, 3);
}

static void a13_source_fails_at_once(fleet *f)
{
    struct bad_source bad = {.inner = fleet_source(f), .good = 0, .with_error = true};
    mtnt_tenant_source source = {bad_next, promised, NULL, &bad};
    fleet_report r;

    three_operations(f, MTNT_WRITES_MODEL);
    assert_code(f, fleet_run_over(f, &source, 2, NULL, &r), MTNT_E_IO);
    assert_int_equal(r.counts.total, 0);
    assert_text(fleet_log(f, NULL), "");
}

static void a14_workers(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_executor *executor = NULL;

    /* 0 means "choose" in C; the command refuses it. */
    for (int workers = -1; workers < 2000; workers += 1026) {
        options.workers = workers;
        assert_int_equal(mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), MTNT_E_INVALID);
        assert_null(executor);
    }
    options.workers = 0;
    assert_int_equal(mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    mtnt_executor_free(executor);
}

/* ---- what is improved on ---- */

static void one_failure_stops_nobody(fleet *f)
{
    fleet_report r;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "execute", .fail_for = "t2"});
    fleet_add(f, "c", WRITES_BOTH);
    assert_code(f, fleet_run(f, 3, NULL, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    assert_int_equal(r.counts.failed, 1);
    assert_int_equal(r.counts.rolled_back, 1);
    assert_int_equal(r.results[1], MTNT_RESULT_FAILED);
    assert_text(r.texts[1], "execute operation b: boom");
    for (size_t i = 0; i < 4; i++) {
        assert_text(fleet_known(f, i), i == 1 ? "idle|0|error" : "idle|3|ok");
        assert_text(fleet_tables(f, i), i == 1 ? "precious" : "a;b;c;precious");
        assert_text(fleet_notes(f, i), i == 1 ? "" : "a;b;c");
    }
    /* The next run takes up what is left, and nobody else. */
    fleet_log_clear(f);
    fleet_new_chain(f);
    three_operations(f, WRITES_BOTH);
    assert_code(f, fleet_run(f, 3, NULL, &r), 0);
    assert_int_equal(r.counts.migrated, 1);
    assert_int_equal(r.counts.current, 3);
    assert_text(fleet_log(f, NULL),
                "t2: setup a, t2: execute a, t2: setup b, t2: execute b, t2: setup c, t2: execute c");
}

static int fail_with_percents(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    return mtnt_error_set(err, MTNT_E_OPERATION, "%s", "100%s%n of %d");
}

static void texts_are_no_formats(fleet *f)
{
    fleet_report r;

    fleet_add_body(f, "%n%s", MTNT_WRITES_MODEL, (body){.during = fail_with_percents, .model_up = ""});
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_text(r.texts[0], "execute operation %n%s: 100%s%n of %d");
    assert_text(fleet_ask_controller(f, "SELECT error_operation, error FROM mtnt_tenant"),
                "%n%s|execute operation %n%s: 100%s%n of %d");
}

/* A model that cannot be had is a failed tenant, never a skipped one. */
static void unreachable_model(fleet *f)
{
    fleet_report r;

    three_operations(f, MTNT_WRITES_MODEL);
    fleet_remove_model(f, 1);
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    assert_int_equal(r.counts.failed, 1);
    assert_int_equal(r.results[1], MTNT_RESULT_FAILED);
    assert_says(r.texts[1], "does not exist");
    assert_text(fleet_known(f, 1), "idle|0|error");
}

int main(void)
{
    static const pair_test tests[] = {
        {"a1_one_worker", a1_one_worker, ON_ALL, 4, false},
        {"a1_three_workers", a1_three_workers, ON_ALL, 4, false},
        {"a2_goes_on_where_it_stopped", a2_goes_on_where_it_stopped, ON_ALL, 1, false},
        {"a3_failure_keep", a3_failure_keep, ON_ALL, 1, false},
        {"a3_failure_keep_in_a_run", a3_failure_keep_in_a_run, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 3, false},
        {"a3_failure_rollback", a3_failure_rollback, ON_ALL, 1, false},
        {"a4_out_of_order", a4_out_of_order, ON_ALL, 1, false},
        {"a5_rewind", a5_rewind, ON_ALL, 1, false},
        {"a5_failing_rollback", a5_failing_rollback, ON_ALL, 1, false},
        {"a6_recording_fails", a6_recording_fails, ON_ALL, 1, false},
        {"a7_reset", a7_reset, ON_ALL, 1, false},
        {"a8_listed_by_order", a8_listed_by_order, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"a9_nothing_left", a9_nothing_left, ON_ALL, 1, false},
        {"a10_pending_and_executed", a10_pending_and_executed, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"a11_duplicates", a11_duplicates, ON(PAIR_SQLITE), 1, false},
        {"a13_source_fails_midway", a13_source_fails_midway, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 4, false},
        {"a13_source_ends_early", a13_source_ends_early, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 4, false},
        {"a13_source_fails_at_once", a13_source_fails_at_once, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 4, false},
        {"a14_workers", a14_workers, ON(PAIR_SQLITE), 1, false},
        {"one_failure_stops_nobody", one_failure_stops_nobody, ON_ALL, 4, false},
        {"texts_are_no_formats", texts_are_no_formats, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"unreachable_model", unreachable_model, ON_ALL, 4, false},
    };

    return run_pair_tests("conformance_a", tests, sizeof(tests) / sizeof(*tests));
}
