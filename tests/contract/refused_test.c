/* What is refused, and that nothing is changed by it: models of somebody else, lost or damaged ones, tables of a newer version, settings that
 * could not keep the promise, writes that nobody declared. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_run.h"

static mtnt_model *model_at(fleet *f, const char *id, size_t place)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_model *model = NULL;

    options.id = id;
    options.dsn = f->tenants[place].dsn;
    options.schema = f->tenants[place].schema[0] == '\0' ? NULL : f->tenants[place].schema;
    assert_code(f, mtnt_model_new(&model, &options, &f->err), 0);
    return model;
}

/* Performs with that controller and model, and checks that it is refused and has changed neither the model nor the controller's own tables. */
static void refused(fleet *f, mtnt_controller *controller, const mtnt_model *model, size_t place, int code,
                    const char *words)
{
    char *before = fleet_dump_model(f, place), *notes = fleet_dump_controller(f), *after, *notes_after;
    mtnt_coordinator *coordinator = NULL;
    int rc;

    fleet_log_clear(f);
    mtnt_error_clear(&f->err);
    assert_code(f, mtnt_coordinator_new(&coordinator, controller, model, f->chain, NULL, &f->err), 0);
    rc = mtnt_coordinator_perform(coordinator, &f->err);
    mtnt_coordinator_free(coordinator);
    assert_code(f, rc, code);
    assert_says(f->err.message, words);
    assert_text(fleet_log(f, NULL), "");
    after = fleet_dump_model(f, place);
    notes_after = fleet_dump_controller(f);
    assert_string_equal(after, before);
    assert_string_equal(notes_after, notes);
    assert_text(fleet_gids(f), "");
    free(before);
    free(after);
    free(notes);
    free(notes_after);
}

static void two_steps(fleet *f)
{
    mtnt_migration_options first = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", WRITES_BOTH);
    first.to = "a";
    for (size_t i = 0; i < f->count; i++)
        assert_code(f, fleet_perform(f, i, &first), 0);
}

static void another_controllers_model(fleet *f)
{
    mtnt_controller *second = NULL;
    char dsn[200];

    two_steps(f);
    snprintf(dsn, sizeof(dsn), "sqlite:%s/second.db", f->folder);
    assert_code(f, mtnt_controller_open(&second, dsn, NULL, &f->err), 0);
    refused(f, second, f->tenants[0].model, 0, MTNT_E_FOREIGN, "another controller");
    assert_says(f->err.message, "adopt");
    mtnt_controller_close(second);
}

static void swapped_models(fleet *f)
{
    mtnt_model *swapped;

    two_steps(f);
    swapped = model_at(f, "t1", 1);
    refused(f, f->controller, swapped, 1, MTNT_E_FOREIGN, "not the model that the controller knows");
    /* And when the controller has forgotten the tenant, the model still says whose it is. */
    assert_text(fleet_ask_controller(f, "DELETE FROM mtnt_tenant WHERE tenant = 't1'"), "");
    refused(f, f->controller, swapped, 1, MTNT_E_FOREIGN, "belongs to tenant t2");
    mtnt_model_free(swapped);
}

/* An empty database where the controller knows a model. */
static void replaced_by_an_unmarked_one(fleet *f)
{
    two_steps(f);
    fleet_remove_model(f, 0);
    fleet_make_model(f, 0);
    refused(f, f->controller, f->tenants[0].model, 0, MTNT_E_FOREIGN, "unmarked");
}

/* Another place, the same model: it has been moved, and that is fine. */
static void moved_model(fleet *f)
{
    char from[300], to[300], dsn[310];
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_coordinator *coordinator = NULL;
    mtnt_model *moved = NULL;

    two_steps(f);
    snprintf(from, sizeof(from), "%s/t1.db", f->folder);
    snprintf(to, sizeof(to), "%s/elsewhere.db", f->folder);
    snprintf(dsn, sizeof(dsn), "sqlite:%s", to);
    assert_int_equal(rename(from, to), 0);
    options.id = "t1";
    options.dsn = dsn;
    assert_code(f, mtnt_model_new(&moved, &options, &f->err), 0);
    assert_code(f, mtnt_coordinator_new(&coordinator, f->controller, moved, f->chain, NULL, &f->err), 0);
    assert_code(f, mtnt_coordinator_perform(coordinator, &f->err), 0);
    mtnt_coordinator_free(coordinator);
    mtnt_model_free(moved);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static void lost_model(fleet *f)
{
    fleet_report r;

    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_must_perform(f, 0);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_remove_model(f, 0);
    fleet_log_clear(f);
    /* The chain could make it, and does not: what was lost was not empty. */
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_NOT_FOUND);
    assert_says(f->err.message, "knows it at version 1");
    assert_says(f->err.message, "backup");
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    assert_code(f, fleet_rewind(f, 0, NULL), MTNT_E_NOT_FOUND);
    assert_text(fleet_log(f, NULL), "");
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_known(f, 0), "idle|1|error");
}

static void nothing_makes_it(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_NOT_FOUND);
    assert_says(f->err.message, "create_model");
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_known(f, 0), "idle|0|error");
}

static void newer_model_tables(fleet *f)
{
    two_steps(f);
    assert_text(fleet_ask_model(f, 0, "UPDATE mtnt_meta SET value = '99' WHERE key = 'schema_version'"), "");
    refused(f, f->controller, f->tenants[0].model, 0, MTNT_E_NEWER, "version 99");
}

static void damaged_version(fleet *f)
{
    two_steps(f);
    assert_text(fleet_ask_model(f, 0, "UPDATE mtnt_meta SET value = 'one' WHERE key = 'schema_version'"), "");
    refused(f, f->controller, f->tenants[0].model, 0, MTNT_E_CORRUPT, "schema_version `one`");
}

static void newer_controller_tables(fleet *f)
{
    mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;
    mtnt_controller *newer = NULL;

    assert_text(fleet_ask_controller(f, "UPDATE mtnt_meta SET value = '99' WHERE key = 'schema_version'"), "");
    assert_code(f, mtnt_controller_open(&newer, f->controller_dsn, NULL, &f->err), MTNT_E_NEWER);
    assert_says(f->err.message, "version 99");
    options.read_only = true;
    assert_code(f, mtnt_controller_open(&newer, f->controller_dsn, &options, &f->err), MTNT_E_NEWER);
    assert_null(newer);
    assert_text(fleet_ask_controller(f, "SELECT value FROM mtnt_meta WHERE key = 'schema_version'"), "99");
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_meta SET value = '1' WHERE key = 'schema_version'"), "");
}

/* ---- declared and enforced ---- */

static int write_controller(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    return mtnt_db_exec(mtnt_scope_controller(context), err, "INSERT INTO notes VALUES ('t1', 'undeclared')");
}

static int write_model(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    return mtnt_db_exec(mtnt_scope_model(context), err, "DELETE FROM precious");
}

static void undeclared_writes(fleet *f, uint32_t writes, body how)
{
    char *before = fleet_dump_model(f, 0), *notes = fleet_dump_controller(f), *after, *notes_after;

    fleet_add_body(f, "a", writes, how);
    assert_int_not_equal(fleet_perform(f, 0, NULL), 0);
    assert_text(f->outcome.failed_phase, "execute");
    after = fleet_dump_model(f, 0);
    notes_after = fleet_dump_controller(f);
    assert_string_equal(after, before);
    assert_string_equal(notes_after, notes);
    free(before);
    free(after);
    free(notes);
    free(notes_after);
}

static void model_operation_writes_controller(fleet *f)
{
    undeclared_writes(f, MTNT_WRITES_MODEL, (body){.during = write_controller});
}

static void controller_operation_writes_model(fleet *f)
{
    undeclared_writes(f, MTNT_WRITES_CONTROLLER, (body){.during = write_model});
}

static void operation_without_writes_writes_controller(fleet *f)
{
    undeclared_writes(f, MTNT_WRITES_NOTHING, (body){.during = write_controller});
}

static int commit_by_itself(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const mtnt_script script = {.sql = "COMMIT"};

    (void)f;
    (void)operation;
    return mtnt_db_script(mtnt_scope_model(context), &script, err);
}

static void transaction_control(fleet *f)
{
    undeclared_writes(f, WRITES_BOTH, (body){.during = commit_by_itself});
}

static void outside_a_transaction(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_NO_TRANSACTION, .no_down = true});
    refused(f, f->controller, f->tenants[0].model, 0, MTNT_E_REFUSED, "2 `b` runs outside a transaction");
    assert_text(fleet_known(f, 0), "idle|0|error");
    /* Where it is not pending, it is in nobody's way. */
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_NO_TRANSACTION, .no_down = true, .disabled = true});
    fleet_must_perform(f, 0);
}

/* ---- SQLite files ---- */

static void wal_model(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    assert_text(fleet_ask_model(f, 0, "PRAGMA journal_mode = wal"), "wal");
    refused(f, f->controller, f->tenants[0].model, 0, MTNT_E_REFUSED, "journal");
    assert_text(fleet_ask_model(f, 0, "PRAGMA journal_mode"), "wal");
    /* By itself it is as good as any. */
    fleet_new_chain(f);
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_ask_model(f, 0, "PRAGMA journal_mode"), "wal");
}

/* With a PostgreSQL controller the model decides, WAL or not. */
static void wal_model_two_phase(fleet *f)
{
    assert_text(fleet_ask_model(f, 0, "PRAGMA journal_mode = wal"), "wal");
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_notes(f, 0), "a");
}

static void wal_controller(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    mtnt_controller_close(f->controller);
    f->controller = NULL;
    assert_text(fleet_ask_controller(f, "PRAGMA journal_mode = wal"), "wal");
    assert_code(f, mtnt_controller_open(&f->controller, f->controller_dsn, NULL, &f->err), 0);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_REFUSED);
    assert_says(f->err.message, "journal");
    assert_text(fleet_log(f, NULL), "");
    assert_text(fleet_applied(f, 0), "-");
}

static void write_file(const char *dsn, const char *text, size_t size)
{
    FILE *file = fopen(dsn + strlen("sqlite:"), "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    fclose(file);
}

static void unusable_file(fleet *f, int code, const char *words)
{
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    assert_code(f, fleet_perform(f, 0, NULL), code);
    assert_says(f->err.message, words);
    assert_text(fleet_log(f, NULL), "");
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_known(f, 0), "idle|0|error");
}

static void zero_length_file(fleet *f)
{
    struct stat status;

    write_file(f->tenants[0].dsn, "", 0);
    unusable_file(f, MTNT_E_CORRUPT, "empty");
    assert_int_equal(stat(f->tenants[0].dsn + strlen("sqlite:"), &status), 0);
    assert_int_equal(status.st_size, 0);
}

static void no_database(fleet *f)
{
    static const char text[] =
        "Dear diary, today nobody has migrated me. I am longer than a header, and still no database: 0123456789.\n";

    write_file(f->tenants[0].dsn, text, sizeof(text) - 1);
    unusable_file(f, MTNT_E_CORRUPT, "t1.db");
}

static void a_folder(fleet *f)
{
    const char *path = f->tenants[0].dsn + strlen("sqlite:");

    assert_int_equal(mkdir(path, 0700), 0);
    unusable_file(f, MTNT_E_IO, "folder");
    assert_int_equal(rmdir(path), 0);
}

/* ---- a target that is taken while the model is being made ---- */

static int take_the_target(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    fleet_make_model(f, 0);
    return 0;
}

static void target_taken(fleet *f)
{
    fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "CREATE TABLE ours (a INTEGER)"});
    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = take_the_target});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_EXISTS);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_applied(f, 0), "-");
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
}

/* Two migrations make the same model: the operation's second create is refused. */
static int create_again(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    bool created;

    (void)f;
    (void)operation;
    return mtnt_scope_create_model(context, &created, err);
}

static void created_twice(fleet *f)
{
    fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "", .during = create_again});
    assert_int_not_equal(fleet_perform(f, 0, NULL), 0);
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_known(f, 0), "idle|0|error");
}

/* Making a model is its operation's business alone. */
static void created_by_another(fleet *f)
{
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.during = create_again});
    fleet_make_model(f, 0);
    fleet_must_perform(f, 0);
    assert_text(fleet_tables(f, 0), "a;precious");
}

static void bad_options(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    mtnt_coordinator *coordinator = NULL;

    fleet_add(f, "a", WRITES_BOTH);
    options.to = "nobody";
    assert_code(f, mtnt_coordinator_new(&coordinator, f->controller, f->tenants[0].model, f->chain, &options, &f->err),
                MTNT_E_NOT_FOUND);
    options.to = NULL;
    options.steps = -1;
    assert_code(f, mtnt_coordinator_new(&coordinator, f->controller, f->tenants[0].model, f->chain, &options, &f->err),
                MTNT_E_INVALID);
    options.steps = 0;
    options.run = "the last";
    assert_code(f, mtnt_coordinator_new(&coordinator, f->controller, f->tenants[0].model, f->chain, &options, &f->err),
                MTNT_E_INVALID);
    options.run = NULL;
    options.version = 77;
    assert_code(f, mtnt_coordinator_new(&coordinator, f->controller, f->tenants[0].model, f->chain, &options, &f->err),
                MTNT_E_INVALID);
    assert_code(f, mtnt_coordinator_new(&coordinator, NULL, f->tenants[0].model, f->chain, NULL, &f->err),
                MTNT_E_INVALID);
    assert_null(coordinator);
}

int main(void)
{
    const unsigned int schemas = ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA),
                       sqlite_models = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"another_controllers_model", another_controllers_model, ON_ALL, 1, false},
        {"swapped_models", swapped_models, ON_ALL, 2, false},
        {"replaced_by_an_unmarked_one", replaced_by_an_unmarked_one, ON_ALL, 1, false},
        {"moved_model", moved_model, sqlite_models, 1, false},
        {"lost_model", lost_model, ON_ALL, 1, true},
        {"nothing_makes_it", nothing_makes_it, ON_ALL, 1, true},
        {"newer_model_tables", newer_model_tables, ON_ALL, 1, false},
        {"damaged_version", damaged_version, ON_ALL, 1, false},
        {"newer_controller_tables", newer_controller_tables, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"model_operation_writes_controller", model_operation_writes_controller, ON_ALL, 1, false},
        {"controller_operation_writes_model", controller_operation_writes_model, ON_ALL, 1, false},
        {"operation_without_writes_writes_controller", operation_without_writes_writes_controller, ON_ALL, 1, false},
        {"transaction_control", transaction_control, ON_ALL, 1, false},
        {"outside_a_transaction", outside_a_transaction, ON_ALL, 1, false},
        {"wal_model", wal_model, ON(PAIR_SQLITE), 1, false},
        {"wal_model_two_phase", wal_model_two_phase, ON(PAIR_POSTGRES_SQLITE), 1, false},
        {"wal_controller", wal_controller, ON(PAIR_SQLITE), 1, false},
        {"zero_length_file", zero_length_file, sqlite_models, 1, true},
        {"no_database", no_database, sqlite_models, 1, true},
        {"a_folder", a_folder, sqlite_models, 1, true},
        {"target_taken", target_taken, ON_ALL & ~schemas, 1, true},
        {"created_twice", created_twice, ON_ALL, 1, true},
        {"created_by_another", created_by_another, ON_ALL, 1, true},
        {"bad_options", bad_options, ON(PAIR_SQLITE), 1, false},
    };

    return run_pair_tests("refused", tests, sizeof(tests) / sizeof(*tests));
}
