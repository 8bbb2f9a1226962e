/* CONFORMANCE, D: the coordinator over controller and model. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet_run.h"

static void d1_performs(fleet *f)
{
    mtnt_entry_info info;

    fleet_add(f, "a", WRITES_BOTH);
    assert_int_equal(mtnt_chain_len(f->chain), 1);
    assert_true(mtnt_chain_get(f->chain, 0, &info));
    assert_text(info.name, "a");
    fleet_must_perform(f, 0);
    assert_int_equal(mtnt_coordinator_len(f->coordinator), 1);
    assert_text(fleet_log(f, "t1"), "setup a, execute a");
    assert_text(f->outcome.tenant, "t1");
    assert_int_equal(f->outcome.executed, 1);
    assert_int_equal(f->outcome.rolled_back, 0);
    assert_null(f->outcome.failed_operation);
    assert_false(f->outcome.created_model);
    assert_true(f->outcome.started_ms <= f->outcome.finished_ms);
}

static void d2_interleaved(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
}

/* ---- D3: effects outside, which survive the databases' own rollback ---- */

struct hooks {
    fleet *f;
    const char *before_fails, *after_fails; /* at this operation */
};

static int before(void *data, const mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err)
{
    struct hooks *h = data;

    fleet_note(h->f, mtnt_model_id(mtnt_scope_tenant(scope)), "before %s", mtnt_operation_name(operation));
    if (h->before_fails != NULL && strcmp(h->before_fails, mtnt_operation_name(operation)) == 0)
        return mtnt_error_set(err, MTNT_E_OPERATION, "no");
    return 0;
}

static int after(void *data, const mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err)
{
    struct hooks *h = data;

    fleet_note(h->f, mtnt_model_id(mtnt_scope_tenant(scope)), "after %s", mtnt_operation_name(operation));
    if (h->after_fails != NULL && strcmp(h->after_fails, mtnt_operation_name(operation)) == 0)
        return mtnt_error_set(err, MTNT_E_OPERATION, "no");
    return 0;
}

static mtnt_migration_options with_hooks(struct hooks *h)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.before_each = before;
    options.after_each = after;
    options.hook_data = h;
    return options;
}

/* a and c have effects outside, b writes both databases and nothing else; c fails at `phase`. */
static void outside(fleet *f, const char *phase)
{
    fleet_add_body(f, "a", MTNT_WRITES_NOTHING, (body){.flags = MTNT_OPERATION_EXTERNAL});
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add_body(f, "c", WRITES_BOTH, (body){.flags = MTNT_OPERATION_EXTERNAL, .fail_at = phase});
    fleet_add(f, "d", WRITES_BOTH);
}

static void nothing_left(fleet *f, const char *dump, const char *controller)
{
    char *now = fleet_dump_model(f, 0), *controller_now = fleet_dump_controller(f);

    assert_string_equal(now, dump);
    assert_string_equal(controller_now, controller);
    free(now);
    free(controller_now);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_gids(f), "");
}

static void d3_case(fleet *f, const char *fail_at, struct hooks h, const char *log, const char *phase, const char *text)
{
    mtnt_migration_options options = with_hooks(&h);
    char *dump = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f);

    h.f = f;
    outside(f, fail_at);
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"), log);
    assert_text(f->outcome.failed_operation, "c");
    assert_text(f->outcome.failed_phase, phase);
    assert_text(f->err.message, text);
    nothing_left(f, dump, controller);
    free(dump);
    free(controller);
}

static void d3_fails_in_setup(fleet *f)
{
    d3_case(
        f, "setup", (struct hooks){NULL, NULL, NULL},
        "before a, setup a, execute a, after a, before b, setup b, execute b, after b, before c, setup c, rollback c, rollback a",
        "setup", "setup operation c: boom");
}

static void d3_fails_in_before_hook(fleet *f)
{
    d3_case(
        f, NULL, (struct hooks){NULL, "c", NULL},
        "before a, setup a, execute a, after a, before b, setup b, execute b, after b, before c, rollback c, rollback a",
        "before hook", "before hook operation c: no");
}

static void d3_fails_in_execute(fleet *f)
{
    d3_case(
        f, "execute", (struct hooks){NULL, NULL, NULL},
        "before a, setup a, execute a, after a, before b, setup b, execute b, after b, before c, setup c, execute c, rollback c, rollback a",
        "execute", "execute operation c: boom");
}

static void d3_fails_in_after_hook(fleet *f)
{
    d3_case(
        f, NULL, (struct hooks){NULL, NULL, "c"},
        "before a, setup a, execute a, after a, before b, setup b, execute b, after b, before c, setup c, execute c, after c, rollback c, "
        "rollback a",
        "after hook", "after hook operation c: no");
}

static void d3_fails_in_verify(fleet *f)
{
    d3_case(
        f, "verify", (struct hooks){NULL, NULL, NULL},
        "before a, setup a, execute a, after a, before b, setup b, execute b, after b, before c, setup c, execute c, verify c, rollback c, "
        "rollback a",
        "verify", "verify operation c: boom");
}

static void d3_rollback_errors_are_kept(fleet *f)
{
    char *dump = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f);

    fleet_add_body(f, "a", MTNT_WRITES_NOTHING, (body){.flags = MTNT_OPERATION_EXTERNAL, .fail_at = "rollback"});
    fleet_add_body(f, "b", MTNT_WRITES_NOTHING, (body){.flags = MTNT_OPERATION_EXTERNAL});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.flags = MTNT_OPERATION_EXTERNAL, .fail_at = "execute rollback"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_log(f, "t1"),
                "setup a, execute a, setup b, execute b, setup c, execute c, rollback c, rollback b, rollback a");
    assert_text(
        f->err.message,
        "rollback operation at 0 with a: boom: rollback operation at 2 with c: boom: execute operation c: boom");
    nothing_left(f, dump, controller);
    free(dump);
    free(controller);
}

/* The transaction cannot commit: everything outside is compensated, from the last. */
static void d3_commit_fails(fleet *f)
{
    static const char sqlite[] =
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (id INTEGER REFERENCES parent (id)); "
        "INSERT INTO child VALUES (7)";
    static const char postgres[] =
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); "
        "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED); "
        "INSERT INTO child VALUES (7)";
    char *dump = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f);

    fleet_add_body(f, "a", MTNT_WRITES_NOTHING, (body){.flags = MTNT_OPERATION_EXTERNAL});
    fleet_add_body(f, "b", WRITES_BOTH, (body){.model_up = f->model_backend == MTNT_SQLITE ? sqlite : postgres});
    fleet_add_body(f, "c", MTNT_WRITES_NOTHING, (body){.flags = MTNT_OPERATION_EXTERNAL});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_DATABASE);
    assert_text(fleet_log(f, "t1"),
                "setup a, execute a, setup b, execute b, setup c, execute c, rollback c, rollback a");
    assert_text(f->outcome.failed_phase, "commit");
    assert_null(f->outcome.failed_operation);
    if (f->which == PAIR_POSTGRES_SQLITE) {
        /* What was prepared in the controller could be given up only after the model had said so for good. */
        assert_text(fleet_ask_model(f, 0, "SELECT outcome FROM mtnt_decision"), "abort");
        assert_text(fleet_applied(f, 0), "");
        assert_text(fleet_tables(f, 0), "precious");
        assert_text(fleet_notes(f, 0), "");
        assert_text(fleet_gids(f), "");
    } else {
        nothing_left(f, dump, controller);
    }
    free(dump);
    free(controller);
}

/* Compensation may look at both databases, and write neither. */
static int look_and_write(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int64_t rows = 0;
    mtnt_error own = MTNT_ERROR_INIT;

    (void)operation;
    if (mtnt_db_query_int(mtnt_scope_model(context), &rows, err, "SELECT count(*) FROM precious") != 0)
        return err->code;
    fleet_note(f, "t1", "%lld precious", (long long)rows);
    if (mtnt_db_query_int(mtnt_scope_controller(context), &rows, err, "SELECT count(*) FROM notes") != 0)
        return err->code;
    fleet_note(f, "t1", "%lld notes", (long long)rows);
    if (mtnt_db_exec(mtnt_scope_model(context), &own, "DELETE FROM precious") == 0)
        return mtnt_error_set(err, MTNT_E_OPERATION, "the model can be written");
    if (mtnt_db_exec(mtnt_scope_controller(context), &own, "INSERT INTO notes VALUES ('t1', 'late')") == 0)
        return mtnt_error_set(err, MTNT_E_OPERATION, "the controller can be written");
    return 0;
}

static void d3_compensation_reads_only(fleet *f)
{
    char *dump = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f);

    fleet_add_body(f, "a", MTNT_WRITES_NOTHING,
                   (body){.flags = MTNT_OPERATION_EXTERNAL, .during_rollback = look_and_write});
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(f->err.message, "execute operation b: boom");
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b, rollback a, 2 precious, 0 notes");
    nothing_left(f, dump, controller);
    free(dump);
    free(controller);
}

/* ---- D4 ---- */

static int only_setup(mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err)
{
    const void *config = mtnt_operation_config(operation);

    (void)err;
    fleet_note((fleet *)(uintptr_t)config, mtnt_model_id(mtnt_scope_tenant(scope)), "only setup");
    return 0;
}

static void d4_defaults(fleet *f)
{
    static const mtnt_operation_class bare = {MTNT_OPERATION_CLASS_INIT, .name = "bare", .writes = MTNT_WRITES_MODEL,
                                              .setup = only_setup};
    static mtnt_operation_class hollow = {MTNT_OPERATION_CLASS_INIT, .name = "hollow", .writes = MTNT_WRITES_MODEL,
                                          .setup = only_setup};

    /* Setup alone is enough; without a rollback there is nothing to undo after a failure. */
    assert_int_equal(mtnt_chain_add(f->chain, &bare, 1, f, &f->err), 0);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "execute", .no_down = true});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(f->err.message, "execute operation b: boom");
    assert_text(fleet_log(f, "t1"), "only setup, setup b, execute b");

    /* A class without both is refused when it is added; one that lost them since says so when it runs. */
    fleet_new_chain(f);
    fleet_log_clear(f);
    hollow.setup = only_setup;
    assert_int_equal(mtnt_chain_add(f->chain, &hollow, 1, f, &f->err), 0);
    hollow.setup = NULL;
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_NOT_IMPLEMENTED);
    assert_says(f->err.message, "not implemented");
}

/* Rewind of an operation that cannot be taken back is refused before anything is. */
static void d4_no_rollback_to_rewind(fleet *f)
{
    fleet_add_body(f, "a", WRITES_BOTH, (body){.no_down = true});
    fleet_add(f, "b", WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_log_clear(f);
    assert_code(f, fleet_rewind(f, 0, NULL), MTNT_E_REFUSED);
    assert_says(f->err.message, "`a` has no rollback");
    assert_text(fleet_log(f, "t1"), "");
    assert_text(fleet_applied(f, 0), "a;b");
}

/* ---- D5 ---- */

struct scopes {
    mtnt_db *controller, *model;
    char migration[64];
    int same;
};

static int look_at_scope(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    struct scopes *s = f->data;
    int64_t rows;

    (void)operation;
    if (s->controller == NULL) {
        s->controller = mtnt_scope_controller(context);
        s->model = mtnt_scope_model(context);
        snprintf(s->migration, sizeof(s->migration), "%s", mtnt_context_migration(context));
    }
    s->same += s->controller != NULL && s->controller == mtnt_scope_controller(context) && s->model != NULL &&
               s->model == mtnt_scope_model(context) && strcmp(s->migration, mtnt_context_migration(context)) == 0 &&
               strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t1") == 0 &&
               mtnt_db_backend(s->controller) == f->controller_backend && mtnt_db_backend(s->model) == f->model_backend;
    /* Each handle means its own database, by unqualified names. */
    if (mtnt_db_query_int(s->model, &rows, err, "SELECT count(*) FROM precious") != 0 ||
        mtnt_db_query_int(s->controller, &rows, err, "SELECT count(*) FROM notes") != 0)
        return err->code;
    /* Nothing to delete: this migration has not created the model. */
    return mtnt_scope_delete_model(context, err);
}

static void d5_scope(fleet *f, uint32_t writes)
{
    struct scopes s = {NULL, NULL, "", 0};

    f->data = &s;
    fleet_add_body(f, "a", writes, (body){.during = look_at_scope});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = look_at_scope});
    fleet_add_body(f, "c", writes, (body){.during = look_at_scope});
    fleet_must_perform(f, 0);
    assert_int_equal(s.same, 3);
    assert_text(f->outcome.migration, s.migration);
    assert_true(fleet_model_exists(f, 0));
    assert_text(fleet_tables(f, 0), "a;b;c;precious");
}

static void d5_both_written(fleet *f)
{
    d5_scope(f, WRITES_BOTH);
}

static void d5_model_written(fleet *f)
{
    d5_scope(f, MTNT_WRITES_MODEL);
}

/* ---- D6, D7: who made the model deletes it, and nobody else ever does ---- */

static void creating(fleet *f, body how)
{
    how.flags |= MTNT_OPERATION_CREATES_MODEL;
    how.model_up = how.model_up == NULL ? "CREATE TABLE precious (a INTEGER)" : how.model_up;
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, how);
}

static void no_model(fleet *f)
{
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_gids(f), "");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
}

static void d6_created_and_kept(fleet *f)
{
    creating(f, (body){0});
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_true(f->outcome.created_model);
    assert_int_equal(f->outcome.executed, 2);
    assert_text(f->outcome.mode, f->which == PAIR_SCHEMA         ? "single transaction"
                                 : f->which == PAIR_OTHER_SCHEMA ? "two-phase"
                                                                 : "provisional");
    assert_true(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_applied(f, 0), "create;a");
    assert_text(fleet_notes(f, 0), "a");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_ask_model(f, 0, "SELECT value FROM mtnt_meta WHERE key = 'created_by'"), f->outcome.migration);
    /* A second time there is nothing to do. */
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "");
}

static void d6_later_operation_fails(fleet *f)
{
    creating(f, (body){0});
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(f->err.message, "execute operation b: boom");
    assert_false(f->outcome.created_model);
    no_model(f);
    /* By the operation that made it, unless the model died with the transaction. */
    assert_text(fleet_log(f, "t1"),
                f->model_backend == MTNT_POSTGRES && f->tenants[0].schema[0] != '\0'
                    ? "setup create, execute create, setup a, execute a, setup b, execute b"
                    : "setup create, execute create, setup a, execute a, setup b, execute b, rollback create");
}

static void d6_creation_itself_fails(fleet *f)
{
    creating(f, (body){.model_up = "CREATE TABLE precious (this is no definition"});
    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_DATABASE);
    no_model(f);
}

/* Its operation does not delete it: somebody has to. */
static void d6_rollback_fails(fleet *f)
{
    creating(f, (body){.fail_at = "rollback"});
    fleet_add_body(f, "a", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_says(f->err.message, "execute operation a: boom");
    no_model(f);
}

static int delete_it(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    /* Gone already when the rollback proper comes to it: "not found" is no error. */
    return mtnt_scope_delete_model(context, err) == 0 ? mtnt_scope_delete_model(context, err) : err->code;
}

static void d6_not_found_is_no_error(fleet *f)
{
    creating(f, (body){.during_rollback = delete_it});
    fleet_add_body(f, "a", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(f->err.message, "execute operation a: boom");
    no_model(f);
}

static void d7_never_deleted(fleet *f)
{
    char *dump = fleet_dump_model(f, 0), *now;

    creating(f, (body){.model_up = "", .during_rollback = delete_it});
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_true(fleet_model_exists(f, 0));
    now = fleet_dump_model(f, 0);
    assert_string_equal(now, dump);
    free(now);
    free(dump);
    assert_text(fleet_known(f, 0), "idle|0|error");
}

static void d7_existing_is_taken_over(fleet *f)
{
    creating(f, (body){.model_up = "", .model_down = "", .during_rollback = delete_it});
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_false(f->outcome.created_model);
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_applied(f, 0), "create;a");
    /* Taking it all back does not delete it either. */
    fleet_must_rewind(f, 0);
    assert_true(fleet_model_exists(f, 0));
    assert_text(fleet_tables(f, 0), "precious");
}

/* What an earlier migration has made is of today a model that existed before. */
static void d7_created_earlier(fleet *f)
{
    creating(f, (body){.during_rollback = delete_it});
    fleet_must_perform(f, 0);
    fleet_add_body(f, "a", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_true(fleet_model_exists(f, 0));
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_applied(f, 0), "create");
    assert_text(fleet_known(f, 0), "idle|1|error");
}

/* ---- D8: the claim of a model that is made, from beginning to end ----
 * importing: the claim is written, the model is being made. activating: the register says commit. aborting: it says abort. Neither ever becomes the
 * other, and the tenant's claim is given up only when what was decided has been proven to be done. */

static int die(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    if (f->data != NULL)
        kill(getpid(), SIGKILL);
    return 0;
}

static void perform_and_die(fleet *f)
{
    f->data = f;
    fleet_perform(f, 0, NULL);
}

static void importing(fleet *f)
{
    int status;

    creating(f, (body){0});
    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = die});
    status = fleet_in_child(f, perform_and_die);
    assert_true(WIFSIGNALED(status));
    assert_text(fleet_known(f, 0), "executing|0|ok");
}

static const char *decision(fleet *f)
{
    return fleet_ask_controller(
        f, "SELECT d.outcome FROM mtnt_decision AS d JOIN mtnt_tenant AS t ON t.migration = d.migration");
}

static void d8_aborting_then_deleted(fleet *f)
{
    importing(f);
    assert_text(decision(f), "");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(decision(f), "abort");
    no_model(f);
    /* Again: ok, and nothing more. */
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(decision(f), "abort");
    no_model(f);
    /* The next one is another migration, and may well make it. */
    fleet_must_perform(f, 0);
    assert_true(fleet_model_exists(f, 0));
}

/* What was decided stays decided: who comes to abort finds it so, and touches nothing. */
static void d8_abort_when_activating(fleet *f)
{
    char *dump, *now, sql[300];

    creating(f, (body){0});
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    dump = fleet_dump_model(f, 0);
    /* As a worker leaves it that dies right after its decision. */
    snprintf(sql, sizeof(sql), "UPDATE mtnt_migration SET state = 'executing' WHERE migration = '%s'",
             f->outcome.migration);
    fleet_ask_controller(f, sql);
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET state = 'executing', owner = 'gone', lease_until_ms = 0");
    for (int round = 0; round < 2; round++) {
        assert_code(f, fleet_recover(f, 0), 0);
        assert_text(decision(f), "commit");
        now = fleet_dump_model(f, 0);
        assert_string_equal(now, dump);
        free(now);
        assert_text(fleet_known(f, 0), "idle|2|ok");
        assert_text(fleet_migration(f, 0), "committed");
    }
    free(dump);
}

/* The worker that wakes up when it is being aborted does not activate. */
static int give_up(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    char sql[300];

    (void)operation;
    (void)err;
    snprintf(sql, sizeof(sql), "INSERT INTO mtnt_decision (migration, outcome) VALUES ('%s', 'abort')",
             mtnt_context_migration(context));
    assert_text(fleet_ask_controller(f, sql), "");
    return 0;
}

static void d8_activate_when_aborting(fleet *f)
{
    creating(f, (body){0});
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = give_up});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "given up by a recovery");
    assert_text(decision(f), "abort");
    no_model(f);
}

/* As long as what was made cannot be removed, the claim stays. A folder at the provisional name cannot be unlinked. */
static void d8_claim_goes_last(fleet *f)
{
    char path[700];

    importing(f);
    snprintf(path, sizeof(path), "%s/t1.db.mtnt-new-%s", f->folder,
             fleet_ask_controller(f, "SELECT migration FROM mtnt_tenant"));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    for (int round = 0; round < 2; round++) {
        assert_code(f, fleet_recover(f, 0), MTNT_E_IO);
        assert_text(decision(f), "abort");
        assert_text(fleet_known(f, 0), "in_doubt|0|error");
    }
    assert_int_equal(rmdir(path), 0);
    assert_code(f, fleet_recover(f, 0), 0);
    no_model(f);
}

/* ---- D9: a late write of a lost worker changes nothing ---- */

static const char all_of_it[] =
    "SELECT t.state, t.version, t.digest, t.migration, t.epoch, t.owner, t.error, m.state, m.epoch, m.error, "
    "(SELECT count(*) FROM mtnt_migration), (SELECT count(*) FROM mtnt_operation), (SELECT max(status) FROM mtnt_operation), "
    "(SELECT count(*) FROM notes), (SELECT count(*) FROM mtnt_decision WHERE outcome = 'commit') "
    "FROM mtnt_tenant AS t JOIN mtnt_migration AS m ON m.migration = t.migration";

static int taken_and_failed(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    (void)context;
    if (f->counter++ > 0)
        return 0;
    answer = fleet_ask_controller(
        f, "UPDATE mtnt_tenant SET epoch = epoch + 1, owner = 'somebody else', lease_until_ms = 0");
    if (answer[0] == '\0') {
        f->data = strdup(fleet_ask_controller(f, all_of_it));
        answer = "boom";
    }
    return mtnt_error_set(err, MTNT_E_OPERATION, "%s", answer);
}

/* Another one has the claim, and has not come far with it: it is for that one to say how it ended. */
static void d9_late_end(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = taken_and_failed});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_says(f->err.message, "boom");
    assert_text(fleet_ask_controller(f, all_of_it), (const char *)f->data);
    assert_says(f->data, "executing|0||");
    free(f->data);
    fleet_must_perform(f, 0);
    assert_true(f->outcome.recovered);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static int with_another(fleet *f, int (*call)(mtnt_coordinator *coordinator, mtnt_error *err), mtnt_error *err)
{
    mtnt_controller *controller = NULL;
    mtnt_coordinator *coordinator = NULL;
    int rc = mtnt_controller_open(&controller, f->controller_dsn, NULL, err);

    if (rc == 0)
        rc = mtnt_coordinator_new(&coordinator, controller, f->tenants[0].model, f->chain, NULL, err);
    if (rc == 0)
        rc = call(coordinator, err);
    mtnt_coordinator_free(coordinator);
    mtnt_controller_close(controller);
    return rc;
}

static int overtaken(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int rc;

    (void)operation;
    if (f->counter++ > 0)
        return 0;
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET lease_until_ms = 0");
    /* Under its mark its session would be ended by the next attempt. */
    rc = f->which == PAIR_POSTGRES_SQLITE
             ? mtnt_db_exec(mtnt_scope_controller(context), err, "SET LOCAL application_name = 'somebody'")
             : 0;
    if (rc == 0)
        rc = with_another(f, mtnt_coordinator_recover, err);
    if (rc == 0 && f->which == PAIR_POSTGRES_SQLITE)
        rc = with_another(f, mtnt_coordinator_perform, err);
    if (rc == 0)
        f->data = strdup(fleet_ask_controller(f, all_of_it));
    return rc;
}

/* It was given up, and now it comes with all its writes, in both databases. */
static void d9_given_up(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = overtaken});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "given up by a recovery");
    assert_non_null(f->data);
    assert_text(fleet_ask_controller(f, all_of_it), (const char *)f->data);
    assert_says(f->data, "idle|0|");
    free(f->data);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_gids(f), "");
    assert_text(fleet_migration(f, 0), "aborted");
}

/* It was given up, another one has migrated the tenant since, and now it comes with all its writes: operations', records and end. */
static void d9_late_everything(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_CONTROLLER);
    fleet_add_body(f, "b", MTNT_WRITES_CONTROLLER, (body){.during = overtaken});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "given up by a recovery");
    assert_non_null(f->data);
    assert_text(fleet_ask_controller(f, all_of_it), (const char *)f->data);
    assert_says(f->data, "idle|2|");
    assert_says(f->data, "|COMPLETED|2|1");
    free(f->data);
    assert_text(fleet_notes(f, 0), "a;b");
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_migration ORDER BY started_ms, state"),
                "aborted;committed");
}

int main(void)
{
    const unsigned int controller_decides = ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA);
    const unsigned int outside_schema = ON_ALL & ~(ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA));
    const pair_test tests[] = {
        {"d1_performs", d1_performs, ON_ALL, 1, false},
        {"d2_interleaved", d2_interleaved, ON_ALL, 1, false},
        {"d3_fails_in_setup", d3_fails_in_setup, ON_ALL, 1, false},
        {"d3_fails_in_before_hook", d3_fails_in_before_hook, ON_ALL, 1, false},
        {"d3_fails_in_execute", d3_fails_in_execute, ON_ALL, 1, false},
        {"d3_fails_in_after_hook", d3_fails_in_after_hook, ON_ALL, 1, false},
        {"d3_fails_in_verify", d3_fails_in_verify, ON_ALL, 1, false},
        {"d3_rollback_errors_are_kept", d3_rollback_errors_are_kept, ON_ALL, 1, false},
        {"d3_commit_fails", d3_commit_fails, ON_ALL, 1, false},
        {"d3_compensation_reads_only", d3_compensation_reads_only, ON_ALL, 1, false},
        {"d4_defaults", d4_defaults, ON_ALL, 1, false},
        {"d4_no_rollback_to_rewind", d4_no_rollback_to_rewind, ON_ALL, 1, false},
        {"d5_both_written", d5_both_written, ON_ALL, 1, false},
        {"d5_model_written", d5_model_written, ON_ALL, 1, false},
        {"d6_created_and_kept", d6_created_and_kept, ON_ALL, 1, true},
        {"d6_later_operation_fails", d6_later_operation_fails, ON_ALL, 1, true},
        {"d6_creation_itself_fails", d6_creation_itself_fails, ON_ALL, 1, true},
        {"d6_rollback_fails", d6_rollback_fails, outside_schema, 1, true},
        {"d6_not_found_is_no_error", d6_not_found_is_no_error, outside_schema, 1, true},
        {"d7_never_deleted", d7_never_deleted, ON_ALL, 1, false},
        {"d7_existing_is_taken_over", d7_existing_is_taken_over, ON_ALL, 1, false},
        {"d7_created_earlier", d7_created_earlier, ON_ALL, 1, true},
        {"d8_aborting_then_deleted", d8_aborting_then_deleted, ON_ALL, 1, true},
        {"d8_abort_when_activating", d8_abort_when_activating, ON_ALL, 1, true},
        /* Elsewhere the controller is locked, or part of the same transaction. */
        {"d8_activate_when_aborting", d8_activate_when_aborting, ON(PAIR_POSTGRES) | ON(PAIR_POSTGRES_SQLITE), 1, true},
        {"d8_claim_goes_last", d8_claim_goes_last, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), 1, true},
        {"d9_late_end", d9_late_end, ON_ALL, 1, false},
        {"d9_late_everything", d9_late_everything, ON(PAIR_POSTGRES_SQLITE), 1, false},
        {"d9_given_up", d9_given_up, controller_decides, 1, false},
    };

    return run_pair_tests("conformance_d", tests, sizeof(tests) / sizeof(*tests));
}
