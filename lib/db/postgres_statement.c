#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "db/postgres.h"

/* ---- results ---- */

static bool is_caller_s(const mtnt__exchange *x)
{
    return x->statements >= x->prefix_statements;
}

/* "INSERT 0 3", "UPDATE 3": rows that were changed. What a SELECT or FETCH has read is none. */
static void note_changes(mtnt__exchange *x, PGresult *result)
{
    const char *tag = PQcmdStatus(result), *count = PQcmdTuples(result);
    int64_t changes;

    if (strncmp(tag, "INSERT", 6) != 0 && strncmp(tag, "UPDATE", 6) != 0 && strncmp(tag, "DELETE", 6) != 0 &&
        strncmp(tag, "MERGE", 5) != 0)
        return;
    if (mtnt__parse_int(count, 0, INT64_MAX, &changes))
        x->changes = changes;
}

static void statement_ended(mtnt__exchange *x, PGresult *result)
{
    const char *tag = PQcmdStatus(result);

    if (is_caller_s(x)) {
        x->changes = 0;
        note_changes(x, result);
        /* ROLLBACK may be TO a savepoint: whether that was so the transaction status tells. */
        if (strcmp(tag, "BEGIN") == 0 || strcmp(tag, "START TRANSACTION") == 0 || strncmp(tag, "COMMIT", 6) == 0 ||
            strcmp(tag, "PREPARE TRANSACTION") == 0 || strcmp(tag, "ROLLBACK PREPARED") == 0)
            x->transaction_tag = true;
    }
    mtnt__text_copy(x->tag, sizeof(x->tag), tag);
    x->statements++;
}

/* What the server sends is thrown away. */
static int drain_copy(mtnt__exchange *x)
{
    char *bytes;
    int length, rc = MTNT_OK;

    while (rc == 0 && (length = PQgetCopyData(x->s->raw, &bytes, 1)) >= 0) {
        if (length == 0)
            rc = mtnt__postgres_await(x);
        else
            PQfreemem(bytes);
    }
    return rc;
}

static int refuse_copy(mtnt__exchange *x, ExecStatusType status)
{
    int rc = MTNT_OK;

    if (status == PGRES_COPY_OUT)
        rc = drain_copy(x);
    else
        while (rc == 0 && PQputCopyEnd(x->s->raw, "nothing to read here") == 0)
            rc = mtnt__postgres_await(x);
    return rc != 0 ? rc : mtnt_error_set(x->err, MTNT_E_INVALID, "COPY from STDIN or to STDOUT is not possible here");
}

static int give_row(mtnt__exchange *x, PGresult *result)
{
    int rc;

    if (!x->each || !is_caller_s(x))
        return MTNT_OK;
    rc = mtnt__postgres_give_row(result, x->each, x->data, x->err);
    x->from_callback = rc != 0;
    return rc;
}

static int take_result(mtnt__exchange *x, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    int rc = MTNT_OK;

    switch (status) {
    case PGRES_SINGLE_TUPLE: return give_row(x, result);
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK: statement_ended(x, result); return MTNT_OK;
    case PGRES_EMPTY_QUERY: return mtnt_error_set(x->err, MTNT_E_INVALID, "no statement");
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH: return refuse_copy(x, status);
    default: rc = mtnt__postgres_fail(x, result); break;
    }
    return rc;
}

void mtnt__postgres_hear(mtnt__postgres *s)
{
    for (PGnotify *notify = PQnotifies(s->raw); notify; notify = PQnotifies(s->raw))
        PQfreemem(notify);
}

/* After the first failure the rest is read and thrown away, so that the connection can be used again. */
int mtnt__postgres_collect(mtnt__exchange *x)
{
    mtnt__postgres *s = x->s;
    PGresult *result;
    int rc = MTNT_OK;

    for (;;) {
        int waited = mtnt__postgres_next(x, &result);

        if (waited != 0) {
            mtnt__postgres_disconnect(s);
            x->fatal = true;
            return waited;
        }
        if (!result)
            break;
        if (rc == 0)
            rc = take_result(x, result);
        PQclear(result);
    }
    mtnt__postgres_hear(s);
    if (PQstatus(s->raw) == CONNECTION_BAD) {
        if (rc == 0)
            rc = mtnt__postgres_lost(x);
        x->fatal = true;
        mtnt__postgres_disconnect(s);
    } else if (rc != 0 && x->standby) {
        rc = mtnt__postgres_standby(x);
    }
    if (rc == 0 && x->ending != 0) /* it ended before the cancel arrived; the caller wants to stop all the same */
        rc = mtnt__call_check(x->call, x->err);
    return rc;
}

/* DISCARD ALL cannot stand in a message with others; a transaction begins with its parts instead. */
static int clear_the_way(mtnt__exchange *x)
{
    mtnt__exchange before = {.s = x->s, .call = x->call, .err = x->err};
    int rc = MTNT_OK;

    if (x->s->inherited) {
        x->s->inherited = false;
        rc = mtnt__postgres_simple(&before, "DISCARD ALL");
    }
    return rc == 0 ? mtnt__postgres_send_held(x->s, x->call, x->err) : rc;
}

static void start(mtnt__exchange *x)
{
    x->started_ms = x->call->system->boot_ms(x->call->system->data);
    x->call->error_offset = MTNT__NO_OFFSET;
}

/* libpq could not take the text: memory, or the connection. */
static int not_sent(mtnt__exchange *x)
{
    if (PQstatus(x->s->raw) != CONNECTION_BAD)
        return mtnt_error_set(x->err, MTNT_E_NOMEM, "the statement was not sent: %s", PQerrorMessage(x->s->raw));
    mtnt__postgres_disconnect(x->s);
    return mtnt__postgres_lost(x);
}

int mtnt__postgres_send(mtnt__exchange *x, const char *text)
{
    int rc = clear_the_way(x);

    if (rc != 0)
        return rc;
    start(x);
    x->text = text;
    if (!PQsendQuery(x->s->raw, text))
        return not_sent(x);
    PQsetSingleRowMode(x->s->raw);
    return MTNT_OK;
}

int mtnt__postgres_simple(mtnt__exchange *x, const char *text)
{
    int rc = mtnt__postgres_send(x, text);

    return rc == 0 ? mtnt__postgres_collect(x) : rc;
}

int mtnt__postgres_command(void *state, mtnt__call *call, const char *sql, mtnt_error *err)
{
    mtnt__exchange x = {.s = state, .call = call, .err = err};

    return mtnt__postgres_simple(&x, sql);
}

/* ---- with parameters ---- */

static size_t first_token(const char *sql)
{
    mtnt__sql_walk walk;

    mtnt__sql_walk_init(&walk, sql, MTNT_POSTGRES);
    return mtnt__sql_walk_next(&walk).start;
}

static int send_with_values(mtnt__exchange *x, const char *sql, const mtnt_value *values)
{
    mtnt__parameters p;
    int rc = clear_the_way(x), sent;

    if (rc == 0)
        rc = mtnt__postgres_parameters(&p, values, x->err);
    if (rc != 0)
        return rc;
    start(x);
    x->text = sql;
    sent = PQsendQueryParams(x->s->raw, sql, p.count, p.types, p.values, p.lengths, p.formats, 0);
    mtnt__postgres_parameters_release(&p);
    if (!sent)
        return not_sent(x);
    PQsetSingleRowMode(x->s->raw);
    return mtnt__postgres_collect(x);
}

/* These two decide how the next message is read, all of it, before any of it runs. The server reports them without being asked. */
static bool is_read_as_meant(const mtnt__postgres *s)
{
    const char *strings = PQparameterStatus(s->raw, "standard_conforming_strings");

    return mtnt__postgres_speaks_utf8(s) && (!strings || strcmp(strings, "on") == 0);
}

static bool has_to_settle(const mtnt__postgres *s, const mtnt__call *call)
{
    return (call->operation && (s->unsettled || s->settled != call->side)) || !is_read_as_meant(s);
}

static void note_settled(mtnt__postgres *s, const mtnt__call *call)
{
    s->touched = s->unsettled = false;
    s->settled = call->side;
}

/* Settings that an earlier operation, or the other side, has left: one more message, and only when there is something to do. */
static int settle_first(mtnt__postgres *s, mtnt__call *call, mtnt_error *err)
{
    mtnt__exchange x = {.s = s, .call = call, .err = err};
    mtnt__buffer text = {0};
    int rc;

    if (!has_to_settle(s, call))
        return MTNT_OK;
    mtnt__postgres_add_settings(s, call, s->unsettled || !is_read_as_meant(s), &text);
    rc = text.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : mtnt__postgres_simple(&x, text.bytes);
    mtnt__buffer_release(&text);
    if (rc == 0)
        note_settled(s, call);
    return rc;
}

/* The transaction that was open must still be: a statement that our reading of the SQL has missed may have ended it. */
static int check_transaction(mtnt__exchange *x, int rc)
{
    if (rc == 0 && (x->transaction_tag || PQtransactionStatus(x->s->raw) != PQTRANS_INTRANS))
        return mtnt_error_set(x->err, MTNT_E_INVALID, "the SQL has ended the transaction, which is not for operations");
    return rc;
}

static int query_in_transaction(mtnt__postgres *s, mtnt__call *call, const char *sql, const mtnt_value *values,
                                mtnt_row_fn each, void *data, int64_t *ret_changes, mtnt_error *err)
{
    mtnt__call statement_call = mtnt__call_statement(call);
    mtnt__exchange x = {.s = s, .call = &statement_call, .err = err, .each = each, .data = data};
    int rc = settle_first(s, &statement_call, err);

    s->touched = s->touched || call->operation;
    s->lived_in = s->lived_in || call->operation;
    if (rc == 0) {
        rc = send_with_values(&x, sql, values);
        if (rc != 0 && statement_call.error_offset == MTNT__NO_OFFSET && !x.from_callback)
            statement_call.error_offset = first_token(sql);
        rc = check_transaction(&x, rc);
    }
    if (rc == 0)
        *ret_changes = x.changes;
    call->error_offset = statement_call.error_offset;
    return rc;
}

static int query_alone(mtnt__postgres *s, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_row_fn each,
                       void *data, int64_t *ret_changes, mtnt_error *err)
{
    mtnt__call statement_call = mtnt__call_statement(call);
    mtnt__exchange x = {.s = s, .call = &statement_call, .err = err, .each = each, .data = data};
    int rc;

    s->lived_in = true;
    rc = send_with_values(&x, sql, values);
    if (rc != 0 && statement_call.error_offset == MTNT__NO_OFFSET && !x.from_callback)
        statement_call.error_offset = first_token(sql);
    if (rc == 0)
        *ret_changes = x.changes;
    call->error_offset = statement_call.error_offset;
    return rc;
}

/* The settings hold within a transaction only: outside one, a statement gets its own. */
int mtnt__postgres_query(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_row_fn each,
                         void *data, int64_t *ret_changes, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__call farewell = *call;
    int rc;

    if (call->alone)
        return query_alone(s, call, sql, values, each, data, ret_changes, err);
    if (mtnt__postgres_in_transaction(s))
        return query_in_transaction(s, call, sql, values, each, data, ret_changes, err);
    rc = mtnt__postgres_begin(s, call, err);
    if (rc == 0) {
        rc = query_in_transaction(s, call, sql, values, each, data, ret_changes, err);
        if (rc == 0)
            return mtnt__postgres_commit(s, call, err);
    }
    farewell.cancelled = NULL;
    farewell.deadline = mtnt__deadline_in(call->system, MTNT__FAREWELL_MS);
    if (s->raw && mtnt__postgres_rollback(s, &farewell) != 0)
        mtnt__postgres_disconnect(s);
    return rc;
}

/* ---- scripts ---- */

/* In one message with what is held, and with the settings, where there are any to be put right. */
static int send_script(mtnt__exchange *x, const mtnt__sql *sql)
{
    mtnt__postgres *s = x->s;
    bool settles = has_to_settle(s, x->call);
    mtnt__buffer text = {0};
    int rc;

    if (!settles && s->held_count == 0)
        return mtnt__postgres_simple(x, sql->text);
    mtnt__postgres_add_held(s, &text, &x->prefix_statements);
    if (settles)
        x->prefix_statements += mtnt__postgres_add_settings(s, x->call, s->unsettled, &text);
    x->prefix = text.length;
    mtnt__buffer_add(&text, sql->text, sql->length);
    rc = text.failed ? mtnt_error_set(x->err, MTNT_E_NOMEM, "out of memory") : mtnt__postgres_simple(x, text.bytes);
    mtnt__buffer_release(&text);
    if (rc == 0 && settles)
        note_settled(s, x->call);
    return rc;
}

int mtnt__postgres_script(void *state, mtnt__call *call, const mtnt__sql *sql, mtnt_error *err)
{
    mtnt__postgres *s = state;
    mtnt__exchange x = {.s = s, .call = call, .err = err};
    int rc = is_read_as_meant(s) ? MTNT_OK : settle_first(s, call, err), own;

    if (rc != 0)
        return rc;
    s->lived_in = s->lived_in || call->operation;
    rc = send_script(&x, sql);
    own = x.statements - x.prefix_statements;
    s->touched = s->touched || (call->operation && !mtnt__sql_is_plain_definition(sql));
    /* An error while it runs has no position: the statement that had not ended does. */
    if (rc != 0 && call->error_offset == MTNT__NO_OFFSET && own >= 0 && (size_t)own < sql->statement_count)
        call->error_offset = sql->statements[own];
    return check_transaction(&x, rc);
}
