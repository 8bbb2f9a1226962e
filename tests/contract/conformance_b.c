/* CONFORMANCE, B: statuses, and what is refused before anything runs. B1 to B4 and B8 are in unit/bookkeeping_test.c, where every call shows, B8 here too;
 * the beats of B5 and B6 are counted in unit/heartbeat_test.c, without a clock, and of B5 in a run here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet_run.h"

/* ---- B5, B6: the heartbeat ---- */

/* A statement that would go on for much longer than the test may take. */
static int run_for_ever(mtnt_db *db, mtnt_error *err)
{
    return mtnt_db_exec(db, err,
                        mtnt_db_backend(db) == MTNT_POSTGRES
                            ? "SELECT pg_sleep(600)"
                            : "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000) "
                              "SELECT count(*) FROM n");
}

/* As another process sees it while the body is being stopped: the tenant is not to be had. */
static int look_from_outside(fleet *f, mtnt_error *err)
{
    mtnt_controller *controller = NULL;
    mtnt_coordinator *coordinator = NULL;
    mtnt_error other = MTNT_ERROR_INIT;
    int rc = mtnt_controller_open(&controller, f->controller_dsn, NULL, err);

    if (rc == 0)
        rc = mtnt_coordinator_new(&coordinator, controller, f->tenants[0].model, f->chain, NULL, err);
    if (rc == 0 && mtnt_coordinator_perform(coordinator, &other) != MTNT_E_BUSY)
        rc = mtnt_error_set(err, MTNT_E_INVALID, "another one got in: %s", other.message);
    mtnt_coordinator_free(coordinator);
    mtnt_controller_close(controller);
    return rc;
}

static int without_heartbeats(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    mtnt_error cancelled = MTNT_ERROR_INIT;
    const char *answer;

    (void)operation;
    if (f->counter++ > 0)
        return 0;
    answer = fleet_ask_controller(f, "ALTER TABLE mtnt_tenant RENAME TO mtnt_elsewhere");
    if (answer[0] != '\0')
        return mtnt_error_set(err, MTNT_E_INVALID, "%s", answer);
    run_for_ever(mtnt_scope_model(context), &cancelled);
    answer = fleet_ask_controller(f, "ALTER TABLE mtnt_elsewhere RENAME TO mtnt_tenant");
    if (answer[0] != '\0')
        return mtnt_error_set(err, MTNT_E_INVALID, "%s", answer);
    if (cancelled.code != MTNT_E_CANCELLED || !mtnt_context_cancelled(context))
        return mtnt_error_set(err, MTNT_E_INVALID, "not cancelled: %s", cancelled.message);
    if (look_from_outside(f, err) != 0)
        return err->code;
    *err = cancelled;
    return err->code;
}

static void b5_heartbeats_fail(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    char *model = fleet_dump_model(f, 0), *now;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = without_heartbeats});
    options.heartbeat_ms = 50;
    options.heartbeat_retries = 2;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_LEASE);
    assert_true(f->err.retryable);
    assert_says(f->err.message, "its lease was lost: it could not be renewed in the controller for too long");
    assert_says(f->err.message, "mtnt_tenant");
    assert_says(f->err.message, "execute operation b: ");
    /* What has become of it is written, once. */
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|ROLLED_BACK;b|FAILED");
    now = fleet_dump_model(f, 0);
    assert_string_equal(now, model);
    free(now);
    free(model);
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* ---- … in a run: beats of every process go on, and those of one tenant fail ---- */

#define BEATS_PG                                                                                                    \
    "CREATE SEQUENCE beats; CREATE FUNCTION no_beat() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "                \
    "PERFORM nextval('beats'); RAISE EXCEPTION 'no beat'; END $$; CREATE TRIGGER no_beat BEFORE UPDATE ON "         \
    "mtnt_tenant FOR EACH ROW WHEN (old.tenant = 't1' AND old.state = 'executing' AND new.state = 'executing' AND " \
    "old.epoch = new.epoch) EXECUTE FUNCTION no_beat()"
#define BEATS_SQLITE                                                                                              \
    "CREATE TRIGGER no_beat BEFORE UPDATE ON mtnt_tenant WHEN old.tenant = 't1' AND old.state = 'executing' AND " \
    "new.state = 'executing' AND old.epoch = new.epoch BEGIN SELECT RAISE(ABORT, 'no beat'); END"

static bool had_none; /* t1 has been there; the source counts with the fleet's counter */

static int t1_without_heartbeats(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    bool postgres = f->controller_backend == MTNT_POSTGRES;
    mtnt_error cancelled = MTNT_ERROR_INIT;
    const char *answer;

    (void)operation;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t1") != 0 || had_none)
        return 0;
    had_none = true;
    for (int tries = 0; tries < 1000; tries++) {
        if (strcmp(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state = 'idle'"), "2") == 0)
            break;
        usleep(10000);
    }
    answer = fleet_ask_controller(f, postgres ? BEATS_PG : BEATS_SQLITE);
    if (answer[0] != '\0')
        return mtnt_error_set(err, MTNT_E_INVALID, "%s", answer);
    run_for_ever(mtnt_scope_model(context), &cancelled);
    fleet_ask_controller(f, postgres ? "DROP TRIGGER no_beat ON mtnt_tenant" : "DROP TRIGGER no_beat");
    if (cancelled.code != MTNT_E_CANCELLED || !mtnt_context_cancelled(context))
        return mtnt_error_set(err, MTNT_E_INVALID, "not cancelled: %s", cancelled.message);
    *err = cancelled;
    return err->code;
}

static void b5_run(fleet *f, int64_t controller_wait_ms, int failed)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    had_none = false;
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = t1_without_heartbeats});
    options.migration.heartbeat_ms = 50;
    options.migration.heartbeat_retries = 2;
    options.rollout.controller_wait_ms = controller_wait_ms;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.failed, failed);
    assert_int_equal(r.counts.migrated, 3 - failed);
    if (f->controller_backend == MTNT_POSTGRES)
        assert_text(fleet_ask_controller(f, "SELECT last_value FROM beats"), "3");
    assert_text(
        fleet_ask_controller(f, "SELECT count(*) FROM mtnt_migration WHERE tenant = 't1' AND state = 'aborted'"), "1");
    assert_text(fleet_known(f, 0), failed > 0 ? "idle|0|error" : "idle|2|ok");
    if (failed > 0)
        assert_says(r.texts[0], "its lease was lost: it could not be renewed in the controller for too long");
    else
        assert_int_equal(r.retries, 1);
}

static void b5_in_a_run(fleet *f)
{
    b5_run(f, -1, 1);
}

/* Such a failure is the controller's. It is tried again as long as the run waits for that, and costs none of its --retries. */
static void b5_in_a_run_that_waits(fleet *f)
{
    b5_run(f, 0, 0);
}

#define TAKEN "UPDATE mtnt_tenant SET epoch = epoch + 1, owner = 'somebody else' WHERE tenant = 't1'"

static int taken_over(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    if (f->counter++ > 0)
        return 0;
    answer = fleet_ask_controller(f, TAKEN);
    return answer[0] != '\0' ? mtnt_error_set(err, MTNT_E_INVALID, "%s", answer)
                             : run_for_ever(mtnt_scope_model(context), err);
}

static void b6_lease_is_taken(fleet *f, uint32_t writes)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    char *model = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f), *now;

    fleet_add(f, "a", writes);
    fleet_add_body(f, "b", writes, (body){.during = taken_over});
    options.heartbeat_ms = 50;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_LEASE);
    assert_says(f->err.message, "another process has taken the tenant over");
    now = fleet_dump_model(f, 0);
    assert_string_equal(now, model);
    free(now);
    now = fleet_dump_controller(f);
    assert_string_equal(now, controller);
    free(now);
    free(model);
    free(controller);
    assert_text(fleet_gids(f), "");
    /* It is for the other one to say how it ended. */
    assert_text(fleet_known(f, 0), "executing|0|ok");
    assert_text(fleet_ask_controller(f, "SELECT owner, epoch FROM mtnt_tenant"), "somebody else|2");
    assert_text(fleet_migration(f, 0), "executing");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_operation"), "0");
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_tenant SET lease_until_ms = 0"), "");
    fleet_must_perform(f, 0);
    assert_true(f->outcome.recovered);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static void b6_model_written(fleet *f)
{
    b6_lease_is_taken(f, MTNT_WRITES_MODEL);
}

static void b6_both_written(fleet *f)
{
    b6_lease_is_taken(f, WRITES_BOTH);
}

/* ---- B8: the claim cannot be released ---- */

static int nobody_can_say_so(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    (void)context;
    if (f->counter++ > 0)
        return 0;
    answer = fleet_ask_controller(f, "ALTER TABLE mtnt_operation RENAME TO mtnt_elsewhere");
    return answer[0] == '\0' ? 0 : mtnt_error_set(err, MTNT_E_INVALID, "%s", answer);
}

/* It is committed, and that it could not be told to the controller is an error all the same; the next call finds out. */
static void b8_unlock_fails_after_success(fleet *f)
{
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = nobody_can_say_so});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_IN_DOUBT);
    assert_says(f->err.message, "the outcome could not be recorded: ");
    assert_says(f->err.message, "mtnt_operation");
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_known(f, 0), "executing|0|ok");
    assert_text(fleet_ask_controller(f, "ALTER TABLE mtnt_elsewhere RENAME TO mtnt_operation"), "");
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_true(f->outcome.recovered_committed);
    assert_text(fleet_log(f, "t1"), "");
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

static void b7_out_of_order(fleet *f)
{
    fleet_report r;
    char *before, *after;

    fleet_add_body(f, "two", WRITES_BOTH, (body){.order = 2});
    fleet_must_perform(f, 0);
    before = fleet_dump_model(f, 0);
    fleet_add_body(f, "one", WRITES_BOTH, (body){.order = 1});
    fleet_log_clear(f);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    assert_says(r.texts[0], "out of order");
    assert_says(r.texts[0], "1 `one`");
    assert_says(r.texts[0], "2 `two`");
    assert_text(fleet_log(f, NULL), "");
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static int undo_only(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    (void)err;
    return 0;
}

static void b9_no_body(fleet *f)
{
    static const mtnt_operation_class nothing = {MTNT_OPERATION_CLASS_INIT, .name = "nothing"};
    static const mtnt_operation_class only_back = {MTNT_OPERATION_CLASS_INIT, .name = "only_back",
                                                   .rollback = undo_only};

    assert_int_equal(mtnt_chain_add(f->chain, &nothing, 1, NULL, &f->err), MTNT_E_CONFIG);
    assert_says(f->err.message, "`nothing` has no body");
    assert_int_equal(mtnt_chain_add(f->chain, &only_back, 1, NULL, &f->err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_chain_add(f->chain, NULL, 1, NULL, &f->err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_chain_len(f->chain), 0);
}

static int note_previous(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    mtnt_status status = mtnt_operation_previous_status(operation);

    (void)err;
    fleet_note(f, mtnt_model_id(mtnt_scope_tenant(context)), "was %s",
               status == MTNT_STATUS_NONE ? "nothing" : mtnt_status_name(status));
    return 0;
}

static int note_and_fail_first(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    note_previous(f, operation, context, err);
    return f->counter++ == 0 ? mtnt_error_set(err, MTNT_E_OPERATION, "not yet") : 0;
}

static void b10_all_rerun(fleet *f)
{
    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = note_previous});
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = note_and_fail_first});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.during = note_previous});
    f->counter = 0;
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|ROLLED_BACK;b|FAILED;c|PENDING");
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"),
                "setup a, execute a, was ROLLED_BACK, setup b, execute b, was FAILED, setup c, execute c, was PENDING");
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|COMPLETED;b|COMPLETED;c|COMPLETED");
    assert_text(fleet_applied(f, 0), "a;b;c");
}

/* As an older release, or a lazy writer, may have left it. */
static void b10_started_reruns(fleet *f)
{
    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = note_and_fail_first});
    f->counter = 0;
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_operation SET status = 'STARTED'"), "");
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, was STARTED");
    /* And what was taken back says so when it runs again. */
    fleet_must_rewind(f, 0);
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, was ROLLED_BACK");
}

static int list_one(void *data, const mtnt_operation_info *info, mtnt_error *err)
{
    char *text = data;

    (void)err;
    snprintf(text + strlen(text), 200 - strlen(text), "%s%s%s%s;", info->name, info->applied ? " applied" : "",
             info->disabled ? " disabled" : "", info->in_chain ? "" : " unknown");
    return 0;
}

static void b11_disabled_and_recorded(fleet *f)
{
    char text[200] = "";
    fleet_report r;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.disabled = true});
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, NULL), "");
    assert_int_equal(f->outcome.executed, 0);
    assert_code(f, mtnt_controller_operations(f->controller, f->chain, "t1", list_one, text, &f->err), 0);
    assert_text(text, "a applied;b applied disabled;");
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.current, 1);
    /* More can follow, and the disabled one stays as it is. */
    fleet_add(f, "c", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup c, execute c");
    assert_text(fleet_applied(f, 0), "a;b;c");
    /* What is applied can be taken back, disabled or not. */
    fleet_log_clear(f);
    fleet_must_rewind(f, 0);
    assert_text(fleet_log(f, "t1"), "rollback c, rollback b, rollback a");
    assert_text(fleet_tables(f, 0), "precious");
}

static void b11_disabled_never_runs(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.disabled = true});
    fleet_add(f, "c", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup c, execute c");
    assert_text(fleet_applied(f, 0), "a;c");
    /* Enabled later, it comes late. */
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add(f, "c", WRITES_BOTH);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_HISTORY);
    assert_says(f->err.message, "2 `b`");
}

int main(void)
{
    const unsigned int on_postgres =
        ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"b5_heartbeats_fail", b5_heartbeats_fail, ON_ALL, 1, false},
        {"b5_in_a_run", b5_in_a_run, ON_ALL, 3, false},
        {"b5_in_a_run_that_waits", b5_in_a_run_that_waits, on_postgres, 3, false},
        {"b6_model_written", b6_model_written, ON_ALL, 1, false},
        {"b6_both_written", b6_both_written, on_postgres, 1, false},
        {"b7_out_of_order", b7_out_of_order, ON_ALL, 1, false},
        {"b8_unlock_fails_after_success", b8_unlock_fails_after_success, ON_ALL, 1, false},
        {"b9_no_body", b9_no_body, ON(PAIR_SQLITE), 1, false},
        {"b10_all_rerun", b10_all_rerun, ON_ALL, 1, false},
        {"b10_started_reruns", b10_started_reruns, ON_ALL, 1, false},
        {"b11_disabled_and_recorded", b11_disabled_and_recorded, ON_ALL, 1, false},
        {"b11_disabled_never_runs", b11_disabled_never_runs, ON_ALL, 1, false},
    };

    return run_pair_tests("conformance_b", tests, sizeof(tests) / sizeof(*tests));
}
