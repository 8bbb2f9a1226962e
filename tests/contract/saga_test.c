/* Sagas: chains that commit in units, one by one, and go back in reverse. Nothing lost means here: a migration ends with all of its operations there and
 * recorded, or with none of them (up to the last one that goes forward only), on both sides; or the tenant waits for a person, and says so. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_fixture.h"

#define OUTSIDE MTNT_OPERATION_NO_TRANSACTION

static void expect_nothing(fleet *f)
{
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_applied(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_gids(f), "");
}

static void add_three(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    fleet_add(f, "c", WRITES_BOTH);
}

static void forward(fleet *f)
{
    add_three(f);
    fleet_must_perform(f, 0);
    assert_string_equal(f->outcome.mode, "saga");
    assert_int_equal(f->outcome.executed, 3);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b, setup c, execute c");
    assert_text(fleet_tables(f, 0), "a;b;c;precious");
    assert_text(fleet_notes(f, 0), "a;c");
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    assert_text(fleet_migration(f, 0), "committed");
    assert_text(fleet_ask_controller(f, "SELECT unit, direction, kind FROM mtnt_step ORDER BY unit"),
                "0|forward|transaction;1|forward|outside;2|forward|transaction");
    assert_text(fleet_ask_controller(f, "SELECT status FROM mtnt_operation ORDER BY position"),
                "COMPLETED;COMPLETED;COMPLETED");
    /* Nothing more to do, and nothing is done. */
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "");
}

/* A model that nobody has migrated gets its tables with its first unit, even one outside a transaction. */
static void outside_first(fleet *f)
{
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    fleet_add_body(f, "b", MTNT_WRITES_CONTROLLER, (body){.flags = OUTSIDE});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.flags = OUTSIDE});
    fleet_must_perform(f, 0);
    assert_text(fleet_tables(f, 0), "a;c;precious");
    assert_text(fleet_notes(f, 0), "b;c");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    fleet_must_rewind(f, 0);
    assert_string_equal(f->outcome.mode, "saga");
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|ok");
}

static void failure_in_a_transaction(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_says(f->err.message, "execute operation c");
    assert_string_equal(f->outcome.failed_operation, "c");
    assert_text(fleet_log(f, "t1"),
                "setup a, execute a, setup b, execute b, setup c, execute c, rollback b, rollback a");
    expect_nothing(f);
    assert_text(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"),
                "a|ROLLED_BACK;b|ROLLED_BACK;c|FAILED");
    /* The same tenant goes on once the reason is gone. */
    fleet_new_chain(f);
    add_three(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|3|ok");
}

/* The failing step included. */
static void failure_outside(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b, setup c, execute c, verify c, "
                                    "rollback c, rollback b, rollback a");
    expect_nothing(f);
}

/* ---- what rollbacks are told ---- */

static int tell(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    static const char *const words[] = {"done", "in doubt", "not started"};

    (void)err;
    fleet_note(f, "t1", "%s is %s", mtnt_operation_name(operation), words[mtnt_context_progress(context)]);
    return 0;
}

static void told_how_much(fleet *f)
{
    fleet_add_body(f, "a", WRITES_BOTH, (body){.during_rollback = tell});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .during_rollback = tell});
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .fail_at = "execute", .during_rollback = tell});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_non_null(strstr(fleet_log(f, "t1"), "c is in doubt"));
    assert_non_null(strstr(fleet_log(f, "t1"), "b is done"));
    assert_non_null(strstr(fleet_log(f, "t1"), "a is done"));
    expect_nothing(f);
}

static int lose_the_model(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    fleet_ask_model(f, 0, "CREATE TABLE mtnt_elsewhere (a INTEGER)");
    fleet_ask_controller(f, "UPDATE mtnt_migration SET state = 'compensating'");
    return 0;
}

/* Its intent could not be written, because somebody has turned the saga: its body has not begun, and it is not called at all. */
static void turned_between(fleet *f)
{
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .during = lose_the_model});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .during_rollback = tell});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_CANCELLED);
    assert_says(f->err.message, "taken this migration over");
    assert_null(strstr(fleet_log(f, "t1"), "execute b"));
    assert_null(strstr(fleet_log(f, "t1"), "rollback b"));
    fleet_ask_model(f, 0, "DROP TABLE mtnt_elsewhere");
    expect_nothing(f);
}

static int note_key(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    char **last = f->data;
    const char *key = mtnt_context_key(context);

    (void)err;
    assert_int_equal(strlen(key), 32);
    assert_string_not_equal(key, mtnt_context_migration(context));
    if (mtnt_operation_name(operation)[0] == 'a' && last[0] == NULL)
        last[0] = strdup(key);
    else if (mtnt_operation_name(operation)[0] == 'b' && last[1] == NULL)
        last[1] = strdup(key);
    else
        f->counter += strcmp(key, last[mtnt_operation_name(operation)[0] - 'a']) == 0;
    return 0;
}

/* One key for an effect and all that takes it back; never the one of another step or another attempt. */
static void idempotency_keys(fleet *f)
{
    char *keys[2] = {NULL, NULL}, *first;

    f->data = keys;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL,
                   (body){.flags = OUTSIDE, .during = note_key, .during_rollback = note_key});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL,
                   (body){.flags = OUTSIDE, .during = note_key, .during_rollback = note_key, .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_int_equal(f->counter, 2);
    assert_string_not_equal(keys[0], keys[1]);
    first = keys[0];
    free(keys[1]);
    keys[0] = keys[1] = NULL;
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_string_not_equal(keys[0], first);
    free(first);
    free(keys[0]);
    free(keys[1]);
    expect_nothing(f);
}

/* ---- a probe ---- */

/* What the probe finds, and how it went: one test at a time. */
static struct probing {
    mtnt_progress finds;
    int probes, told[3];
    bool fails;
} probing;

static int probing_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    return probing.fails ? mtnt_error_set(err, MTNT_E_OPERATION, "as the test wants it") : 0;
}

static int probing_probe(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model,
                         mtnt_progress *ret_progress, mtnt_error *err)
{
    int64_t tables = -1;

    (void)operation;
    (void)model;
    probing.probes++;
    *ret_progress = probing.finds;
    return mtnt_db_query_int(mtnt_scope_model(context), &tables, err, "SELECT count(*) FROM precious");
}

static int probing_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)model;
    (void)err;
    probing.told[mtnt_context_progress(context)]++;
    return 0;
}

static const mtnt_operation_class probing_class = {
    MTNT_OPERATION_CLASS_INIT, .name = "probing",          .writes = MTNT_WRITES_MODEL,
    .flags = OUTSIDE,          .execute = probing_execute, .rollback = probing_rollback,
    .probe = probing_probe,
};

/* Asked only where it is in doubt, and believed. */
static void probed(fleet *f)
{
    probing = (struct probing){.finds = MTNT_PROGRESS_NOT_STARTED, .fails = true};
    assert_int_equal(mtnt_chain_add(f->chain, &probing_class, 1, NULL, &f->err), 0);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_int_equal(probing.probes, 1);
    assert_int_equal(probing.told[MTNT_PROGRESS_NOT_STARTED], 1);
    probing = (struct probing){.finds = MTNT_PROGRESS_DONE, .fails = true};
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_int_equal(probing.told[MTNT_PROGRESS_DONE], 1);
    /* Done for certain, it is not asked. */
    probing = (struct probing){.finds = MTNT_PROGRESS_IN_DOUBT};
    fleet_add_body(f, "last", MTNT_WRITES_MODEL, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_int_equal(probing.probes, 0);
    assert_int_equal(probing.told[MTNT_PROGRESS_DONE], 1);
    expect_nothing(f);
}

/* ---- locks ---- */

static void *hold_lock(void *data)
{
    fleet_ask_model(data, 0, "BEGIN; LOCK TABLE precious; SELECT pg_sleep(2); COMMIT");
    return NULL;
}

/* Somebody has the table for longer than the lock timeout: the statement waits again, a little later each time, and what is before it in the script is
 * not run twice. */
static void lock_is_waited_for_again(fleet *f)
{
    mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;
    mtnt_controller *impatient = NULL;
    mtnt_coordinator *coordinator = NULL;
    pthread_t thread;

    fleet_add_body(f, "b", MTNT_WRITES_MODEL,
                   (body){.flags = OUTSIDE,
                          .model_up = "CREATE TABLE b (a INTEGER); CREATE INDEX CONCURRENTLY i ON precious (a)"});
    options.lock_timeout_ms = 700;
    assert_int_equal(mtnt_controller_open(&impatient, f->controller_dsn, &options, &f->err), 0);
    assert_int_equal(mtnt_coordinator_new(&coordinator, impatient, f->tenants[0].model, f->chain, NULL, &f->err), 0);
    assert_int_equal(pthread_create(&thread, NULL, hold_lock, f), 0);
    for (int i = 0;
         i < 500 && strcmp(fleet_ask_database(
                               f, NULL,
                               "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE precious%' "
                               "AND wait_event = 'PgSleep'"),
                           "1") != 0;
         i++)
        usleep(10000);
    assert_code(f, mtnt_coordinator_perform(coordinator, &f->err), 0);
    pthread_join(thread, NULL);
    mtnt_coordinator_free(coordinator);
    mtnt_controller_close(impatient);
    assert_text(fleet_tables(f, 0), "b;precious");
    assert_text(fleet_ask_model(f, 0, "SELECT count(*) FROM pg_index WHERE NOT indisvalid"), "0");
}

/* ---- forward only ---- */

static void forward_only(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL,
                   (body){.flags = OUTSIDE | MTNT_OPERATION_RETRIABLE, .no_down = true, .fail_at = "setup"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_null(strstr(fleet_log(f, "t1"), "rollback"));
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_notes(f, 0), "a");
    assert_text(fleet_known(f, 0), "idle|1|error");
    assert_text(fleet_migration(f, 0), "committed");
    fleet_new_chain(f);
    fleet_log_clear(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE | MTNT_OPERATION_RETRIABLE, .no_down = true});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.fail_at = "execute"});
    /* b is final once it has begun: c dies in its own transaction, and nothing before it is taken back. */
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), "setup b, execute b, setup c, execute c");
    assert_text(fleet_tables(f, 0), "a;b;precious");
    assert_text(fleet_known(f, 0), "idle|2|error");
}

/* ---- what is refused ---- */

static void refused(fleet *f, const char *words)
{
    char *model = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f), *after;

    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_REFUSED);
    assert_says(f->err.message, words);
    assert_text(fleet_log(f, "t1"), "");
    after = fleet_dump_model(f, 0);
    assert_string_equal(model, after);
    free(after);
    after = fleet_dump_controller(f);
    assert_string_equal(controller, after);
    free(after);
    free(model);
    free(controller);
}

static void no_way_back(fleet *f)
{
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .no_down = true});
    refused(f, "1 `a` runs outside a transaction and has no way back");
    fleet_new_chain(f);
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.no_down = true});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    refused(f, "1 `a` has no way back (no `down`) and commits before operation 2 `b`");
    /* Last, it needs none; and before what goes forward only. */
    fleet_new_chain(f);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.no_down = true});
    fleet_add_body(f, "d", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE | MTNT_OPERATION_RETRIABLE, .no_down = true});
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "b;c;d");
}

/* ---- a rollback that keeps failing ---- */

static void rollback_fails(fleet *f)
{
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .fail_at = "rollback"});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_says(f->err.message, "execute operation b");
    assert_says(f->err.message, "rollback operation a");
    assert_text(fleet_migration(f, 0), "rollback_failed");
    assert_text(fleet_known(f, 0), "rollback_failed|0|error");
    assert_text(
        fleet_ask_controller(f, "SELECT unit, state, tries FROM mtnt_step WHERE direction = 'backward' ORDER BY unit"),
        "0|failed|3;1|done|1");
    /* Nobody touches it until a person has. */
    fleet_log_clear(f);
    fleet_reopen(f);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "mtnt-model resolve");
    assert_code(f, fleet_recover(f, 0), MTNT_E_BLOCKED);
    assert_text(fleet_log(f, "t1"), "");
    assert_text(fleet_tables(f, 0), "a;precious");
}

/* ---- both sides without prepared transactions ---- */

static void add_halves(fleet *f, const char *failing)
{
    const uint32_t flags = MTNT_OPERATION_SAGA | MTNT_OPERATION_BY_SIDE;

    fleet_add_body(f, "a", WRITES_BOTH, (body){.flags = flags});
    fleet_add_body(f, "b", WRITES_BOTH, (body){.flags = flags, .model_up = failing});
}

static void halves(fleet *f)
{
    add_halves(f, NULL);
    fleet_must_perform(f, 0);
    assert_string_equal(f->outcome.mode, "saga");
    assert_text(fleet_ask_controller(f, "SELECT unit, mode, decider, half FROM mtnt_step ORDER BY unit"),
                "0|single|controller|1;1|single|model|0;2|single|controller|1;3|single|model|0");
    assert_text(fleet_tables(f, 0), "a;b;precious");
    assert_text(fleet_notes(f, 0), "a;b");
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    fleet_must_rewind(f, 0);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|ok");
}

static void half_fails(fleet *f)
{
    add_halves(f, "INSERT INTO nowhere VALUES (1)");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_DATABASE);
    expect_nothing(f);
}

/* Half of the operation is taken back, and the other half cannot be: nobody calls that an end. */
static void half_rewind_fails(fleet *f)
{
    const uint32_t flags = MTNT_OPERATION_SAGA | MTNT_OPERATION_BY_SIDE;

    fleet_add_body(f, "a", WRITES_BOTH, (body){.flags = flags, .model_down = "DROP TABLE nowhere"});
    fleet_must_perform(f, 0);
    assert_code(f, fleet_rewind(f, 0, NULL), MTNT_E_DATABASE);
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_migration(f, 0), "rollback_failed");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
}

static void mode_saga(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.mode = MTNT_MODE_SAGA;
    fleet_add_body(f, "a", WRITES_BOTH, (body){.flags = MTNT_OPERATION_BY_SIDE});
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_string_equal(f->outcome.mode, "saga");
    assert_text(fleet_ask_controller(f, "SELECT unit, decider, writes FROM mtnt_step ORDER BY unit"),
                "0|controller|2;1|model|1;2|model|1");
    assert_text(fleet_applied(f, 0), "a;b;c");
    /* What writes one side only needs no saga. */
    fleet_add(f, "d", MTNT_WRITES_MODEL);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_string_equal(f->outcome.mode, "single");
}

/* ---- rewind ---- */

static void rewind_stops_short(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .fail_at = "rollback"});
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    fleet_must_perform(f, 0);
    fleet_log_clear(f);
    assert_code(f, fleet_rewind(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), "rollback c, rollback b");
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_known(f, 0), "idle|2|error");
    assert_text(fleet_notes(f, 0), "a");
    fleet_new_chain(f);
    fleet_log_clear(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .during_rollback = tell});
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    fleet_must_rewind(f, 0);
    assert_non_null(strstr(fleet_log(f, "t1"), "b is in doubt"));
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|ok");
}

/* ---- models that are made ---- */

static int nobody_sees_it(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    f->counter += !fleet_model_exists(f, 0);
    return 0;
}

static void made(fleet *f)
{
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL});
    fleet_add_body(
        f, "b", MTNT_WRITES_MODEL,
        (body){.flags = OUTSIDE,
               .during = nobody_sees_it,
               .model_up = f->model_backend == MTNT_SQLITE ? "VACUUM" : "CREATE INDEX CONCURRENTLY i ON \"create\" (a)",
               .model_down = ""});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.during = nobody_sees_it});
    fleet_must_perform(f, 0);
    assert_string_equal(f->outcome.mode, "provisional");
    assert_int_equal(f->counter, 2);
    assert_text(fleet_tables(f, 0), "c;create");
    assert_text(fleet_notes(f, 0), "c");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    assert_int_equal(fleet_provisional(f), 0);
}

static void made_and_failed(fleet *f)
{
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_migration(f, 0), "aborted");
}

static void schema_in_two_steps(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_REFUSED);
    assert_says(f->err.message, "--to create");
    assert_false(fleet_model_exists(f, 0));
    options.to = "create";
    assert_code(f, fleet_perform(f, 0, &options), 0);
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* ---- indexes ---- */

/* A CREATE INDEX CONCURRENTLY that fails leaves an invalid index: it is gone, whether the operation has a way back or not. */
static void invalid_index(fleet *f)
{
    static const char invalid[] = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    const uint32_t flags = OUTSIDE | MTNT_OPERATION_RETRIABLE;
    const char *up = "CREATE UNIQUE INDEX CONCURRENTLY \"Odd one\" ON double (a)";

    fleet_add_body(f, "double", MTNT_WRITES_MODEL,
                   (body){.model_up = "CREATE TABLE double (a INTEGER); INSERT INTO double VALUES (1), (1)"});
    fleet_add_body(f, "once", MTNT_WRITES_MODEL, (body){.flags = flags, .no_down = true, .model_up = up});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_DATABASE);
    assert_text(fleet_ask_model(f, 0, invalid), "0");
    assert_text(fleet_known(f, 0), "idle|1|error");
    /* One that a killed process has left stands in nobody's way either. */
    assert_text(fleet_ask_model(f, 0, "DELETE FROM double"), "");
    assert_text(fleet_ask_model(f, 0, "CREATE INDEX \"Odd one\" ON double (a)"), "");
    assert_text(
        fleet_ask_model(f, 0, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Odd one\"'::regclass"), "");
    assert_text(fleet_ask_model(f, 0, invalid), "1");
    fleet_must_perform(f, 0);
    assert_text(fleet_ask_model(f, 0, invalid), "0");
    assert_text(fleet_ask_model(f, 0, "SELECT indisunique FROM pg_index WHERE indexrelid = '\"Odd one\"'::regclass"),
                "t");
}

/* ---- the worker that was thought dead ---- */

static int be_recovered(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    mtnt_controller *other = NULL;
    mtnt_coordinator *coordinator = NULL;
    mtnt_error own = MTNT_ERROR_INIT;

    (void)operation;
    (void)context;
    (void)err;
    if (f->counter++ > 0)
        return 0;
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET lease_until_ms = 0");
    assert_int_equal(mtnt_controller_open(&other, f->controller_dsn, NULL, &own), 0);
    assert_int_equal(mtnt_coordinator_new(&coordinator, other, f->tenants[0].model, f->chain, NULL, &own), 0);
    if (mtnt_coordinator_recover(coordinator, &own) != 0)
        fail_msg("recover: %s", own.message);
    mtnt_coordinator_free(coordinator);
    mtnt_controller_close(other);
    return 0;
}

/* What it does outside is recorded in a transaction that the recovery's abort row stops; what had been committed before is taken back once. */
static void zombie_outside(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .during = be_recovered});
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_null(strstr(fleet_log(f, "t1"), "execute c"));
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_applied(f, 0), "");
    assert_text(fleet_migration(f, 0), "aborted");
    fleet_reopen(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a;b;c");
}

/* A recovery turns the saga between its last unit's commit and its end: it is not called committed, and goes back as a whole. */
static void turned_at_the_end(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    assert_text(fleet_ask_controller(f, "CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                                        "UPDATE public.mtnt_migration SET state = 'compensating'; "
                                        "UPDATE public.mtnt_tenant SET state = 'compensating'; RETURN NEW; END $$"),
                "");
    /* The model's tables come with the first unit. */
    fleet_add(f, "z", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    fleet_must_rewind(f, 0);
    assert_text(fleet_ask_model(f, 0,
                                "CREATE TRIGGER turn AFTER INSERT ON mtnt_applied FOR EACH ROW WHEN (NEW.name = 'z') "
                                "EXECUTE FUNCTION public.turn()"),
                "");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_CANCELLED);
    assert_says(f->err.message, "takes back what it has done");
    assert_text(fleet_migration(f, 0), "compensating");
    assert_text(fleet_ask_model(f, 0, "DROP TRIGGER turn ON mtnt_applied"), "");
    fleet_reopen(f);
    assert_code(f, fleet_recover(f, 0), 0);
    expect_nothing(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a;b;z");
}

/* … and one that turns it after that finds every unit done: forward. */
static void turned_after_the_end(fleet *f)
{
    add_three(f);
    fleet_must_perform(f, 0);
    fleet_ask_controller(f, "UPDATE mtnt_migration SET state = 'compensating', finished_ms = NULL");
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET state = 'compensating', owner = 'nobody', lease_until_ms = 0");
    fleet_log_clear(f);
    fleet_reopen(f);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_log(f, "t1"), "");
    assert_text(fleet_migration(f, 0), "committed");
    assert_text(fleet_tables(f, 0), "a;b;c;precious");
    assert_text(fleet_notes(f, 0), "a;c");
    assert_text(fleet_known(f, 0), "idle|3|ok");
}

int main(void)
{
    const unsigned int postgres_model = ON(PAIR_POSTGRES) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_SQLITE_POSTGRES);
    const pair_test tests[] = {
        {.name = "forward", .run = forward, .pairs = ON_ALL},
        {.name = "outside_first", .run = outside_first, .pairs = ON_ALL},
        {.name = "failure_in_a_transaction", .run = failure_in_a_transaction, .pairs = ON_ALL},
        {.name = "failure_outside", .run = failure_outside, .pairs = ON_ALL},
        {.name = "told_how_much", .run = told_how_much, .pairs = ON_ALL},
        {.name = "turned_between", .run = turned_between, .pairs = ON_ALL},
        {.name = "probed", .run = probed, .pairs = ON_ALL},
        {.name = "lock_is_waited_for_again", .run = lock_is_waited_for_again, .pairs = ON(PAIR_POSTGRES)},
        {.name = "idempotency_keys", .run = idempotency_keys, .pairs = ON_ALL},
        {.name = "forward_only", .run = forward_only, .pairs = ON_ALL},
        {.name = "no_way_back", .run = no_way_back, .pairs = ON_ALL},
        {.name = "rollback_fails", .run = rollback_fails, .pairs = ON_ALL},
        {.name = "halves", .run = halves, .pairs = ON_ALL},
        {.name = "half_fails", .run = half_fails, .pairs = ON_ALL},
        {.name = "half_rewind_fails", .run = half_rewind_fails, .pairs = ON_ALL},
        {.name = "mode_saga", .run = mode_saga, .pairs = ON_ALL},
        {.name = "rewind_stops_short", .run = rewind_stops_short, .pairs = ON_ALL},
        {.name = "made",
         .run = made,
         .pairs = ON_ALL & ~(ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA)),
         .without_models = true},
        {.name = "made_and_failed",
         .run = made_and_failed,
         .pairs = ON_ALL & ~(ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA)),
         .without_models = true},
        {.name = "schema_in_two_steps",
         .run = schema_in_two_steps,
         .pairs = ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA),
         .without_models = true},
        {.name = "invalid_index", .run = invalid_index, .pairs = postgres_model},
        {.name = "turned_at_the_end", .run = turned_at_the_end, .pairs = ON(PAIR_SCHEMA)},
        {.name = "turned_after_the_end", .run = turned_after_the_end, .pairs = ON_ALL},
        {.name = "zombie_outside", .run = zombie_outside, .pairs = ON_ALL},
    };

    return run_pair_tests("saga", tests, sizeof(tests) / sizeof(*tests));
}
