#include "db/database.h"

#include <stdlib.h>
#include <string.h>

#include "db/backend.h"
#include "db/handle.h"

#define CONNECT_TIMEOUT_MS 10000
#define LOCK_TIMEOUT_MS 10000

/* ---- the circumstances of a call ---- */

int mtnt__call_check(const mtnt__call *call, mtnt_error *err)
{
    if (call->cancelled && atomic_load(call->cancelled))
        return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
    if (call->deadline && mtnt__deadline_left(call->system, call->deadline) == 0)
        return mtnt_error_set(err, MTNT_E_DEADLINE, "the time allowed was used up");
    return MTNT_OK;
}

mtnt__call mtnt__call_statement(const mtnt__call *call)
{
    mtnt__call statement = *call;

    statement.deadline =
        mtnt__deadline_earlier(call->deadline, mtnt__deadline_in(call->system, call->statement_timeout_ms));
    return statement;
}

mtnt__call mtnt__call_of(const mtnt_db *db, bool operation)
{
    const mtnt__connection *c = db->connection;

    return (mtnt__call){
        .system = c->system,
        .deadline = db->deadline,
        .cancelled = &c->cancelled,
        .connect_timeout_ms = c->connect_timeout_ms,
        .lock_timeout_ms = c->lock_timeout_ms,
        .statement_timeout_ms = c->statement_timeout_ms,
        .side = db->side,
        .operation = operation,
        .alone = operation && c->alone && !c->transaction,
        .error_offset = MTNT__NO_OFFSET,
    };
}

mtnt__call mtnt__call_farewell(const mtnt_db *db)
{
    mtnt__call call = mtnt__call_of(db, false);

    call.cancelled = NULL;
    call.statement_timeout_ms = 0;
    call.deadline = mtnt__deadline_in(call.system, MTNT__FAREWELL_MS);
    return call;
}

/* ---- opening ---- */

static mtnt__connection *connection_new(const mtnt__backend *backend, void *state, const mtnt__db_options *options)
{
    mtnt__connection *c = calloc(1, sizeof(*c));

    if (!c)
        return NULL;
    c->backend = backend;
    c->state = state;
    c->system = options && options->system ? options->system : mtnt__system_default();
    c->connect_timeout_ms =
        options && options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    c->lock_timeout_ms = options && options->lock_timeout_ms > 0 ? options->lock_timeout_ms : LOCK_TIMEOUT_MS;
    c->statement_timeout_ms = options && options->statement_timeout_ms > 0 ? options->statement_timeout_ms : 0;
    c->read_only = options && options->read_only;
    atomic_init(&c->cancelled, false);
    return c;
}

static mtnt_db *handle_new(mtnt__connection *connection, mtnt__side side)
{
    mtnt_db *db = calloc(1, sizeof(*db));

    if (!db)
        return NULL;
    db->connection = connection;
    db->side = side;
    connection->handles++;
    return db;
}

int mtnt__db_new_with(mtnt_db **ret_db, mtnt_db **ret_model, const mtnt__backend *backend, void *state,
                      const mtnt__db_options *options, mtnt_error *err)
{
    mtnt__connection *c = connection_new(backend, state, options);
    mtnt_db *first = NULL, *model = NULL;

    if (!c)
        goto out;
    first = handle_new(c, ret_model ? MTNT__SIDE_CONTROLLER : options ? options->side : MTNT__SIDE_ALONE);
    model = ret_model ? handle_new(c, MTNT__SIDE_MODEL) : NULL;
    if (!first || (ret_model && !model))
        goto out;
    *ret_db = first;
    if (ret_model)
        *ret_model = model;
    return MTNT_OK;
out:
    free(first);
    free(model);
    free(c);
    backend->free(state);
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

int mtnt__db_open(mtnt_db **ret_db, const char *dsn, const mtnt__db_options *options, mtnt_error *err)
{
    mtnt_backend backend;
    void *state;
    int rc;

    rc = mtnt__dsn_backend(dsn, &backend, err);
    if (rc != 0)
        return rc;
    if (backend == MTNT_SQLITE) {
        rc = mtnt__sqlite_new(&state, mtnt__dsn_sqlite_path(dsn), NULL, options, err);
        return rc != 0 ? rc : mtnt__db_new_with(ret_db, NULL, &mtnt__sqlite_backend, state, options, err);
    }
    rc = mtnt__postgres_new(&state, dsn, false, options, err);
    return rc != 0 ? rc : mtnt__db_new_with(ret_db, NULL, &mtnt__postgres_backend, state, options, err);
}

/* SQLite: main is the model, because what operations define in it (a trigger's body) cannot always be qualified. */
int mtnt__db_open_pair(mtnt_db **ret_controller, mtnt_db **ret_model, const char *controller_dsn, const char *model_dsn,
                       const mtnt__db_options *options, mtnt_error *err)
{
    const mtnt__backend *backend = &mtnt__sqlite_backend;
    mtnt_backend controller, model;
    void *state;
    int rc;

    rc = mtnt__dsn_backend(controller_dsn, &controller, err);
    if (rc == 0)
        rc = mtnt__dsn_backend(model_dsn, &model, err);
    if (rc != 0)
        return rc;
    if (controller != model)
        return mtnt_error_set(err, MTNT_E_INVALID, "SQLite and PostgreSQL cannot share one connection");
    if (model == MTNT_SQLITE) {
        rc = mtnt__sqlite_new(&state, mtnt__dsn_sqlite_path(model_dsn), mtnt__dsn_sqlite_path(controller_dsn), options,
                              err);
    } else {
        backend = &mtnt__postgres_backend;
        rc = mtnt__postgres_new(&state, controller_dsn, true, options, err);
    }
    return rc != 0 ? rc : mtnt__db_new_with(ret_controller, ret_model, backend, state, options, err);
}

static int connect_now(mtnt_db *db, mtnt_error *err)
{
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    rc = mtnt__call_check(&call, err);
    if (rc != 0)
        return rc;
    c->tried = true;
    rc = c->backend->connect(c->state, &call, err);
    if (rc != 0)
        c->backend->disconnect(c->state);
    return rc;
}

bool mtnt__db_lost(const mtnt_db *db)
{
    const mtnt__connection *c = db == NULL ? NULL : db->connection;

    return c != NULL && c->tried && !c->backend->connected(c->state);
}

int mtnt__db_connect(mtnt_db *db, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;

    err = err ? err : &unseen;
    if (c->in_call)
        return mtnt_error_set(err, MTNT_E_INVALID, "a row callback may not use the handle that its query runs on");
    if (c->finishing)
        return mtnt_error_set(err, MTNT_E_INVALID, "an answer is awaited on this connection");
    if (c->transaction && (!c->backend->connected(c->state) || !c->backend->in_transaction(c->state))) {
        bool connected = c->backend->connected(c->state);

        mtnt_error_set(err, connected ? MTNT_E_DATABASE : MTNT_E_CONNECT,
                       "the transaction is lost: an earlier error, or an operation, has ended it");
        err->retryable = !connected;
        return err->code;
    }
    return c->backend->connected(c->state) ? MTNT_OK : connect_now(db, err);
}

void mtnt__db_close(mtnt_db *db)
{
    mtnt__connection *c;

    if (!db)
        return;
    c = db->connection;
    if (--c->handles == 0) {
        if (!c->finishing)
            mtnt__db_rollback(db);
        c->backend->disconnect(c->state);
        c->backend->free(c->state);
        free(c);
    }
    free(db);
}

bool mtnt__db_is_read_only(const mtnt_db *db)
{
    return db->connection->read_only;
}

bool mtnt__db_renew(mtnt_db *db, const char *mark, const char *schema)
{
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_farewell(db);
    mtnt_error ignored = MTNT_ERROR_INIT;

    if (!c->backend->renew || c->transaction || c->finishing || c->alone || c->in_call || atomic_load(&c->cancelled) ||
        !c->backend->connected(c->state) || c->backend->renew(c->state, &call, mark, schema, &ignored) != 0)
        return false;
    c->renewed = true;
    return true;
}

void mtnt__db_disconnect(mtnt_db *db)
{
    if (!db)
        return;
    if (!db->connection->finishing)
        mtnt__db_rollback(db);
    db->connection->backend->disconnect(db->connection->state);
    db->connection->finishing = false;
}

/* ---- what a handle knows ---- */

void mtnt__db_set_deadline(mtnt_db *db, mtnt__deadline_ms deadline)
{
    db->deadline = deadline;
}

void mtnt__db_uncancel(mtnt_db *db)
{
    atomic_store(&db->connection->cancelled, false);
}

void mtnt_db_cancel(mtnt_db *db)
{
    mtnt__connection *c = db->connection;

    atomic_store(&c->cancelled, true);
    if (c->backend->cancel)
        c->backend->cancel(c->state);
}

mtnt_backend mtnt_db_backend(const mtnt_db *db)
{
    return db->connection->backend->kind;
}

int64_t mtnt__db_changes(const mtnt_db *db)
{
    return db->connection->changes;
}

int mtnt__db_facts_read(mtnt_db *db, mtnt__db_facts *ret_facts, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__db_facts facts = {.backend = c->backend->kind};
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = mtnt__db_connect(db, err);
    if (rc == 0)
        rc = c->backend->facts(c->state, &call, &facts, err);
    if (rc == 0)
        *ret_facts = facts;
    return rc;
}

int mtnt__db_standbys_read(mtnt_db *db, mtnt__db_standbys *ret_standbys, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__db_standbys standbys = {0};
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = mtnt__db_connect(db, err);
    if (rc == 0 && c->backend->standbys)
        rc = c->backend->standbys(c->state, &call, &standbys, err);
    if (rc == 0)
        *ret_standbys = standbys;
    return rc;
}

sqlite3 *mtnt_db_sqlite(mtnt_db *db)
{
    if (mtnt__db_connect(db, NULL) != 0)
        return NULL;
    return db->connection->backend->native(db->connection->state, MTNT_SQLITE);
}

PGconn *mtnt_db_postgres(mtnt_db *db)
{
    if (mtnt__db_connect(db, NULL) != 0)
        return NULL;
    return db->connection->backend->native(db->connection->state, MTNT_POSTGRES);
}
