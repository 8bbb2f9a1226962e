/* CONFORMANCE E4 and E5: lanes with applied sets and times of their own; the slow one behind the application's back. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fleet_run.h"

#define FAST "fast"
#define SLOW "slow"

static int one_lane(fleet *f, size_t tenant, const char *lane, bool backward, const mtnt_migration_options *options)
{
    mtnt_coordinator *coordinator = NULL;
    int rc;

    mtnt_error_clear(&f->err);
    rc = mtnt_coordinator_new(&coordinator, f->controller, f->tenants[tenant].model, mtnt_chain_lane(f->chain, lane),
                              options, &f->err);
    if (rc == 0)
        rc = backward ? mtnt_coordinator_rewind(coordinator, &f->err) : mtnt_coordinator_perform(coordinator, &f->err);
    mtnt_coordinator_free(coordinator);
    return rc;
}

static int perform(fleet *f, size_t tenant, const char *lane)
{
    return one_lane(f, tenant, lane, false, NULL);
}

static int rewind_lane(fleet *f, size_t tenant, const char *lane)
{
    return one_lane(f, tenant, lane, true, NULL);
}

/* By operation, and where that is recorded. */
static const char *applied(fleet *f, size_t tenant)
{
    return fleet_ask_model(f, tenant,
                           f->tenants[tenant].schema[0] == '\0'
                               ? "SELECT name, chain FROM mtnt_applied ORDER BY name"
                               : (strcmp(f->tenants[tenant].schema, "shop_t1") == 0
                                      ? "SELECT name, chain FROM shop_t1.mtnt_applied ORDER BY name"
                                      : "SELECT name, chain FROM shop_t2.mtnt_applied ORDER BY name"));
}

static const char *states(fleet *f)
{
    return fleet_ask_controller(f, "SELECT lane, state, complete, failed, pending FROM mtnt_lane ORDER BY place");
}

static void in_lane(fleet *f, const char *name, const char *lane, uint32_t writes, body how)
{
    how.lane = lane;
    fleet_add_body(f, name, writes, how);
}

/* a in fast; b in slow. */
static void two_lanes(fleet *f)
{
    in_lane(f, "a", FAST, WRITES_BOTH, (body){0});
    in_lane(f, "b", SLOW, WRITES_BOTH, (body){0});
}

/* ---- applied sets ---- */

static void each_has_its_own_set(fleet *f)
{
    two_lanes(f);
    /* Slow waits for fast, whoever asks. */
    assert_code(f, perform(f, 0, SLOW), MTNT_E_REFUSED);
    assert_says(f->err.message, "tenant t1: lane `slow` runs when lane `fast` is complete, and it is not");
    assert_text(fleet_tables(f, 0), "precious");
    /* The whole chain is its first lane. */
    fleet_must_perform(f, 0);
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_known(f, 0), "idle|1|ok");
    assert_code(f, perform(f, 0, SLOW), 0);
    assert_text(applied(f, 0), "a|shop;b|shop/slow");
    assert_text(fleet_notes(f, 0), "a;b");
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_code(f, perform(f, 0, SLOW), 0);
    assert_code(f, perform(f, 0, FAST), 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_text(
        fleet_ask_controller(f, "SELECT chain, state, version FROM mtnt_tenant WHERE tenant = 't1' ORDER BY chain"),
        "shop|idle|1;shop/slow|idle|2");
    /* And back the other way round. */
    assert_code(f, rewind_lane(f, 0, FAST), MTNT_E_REFUSED);
    assert_says(f->err.message, "lane `slow` is taken back before lane `fast`");
    assert_text(applied(f, 0), "a|shop;b|shop/slow");
    assert_code(f, rewind_lane(f, 0, SLOW), 0);
    assert_code(f, rewind_lane(f, 0, FAST), 0);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
}

static void failure_leaves_the_other(fleet *f)
{
    char *fast;

    in_lane(f, "a", FAST, WRITES_BOTH, (body){0});
    in_lane(f, "b", SLOW, WRITES_BOTH, (body){0});
    in_lane(f, "c", SLOW, WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, perform(f, 0, FAST), 0);
    fast = fleet_dump_model(f, 0);
    assert_code(f, perform(f, 0, SLOW), MTNT_E_OPERATION);
    assert_text(applied(f, 0), "a|shop");
    assert_text(fleet_notes(f, 0), "a");
    assert_text(fleet_known(f, 0), "idle|1|ok");
    assert_text(states(f), "fast|complete|1|0|0;slow|failed|0|1|0");
    assert_code(f, perform(f, 0, FAST), 0);
    assert_text(fleet_tables(f, 0), "a;precious");
    free(fast);
    /* One that is put right goes on. */
    fleet_new_chain(f);
    two_lanes(f);
    assert_code(f, perform(f, 0, SLOW), 0);
    assert_text(states(f), "fast|complete|1|0|0;slow|complete|1|0|0");
}

/* What is applied stays in its lane, and is never run again because of another. */
static void moved_is_refused(fleet *f)
{
    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "b", SLOW, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "c", SLOW, MTNT_WRITES_CONTROLLER, (body){0});
    assert_code(f, perform(f, 0, FAST), 0);
    assert_code(f, perform(f, 0, SLOW), 0);
    fleet_log_clear(f);

    fleet_new_chain(f);
    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "b", FAST, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "c", SLOW, MTNT_WRITES_CONTROLLER, (body){0});
    assert_code(f, perform(f, 0, FAST), MTNT_E_HISTORY);
    assert_says(f->err.message,
                "operation 2 `b` of chain shop was applied in lane `slow`, and the chain now has it in lane `fast`");

    /* What only the controller records. */
    fleet_new_chain(f);
    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "b", SLOW, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "c", FAST, MTNT_WRITES_CONTROLLER, (body){0});
    assert_code(f, perform(f, 0, FAST), MTNT_E_HISTORY);
    assert_says(f->err.message,
                "operation 3 `c` of chain shop was applied in lane `slow`, and the chain now has it in lane `fast`");

    /* Without lanes, as before there were any. */
    fleet_new_chain(f);
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_HISTORY);
    assert_says(f->err.message,
                "`b` of chain shop was applied in lane `slow`, and the chain now has it in lane `fast`");
    assert_text(fleet_log(f, "t1"), "");
    assert_text(fleet_notes(f, 0), "c");
}

/* ---- crashes ---- */

static int die(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    if (f->data == NULL)
        return 0;
    raise(SIGKILL);
    return 0;
}

static void runs_both(fleet *f)
{
    if (perform(f, 0, FAST) == 0)
        (void)perform(f, 0, SLOW);
}

static void runs_fast(fleet *f)
{
    (void)perform(f, 0, FAST);
    raise(SIGKILL);
}

static void crash_between_lanes(fleet *f)
{
    two_lanes(f);
    assert_true(WIFSIGNALED(fleet_in_child(f, runs_fast)));
    assert_text(applied(f, 0), "a|shop");
    assert_code(f, perform(f, 0, SLOW), 0);
    assert_text(applied(f, 0), "a|shop;b|shop/slow");
    assert_text(fleet_notes(f, 0), "a;b");
}

static void crash_in_slow(fleet *f)
{
    in_lane(f, "a", FAST, WRITES_BOTH, (body){0});
    in_lane(f, "b", SLOW, WRITES_BOTH, (body){.during = die});
    f->data = f;
    assert_true(WIFSIGNALED(fleet_in_child(f, runs_both)));
    f->data = NULL;
    assert_text(fleet_known(f, 0), "idle|1|ok");
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_tenant WHERE chain = 'shop/slow'"), "executing");
    /* The fast lane is not concerned, and says nothing of it. */
    assert_code(f, perform(f, 0, FAST), 0);
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_tenant WHERE chain = 'shop/slow'"), "executing");
    assert_code(f, perform(f, 0, SLOW), 0);
    assert_text(applied(f, 0), "a|shop;b|shop/slow");
    assert_text(fleet_notes(f, 0), "a;b");
    assert_text(fleet_gids(f), "");
}

/* What was interrupted is settled even where the lane has to wait: nothing of it stays behind. */
static void crash_in_slow_and_held(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor = NULL;
    mtnt_counts counts;

    in_lane(f, "a", FAST, WRITES_BOTH, (body){0});
    in_lane(f, "b", SLOW, WRITES_BOTH, (body){.during = die});
    f->data = f;
    assert_true(WIFSIGNALED(fleet_in_child(f, runs_both)));
    f->data = NULL;
    /* Fast has something new. */
    in_lane(f, "c", FAST, MTNT_WRITES_MODEL, (body){0});
    assert_code(f, mtnt_executor_new(&executor, f->controller, mtnt_chain_lane(f->chain, SLOW), &options, &f->err), 0);
    assert_code(f, mtnt_executor_migrate(executor, &source, &counts, &f->err), 0);
    mtnt_executor_free(executor);
    assert_int_equal(counts.recovered_aborted, 1);
    assert_int_equal(counts.untouched, 1);
    assert_int_equal(counts.held, 1);
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_tenant WHERE chain = 'shop/slow'"), "idle");
    assert_text(fleet_gids(f), "");
    assert_text(applied(f, 0), "a|shop");
}

/* ---- times ---- */

/* Until its time is over. */
static int forever(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    mtnt_db *model = mtnt_scope_model(context);

    (void)operation;
    if (f->data == NULL)
        return 0;
    if (mtnt_db_backend(model) == MTNT_POSTGRES)
        return mtnt_db_exec(model, err, "SELECT pg_sleep(600)");
    return mtnt_db_exec(model, err,
                        "INSERT INTO precious WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) "
                        "SELECT count(*) FROM r");
}

/* E4: each lane has its own; what a caller says comes first. */
static void e4_times_of_a_lane(fleet *f)
{
    mtnt_lane lanes[] = {MTNT_LANE_INIT, MTNT_LANE_INIT};
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    lanes[0].name = FAST;
    lanes[1].name = SLOW;
    lanes[1].operation_timeout_ms = 300;
    assert_code(f, mtnt_chain_set_lanes(f->chain, lanes, 2, &f->err), 0);
    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "b", SLOW, MTNT_WRITES_MODEL, (body){.during = forever});
    f->data = f;
    assert_code(f, perform(f, 0, FAST), 0);
    assert_code(f, perform(f, 0, SLOW), MTNT_E_DEADLINE);
    assert_text(fleet_tables(f, 0), "a;precious");
    /* The caller's own. */
    options.operation_timeout_ms = 60 * 60 * 1000;
    options.deadline_ms = 300;
    assert_code(f, one_lane(f, 0, SLOW, false, &options), MTNT_E_DEADLINE);
    f->data = NULL;
    assert_code(f, one_lane(f, 0, SLOW, false, &options), 0);
}

/* ---- in the background ---- */

typedef struct given {
    fleet *f;
    size_t next;
} given;

static int next_given(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    given *g = data;
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;

    *ret_model = NULL;
    if (g->next == g->f->count)
        return 0;
    options.id = g->f->tenants[g->next].id;
    options.dsn = g->f->tenants[g->next].dsn;
    options.schema = g->f->tenants[g->next].schema[0] == '\0' ? NULL : g->f->tenants[g->next].schema;
    g->next++;
    return mtnt_model_new(ret_model, &options, err);
}

static int open_tenants(void *data, const char *lane, mtnt_controller *controller, mtnt_tenant_source *ret_source,
                        mtnt_error *err)
{
    given *g = calloc(1, sizeof(*g));

    (void)lane;
    assert_non_null(controller);
    if (g == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    g->f = data;
    *ret_source = (mtnt_tenant_source){next_given, NULL, free, g};
    return 0;
}

static int open_nothing(void *data, const char *lane, mtnt_controller *controller, mtnt_tenant_source *ret_source,
                        mtnt_error *err)
{
    (void)data;
    (void)controller;
    (void)ret_source;
    return mtnt_error_set(err, MTNT_E_IO, "the list of tenants for %s is gone", lane);
}

/* A door that bodies wait at. */
static atomic_int door_open, at_the_door;

static int wait_at_the_door(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const struct timespec while_ = {0, 2000000};

    (void)f;
    (void)operation;
    atomic_fetch_add(&at_the_door, 1);
    while (!atomic_load(&door_open)) {
        if (mtnt_context_cancelled(context))
            return mtnt_error_set(err, MTNT_E_CANCELLED, "told to go");
        nanosleep(&while_, NULL);
    }
    return 0;
}

static void until_at_the_door(int count)
{
    const struct timespec while_ = {0, 2000000};

    for (int i = 0; i < 30000 && atomic_load(&at_the_door) < count; i++)
        nanosleep(&while_, NULL);
    assert_true(atomic_load(&at_the_door) >= count);
}

static mtnt_executor *executor_of(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_executor *executor = NULL;

    atomic_store(&door_open, 0);
    atomic_store(&at_the_door, 0);
    options.workers = 2;
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    return executor;
}

static int wait_for(fleet *f, mtnt_executor *executor, const char *lane, int64_t timeout_ms, mtnt_counts *counts)
{
    mtnt_error_clear(&f->err);
    return mtnt_executor_wait_lane(executor, lane, timeout_ms, counts, &f->err);
}

/* E5: fast in the foreground, slow in the background; the application polls, or waits. */
static void e5_slow_in_the_background(fleet *f)
{
    static const char *const slow[] = {SLOW, NULL};
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor;
    mtnt_counts counts = {0};

    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "b", SLOW, MTNT_WRITES_MODEL, (body){.during = wait_at_the_door});
    executor = executor_of(f);
    assert_code(f, wait_for(f, executor, SLOW, 0, NULL), MTNT_E_NOT_FOUND);
    assert_code(f, mtnt_executor_migrate(executor, &source, &counts, &f->err), 0);
    assert_int_equal(counts.migrated, 3);
    assert_text(fleet_tables(f, 2), "a;precious");
    assert_code(f, mtnt_executor_start(executor, slow, open_tenants, f, &f->err), 0);
    assert_code(f, mtnt_executor_start(executor, slow, open_tenants, f, &f->err), MTNT_E_INVALID);
    until_at_the_door(1);
    assert_code(f, wait_for(f, executor, SLOW, 0, &counts), MTNT_E_DEADLINE);
    assert_code(f, wait_for(f, executor, FAST, 0, &counts), MTNT_E_NOT_FOUND);
    /* The caller's handle is the caller's meanwhile. */
    assert_int_equal(mtnt_db_query_int(mtnt_controller_db(f->controller), &f->counter, &f->err,
                                       "SELECT count(*) FROM mtnt_lane WHERE state = 'running'"),
                     0);
    assert_int_equal(f->counter, 1);
    atomic_store(&door_open, 1);
    assert_code(f, wait_for(f, executor, SLOW, -1, &counts), 0);
    assert_int_equal(counts.migrated, 3);
    assert_code(f, wait_for(f, executor, SLOW, 1000, NULL), 0);
    mtnt_executor_free(executor);
    assert_text(states(f), "fast|complete|3|0|0;slow|complete|3|0|0");
}

static void all_lanes_one_after_another(fleet *f)
{
    mtnt_executor *executor;
    mtnt_counts counts;

    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "b", SLOW, MTNT_WRITES_MODEL, (body){.fail_at = "execute", .fail_for = "t2"});
    executor = executor_of(f);
    assert_code(f, mtnt_executor_start(executor, NULL, open_tenants, f, &f->err), 0);
    assert_code(f, wait_for(f, executor, FAST, -1, &counts), 0);
    assert_int_equal(counts.migrated, 3);
    assert_code(f, wait_for(f, executor, SLOW, -1, &counts), MTNT_E_OPERATION);
    assert_says(f->err.message, "lane `slow`: 1 of 3 tenants have failed, 0 were not begun; t2: ");
    assert_int_equal(counts.migrated, 2);
    assert_int_equal(counts.failed, 1);
    mtnt_executor_free(executor);
}

/* Whose fast lane is not complete has to wait, and that is a failure of the slow one. */
static void held_back_in_the_background(fleet *f)
{
    mtnt_executor *executor;
    mtnt_counts counts;

    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){.fail_at = "execute", .fail_for = "t2"});
    in_lane(f, "b", SLOW, MTNT_WRITES_MODEL, (body){0});
    executor = executor_of(f);
    assert_code(f, mtnt_executor_start(executor, NULL, open_tenants, f, &f->err), 0);
    assert_code(f, wait_for(f, executor, SLOW, -1, &counts), MTNT_E_REFUSED);
    assert_says(f->err.message, "lane `slow`: 0 of 3 tenants have failed, 1 were not begun; t2: ");
    assert_int_equal(counts.migrated, 2);
    assert_int_equal(counts.held, 1);
    assert_code(f, wait_for(f, executor, FAST, 0, &counts), MTNT_E_OPERATION);
    mtnt_executor_free(executor);
    assert_text(states(f), "fast|failed|2|1|0;slow|failed|2|1|0");
}

/* Beside: at the same time, and with the models that the first lane makes once they are there. */
static void beside(fleet *f)
{
    mtnt_lane lanes[] = {MTNT_LANE_INIT, MTNT_LANE_INIT, MTNT_LANE_INIT};
    mtnt_executor *executor;
    mtnt_counts counts;

    lanes[0].name = FAST;
    lanes[1].name = "aside";
    lanes[1].beside = true;
    lanes[2].name = SLOW;
    assert_code(f, mtnt_chain_set_lanes(f->chain, lanes, 3, &f->err), 0);
    in_lane(f, "base", FAST, MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){.during = wait_at_the_door});
    in_lane(f, "b", "aside", MTNT_WRITES_MODEL, (body){0});
    in_lane(f, "c", SLOW, MTNT_WRITES_MODEL, (body){0});
    executor = executor_of(f);
    assert_code(f, mtnt_executor_start(executor, NULL, open_tenants, f, &f->err), 0);
    until_at_the_door(1);
    assert_code(f, wait_for(f, executor, "aside", 0, NULL), MTNT_E_DEADLINE);
    atomic_store(&door_open, 1);
    assert_code(f, wait_for(f, executor, SLOW, -1, &counts), 0);
    assert_code(f, wait_for(f, executor, "aside", -1, &counts), 0);
    assert_code(f, wait_for(f, executor, FAST, -1, &counts), 0);
    mtnt_executor_free(executor);
    for (size_t i = 0; i < f->count; i++)
        assert_text(fleet_tables(f, i), "a;b;c");
}

static void cancelled_in_the_background(fleet *f)
{
    mtnt_executor *executor;
    mtnt_counts counts;

    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){.during = wait_at_the_door});
    in_lane(f, "b", SLOW, MTNT_WRITES_MODEL, (body){0});
    executor = executor_of(f);
    assert_code(f, mtnt_executor_start(executor, NULL, open_tenants, f, &f->err), 0);
    until_at_the_door(1);
    mtnt_executor_cancel(executor, MTNT_CANCEL_INTERRUPT);
    assert_code(f, wait_for(f, executor, FAST, -1, &counts), MTNT_E_CANCELLED);
    assert_int_equal(counts.migrated, 0);
    assert_code(f, wait_for(f, executor, SLOW, -1, &counts), MTNT_E_CANCELLED);
    assert_says(f->err.message, "lane `slow` was not begun: it was cancelled");
    mtnt_executor_free(executor);
    for (size_t i = 0; i < f->count; i++)
        assert_text(fleet_tables(f, i), "precious");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle'"), "0");
}

/* Freed while it is at work: what runs is finished, nothing else is begun. */
static void freed_at_work(fleet *f)
{
    mtnt_executor *executor;

    in_lane(f, "a", FAST, MTNT_WRITES_MODEL, (body){.during = wait_at_the_door});
    in_lane(f, "b", SLOW, MTNT_WRITES_MODEL, (body){0});
    executor = executor_of(f);
    assert_code(f, mtnt_executor_start(executor, NULL, open_tenants, f, &f->err), 0);
    until_at_the_door(2);
    mtnt_executor_cancel(executor, MTNT_CANCEL_DRAIN);
    atomic_store(&door_open, 1);
    mtnt_executor_free(executor);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle'"), "0");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE chain = 'shop/slow'"), "0");
}

static void a_source_that_fails(fleet *f)
{
    mtnt_executor *executor;
    mtnt_counts counts;

    two_lanes(f);
    executor = executor_of(f);
    assert_code(f, mtnt_executor_start(executor, NULL, open_nothing, f, &f->err), 0);
    assert_code(f, wait_for(f, executor, SLOW, -1, &counts), MTNT_E_IO);
    assert_text(f->err.message, "the list of tenants for slow is gone");
    assert_code(f, wait_for(f, executor, "quick", -1, &counts), MTNT_E_NOT_FOUND);
    mtnt_executor_free(executor);
    executor = executor_of(f);
    assert_code(f, mtnt_executor_start(executor, (const char *const[]){"quick", NULL}, open_tenants, f, &f->err),
                MTNT_E_NOT_FOUND);
    mtnt_executor_free(executor);
}

int main(void)
{
    const unsigned int some = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"each_has_its_own_set", each_has_its_own_set, ON_ALL, 1, false},
        {"failure_leaves_the_other", failure_leaves_the_other, ON_ALL, 1, false},
        {"moved_is_refused", moved_is_refused, ON_ALL, 1, false},
        {"crash_between_lanes", crash_between_lanes, ON_ALL, 1, false},
        {"crash_in_slow", crash_in_slow, ON_ALL, 1, false},
        {"crash_in_slow_and_held", crash_in_slow_and_held, some, 1, false},
        {"e4_times_of_a_lane", e4_times_of_a_lane, some, 1, false},
        {"e5_slow_in_the_background", e5_slow_in_the_background, some, 3, false},
        {"all_lanes_one_after_another", all_lanes_one_after_another, some, 3, false},
        {"held_back_in_the_background", held_back_in_the_background, some, 3, false},
        {"beside", beside, some, 3, true},
        {"cancelled_in_the_background", cancelled_in_the_background, some, 3, false},
        {"freed_at_work", freed_at_work, some, 3, false},
        {"a_source_that_fails", a_source_that_fails, ON(PAIR_SQLITE), 1, false},
    };

    return run_pair_tests("lanes", tests, sizeof(tests) / sizeof(*tests));
}
