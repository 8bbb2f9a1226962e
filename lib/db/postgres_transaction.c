#include <string.h>

#include "base/text.h"
#include "db/postgres.h"

bool mtnt__postgres_in_transaction(const void *state)
{
    const mtnt__postgres *s = state;

    if (!s->raw)
        return false;
    switch (PQtransactionStatus(s->raw)) {
    case PQTRANS_INTRANS:
    case PQTRANS_INERROR:
    case PQTRANS_ACTIVE: return true;
    default: return false;
    }
}

/* ---- begin ---- */

/* The parts of DISCARD ALL, which itself cannot stand in a message with others. In a transaction of their own: one that has executed UNLISTEN cannot be
 * prepared. */
static void add_discard(mtnt__exchange *x, mtnt__buffer *text)
{
    static const char *const parts[] = {"BEGIN READ WRITE",
                                        "SET SESSION AUTHORIZATION DEFAULT",
                                        "RESET ALL",
                                        "DEALLOCATE ALL",
                                        "CLOSE ALL",
                                        "UNLISTEN *",
                                        "SELECT pg_catalog.pg_advisory_unlock_all()",
                                        "DISCARD PLANS",
                                        "DISCARD TEMP",
                                        "DISCARD SEQUENCES",
                                        "COMMIT"};

    x->prefix_statements = (int)(sizeof(parts) / sizeof(*parts));
    for (int i = 0; i < x->prefix_statements; i++) {
        mtnt__buffer_add_text(text, parts[i]);
        mtnt__buffer_add_text(text, "; ");
    }
    x->prefix = text->length;
}

/* One message: the answer to the questions of where the session is at home and whether it remembers come with it, and the
 * lock is had. */
int mtnt__postgres_begin(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__exchange x = {.s = s, .call = call, .err = err, .each = mtnt__postgres_learn_home, .data = s};
    mtnt__buffer text = {0};
    int rc = mtnt__postgres_speaks_utf8(s) ? MTNT_OK : mtnt__postgres_command(s, call, "RESET client_encoding", err);

    if (rc != 0)
        return rc;
    if (s->inherited)
        add_discard(&x, &text);
    s->inherited = false;
    /* READ COMMITTED whatever the role's default is: the register's insert has to see what another one has committed. */
    mtnt__buffer_add_text(&text, s->steady ? "BEGIN ISOLATION LEVEL REPEATABLE READ "
                                           : "BEGIN ISOLATION LEVEL READ COMMITTED ");
    mtnt__buffer_add_text(&text, s->read_only ? "READ ONLY; " : "READ WRITE; ");
    if (!s->home_path)
        mtnt__buffer_add_text(&text, MTNT__HOME_QUERY "; ");
    mtnt__postgres_add_settings(s, call, s->touched, &text);
    if (call->lock_key != 0)
        mtnt__buffer_add_format(&text, "SELECT pg_catalog.pg_advisory_xact_lock(%lld); ", (long long)call->lock_key);
    if (s->read_only) /* until its first query a transaction can be made one that writes */
        mtnt__buffer_add_text(&text, "SELECT; ");
    rc = text.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : mtnt__postgres_simple(&x, text.bytes);
    mtnt__buffer_release(&text);
    /* BEGIN READ WRITE, while the server recovers. */
    if (rc != 0 && s->raw && strcmp(err->state, "0A000") == 0 && mtnt__postgres_is_standby(s))
        rc = mtnt__postgres_standby(&x);
    /* Who inherits what cannot be discarded starts anew. */
    if (rc != 0 && x.statements < x.prefix_statements)
        mtnt__postgres_disconnect(s);
    if (rc == 0)
        rc = mtnt__postgres_find_home(s, call, err);
    if (rc == 0 && s->forgets && !s->read_only)
        rc = mtnt_error_set(
            err, MTNT_E_REFUSED,
            "its server runs with fsync = off: what it says is committed may be lost by a crash, and the two "
            "databases would disagree. Switch it on. Nothing was changed");
    call->error_offset = MTNT__NO_OFFSET;
    if (rc != 0)
        return rc;
    s->touched = s->unsettled = false;
    s->settled = call->side;
    s->not_replicated = false;
    return MTNT_OK;
}

/* ---- the end ---- */

/* What the server has said before the last message was sent: a connection that is known to be lost by then is no doubt. */
static int look_before(mtnt__exchange *x)
{
    PQconsumeInput(x->s->raw);
    mtnt__postgres_hear(x->s);
    if (PQstatus(x->s->raw) != CONNECTION_BAD && !x->s->dismissed)
        return MTNT_OK;
    mtnt__postgres_disconnect(x->s);
    return mtnt__postgres_lost(x);
}

static int doubt(mtnt__exchange *x, const char *what)
{
    mtnt_error_wrap(x->err, "%s was sent, and whether it happened is not known", what);
    x->err->code = MTNT_E_IN_DOUBT;
    x->err->retryable = false;
    return MTNT_E_IN_DOUBT;
}

/* What the answer to such a statement means. IN_DOUBT unless the server has answered with a plain error. */
static int judge_ending(mtnt__exchange *x, int rc, const char *tag)
{
    const char *state = x->err->state;

    if (rc != 0 && strcmp(x->tag, tag) == 0 && !x->fatal)
        rc = MTNT_OK; /* it was done before a cancel arrived */
    if (rc != 0 && !x->fatal && x->statements < x->prefix_statements)
        return mtnt_error_wrap(x->err, "cannot record what was done");
    if (rc != 0 && (x->fatal || strncmp(state, "08", 2) == 0 || strcmp(state, "40003") == 0))
        return x->s->read_only ? rc : doubt(x, tag);
    if (rc == 0 && x->s->not_replicated) {
        mtnt_error_set(x->err, MTNT_E_IN_DOUBT, "it is committed here, and was not waited for by the standby");
        return doubt(x, tag);
    }
    if (rc == 0 && strcmp(x->tag, tag) != 0)
        rc = mtnt_error_set(x->err, MTNT_E_DATABASE, "the transaction was rolled back: a statement in it had failed");
    return rc;
}

/* Sends a statement that ends a transaction, or a prepared one, together with what is held. */
static int send_ending(mtnt__exchange *x, const char *sql, const char *tag)
{
    mtnt__buffer text = {0};
    int rc = look_before(x);

    if (rc != 0)
        return rc;
    x->s->not_replicated = false;
    mtnt__postgres_add_held(x->s, &text, &x->prefix_statements);
    /* Whatever an operation, or a trigger that it has met, has made of it: a decision has to be on disk when it is told. */
    if (x->s->lived_in && !x->s->read_only && PQtransactionStatus(x->s->raw) == PQTRANS_INTRANS) {
        mtnt__buffer_add_text(&text, "SET LOCAL synchronous_commit = on; ");
        x->prefix_statements++;
    }
    x->prefix = text.length;
    mtnt__buffer_add_text(&text, sql);
    rc = text.failed ? mtnt_error_set(x->err, MTNT_E_NOMEM, "out of memory") : mtnt__postgres_simple(x, text.bytes);
    mtnt__buffer_release(&text);
    return judge_ending(x, rc, tag);
}

int mtnt__postgres_commit(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__exchange x = {.s = s, .call = call, .err = err};

    return send_ending(&x, "COMMIT", "COMMIT");
}

/* Deferred constraints are looked at now, and whatever was put off runs before it. */
int mtnt__postgres_check(void *state, mtnt__call *call, mtnt_error *err)
{
    int64_t changes;

    return mtnt__postgres_query(state, call, "SET CONSTRAINTS ALL IMMEDIATE", NULL, NULL, NULL, &changes, err);
}

int mtnt__postgres_rollback(void *state, mtnt__call *call)
{
    mtnt__postgres *s = state;
    mtnt_error ignored = MTNT_ERROR_INIT;
    mtnt__exchange x = {.s = s, .call = call, .err = &ignored};

    mtnt__postgres_forget_held(s);
    switch (PQtransactionStatus(s->raw)) {
    case PQTRANS_IDLE: return MTNT_OK;
    case PQTRANS_INTRANS:
    case PQTRANS_INERROR: return mtnt__postgres_simple(&x, "ROLLBACK");
    default: return MTNT_E_CONNECT;
    }
}

/* ---- two-phase ---- */

static int explain_prepare(int rc, mtnt_error *err)
{
    mtnt_error own;

    if (rc == MTNT_E_IN_DOUBT)
        return rc;
    own = *err;
    if (strcmp(own.state, "55000") == 0) {
        mtnt_error_set(
            err, MTNT_E_REFUSED,
            "this server has max_prepared_transactions = 0, so two databases cannot be kept in step. Set it to at least "
            "the number of workers and restart that server, or declare `mode: saga`");
    } else if (strcmp(own.state, "0A000") == 0) {
        mtnt_error_set(err, MTNT_E_REFUSED,
                       "an operation has done what a transaction over two databases cannot contain: %s", own.message);
    } else if (strcmp(own.state, "53200") == 0) {
        mtnt_error_set(err, MTNT_E_BUSY, "all prepared transactions of this server are in use: %s", own.message);
        err->retryable = true;
    } else if (strcmp(own.state, "42710") == 0) {
        mtnt_error_set(err, MTNT_E_EXISTS, "%s", own.message);
    } else {
        return rc;
    }
    mtnt__text_copy(err->state, sizeof(err->state), own.state);
    return err->code;
}

int mtnt__postgres_prepare(void *state, mtnt__call *call, const char *gid, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__exchange x = {.s = s, .call = call, .err = err};
    mtnt__buffer text = {0};
    int rc;

    mtnt__buffer_add_text(&text, "PREPARE TRANSACTION");
    mtnt__sql_add_literal(&text, MTNT_POSTGRES, gid);
    rc = text.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                     : send_ending(&x, text.bytes, "PREPARE TRANSACTION");
    mtnt__buffer_release(&text);
    return rc != 0 ? explain_prepare(rc, err) : MTNT_OK;
}

static int explain_finish(int rc, mtnt_error *err)
{
    if (rc == MTNT_E_IN_DOUBT)
        return rc;
    if (strcmp(err->state, "42704") == 0)
        err->code = MTNT_E_NOT_FOUND;
    if (strcmp(err->state, "55000") == 0) {
        err->code = MTNT_E_BUSY;
        err->retryable = true;
    }
    return err->code;
}

static int finish_text(mtnt__buffer *text, const char *gid, bool commit, mtnt_error *err)
{
    mtnt__buffer_add_text(text, commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED");
    mtnt__sql_add_literal(text, MTNT_POSTGRES, gid);
    return text->failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : MTNT_OK;
}

int mtnt__postgres_finish_prepared(void *state, mtnt__call *call, const char *gid, bool commit, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__exchange x = {.s = s, .call = call, .err = err};
    mtnt__buffer text = {0};
    int rc = finish_text(&text, gid, commit, err);

    if (rc == 0)
        rc = send_ending(&x, text.bytes, commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED");
    mtnt__buffer_release(&text);
    return rc != 0 ? explain_finish(rc, err) : MTNT_OK;
}

int mtnt__postgres_send_finish(void *state, mtnt__call *call, const char *gid, bool commit, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__exchange x = {.s = s, .call = call, .err = err};
    mtnt__buffer text = {0};
    int rc = look_before(&x);

    if (rc == 0)
        rc = finish_text(&text, gid, commit, err);
    if (rc == 0) {
        s->not_replicated = false;
        rc = mtnt__postgres_send(&x, text.bytes);
        if (rc == MTNT_E_CONNECT)
            rc = doubt(&x, commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED");
    }
    mtnt__buffer_release(&text);
    return rc;
}

int mtnt__postgres_collect_finish(void *state, mtnt__call *call, bool commit, mtnt_error *err)
{
    const char *tag = commit ? "COMMIT PREPARED" : "ROLLBACK PREPARED";
    mtnt__postgres *s = state;
    mtnt__exchange x = {.s = s, .call = call, .err = err, .text = tag};
    int rc;

    x.started_ms = call->system->boot_ms(call->system->data);
    call->error_offset = MTNT__NO_OFFSET;
    rc = judge_ending(&x, mtnt__postgres_collect(&x), tag);
    return rc != 0 ? explain_finish(rc, err) : MTNT_OK;
}
