/* New models as copies of a sealed template: `create_model: {snapshot: true}`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_run.h"
#include "ticking.h"

#define COPIED MTNT_OPERATION_SAME_FOR_ALL

/* ---- the chain ---- */

static void add_creator(fleet *f, uint32_t flags)
{
    fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                   (body){.model_up = "CREATE TABLE precious (a INTEGER); INSERT INTO precious VALUES (1), (2)",
                          .flags = MTNT_OPERATION_CREATES_MODEL | COPIED | flags,
                          .checksum = "create"});
}

static void add_copied(fleet *f, const char *name, const char *up)
{
    fleet_add_body(f, name, MTNT_WRITES_MODEL,
                   (body){.model_up = up, .flags = COPIED, .checksum = up == NULL ? "" : up});
}

static void add_chain(fleet *f)
{
    add_creator(f, MTNT_OPERATION_CLONES);
    add_copied(f, "a", NULL);
    add_copied(f, "b", "CREATE TABLE b (x INTEGER PRIMARY KEY, y TEXT); INSERT INTO b VALUES (1, 'one'), (2, 'two')");
}

/* Tenants `first` … `first` + `count` - 1. */
static void run_from(fleet *f, size_t first, size_t count, int workers, fleet_report *r)
{
    mtnt_tenant_source source = fleet_source(f);
    size_t all = f->count;

    f->counter = (int64_t)first;
    f->count = first + count;
    assert_code(f, fleet_run_over(f, &source, workers, NULL, r), 0);
    f->count = all;
    assert_int_equal(r->counts.migrated, count);
}

static bool was_run(fleet *f, size_t tenant)
{
    return fleet_log(f, f->tenants[tenant].id)[0] != '\0';
}

static const char *mark_of(fleet *f, size_t tenant, const char *key)
{
    char sql[100];

    snprintf(sql, sizeof(sql), "SELECT value FROM mtnt_meta WHERE key = '%s'", key);
    return fleet_ask_model(f, tenant, sql);
}

static void assert_whole(fleet *f, size_t tenant)
{
    char expected[80];

    assert_text(fleet_tables(f, tenant), "a;b;precious");
    assert_text(fleet_ask_model(f, tenant, "SELECT x, y FROM b ORDER BY x"), "1|one;2|two");
    assert_text(fleet_applied(f, tenant), "create;a;b");
    assert_text(fleet_known(f, tenant), "idle|3|ok");
    /* Marks of its own, and nothing of the template's or another tenant's. */
    assert_text(mark_of(f, tenant, "tenant"), f->tenants[tenant].id);
    assert_text(mark_of(f, tenant, "template"), "");
    assert_text(fleet_ask_model(f, tenant, "SELECT count(*) FROM mtnt_decision"), "0");
    snprintf(expected, sizeof(expected), "%s", mark_of(f, tenant, "created_by"));
    assert_int_equal(strlen(expected), 32);
    assert_text(fleet_ask_model(f, tenant, "SELECT DISTINCT migration FROM mtnt_applied"), expected);
    snprintf(expected, sizeof(expected), "%s", mark_of(f, tenant, "model_uuid"));
    for (size_t i = 0; i < tenant; i++)
        if (fleet_model_exists(f, i))
            assert_string_not_equal(mark_of(f, i, "model_uuid"), expected);
}

/* ---- copies ---- */

static void g1_the_third_is_a_copy(fleet *f)
{
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 6, 1, &r);
    assert_text(r.warning, "");
    assert_int_equal(r.counts.cloned, 4);
    assert_int_equal(r.counts.operations, 18);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(was_run(f, i), i < 2);
        assert_whole(f, i);
    }
    assert_int_equal(fleet_provisional(f), 0);
    assert_string_not_equal(fleet_templates(f), "");
    /* It is like any other model from now on. */
    fleet_must_perform(f, 5);
    assert_int_equal(f->outcome.executed, 0);
    fleet_must_rewind(f, 5);
    assert_text(fleet_known(f, 5), "idle|0|ok");
}

static void g1_many_workers(fleet *f)
{
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 2, 1, &r);
    run_from(f, 2, 6, 4, &r);
    assert_int_equal(r.counts.cloned, 6);
    for (size_t i = 0; i < 8; i++)
        assert_whole(f, i);
}

/* Another process, one tenant: a customer signs up. */
static void g2_the_template_outlives_the_process(fleet *f)
{
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 2, 1, &r);
    assert_int_equal(r.counts.cloned, 0);
    fleet_reopen(f);
    fleet_must_perform(f, 2);
    assert_true(f->outcome.cloned_model);
    assert_true(f->outcome.created_model);
    assert_int_equal(f->outcome.executed, 3);
    assert_text(f->outcome.mode, "provisional");
    assert_false(was_run(f, 2));
    assert_whole(f, 2);
}

static void g2_on_access(fleet *f)
{
    mtnt_ensure *ensure = NULL;

    add_chain(f);
    assert_code(f, mtnt_ensure_new(&ensure, f->controller_dsn, f->chain, NULL, &f->err), 0);
    for (size_t i = 0; i < 4; i++)
        assert_code(f, mtnt_ensure_current(ensure, f->tenants[i].model, &f->err), 0);
    mtnt_ensure_free(ensure);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(was_run(f, i), i < 2);
        assert_whole(f, i);
    }
}

/* ---- what is not the same for all ---- */

/* Within one second nothing is known of the next. */
static void g3_two_seconds_are_needed(fleet *f)
{
    fleet_report r;

    add_chain(f);
    ticking_stop(true);
    run_from(f, 0, 4, 1, &r);
    ticking_stop(false);
    assert_int_equal(r.counts.cloned, 0);
    assert_text(fleet_templates(f), "");
    assert_true(was_run(f, 3));
}

static void all_by_the_chain(fleet *f, const char *warning)
{
    fleet_report r;

    run_from(f, 0, 4, 1, &r);
    assert_int_equal(r.counts.cloned, 0);
    assert_says(r.warning, warning);
    for (size_t i = 0; i < 4; i++)
        assert_true(was_run(f, i));
    assert_text(fleet_templates(f), "");
}

static int write_the_time(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)f;
    return mtnt_db_exec(mtnt_scope_model(context), err, "INSERT INTO a VALUES ($1)",
                        MTNT_INT(ticking_look() / 1000 % 1000000));
}

static void g4_what_depends_on_the_time_is_found_out(fleet *f)
{
    add_creator(f, MTNT_OPERATION_CLONES);
    fleet_add_body(f, "a", MTNT_WRITES_MODEL,
                   (body){.during = write_the_time, .flags = COPIED, .checksum = "the time"});
    all_by_the_chain(f, "something else for tenant t2 than for t1");
}

static int write_the_tenant(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)f;
    return mtnt_db_exec(mtnt_scope_model(context), err, "INSERT INTO a VALUES ($1)",
                        MTNT_INT(atoll(mtnt_model_id(mtnt_scope_tenant(context)) + 1)));
}

static void g4_what_depends_on_the_tenant_is_found_out(fleet *f)
{
    add_creator(f, MTNT_OPERATION_CLONES);
    fleet_add_body(f, "a", MTNT_WRITES_MODEL,
                   (body){.during = write_the_tenant, .flags = COPIED, .checksum = "the tenant"});
    all_by_the_chain(f, "it depends on the tenant, the time or chance");
}

/* Settings of a database are not copied with it. */
static void g4_settings_of_the_database(fleet *f)
{
    add_creator(f, MTNT_OPERATION_CLONES);
    add_copied(f, "a",
               "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 9000', current_database()); END $$");
    all_by_the_chain(f, "belongs to a database and is not copied with it");
}

static void g5_another_chain_another_template(fleet *f)
{
    char before[300];
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 3, 1, &r);
    assert_int_equal(r.counts.cloned, 1);
    snprintf(before, sizeof(before), "%s", fleet_templates(f));
    fleet_new_chain(f);
    add_chain(f);
    add_copied(f, "c", NULL);
    fleet_log_clear(f);
    run_from(f, 3, 3, 1, &r);
    assert_int_equal(r.counts.cloned, 1);
    assert_true(was_run(f, 4));
    assert_false(was_run(f, 5));
    assert_text(fleet_tables(f, 5), "a;b;c;precious");
    /* The one before is no use any more. */
    assert_null(strchr(fleet_templates(f), ';'));
    assert_string_not_equal(fleet_templates(f), before);
}

/* ---- templates that are no use ---- */

static void on_server(fleet *f, const char *database, const char *format, const char *name)
{
    char sql[400];
    const char *answer;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(sql, sizeof(sql), format, name);
#pragma GCC diagnostic pop
    answer = fleet_ask_database(f, database, sql);
    assert_text(answer, "");
}

static void change_template(fleet *f)
{
    char name[200], command[600];

    snprintf(name, sizeof(name), "%s", fleet_templates(f));
    assert_null(strchr(name, ';'));
    if (f->model_backend == MTNT_SQLITE) {
        snprintf(command, sizeof(command), "sqlite3 '%s/%s' \"INSERT INTO b VALUES (3, 'three')\"", f->folder, name);
        assert_int_equal(system(command), 0);
        return;
    }
    on_server(f, NULL, "ALTER DATABASE %s ALLOW_CONNECTIONS true", name);
    on_server(f, name, "INSERT INTO b VALUES (3, '%s')", "three");
    on_server(f, NULL, "ALTER DATABASE %s ALLOW_CONNECTIONS false", name);
}

static void g6_a_changed_template_is_no_use(fleet *f)
{
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 3, 1, &r);
    change_template(f);
    run_from(f, 3, 2, 1, &r);
    assert_int_equal(r.counts.cloned, 0);
    assert_says(r.warning, "is not whole, or has been changed");
    assert_whole(f, 3);
    assert_whole(f, 4);
    assert_true(was_run(f, 3));
    assert_text(fleet_templates(f), "");
    assert_int_equal(fleet_provisional(f), 0);
    /* The next run makes another one. */
    run_from(f, 5, 3, 1, &r);
    assert_int_equal(r.counts.cloned, 1);
    assert_whole(f, 7);
}

/* Whoever was making it is gone. */
static void g6_a_half_made_template_is_no_use(fleet *f)
{
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 2, 1, &r);
    on_server(f, NULL, "ALTER DATABASE %s ALLOW_CONNECTIONS true", fleet_templates(f));
    run_from(f, 2, 2, 1, &r);
    assert_int_equal(r.counts.cloned, 0);
    assert_says(r.warning, "left half made");
    assert_text(fleet_templates(f), "");
    run_from(f, 4, 3, 1, &r);
    assert_int_equal(r.counts.cloned, 1);
    assert_whole(f, 6);
}

/* ---- when there are none ---- */

static int any_hook(void *data, const mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err)
{
    (void)operation;
    (void)scope;
    (void)err;
    ++*(int *)data;
    return 0;
}

static void g7_hooks_see_every_operation(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    int calls = 0;
    fleet_report r;

    add_chain(f);
    options.migration.before_each = any_hook;
    options.migration.hook_data = &calls;
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    assert_int_equal(r.counts.cloned, 0);
    assert_int_equal(calls, 3 * (int)f->count);
}

static void g8_only_when_the_chain_says_so(fleet *f)
{
    fleet_report r;

    add_creator(f, 0);
    add_copied(f, "a", NULL);
    run_from(f, 0, 4, 1, &r);
    assert_int_equal(r.counts.cloned, 0);
    assert_text(fleet_templates(f), "");
}

static void g8_schemas_are_made_by_the_chain(fleet *f)
{
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 4, 1, &r);
    assert_int_equal(r.counts.cloned, 0);
    for (size_t i = 0; i < 4; i++)
        assert_true(was_run(f, i));
}

/* Not even in pages that nothing points to. */
static void g9_no_trace_of_another_tenant(fleet *f)
{
    char command[700];
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 3, 1, &r);
    assert_int_equal(r.counts.cloned, 1);
    for (size_t i = 0; i < 2; i++)
        for (size_t in = 0; in < 3; in++) {
            snprintf(command, sizeof(command), "grep -qF '%s' '%s'", mark_of(f, i, "model_uuid"),
                     f->tenants[in].dsn + strlen("sqlite:"));
            assert_int_equal(system(command) == 0, in == i);
        }
}

/* A model that is there already is never put away for a copy. */
static void g10_only_what_is_not_there(fleet *f)
{
    fleet_report r;

    add_chain(f);
    run_from(f, 0, 2, 1, &r);
    fleet_make_model(f, 2);
    assert_code(f, fleet_perform(f, 2, NULL), MTNT_E_DATABASE);
    assert_text(fleet_ask_model(f, 2, "SELECT count(*) FROM precious"), "2");
    assert_text(fleet_tables(f, 2), "precious");
    assert_int_equal(fleet_provisional(f), 0);
}

#define ON_COPIES (ON(PAIR_SQLITE) | ON(PAIR_POSTGRES) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE_POSTGRES))
#define ON_TWO (ON(PAIR_SQLITE) | ON(PAIR_POSTGRES))

int main(void)
{
    static const pair_test tests[] = {
        {"g1_the_third_is_a_copy", g1_the_third_is_a_copy, ON_COPIES, 6, true},
        {"g1_many_workers", g1_many_workers, ON_TWO, 8, true},
        {"g2_the_template_outlives_the_process", g2_the_template_outlives_the_process, ON_TWO, 3, true},
        {"g2_on_access", g2_on_access, ON_TWO, 4, true},
        {"g3_two_seconds_are_needed", g3_two_seconds_are_needed, ON(PAIR_SQLITE), 4, true},
        {"g4_what_depends_on_the_time_is_found_out", g4_what_depends_on_the_time_is_found_out, ON_TWO, 4, true},
        {"g4_what_depends_on_the_tenant_is_found_out", g4_what_depends_on_the_tenant_is_found_out, ON(PAIR_SQLITE), 4,
         true},
        {"g4_settings_of_the_database", g4_settings_of_the_database, ON(PAIR_POSTGRES), 4, true},
        {"g5_another_chain_another_template", g5_another_chain_another_template, ON_TWO, 6, true},
        {"g6_a_changed_template_is_no_use", g6_a_changed_template_is_no_use, ON_TWO, 8, true},
        {"g6_a_half_made_template_is_no_use", g6_a_half_made_template_is_no_use, ON(PAIR_POSTGRES), 7, true},
        {"g7_hooks_see_every_operation", g7_hooks_see_every_operation, ON(PAIR_SQLITE), 4, true},
        {"g8_only_when_the_chain_says_so", g8_only_when_the_chain_says_so, ON(PAIR_SQLITE), 4, true},
        {"g8_schemas_are_made_by_the_chain", g8_schemas_are_made_by_the_chain, ON(PAIR_SCHEMA), 4, true},
        {"g9_no_trace_of_another_tenant", g9_no_trace_of_another_tenant, ON(PAIR_SQLITE), 3, true},
        {"g10_only_what_is_not_there", g10_only_what_is_not_there, ON(PAIR_SQLITE), 3, true},
    };

    return run_pair_tests("copies", tests, sizeof(tests) / sizeof(*tests));
}
