/* What an SQLSTATE means: decided here, once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/postgres.h"

#define SHORT 300 /* of a detail, which may show whole rows */

typedef struct judgement {
    int code;
    bool retryable;
} judgement;

static judgement judge(const char *state)
{
    static const struct {
        const char *state;
        judgement judgement;
    } states[] = {
        {"08P01", {MTNT_E_INVALID, false}}, /* protocol violation: too few or too many parameters */
        {"25001", {MTNT_E_INVALID, false}}, /* not within a transaction */
        {"25006", {MTNT_E_INVALID, false}}, /* read-only transaction */
        {"42P18", {MTNT_E_INVALID, false}}, /* a parameter that is not used, or of no type */
        {"40001", {MTNT_E_DATABASE, true}}, /* serialization failure */
        {"40P01", {MTNT_E_DATABASE, true}}, /* deadlock */
        {"53100", {MTNT_E_IO, false}},      /* disk full */
        {"53300", {MTNT_E_CONNECT, true}},  /* too many connections */
        {"55006", {MTNT_E_BUSY, true}},     /* object in use */
        {"55P03", {MTNT_E_BUSY, true}},     /* lock not available */
        {"57014", {MTNT_E_CANCELLED, false}}, {"57P03", {MTNT_E_CONNECT, true}}, /* starting up or shutting down */
        {"58030", {MTNT_E_IO, false}},
    };
    static const struct {
        const char *class;
        judgement judgement;
    } classes[] = {
        {"08", {MTNT_E_CONNECT, true}},     {"57P", {MTNT_E_CONNECT, true}},   {"XX001", {MTNT_E_CORRUPT, false}},
        {"XX002", {MTNT_E_CORRUPT, false}}, {"25P03", {MTNT_E_CONNECT, true}},
    };

    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
        if (strcmp(states[i].state, state) == 0)
            return states[i].judgement;
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strncmp(classes[i].class, state, strlen(classes[i].class)) == 0)
            return classes[i].judgement;
    return (judgement){MTNT_E_DATABASE, false};
}

static void set_state(mtnt_error *err, const char *state, bool retryable)
{
    if (!err)
        return;
    mtnt__text_copy(err->state, sizeof(err->state), state);
    err->retryable = retryable;
}

/* ---- text ---- */

/* One line, cut. */
static void add_part(char *message, size_t size, const char *before, const char *part, const char *after)
{
    char line[SHORT];
    size_t length = strlen(message);

    if (!part || !*part)
        return;
    mtnt__text_copy(line, sizeof(line), part);
    for (char *letter = line; *letter; letter++)
        if (*letter == '\n' || *letter == '\r')
            *letter = ' ';
    snprintf(message + length, size - length, "%s%s%s", before, line, after);
}

static void compose(char *message, size_t size, const PGresult *result)
{
    const char *primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    size_t length;

    /* Without a primary message it is libpq's own: a lost connection. */
    mtnt__text_copy(message, size, primary ? primary : PQresultErrorMessage(result));
    length = strlen(message);
    while (length > 0 && (message[length - 1] == '\n' || message[length - 1] == ' '))
        message[--length] = '\0';
    add_part(message, size, ": ", PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL), "");
    add_part(message, size, " (", PQresultErrorField(result, PG_DIAG_MESSAGE_HINT), ")");
}

/* ---- position ---- */

static size_t bytes_of(const char *text, long characters)
{
    size_t at = 0;

    while (text[at] && characters > 0) {
        at++;
        while (((unsigned char)text[at] & 0xc0u) == 0x80u)
            at++;
        characters--;
    }
    return at;
}

static void note_position(mtnt__exchange *x, const PGresult *result)
{
    const char *text = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    int64_t position;
    size_t offset;

    if (!text || !x->text || !mtnt__parse_int(text, 1, INT32_MAX, &position))
        return;
    offset = bytes_of(x->text, (long)position - 1);
    if (offset >= x->prefix)
        x->call->error_offset = offset - x->prefix;
}

/* ---- errors ---- */

static bool is_fatal(const PGresult *result)
{
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

    return !severity || strcmp(severity, "ERROR") != 0;
}

/* 57014 does not say who cancelled: we, the statement timeout that we have set, or an administrator. */
static int who_cancelled(const mtnt__exchange *x)
{
    int64_t timeout_ms = x->call->statement_timeout_ms;

    if (x->ending != 0)
        return x->ending;
    return timeout_ms > 0 && x->call->system->boot_ms(x->call->system->data) - x->started_ms >= timeout_ms
               ? MTNT_E_DEADLINE
               : MTNT_E_CANCELLED;
}

/* A write on a session that may write: the server is a standby, or has become one. (A side that no operation declared has a read-only handle.) */
bool mtnt__postgres_is_standby(const mtnt__postgres *s)
{
    const char *recovers = PQparameterStatus(s->raw, "in_hot_standby"); /* servers before 14 do not say */

    return !s->read_only && (!recovers || strcmp(recovers, "on") == 0);
}

int mtnt__postgres_standby(mtnt__exchange *x)
{
    char shown[MTNT__DSN_SHOWN_SIZE];

    mtnt__dsn_redact(x->s->dsn, shown);
    mtnt_error_set(x->err, MTNT_E_CONNECT,
                   "%s: connected to a standby, which takes no writes. With several hosts in the address, add "
                   "target_session_attrs=read-write",
                   shown);
    set_state(x->err, "25006", true);
    mtnt__postgres_disconnect(x->s);
    return MTNT_E_CONNECT;
}

int mtnt__postgres_fail(mtnt__exchange *x, const PGresult *result)
{
    char message[MTNT_ERROR_MESSAGE_SIZE];
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    judgement judged = judge(state ? state : "08006");

    if (!state && PQstatus(x->s->raw) != CONNECTION_BAD) /* libpq's own, and the connection is there: memory */
        judged = (judgement){MTNT_E_NOMEM, false};
    compose(message, sizeof(message), result);
    x->fatal = is_fatal(result);
    x->standby = state && strcmp(state, "25006") == 0 && mtnt__postgres_is_standby(x->s);
    if (judged.code == MTNT_E_CANCELLED)
        judged.code = who_cancelled(x);
    mtnt_error_set(x->err, judged.code, "%s", message);
    set_state(x->err, state ? state : judged.code == MTNT_E_CONNECT ? "08006" : "", judged.retryable);
    note_position(x, result);
    return judged.code;
}

int mtnt__postgres_lost(mtnt__exchange *x)
{
    mtnt_error_set(x->err, MTNT_E_CONNECT, "the connection is lost");
    set_state(x->err, "08006", true);
    x->fatal = true;
    return MTNT_E_CONNECT;
}

/* The SQLSTATE in "…: FATAL:  3D000: database "x" does not exist", the form that verbose messages have. NULL = none. */
static const char *find_state(const char *message)
{
    for (const char *at = strstr(message, ":  "); at; at = strstr(at + 1, ":  ")) {
        const char *state = at + 3;

        if (strspn(state, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && strncmp(state + 5, ": ", 2) == 0)
            return state;
    }
    return NULL;
}

/* In place: libpq breaks its texts into lines. */
static void make_one_line(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && strchr("\n\t ", text[length - 1]))
        text[--length] = '\0';
    for (; *text; text++)
        if (*text == '\n' || *text == '\t')
            *text = ' ';
}

int mtnt__postgres_fail_connecting(mtnt__postgres *s, const PGconn *connection, mtnt_error *err)
{
    char shown[MTNT__DSN_SHOWN_SIZE], state[6] = "08001", message[1024];
    const char *found = find_state(PQerrorMessage(connection));
    judgement judged;

    mtnt__text_copy(message, sizeof(message), found ? found + 7 : PQerrorMessage(connection));
    if (found) {
        mtnt__text_copy(state, sizeof(state), (char[]){found[0], found[1], found[2], found[3], found[4], '\0'});
        message[strcspn(message, "\n")] = '\0'; /* the source location follows */
    }
    make_one_line(message);
    judged = judge(state);
    if (judged.code != MTNT_E_CONNECT)
        judged = (judgement){MTNT_E_CONNECT, false};
    /* 08P01 is what pgbouncer says of all that the server has refused. */
    if (strcmp(state, "3D000") == 0 ||
        (strcmp(state, "08P01") == 0 && strstr(message, "database \"") && strstr(message, "\" does not exist")))
        judged = (judgement){MTNT_E_NOT_FOUND, false};
    if (!found && strstr(message, "out of memory")) {
        judged = (judgement){MTNT_E_NOMEM, false};
        state[0] = '\0';
    }
    mtnt__dsn_redact(s->dsn, shown);
    mtnt_error_set(err, judged.code, "%s: %s", shown, message);
    set_state(err, state, judged.retryable);
    return judged.code;
}
