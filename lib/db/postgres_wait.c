/* Every wait for the server: poll in slices, so that deadlines and cancels are noticed. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/postgres.h"

#define SLICE_MS 100
#define CANCEL_AGAIN_MS 1000 /* a cancel that arrives between two statements of a message hits neither */
#define TOO_MANY "53300"     /* too_many_connections: all slots, or all but those that are reserved */
#define SLOT_FIRST_MS 50
#define SLOT_MOST_MS 1000
#define PATIENCE_MS 5000 /* how long the answer to a cancel is waited for */

static int wait_for_socket(const PGconn *connection, short events, int timeout_ms)
{
    struct pollfd socket = {.fd = PQsocket(connection), .events = events};
    int ready;

    if (socket.fd < 0)
        return -1;
    ready = poll(&socket, 1, timeout_ms);
    return ready < 0 && errno == EINTR ? 0 : ready;
}

static int slice_until(const mtnt__system *system, mtnt__deadline_ms deadline)
{
    int left = mtnt__deadline_left(system, deadline);

    return left < 0 || left > SLICE_MS ? SLICE_MS : left;
}

/* ---- connecting ---- */

/* Nothing is printed. Two kinds mean something. */
static void on_notice(void *data, const PGresult *notice)
{
    mtnt__postgres *s = data;
    const char *source = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

    /* An error that comes while nothing runs, as a notice: the session has been ended. */
    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        s->dismissed = true;
    /* "The transaction has already committed locally, but might not have been replicated to the standby." */
    if (source && strcmp(source, "SyncRepWaitForLSN") == 0)
        s->not_replicated = true;
}

static int no_answer(mtnt__postgres *s, const mtnt__call *call, mtnt_error *err)
{
    char shown[MTNT__DSN_SHOWN_SIZE];

    mtnt__dsn_redact(s->dsn, shown);
    mtnt_error_set(err, MTNT_E_CONNECT, "%s: no connection within %lld ms", shown, (long long)call->connect_timeout_ms);
    mtnt__text_copy(err->state, sizeof(err->state), "08001");
    err->retryable = true;
    return MTNT_E_CONNECT;
}

static int follow_connecting(mtnt__postgres *s, PGconn *connection, const mtnt__call *call, mtnt_error *err)
{
    mtnt__deadline_ms until = mtnt__deadline_in(call->system, call->connect_timeout_ms);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    int rc;

    while (status != PGRES_POLLING_OK) {
        if (status == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD)
            return mtnt__postgres_fail_connecting(s, connection, err);
        rc = mtnt__call_check(call, err);
        if (rc != 0) {
            mtnt_error_wrap(err, "while connecting");
            return rc;
        }
        if (mtnt__deadline_left(call->system, until) == 0)
            return no_answer(s, call, err);
        rc = wait_for_socket(connection, status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                             slice_until(call->system, mtnt__deadline_earlier(until, call->deadline)));
        if (rc != 0)
            status = PQconnectPoll(connection);
    }
    return MTNT_OK;
}

/* One try. */
static int connect_once(mtnt__postgres *s, const mtnt__call *call, mtnt_error *err)
{
    /* What stands before dbname the DSN may overrule. A host that is gone has to be noticed, also by a cancel, which waits. */
    static const char *const keywords[] = {
        "tcp_user_timeout", "keepalives_idle",           "keepalives_interval", "keepalives_count",
        "dbname",           "fallback_application_name", "client_encoding",     NULL};
    const char *const values[] = {"30000", "30", "10", "3", s->dsn, "mtnt-model", "UTF8", NULL};
    PGconn *connection = PQconnectStartParams(keywords, values, 1);
    PGcancel *cancel;
    int rc;

    if (!connection)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    PQsetErrorVerbosity(connection, PQERRORS_VERBOSE); /* the only way to learn the SQLSTATE of a refused connection */
    PQsetNoticeReceiver(connection, on_notice, s);
    rc = follow_connecting(s, connection, call, err);
    if (rc != 0)
        goto out;
    cancel = PQgetCancel(connection);
    if (!cancel || PQsetnonblocking(connection, 1) != 0) {
        PQfreeCancel(cancel);
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        goto out;
    }
    pthread_mutex_lock(&s->mutex);
    s->cancel = cancel;
    pthread_mutex_unlock(&s->mutex);
    s->raw = connection;
    s->touched = s->unsettled = s->dismissed = s->lived_in = s->inherited = false;
    atomic_store(&s->spoiled, false);
    return MTNT_OK;
out:
    PQfinish(connection);
    return rc;
}

/* No slot was free: others give theirs back, and nobody gains when all ask again at once. */
static int wait_for_a_slot(const mtnt__call *call, int64_t pause_ms, mtnt_error *err)
{
    const mtnt__system *system = call->system;
    uint32_t chance = 0;
    mtnt__deadline_ms until;

    if (system->random(system->data, &chance, sizeof(chance)) != 0)
        chance = 0; /* a longer pause */
    pause_ms -= (int64_t)((uint64_t)chance * (uint64_t)(pause_ms / 2) >> 32);
    until = mtnt__deadline_in(system, pause_ms);
    for (int left; (left = mtnt__deadline_left(system, until)) > 0;) {
        int rc = mtnt__call_check(call, err);

        if (rc != 0) {
            mtnt_error_wrap(err, "while waiting for a connection that is free");
            return rc;
        }
        system->sleep_ms(system->data, left < SLICE_MS ? left : SLICE_MS);
    }
    return MTNT_OK;
}

static int none_free(const mtnt__call *call, mtnt_error *err)
{
    char message[MTNT_ERROR_MESSAGE_SIZE];

    mtnt__text_copy(message, sizeof(message), err->message);
    mtnt_error_set(err, MTNT_E_CONNECT,
                   "%s (no connection was free for %lld ms: use fewer workers, limit the "
                   "connections, or raise max_connections)",
                   message, (long long)call->connect_timeout_ms);
    mtnt__text_copy(err->state, sizeof(err->state), TOO_MANY);
    err->retryable = true;
    return MTNT_E_CONNECT;
}

int mtnt__postgres_connect(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__deadline_ms until = mtnt__deadline_in(call->system, call->connect_timeout_ms);
    mtnt_error own = MTNT_ERROR_INIT;
    int64_t pause_ms = SLOT_FIRST_MS;
    int rc;

    for (;;) {
        mtnt_error_clear(&own);
        rc = connect_once(state, call, &own);
        if (rc == 0 || strcmp(own.state, TOO_MANY) != 0)
            break;
        if (mtnt__deadline_left(call->system, until) == 0) {
            rc = none_free(call, &own);
            break;
        }
        rc = wait_for_a_slot(call, pause_ms, &own);
        if (rc != 0)
            break;
        pause_ms = pause_ms * 2 > SLOT_MOST_MS ? SLOT_MOST_MS : pause_ms * 2;
    }
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}

void mtnt__postgres_disconnect(void *state)
{
    mtnt__postgres *s = state;
    PGcancel *cancel;

    pthread_mutex_lock(&s->mutex);
    cancel = s->cancel;
    s->cancel = NULL;
    pthread_mutex_unlock(&s->mutex);
    PQfreeCancel(cancel);
    PQfinish(s->raw);
    s->raw = NULL;
    mtnt__postgres_forget_held(s);
    atomic_store(&s->lent, false);
}

/* ---- results ---- */

/* A deadline that has passed or a cancel: the statement is cancelled, once a second, until it has ended. */
static int look_at_the_clock(mtnt__exchange *x)
{
    const mtnt__system *system = x->call->system;
    char text[256];

    if (x->ending == 0) {
        x->ending = mtnt__call_check(x->call, NULL);
        if (x->ending == 0)
            return MTNT_OK;
        x->patience = mtnt__deadline_in(system, PATIENCE_MS);
        x->next_cancel = 0;
    }
    if (mtnt__deadline_left(system, x->patience) == 0)
        return x->ending;
    if (x->next_cancel == 0 || mtnt__deadline_left(system, x->next_cancel) == 0) {
        atomic_store(&x->s->spoiled, true);
        PQcancel(x->s->cancel, text, sizeof(text));
        x->next_cancel = mtnt__deadline_in(system, CANCEL_AGAIN_MS);
    }
    return MTNT_OK;
}

int mtnt__postgres_await(mtnt__exchange *x)
{
    PGconn *raw = x->s->raw;
    short events = PQflush(raw) == 1 ? POLLIN | POLLOUT : POLLIN;

    if (look_at_the_clock(x) != 0)
        return mtnt_error_set(x->err, x->ending,
                              "the server did not end the statement within %d s after it was cancelled",
                              PATIENCE_MS / 1000);
    if (wait_for_socket(raw, events, slice_until(x->call->system, x->ending ? x->next_cancel : x->call->deadline)) != 0)
        PQconsumeInput(raw); /* on failure PQgetResult says why */
    return MTNT_OK;
}

int mtnt__postgres_next(mtnt__exchange *x, PGresult **ret_result)
{
    PGconn *raw = x->s->raw;
    int rc;

    while (PQisBusy(raw) && PQstatus(raw) != CONNECTION_BAD) {
        rc = mtnt__postgres_await(x);
        if (rc != 0)
            return rc;
    }
    *ret_result = PQgetResult(raw);
    return MTNT_OK;
}
