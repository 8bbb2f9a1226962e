/* Each way to commit, and to abort, for every pair of backends: both sides hold all of it, or both are as before to the last byte of a dump. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_run.h"

static const char *mode_of_both(const fleet *f)
{
    return f->which == PAIR_SQLITE ? "super-journal" : f->which == PAIR_SCHEMA ? "single transaction" : "two-phase";
}

static bool model_decides(const fleet *f, uint32_t writes)
{
    return writes != WRITES_BOTH ? writes != MTNT_WRITES_CONTROLLER : f->which == PAIR_POSTGRES_SQLITE;
}

static const char *decision(fleet *f, bool in_model, const char *migration)
{
    char sql[200];

    snprintf(sql, sizeof(sql), "SELECT outcome FROM mtnt_decision WHERE migration = '%s'", migration);
    if (in_model && (!fleet_model_exists(f, 0) || strcmp(fleet_applied(f, 0), "-") == 0))
        return "";
    return in_model ? fleet_ask_model(f, 0, sql) : fleet_ask_controller(f, sql);
}

/* The claim of the last migration, and what the registers hold of it. */
static void claim_says(fleet *f, const char *direction, const char *mode, bool decided_by_model, const char *state,
                       const char *register_row)
{
    char expected[200], migration[64];

    snprintf(migration, sizeof(migration), "%s", fleet_ask_controller(f, "SELECT migration FROM mtnt_tenant"));
    snprintf(expected, sizeof(expected), "%s|%s|%s|%s", direction, mode, decided_by_model ? "model" : "controller",
             state);
    assert_text(fleet_ask_controller(f, "SELECT direction, mode, decider, m.state FROM mtnt_migration AS m "
                                        "JOIN mtnt_tenant AS t ON t.migration = m.migration"),
                expected);
    assert_text(decision(f, decided_by_model, migration), register_row);
    /* The prepared transaction brings a row of its own: that side holds it. */
    assert_text(decision(f, !decided_by_model, migration),
                strcmp(mode, "two-phase") == 0 && strcmp(register_row, "commit") == 0 ? "commit" : "");
    assert_text(fleet_gids(f), "");
}

struct dumps {
    char *model, *controller;
};

static struct dumps dump(fleet *f)
{
    return (struct dumps){fleet_dump_model(f, 0), fleet_dump_controller(f)};
}

static void same_as(fleet *f, struct dumps before)
{
    struct dumps now = dump(f);

    assert_string_equal(now.model, before.model);
    assert_string_equal(now.controller, before.controller);
    free(now.model);
    free(now.controller);
    free(before.model);
    free(before.controller);
}

/* ---- forward and back, in each mode ---- */

static void commits(fleet *f, uint32_t writes, const char *mode)
{
    fleet_add(f, "a", writes);
    fleet_add(f, "b", writes);
    fleet_must_perform(f, 0);
    assert_text(f->outcome.mode, mode);
    assert_text(fleet_tables(f, 0), (writes & MTNT_WRITES_MODEL) != 0 ? "a;b;precious" : "precious");
    assert_text(fleet_notes(f, 0), (writes & MTNT_WRITES_CONTROLLER) != 0 ? "a;b" : "");
    assert_text(fleet_applied(f, 0), writes == MTNT_WRITES_CONTROLLER ? "-" : "a;b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_ask_controller(f, "SELECT name, status, recorded_in FROM mtnt_operation ORDER BY position"),
                writes == MTNT_WRITES_CONTROLLER ? "a|COMPLETED|controller;b|COMPLETED|controller"
                                                 : "a|COMPLETED|model;b|COMPLETED|model");
    claim_says(f, "forward", mode, model_decides(f, writes), "committed", "commit");
    /* And back. */
    fleet_must_rewind(f, 0);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_applied(f, 0), writes == MTNT_WRITES_CONTROLLER ? "-" : "");
    assert_text(fleet_known(f, 0), "idle|0|ok");
    claim_says(f, "backward", mode, model_decides(f, writes), "committed", "commit");
}

static void aborts(fleet *f, uint32_t writes, const char *mode)
{
    struct dumps before = dump(f);

    fleet_add(f, "a", writes);
    fleet_add(f, "b", writes);
    fleet_add_body(f, "c", writes, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(f->err.message, "execute operation c: boom");
    assert_text(f->outcome.mode, mode);
    assert_text(fleet_applied(f, 0), "-");
    same_as(f, before);
    assert_text(fleet_known(f, 0), "idle|0|error");
    claim_says(f, "forward", mode, model_decides(f, writes), "aborted", "");
}

static void aborts_back(fleet *f, uint32_t writes, const char *mode)
{
    struct dumps before;

    fleet_add_body(f, "a", writes, (body){.fail_at = "rollback"});
    fleet_add(f, "b", writes);
    fleet_must_perform(f, 0);
    before = dump(f);
    assert_code(f, fleet_rewind(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b, rollback b, rollback a");
    same_as(f, before);
    assert_text(fleet_known(f, 0), "idle|2|error");
    claim_says(f, "backward", mode, model_decides(f, writes), "aborted", "");
}

static void single_model_commits(fleet *f)
{
    commits(f, MTNT_WRITES_MODEL, "single");
}

static void single_model_aborts(fleet *f)
{
    aborts(f, MTNT_WRITES_MODEL, "single");
}

static void single_model_aborts_back(fleet *f)
{
    aborts_back(f, MTNT_WRITES_MODEL, "single");
}

static void single_controller_commits(fleet *f)
{
    commits(f, MTNT_WRITES_CONTROLLER, "single");
}

static void single_controller_aborts(fleet *f)
{
    aborts(f, MTNT_WRITES_CONTROLLER, "single");
}

static void single_controller_aborts_back(fleet *f)
{
    aborts_back(f, MTNT_WRITES_CONTROLLER, "single");
}

static void both_commit(fleet *f)
{
    commits(f, WRITES_BOTH, mode_of_both(f));
}

static void both_abort(fleet *f)
{
    aborts(f, WRITES_BOTH, mode_of_both(f));
}

static void both_abort_back(fleet *f)
{
    aborts_back(f, WRITES_BOTH, mode_of_both(f));
}

/* ---- a model that the migration makes ---- */

static void creates(fleet *f, uint32_t writes)
{
    bool schema = f->tenants[0].schema[0] != '\0';

    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add(f, "a", writes);
    fleet_must_perform(f, 0);
    assert_true(f->outcome.created_model);
    assert_text(fleet_tables(f, 0), "a");
    assert_text(fleet_applied(f, 0), "create;a");
    assert_text(fleet_notes(f, 0), writes == WRITES_BOTH ? "a" : "");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_int_equal(fleet_provisional(f), 0);
    /* The controller decides, also for a schema: there is no register in one that is not there. */
    claim_says(f, "forward", schema ? mode_of_both(f) : "provisional", false, "committed", "commit");
}

static void created_model_commits(fleet *f)
{
    creates(f, MTNT_WRITES_MODEL);
}

static void created_both_commit(fleet *f)
{
    creates(f, WRITES_BOTH);
}

static void created_both_abort(fleet *f)
{
    struct dumps before = dump(f);

    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    same_as(f, before);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    /* And when the reason is gone, it is made. */
    fleet_new_chain(f);
    creates(f, WRITES_BOTH);
}

/* One operation at a time: a model that is being made appears whole, or not at all. */
static void created_by_operation(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.atomicity = MTNT_ATOMICITY_OPERATION;
    options.on_failure = MTNT_ON_FAILURE_KEEP;
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_OPERATION);
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_known(f, 0), "idle|0|error");
}

/* ---- a decider that says no, after the other side was prepared ---- */

/* The whole of `writes both`, in which the deciding side cannot commit. */
static void decider_refuses(fleet *f)
{
    static const char sqlite[] =
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER REFERENCES parent (id)); "
        "INSERT INTO child VALUES (7)";
    static const char postgres[] =
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); "
        "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED); "
        "INSERT INTO child VALUES (7)";
    /* On one connection, what is made in the controller has to be said so. */
    static const char sqlite_pair[] =
        "CREATE TABLE controller.parent (id INTEGER PRIMARY KEY); "
        "CREATE TABLE controller.child (id INTEGER REFERENCES parent (id)); INSERT INTO controller.child VALUES (7)";
    bool in_model = model_decides(f, WRITES_BOTH);
    mtnt_backend backend = in_model ? f->model_backend : f->controller_backend;
    struct dumps before = dump(f);
    body how = {0};

    if (in_model)
        how.model_up = backend == MTNT_SQLITE ? sqlite : postgres;
    else
        how.controller_up = f->which == PAIR_SQLITE ? sqlite_pair : backend == MTNT_SQLITE ? sqlite : postgres;
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, how);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_DATABASE);
    assert_text(f->outcome.failed_phase, "commit");
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_gids(f), "");
    /* A gid is given up only after its decider has said so for good; there, our tables may be new. */
    if (in_model) {
        char *controller = fleet_dump_controller(f);

        assert_string_equal(controller, before.controller);
        free(controller);
        free(before.model);
        free(before.controller);
        assert_text(fleet_applied(f, 0), "");
        assert_text(fleet_ask_model(f, 0, "SELECT outcome FROM mtnt_decision"), "abort");
    } else {
        same_as(f, before);
    }
    /* A next one is a new migration, and the model gets its identity. */
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_ask_model(f, 0, "SELECT value FROM mtnt_meta WHERE key = 'model_uuid'"),
                fleet_ask_controller(f, "SELECT model_uuid FROM mtnt_tenant"));
}

/* A recovery has given this migration up while it ran: its row is in the register before the worker's own. */
static int plant_abort(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    bool in_model = model_decides(f, WRITES_BOTH);
    char sql[200];
    const char *answer;

    (void)operation;
    if ((in_model ? f->model_backend : f->controller_backend) == MTNT_SQLITE)
        return mtnt_db_exec(in_model ? mtnt_scope_model(context) : mtnt_scope_controller(context), err,
                            f->which == PAIR_SQLITE
                                ? "INSERT INTO controller.mtnt_decision (migration, outcome) VALUES ($1, 'abort')"
                                : "INSERT INTO mtnt_decision (migration, outcome) VALUES ($1, 'abort')",
                            MTNT_TEXT(mtnt_context_migration(context)));
    snprintf(sql, sizeof(sql), "INSERT INTO mtnt_decision (migration, outcome) VALUES ('%s', 'abort')",
             mtnt_context_migration(context));
    answer = in_model ? fleet_ask_model(f, 0, sql) : fleet_ask_controller(f, sql);
    return answer[0] == '\0' ? 0 : mtnt_error_set(err, MTNT_E_INVALID, "%s", answer);
}

static void given_up_meanwhile(fleet *f)
{
    struct dumps before = dump(f);

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = plant_abort});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "given up by a recovery");
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_gids(f), "");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    if (!model_decides(f, WRITES_BOTH))
        same_as(f, before);
    else {
        free(before.model);
        free(before.controller);
    }
}

/* ---- a server that goes away ---- */

static const char own_session[] = "SELECT pg_terminate_backend(pg_backend_pid())";

static void session_lost(fleet *f, bool in_controller)
{
    struct dumps before = dump(f);
    body how = {0};

    if (in_controller)
        how.controller_up = own_session;
    else
        how.model_up = own_session;
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, how);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_CONNECT);
    assert_text(f->outcome.failed_operation, "b");
    same_as(f, before);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_gids(f), "");
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a");
}

static void models_session_lost(fleet *f)
{
    session_lost(f, false);
}

static void controllers_session_lost(fleet *f)
{
    session_lost(f, true);
}

/* The server drops the session in the middle of COMMIT or PREPARE: a deferred trigger is the last thing that runs before it is done. */
static const char at_commit[] =
    "CREATE TABLE doomed (a INTEGER); "
    "CREATE FUNCTION drop_me() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); "
    "RETURN NULL; END $$; "
    "CREATE CONSTRAINT TRIGGER drop_me AFTER INSERT ON doomed DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION drop_me(); INSERT INTO doomed VALUES (1)";

static void session_lost_at_commit(fleet *f, uint32_t writes, bool in_controller)
{
    struct dumps before = dump(f);
    body how = {0};

    if (in_controller)
        how.controller_up = at_commit;
    else
        how.model_up = at_commit;
    fleet_add(f, "a", writes);
    fleet_add_body(f, "b", writes, how);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_DATABASE);
    assert_says(f->err.message, "the register says that it was not committed");
    assert_text(f->outcome.failed_phase, "commit");
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_gids(f), "");
    free(before.model);
    free(before.controller);
    fleet_new_chain(f);
    fleet_add(f, "a", writes);
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

static void models_session_lost_at_commit(fleet *f)
{
    session_lost_at_commit(f, WRITES_BOTH, false);
}

static void controllers_session_lost_at_commit(fleet *f)
{
    session_lost_at_commit(f, WRITES_BOTH, true);
}

static void session_lost_at_single_commit(fleet *f)
{
    session_lost_at_commit(f, MTNT_WRITES_MODEL, false);
}

/* ---- a chain of all kinds ---- */

/* The record of an operation that wrote nothing but the controller is there; it is seen, and can be taken back with the rest. */
static void records_on_both_sides(fleet *f)
{
    mtnt_migration_options one = MTNT_MIGRATION_OPTIONS_INIT;

    one.steps = 1;
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_CONTROLLER);
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    for (int i = 0; i < 3; i++)
        assert_code(f, fleet_perform(f, 0, &one), 0);
    assert_text(fleet_applied(f, 0), "a;c");
    assert_text(fleet_ask_controller(f, "SELECT name, recorded_in FROM mtnt_operation ORDER BY position"),
                "a|model;b|controller;c|model");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    fleet_must_perform(f, 0);
    assert_int_equal(f->outcome.executed, 0);
    fleet_log_clear(f);
    fleet_must_rewind(f, 0);
    assert_text(fleet_log(f, "t1"), "rollback c, rollback b, rollback a");
    assert_text(f->outcome.mode, mode_of_both(f));
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|ok");
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|ROLLED_BACK;b|ROLLED_BACK;c|ROLLED_BACK");
    /* All at once now: one migration, its records in one place. */
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    fleet_must_rewind(f, 0);
    assert_text(fleet_applied(f, 0), "");
    assert_text(fleet_notes(f, 0), "");
}

/* The controller takes it that only b is to run; the model knows better, and the way to commit is chosen anew. */
static void model_asks_for_another_mode(fleet *f)
{
    mtnt_migration_options one = MTNT_MIGRATION_OPTIONS_INIT;

    one.steps = 1;
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_CONTROLLER);
    assert_code(f, fleet_perform(f, 0, &one), 0);
    assert_text(fleet_ask_model(f, 0, "DELETE FROM mtnt_applied; DROP TABLE a"), "");
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_text(f->outcome.mode, mode_of_both(f));
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_notes(f, 0), "b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_migration ORDER BY state"),
                "aborted;committed;committed");
}

/* Looking twice at a model that nothing has been written to: it stays unmarked, on both sides. */
static void unmarked_stays_unmarked(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_CONTROLLER);
    for (int i = 0; i < 3; i++) {
        fleet_must_perform(f, 0);
        assert_text(fleet_known(f, 0), "idle|1|ok");
        assert_text(fleet_ask_controller(f, "SELECT model_uuid FROM mtnt_tenant"), "-");
    }
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "b");
    assert_text(fleet_ask_model(f, 0, "SELECT value FROM mtnt_meta WHERE key = 'model_uuid'"),
                fleet_ask_controller(f, "SELECT model_uuid FROM mtnt_tenant"));
}

/* The controller has lost everything about a tenant: the model is believed. */
static void controller_has_forgotten(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(
        fleet_ask_controller(f, "DELETE FROM mtnt_tenant; DELETE FROM mtnt_operation; DELETE FROM mtnt_migration"), "");
    fleet_add(f, "c", WRITES_BOTH);
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup c, execute c");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|COMPLETED;b|COMPLETED;c|COMPLETED");
}

static void what_a_run_did(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    /* Two runs; only what the second has done is taken back. */
    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add(f, "c", WRITES_BOTH);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_text(fleet_ask_controller(f, "SELECT run, migrated, failed FROM mtnt_run ORDER BY run"), "1|1|0;2|1|0");
    fleet_log_clear(f);
    options.direction = MTNT_BACKWARD;
    options.migration.run = "2";
    assert_code(f, fleet_run(f, 1, &options, &r), 0);
    assert_text(fleet_log(f, "t1"), "rollback c, rollback b");
    assert_text(fleet_applied(f, 0), "a");
}

int main(void)
{
    const unsigned int two_phase =
        ON(PAIR_POSTGRES) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE_POSTGRES);
    const unsigned int postgres_model =
                           ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_SQLITE_POSTGRES),
                       postgres_controller =
                           ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"single_model_commits", single_model_commits, ON_ALL, 1, false},
        {"single_model_aborts", single_model_aborts, ON_ALL, 1, false},
        {"single_model_aborts_back", single_model_aborts_back, ON_ALL, 1, false},
        {"single_controller_commits", single_controller_commits, ON_ALL, 1, false},
        {"single_controller_aborts", single_controller_aborts, ON_ALL, 1, false},
        {"single_controller_aborts_back", single_controller_aborts_back, ON_ALL, 1, false},
        {"both_commit", both_commit, ON_ALL, 1, false},
        {"both_abort", both_abort, ON_ALL, 1, false},
        {"both_abort_back", both_abort_back, ON_ALL, 1, false},
        {"created_model_commits", created_model_commits, ON_ALL, 1, true},
        {"created_both_commit", created_both_commit, ON_ALL, 1, true},
        {"created_both_abort", created_both_abort, ON_ALL, 1, true},
        {"created_by_operation", created_by_operation, ON_ALL & ~(ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA)), 1, true},
        {"decider_refuses", decider_refuses, two_phase | ON(PAIR_SQLITE) | ON(PAIR_SCHEMA), 1, false},
        {"given_up_meanwhile", given_up_meanwhile, two_phase | ON(PAIR_SQLITE) | ON(PAIR_SCHEMA), 1, false},
        {"models_session_lost", models_session_lost, postgres_model, 1, false},
        {"controllers_session_lost", controllers_session_lost, postgres_controller, 1, false},
        {"models_session_lost_at_commit", models_session_lost_at_commit, postgres_model, 1, false},
        {"controllers_session_lost_at_commit", controllers_session_lost_at_commit, postgres_controller, 1, false},
        {"session_lost_at_single_commit", session_lost_at_single_commit, postgres_model, 1, false},
        {"records_on_both_sides", records_on_both_sides, ON_ALL, 1, false},
        {"model_asks_for_another_mode", model_asks_for_another_mode, ON_ALL, 1, false},
        {"unmarked_stays_unmarked", unmarked_stays_unmarked, ON_ALL, 1, false},
        {"controller_has_forgotten", controller_has_forgotten, ON_ALL, 1, false},
        {"what_a_run_did", what_a_run_did, ON_ALL, 1, false},
    };

    return run_pair_tests("modes", tests, sizeof(tests) / sizeof(*tests));
}
