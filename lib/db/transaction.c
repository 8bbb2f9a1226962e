#include "db/backend.h"
#include "db/handle.h"

#define GID_MAX 199 /* PostgreSQL's limit for the name of a prepared transaction */

bool mtnt__db_in_transaction(const mtnt_db *db)
{
    return db->connection->transaction;
}

int mtnt__db_begin(mtnt_db *db, mtnt_error *err)
{
    return mtnt__db_begin_locked(db, 0, err);
}

int mtnt__db_checkpoint(mtnt_db *db, mtnt_error *err)
{
    return mtnt_db_backend(db) == MTNT_SQLITE ? mtnt__db_run(db, NULL, NULL, err, "PRAGMA wal_checkpoint", NULL) : 0;
}

int mtnt__db_begin_locked(mtnt_db *db, int64_t key, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    if (c->transaction)
        return mtnt_error_set(err, MTNT_E_INVALID, "a transaction is open already");
    rc = mtnt__db_connect(db, err);
    if (rc == 0)
        rc = mtnt__call_check(&call, err);
    if (rc != 0)
        return rc;
    call.lock_key = key;
    rc = c->backend->begin(c->state, &call, err);
    /* Nothing of the migration has been said on it yet. */
    if (rc != 0 && c->renewed && !c->backend->connected(c->state)) {
        mtnt_error_clear(err);
        rc = mtnt__db_connect(db, err);
        if (rc == 0)
            rc = c->backend->begin(c->state, &call, err);
    }
    c->renewed = false;
    if (rc == 0)
        c->transaction = true;
    else
        mtnt__db_rollback(db);
    return rc;
}

/* What every way to end a transaction needs: it is open, and there is time. Rolls back otherwise. */
static int before_end(mtnt_db *db, const mtnt__call *call, mtnt_error *err)
{
    int rc;

    if (!db->connection->transaction)
        return mtnt_error_set(err, MTNT_E_INVALID, "no transaction is open");
    rc = mtnt__db_connect(db, err);
    if (rc == 0)
        rc = mtnt__call_check(call, err);
    if (rc != 0 && !db->connection->in_call)
        mtnt__db_rollback(db);
    return rc;
}

/* After COMMIT or PREPARE has answered, or not: nothing stays open. A connection whose answer was lost is not used again. */
static int after_end(mtnt_db *db, int rc, mtnt_error *err)
{
    mtnt__connection *c = db->connection;

    if (rc == 0) {
        c->transaction = false;
        return MTNT_OK;
    }
    if (rc == MTNT_E_IN_DOUBT) {
        c->backend->disconnect(c->state);
        err->retryable = false;
    }
    mtnt__db_rollback(db);
    return rc;
}

int mtnt__db_commit(mtnt_db *db, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = before_end(db, &call, err);
    if (rc != 0)
        return rc;
    return after_end(db, c->backend->commit(c->state, &call, err), err);
}

int mtnt__db_check(mtnt_db *db, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    if (!c->transaction)
        return mtnt_error_set(err, MTNT_E_INVALID, "no transaction is open");
    rc = mtnt__call_check(&call, err);
    return rc == 0 && c->backend->check ? c->backend->check(c->state, &call, err) : rc;
}

void mtnt__db_rollback(mtnt_db *db)
{
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_farewell(db);

    if (c->in_call) /* from a row callback, where only the outer call can clean up */
        return;
    c->transaction = false;
    if (c->backend->connected(c->state) && c->backend->rollback(c->state, &call) != 0)
        c->backend->disconnect(c->state);
}

static int check_gid(const char *gid, mtnt_error *err)
{
    size_t length = 0;

    while (gid[length] && length <= GID_MAX)
        length++;
    if (length == 0 || length > GID_MAX)
        return mtnt_error_set(err, MTNT_E_INVALID, "the name of a prepared transaction has 1 to %d bytes", GID_MAX);
    return MTNT_OK;
}

int mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = check_gid(gid, err);
    if (rc == 0 && !c->backend->prepare)
        rc = mtnt_error_set(err, MTNT_E_INVALID, "this database has no prepared transactions");
    if (rc == 0)
        rc = before_end(db, &call, err);
    if (rc != 0)
        return rc;
    return after_end(db, c->backend->prepare(c->state, &call, gid, err), err);
}

static int before_finish(mtnt_db *db, const mtnt__call *call, const char *gid, mtnt_error *err)
{
    mtnt__connection *c = db->connection;
    int rc = check_gid(gid, err);

    if (rc == 0 && !c->backend->finish_prepared)
        rc = mtnt_error_set(err, MTNT_E_INVALID, "this database has no prepared transactions");
    if (rc == 0 && c->transaction)
        rc = mtnt_error_set(err, MTNT_E_INVALID, "a transaction is open on this connection");
    if (rc == 0)
        rc = mtnt__db_connect(db, err);
    return rc == 0 ? mtnt__call_check(call, err) : rc;
}

static int after_finish(mtnt_db *db, int rc, mtnt_error *err)
{
    mtnt__connection *c = db->connection;

    if (rc == MTNT_E_IN_DOUBT) {
        c->backend->disconnect(c->state);
        err->retryable = false;
    }
    return rc;
}

int mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = before_finish(db, &call, gid, err);
    return rc == 0 ? after_finish(db, c->backend->finish_prepared(c->state, &call, gid, commit, err), err) : rc;
}

int mtnt__db_send_finish(mtnt_db *db, const char *gid, bool commit, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);
    int rc;

    err = err ? err : &unseen;
    rc = before_finish(db, &call, gid, err);
    if (rc != 0)
        return rc;
    c->finished = c->backend->send_finish == NULL;
    rc = c->finished ? c->backend->finish_prepared(c->state, &call, gid, commit, err)
                     : c->backend->send_finish(c->state, &call, gid, commit, err);
    c->finishing = rc == 0;
    return after_finish(db, rc, err);
}

/* Decided is decided: no cancel reaches it. */
int mtnt__db_collect_finish(mtnt_db *db, bool commit, mtnt_error *err)
{
    mtnt_error unseen = MTNT_ERROR_INIT;
    mtnt__connection *c = db->connection;
    mtnt__call call = mtnt__call_of(db, false);

    err = err ? err : &unseen;
    if (!c->finishing)
        return mtnt_error_set(err, MTNT_E_INVALID, "no answer is awaited on this connection");
    call.cancelled = NULL;
    c->finishing = false;
    return c->finished ? MTNT_OK : after_finish(db, c->backend->collect_finish(c->state, &call, commit, err), err);
}
