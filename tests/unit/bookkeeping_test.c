/* B1 to B4 and B8: which calls a coordinator makes on its store, in which order, and what becomes of two errors at once. The recorder fails
 * where it is told to; in B1 the store and the attempt behind it are real. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/files.h"
#include "coordinate/bookkeeping.h"

typedef struct recorder {
    char calls[1000];
    const char *failing[2]; /* calls that fail; NULL = none */
    bool ensured;
    mtnt_controller *controller; /* NULL = nothing is real */
    mtnt__link link;
} recorder;

static void note(recorder *r, const char *format, ...)
{
    size_t length = strlen(r->calls);
    va_list arguments;

    if (length > 0)
        length += (size_t)snprintf(r->calls + length, sizeof(r->calls) - length, ", ");
    va_start(arguments, format);
    vsnprintf(r->calls + length, sizeof(r->calls) - length, format, arguments);
    va_end(arguments);
}

static int call(recorder *r, const char *name, mtnt_error *err)
{
    note(r, "%s", name);
    for (size_t i = 0; i < 2; i++)
        if (r->failing[i] != NULL && strcmp(r->failing[i], name) == 0)
            return mtnt_error_set(err, MTNT_E_DATABASE, "%s failed", name);
    return 0;
}

static bool ensured(void *data)
{
    return ((recorder *)data)->ensured;
}

static int lock_database(void *data, mtnt_error *err)
{
    recorder *r = data;
    int rc = call(r, "db lock", err);

    return rc == 0 && r->controller != NULL ? mtnt__controller_lock(r->controller, err) : rc;
}

static int ensure(void *data, mtnt_error *err)
{
    recorder *r = data;
    int rc = call(r, "ensure", err);

    return rc == 0 && r->controller != NULL ? mtnt__controller_ensure(r->controller, err) : rc;
}

static int unlock_database(void *data, mtnt_error *err)
{
    recorder *r = data;
    int rc = call(r, "db unlock", err);

    if (rc == 0)
        r->ensured = true;
    return rc == 0 && r->controller != NULL ? mtnt__controller_unlock(r->controller, err) : rc;
}

static int abandon_database(void *data, mtnt_error *err)
{
    return call(data, "db abandon", err);
}

static int claim(void *data, mtnt__task *task, mtnt_error *err)
{
    mtnt__claim *claims[] = {&task->claim};
    recorder *r = data;
    int rc = call(r, "lock", err);

    if (rc == 0 && r->controller != NULL)
        rc = mtnt__store_claim(r->controller, "shop", claims, 1, 1000, err);
    /* The claim's own transaction has read the earlier statuses. */
    return rc == 0 ? call(r, "list", err) : rc;
}

static void run(void *data, mtnt__task *task)
{
    recorder *r = data;

    if (r->controller != NULL) {
        mtnt__task_run(task, &r->link);
        return;
    }
    task->result_code = call(r, "run", &task->error);
    task->phase = MTNT__TASK_DONE;
}

static int release(void *data, mtnt__task *task, mtnt_error *err)
{
    recorder *r = data;
    int rc = call(r, "unlock", err);

    return rc == 0 && r->controller != NULL ? mtnt__store_finish(r->controller, "shop", &task->end, 1, err) : rc;
}

static mtnt__bookkeeping calls_of(recorder *r)
{
    return (mtnt__bookkeeping){ensured, lock_database, ensure, unlock_database, abandon_database, claim,
                               run,     release,       r};
}

static int body(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    const void *config = mtnt_operation_config(operation);

    (void)context;
    (void)model;
    (void)err;
    if (config != NULL)
        note((recorder *)(uintptr_t)config, "run %lld", (long long)mtnt_operation_order(operation));
    return 0;
}

static const mtnt_operation_class step = {MTNT_OPERATION_CLASS_INIT, .name = "step", .writes = MTNT_WRITES_MODEL,
                                          .execute = body};

static mtnt_chain *chain_of(recorder *r, size_t enabled, size_t disabled)
{
    mtnt_chain *chain;

    assert_int_equal(mtnt_chain_new(&chain, "shop", NULL), 0);
    for (size_t i = 0; i < enabled + disabled; i++) {
        mtnt_entry entry = MTNT_ENTRY_INIT;
        char name[40];

        snprintf(name, sizeof(name), "step %zu", i + 1);
        entry.name = name;
        entry.config = r;
        entry.disabled = i >= enabled;
        assert_int_equal(mtnt_chain_add_entry(chain, &step, &entry, NULL), 0);
    }
    return chain;
}

/* Performs with a store that fails as told; nothing is real. */
static int perform(recorder *r, const char *failing, const char *failing_too, mtnt_error *err)
{
    mtnt_controller controller = {.backend = MTNT_SQLITE, .system = mtnt__system_default()};
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt__bookkeeping calls = calls_of(r);
    mtnt__known known = {0};
    mtnt_chain *chain = chain_of(NULL, 1, 0);
    mtnt_model *model;
    mtnt__task task;
    mtnt__job job;
    int rc;

    memset(r, 0, sizeof(*r));
    r->failing[0] = failing;
    r->failing[1] = failing_too;
    mtnt_error_clear(err);
    options.id = "acme";
    options.dsn = "sqlite:/nowhere/acme.db";
    assert_int_equal(mtnt_model_new(&model, &options, NULL), 0);
    assert_int_equal(mtnt__job_init(&job, &controller, chain, MTNT_FORWARD, NULL, NULL), 0);
    assert_int_equal(mtnt__task_init(&task, &job, model, &known, NULL), 0);
    rc = mtnt__bookkeeping_perform(&calls, &task, err);
    assert_int_equal(rc, err->code);
    mtnt__task_release(&task);
    mtnt__job_release(&job);
    mtnt_model_free(model);
    mtnt_chain_free(chain);
    return rc;
}

static void status(void *data, const mtnt__step *at)
{
    note(data, "%c%lld", mtnt_status_name(at->status)[0], (long long)at->entry->order);
}

static void b1_order_of_calls(void **state)
{
    char folder[] = "/tmp/mtnt-bookkeeping-XXXXXX", controller_dsn[100], model_dsn[100];
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_error err = MTNT_ERROR_INIT;
    recorder r = {0};
    mtnt__bookkeeping calls = calls_of(&r);
    mtnt__db_options made = {.create = true};
    mtnt__known known = {0};
    mtnt_chain *chain = chain_of(&r, 2, 1);
    const mtnt_model *models[1];
    mtnt_model *model;
    mtnt__task task;
    mtnt__job job;
    mtnt_db *db;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(controller_dsn, sizeof(controller_dsn), "sqlite:%s/controller.db", folder);
    snprintf(model_dsn, sizeof(model_dsn), "sqlite:%s/acme.db", folder);
    assert_int_equal(mtnt__db_open(&db, model_dsn, &made, &err), 0);
    assert_int_equal(mtnt_db_exec(db, &err, "CREATE TABLE contacts (id INTEGER)"), 0);
    mtnt__db_close(db);
    assert_int_equal(mtnt_controller_open(&r.controller, controller_dsn, NULL, &err), 0);
    r.link.controller = r.controller;
    options.id = "acme";
    options.dsn = model_dsn;
    assert_int_equal(mtnt_model_new(&model, &options, &err), 0);
    assert_int_equal(mtnt__job_init(&job, r.controller, chain, MTNT_FORWARD, NULL, &err), 0);
    assert_int_equal(mtnt__task_init(&task, &job, model, &known, &err), 0);
    task.status = status;
    task.status_data = &r;

    if (mtnt__bookkeeping_perform(&calls, &task, &err) != 0)
        fail_msg("%s", err.message);
    assert_string_equal(r.calls,
                        "db lock, ensure, db unlock, lock, list, P1, P2, S1, run 1, C1, S2, run 2, C2, unlock");
    models[0] = model;
    assert_int_equal(mtnt__store_select(r.controller, "shop", models, 1, &known, &err), 0);
    assert_string_equal(known.state, "idle");
    assert_int_equal(known.version, 2);

    mtnt__task_release(&task);
    mtnt__job_release(&job);
    mtnt_model_free(model);
    mtnt_chain_free(chain);
    mtnt__link_release(&r.link);
    mtnt_controller_close(r.controller);
    assert_int_equal(mtnt__file_remove(mtnt__dsn_sqlite_path(controller_dsn), NULL), 0);
    assert_int_equal(mtnt__file_remove(mtnt__dsn_sqlite_path(model_dsn), NULL), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void b2_database_lock(void **state)
{
    mtnt_error err;
    recorder r;

    (void)state;
    /* The lock is not had: nothing to release. */
    assert_int_equal(perform(&r, "db lock", NULL, &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock");
    assert_string_equal(err.message, "db lock failed");

    /* Ensure fails: the lock is released. */
    assert_int_equal(perform(&r, "ensure", NULL, &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock, ensure, db abandon");
    assert_string_equal(err.message, "ensure failed");

    /* And when that fails too, both are reported. */
    assert_int_equal(perform(&r, "ensure", "db abandon", &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock, ensure, db abandon");
    assert_non_null(strstr(err.message, "ensure failed"));
    assert_non_null(strstr(err.message, "db abandon failed"));

    /* The lock is not released: the tenant is not even asked for. */
    assert_int_equal(perform(&r, "db unlock", NULL, &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock, ensure, db unlock");

    /* The tenant's lock is not had: nothing to release. */
    assert_int_equal(perform(&r, "lock", NULL, &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock, ensure, db unlock, lock");
    assert_int_equal(perform(&r, "list", NULL, &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock, ensure, db unlock, lock, list");
}

static void b3_one_unlock(void **state)
{
    mtnt_error err;
    recorder r;

    (void)state;
    assert_int_equal(perform(&r, "run", NULL, &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock, ensure, db unlock, lock, list, run, unlock");
    assert_string_equal(err.message, "run failed");
    assert_int_equal(perform(&r, NULL, NULL, &err), 0);
    assert_string_equal(r.calls, "db lock, ensure, db unlock, lock, list, run, unlock");
}

static void b4_both_errors(void **state)
{
    mtnt_error err;
    recorder r;

    (void)state;
    assert_int_equal(perform(&r, "run", "unlock", &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock, ensure, db unlock, lock, list, run, unlock");
    assert_non_null(strstr(err.message, "run failed"));
    assert_non_null(strstr(err.message, "unlock failed"));
}

static void b8_unlock_fails(void **state)
{
    mtnt_error err;
    recorder r;

    (void)state;
    assert_int_equal(perform(&r, "unlock", NULL, &err), MTNT_E_DATABASE);
    assert_string_equal(r.calls, "db lock, ensure, db unlock, lock, list, run, unlock");
    assert_string_equal(err.message, "the outcome could not be recorded: unlock failed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(b1_order_of_calls), cmocka_unit_test(b2_database_lock), cmocka_unit_test(b3_one_unlock),
        cmocka_unit_test(b4_both_errors),    cmocka_unit_test(b8_unlock_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
