/* Leases at work: who is renewed, what a SQLite controller's one write lock means for that, and what a late write of a lost worker changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_run.h"

#define PATIENCE_MS 30000

static int refuse(mtnt_error *err, const char *text)
{
    return mtnt_error_set(err, MTNT_E_INVALID, "%s", text);
}

/* Polls until the controller's answer is as wanted. */
static int wait_for(fleet *f, const char *sql, const char *wanted, mtnt_error *err)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (strcmp(fleet_ask_controller(f, sql), wanted) == 0)
            return 0;
        usleep(10000);
    }
    return mtnt_error_set(err, MTNT_E_INVALID, "%s: still not %s", sql, wanted);
}

/* ---- who is renewed ---- */

/* While the only worker is busy with the first tenant, the others wait in the queue with their leases. */
static int until_all_are_renewed(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t1") != 0)
        return 0;
    answer = fleet_ask_controller(f, "UPDATE mtnt_tenant SET lease_until_ms = 7");
    if (answer[0] != '\0')
        return refuse(err, answer);
    return wait_for(f, "SELECT count(*) FROM mtnt_tenant WHERE state = 'executing' AND lease_until_ms > 7", "4", err);
}

static void all_claims_are_renewed(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = until_all_are_renewed});
    options.migration.heartbeat_ms = 50;
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    if (r.counts.failed > 0)
        fail_msg("%s", r.texts[0]);
    assert_int_equal(r.counts.migrated, 4);
    for (size_t i = 0; i < 4; i++)
        assert_text(fleet_known(f, i), "idle|1|ok");
}

/* The length of a lease, by the controller's clock. */
static int look_at_the_lease(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    f->counter = atoll(fleet_ask_controller(
        f,
        f->controller_backend == MTNT_POSTGRES
            ? "SELECT lease_until_ms - (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM mtnt_tenant"
            : "SELECT lease_until_ms - CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) FROM mtnt_tenant"));
    return 0;
}

static void a_lease_is_short(fleet *f)
{
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = look_at_the_lease});
    fleet_must_perform(f, 0);
    /* Three heartbeats and ten seconds: a killed host's tenants are free soon. */
    assert_true(f->counter > 20000 && f->counter <= 40000);
}

/* ---- lost before its turn ---- */

static int take_the_second(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t1") != 0)
        return 0;
    answer = fleet_ask_controller(
        f, "UPDATE mtnt_tenant SET lease_until_ms = 7, epoch = epoch + CASE tenant WHEN 't2' THEN 1 ELSE 0 END");
    if (answer[0] != '\0')
        return refuse(err, answer);
    /* One beat has renewed the others, and missed this one. */
    return wait_for(f, "SELECT count(*) FROM mtnt_tenant WHERE lease_until_ms > 7", "2", err);
}

static void lost_in_the_queue(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = take_the_second});
    options.migration.heartbeat_ms = 300;
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    /* Whoever has taken it is not heard of any more: it is taken back, settled, and migrated once. */
    assert_int_equal(r.counts.migrated, 3);
    assert_int_equal(r.counts.failed, 0);
    assert_int_equal(r.counts.recovered_aborted, 1);
    assert_text(fleet_log(f, "t2"), "setup a, execute a");
    for (size_t i = 0; i < 3; i++)
        assert_text(fleet_known(f, i), "idle|1|ok");
}

/* One by one: what was committed before stays, because the tenant is somebody else's now. */
static int take_it(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    answer = fleet_ask_controller(f, "UPDATE mtnt_tenant SET owner = 'somebody else', epoch = epoch + 1");
    if (answer[0] != '\0')
        return refuse(err, answer);
    for (int waited = 0; waited < PATIENCE_MS && !mtnt_context_cancelled(context); waited += 5)
        usleep(5000);
    return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
}

static void lost_between_operations(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = take_it});
    options.heartbeat_ms = 50;
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_LEASE);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_known(f, 0), "executing|1|ok");
}

/* The lease is lost on the way back, which has time of its own and is not cancelled. */
static int lose_it_and_look(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;
    int64_t rows;

    (void)operation;
    answer = fleet_ask_controller(f, "UPDATE mtnt_tenant SET owner = 'somebody else', epoch = epoch + 1");
    if (answer[0] != '\0')
        return refuse(err, answer);
    usleep(500000);
    f->counter = mtnt_context_cancelled(context) ? -1 : 1;
    if (mtnt_db_query_int(mtnt_scope_model(context), &rows, err, "SELECT count(*) FROM precious") != 0 ||
        mtnt_db_query_int(mtnt_scope_controller(context), &rows, err, "SELECT count(*) FROM notes") != 0)
        f->counter = -2;
    return f->counter < 0 ? MTNT_E_OPERATION : 0;
}

static void lost_on_the_way_back(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_EXTERNAL, .during_rollback = lose_it_and_look});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.fail_at = "execute"});
    options.heartbeat_ms = 20;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_LEASE);
    assert_int_equal(f->counter, 1);
    assert_says(f->err.message, "another process has taken the tenant over");
    assert_says(f->err.message, "execute operation b: boom");
    assert_text(fleet_tables(f, 0), "precious");
}

/* ---- a SQLite controller ---- */

static int take_time(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    for (int waited = 0; waited < 2000; waited += 10) {
        if (mtnt_context_cancelled(context))
            return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
        usleep(10000);
    }
    return 0;
}

/* The migration itself holds the write lock that a beat would need, for many beats: that is no failure. */
static void own_write_lock(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = take_time});
    options.heartbeat_ms = 20;
    options.heartbeat_retries = -1;
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

static void own_write_lock_in_a_run(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = take_time});
    options.migration.heartbeat_ms = 20;
    options.migration.heartbeat_retries = -1;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 2);
}

/* Another program holds it for longer than two beats may wait. */
static int lock_is_held(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    answer = fleet_ask_controller(
        f, "BEGIN IMMEDIATE; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12000000) "
           "SELECT count(*) FROM n; COMMIT");
    if (strcmp(answer, "12000000") != 0)
        return refuse(err, answer);
    return mtnt_context_cancelled(context) ? mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled") : 0;
}

static void write_lock_of_another(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = lock_is_held});
    options.heartbeat_ms = 20;
    options.heartbeat_retries = -1;
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

/* Its lease has run out, and its process is alive on this host: on SQLite that may be the lock's fault. */
static int recover_from_outside(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    mtnt_controller *controller = NULL;
    mtnt_coordinator *coordinator = NULL;
    mtnt_error other = MTNT_ERROR_INIT;
    const char *answer;
    int rc;

    (void)operation;
    (void)context;
    answer = fleet_ask_controller(
        f,
        "UPDATE mtnt_tenant SET lease_until_ms = CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - 60000");
    if (answer[0] != '\0')
        return refuse(err, answer);
    rc = mtnt_controller_open(&controller, f->controller_dsn, NULL, err);
    if (rc == 0)
        rc = mtnt_coordinator_new(&coordinator, controller, f->tenants[0].model, f->chain, NULL, err);
    if (rc == 0)
        f->counter = mtnt_coordinator_recover(coordinator, &other);
    mtnt_coordinator_free(coordinator);
    mtnt_controller_close(controller);
    return rc;
}

static void live_process_keeps_it(fleet *f)
{
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = recover_from_outside});
    fleet_must_perform(f, 0);
    assert_int_equal(f->counter, MTNT_E_BUSY);
    assert_text(fleet_ask_controller(f, "SELECT epoch FROM mtnt_tenant"), "1");
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

int main(void)
{
    const unsigned int on_sqlite = ON(PAIR_SQLITE) | ON(PAIR_SQLITE_POSTGRES);
    const pair_test tests[] = {
        {"all_claims_are_renewed", all_claims_are_renewed, ON_ALL, 4, false},
        {"a_lease_is_short", a_lease_is_short, ON_ALL, 1, false},
        {"lost_in_the_queue", lost_in_the_queue, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 3, false},
        {"lost_between_operations", lost_between_operations, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"lost_on_the_way_back", lost_on_the_way_back, ON_ALL, 1, false},
        {"own_write_lock", own_write_lock, on_sqlite, 1, false},
        {"own_write_lock_in_a_run", own_write_lock_in_a_run, ON(PAIR_SQLITE), 2, false},
        {"write_lock_of_another", write_lock_of_another, on_sqlite, 1, false},
        {"live_process_keeps_it", live_process_keeps_it, on_sqlite, 1, false},
    };

    return run_pair_tests("leases", tests, sizeof(tests) / sizeof(*tests));
}
