#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/database.h"
#include "state/host.h"
#include "state/store.h"
#include "state/tables.h"

int mtnt__controller_lock(mtnt_controller *controller, mtnt_error *err)
{
    int rc = mtnt__db_begin_locked(controller->db, mtnt__tables_lock_key(&mtnt__tables_controller, NULL), err);

    if (rc != 0) {
        mtnt__db_rollback(controller->db);
        mtnt_error_wrap(err, "controller %s", controller->shown);
    }
    return rc;
}

static int identify(mtnt_controller *controller, size_t before, mtnt_error *err)
{
    int rc = before == 0 ? mtnt__random_id(controller->system, controller->id, err)
                         : mtnt__meta_get(controller->db, "controller", controller->id, sizeof(controller->id), err);

    if (rc == 0 && before == 0)
        rc = mtnt__meta_set(controller->db, "controller", controller->id, err);
    return rc;
}

int mtnt__controller_ensure(mtnt_controller *controller, mtnt_error *err)
{
    mtnt__db_facts facts;
    size_t before;
    int rc = mtnt__db_facts_read(controller->db, &facts, err);

    if (rc == 0 && !facts.durable)
        rc = mtnt_error_set(
            err, MTNT_E_REFUSED,
            "it runs with %s, so what it says is committed may be lost by a crash. Switch that on (for tests, on a throw-away "
            "server too: the promise rests on it)",
            facts.detail);
    if (rc == 0)
        rc = mtnt__tables_ensure(controller->db, &mtnt__tables_controller, &before, err);
    if (rc == 0)
        rc = identify(controller, before, err);
    if (rc == 0)
        rc = mtnt__host_check(controller, false, err);
    if (rc != 0)
        mtnt_error_wrap(err, "controller %s", controller->shown);
    return rc;
}

int mtnt__controller_unlock(mtnt_controller *controller, mtnt_error *err)
{
    int rc = mtnt__db_commit(controller->db, err);

    if (rc != 0) {
        mtnt__db_rollback(controller->db);
        return mtnt_error_wrap(err, "controller %s", controller->shown);
    }
    controller->ensured = controller->tables = true;
    return 0;
}

/* A worker that was stopped may hold the lock, and recovery has to get past it: tables that need nothing are good enough to be read. */
static int do_without_lock(mtnt_controller *controller, mtnt_error *err)
{
    mtnt__db_facts facts = {.durable = false};
    mtnt_error own = MTNT_ERROR_INIT;
    size_t version = 0;
    int rc = mtnt__db_facts_read(controller->db, &facts, &own);

    if (rc == 0 && facts.durable)
        rc = mtnt__tables_version(controller->db, &mtnt__tables_controller, &version, &own);
    if (rc == 0 && version == mtnt__tables_controller.count)
        rc = mtnt__meta_get(controller->db, "controller", controller->id, sizeof(controller->id), &own);
    if (rc != 0 || version != mtnt__tables_controller.count)
        return err->code;
    controller->ensured = controller->tables = true;
    mtnt_error_clear(err);
    return 0;
}

static int prepare(mtnt_controller *controller, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = mtnt__controller_lock(controller, &own);

    if (rc == MTNT_E_BUSY) {
        rc = do_without_lock(controller, &own);
    } else if (rc == 0) {
        rc = mtnt__controller_ensure(controller, &own);
        if (rc != 0)
            mtnt__db_rollback(controller->db);
        else
            rc = mtnt__controller_unlock(controller, &own);
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

static int look(mtnt_controller *controller, mtnt_error *err)
{
    size_t version = 0;
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0)
        rc = mtnt__tables_version(controller->db, &mtnt__tables_controller, &version, err);
    if (rc == 0 && version > 0)
        rc = mtnt__meta_get(controller->db, "controller", controller->id, sizeof(controller->id), err);
    mtnt__db_rollback(controller->db);
    controller->tables = version > 0;
    return rc == 0 ? 0 : mtnt_error_wrap(err, "controller %s", controller->shown);
}

static int check_options(const mtnt_controller_options *options, mtnt_error *err)
{
    if (options != NULL && options->version != MTNT_CONTROLLER_OPTIONS_VERSION)
        return mtnt_error_set(
            err, MTNT_E_INVALID,
            "mtnt_controller_options of version %u; initialise them with MTNT_CONTROLLER_OPTIONS_INIT",
            (unsigned)options->version);
    return 0;
}

static int connect_controller(mtnt_controller *controller, mtnt_error *err)
{
    mtnt__db_options db = {.system = controller->system,
                           .connect_timeout_ms = controller->options.connect_timeout_ms,
                           .lock_timeout_ms = controller->options.lock_timeout_ms,
                           .statement_timeout_ms = controller->options.statement_timeout_ms,
                           .mark = controller->handle,
                           .read_only = controller->options.read_only,
                           .create = !controller->options.read_only};
    int rc = mtnt__db_open(&controller->db, controller->dsn, &db, err);

    if (rc == 0)
        rc = mtnt__db_connect(controller->db, err);
    if (rc == 0)
        return 0;
    /* What cannot be reached says where it is by itself. */
    return rc == MTNT_E_CONNECT ? mtnt_error_wrap(err, "controller")
                                : mtnt_error_wrap(err, "controller %s", controller->shown);
}

int mtnt_controller_open(mtnt_controller **ret_controller, const char *dsn, const mtnt_controller_options *options,
                         mtnt_error *err)
{
    mtnt_controller *controller = NULL;
    int rc = check_options(options, err);

    if (rc != 0)
        return rc;
    controller = calloc(1, sizeof(*controller));
    if (controller == NULL || (controller->dsn = strdup(dsn)) == NULL) {
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        goto out;
    }
    if (options != NULL)
        controller->options = *options;
    controller->system = mtnt__system_default();
    mtnt__dsn_redact(dsn, controller->shown);
    rc = mtnt__dsn_backend(dsn, &controller->backend, err);
    if (rc == 0)
        rc = mtnt__process_self(controller->process, err);
    if (rc == 0)
        rc = mtnt__random_id(controller->system, controller->handle, err);
    if (rc == 0)
        mtnt__store_new_call(controller);
    if (rc == 0)
        rc = connect_controller(controller, err);
    if (rc == 0)
        rc = controller->options.read_only ? look(controller, err) : prepare(controller, err);
    if (rc == 0 && !controller->options.read_only)
        rc = mtnt__db_home(controller->db, controller->dsn, controller->home, err);
    if (rc == 0) {
        *ret_controller = controller;
        controller = NULL;
    }
out:
    mtnt_controller_close(controller);
    return rc;
}

void mtnt_controller_close(mtnt_controller *controller)
{
    if (controller == NULL)
        return;
    mtnt__db_close(controller->db);
    free(controller->dsn);
    free(controller);
}

const char *mtnt_controller_id(const mtnt_controller *controller)
{
    return controller->tables ? controller->id : NULL;
}

const char *mtnt_controller_shown(const mtnt_controller *controller)
{
    return controller->shown;
}

mtnt_db *mtnt_controller_db(mtnt_controller *controller)
{
    return controller->db;
}
