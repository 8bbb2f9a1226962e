#include "fake_db.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "db/backend.h"

#define MOST_FAILURES 64

/* A statement that a transaction has run, for COMMIT PREPARED to run again. */
typedef struct remembered {
    char *sql;
    mtnt_value *values; /* NULL: a script */
    struct remembered *next;
} remembered;

typedef struct prepared {
    char *gid;
    remembered *first;
    struct prepared *next;
} prepared;

typedef struct failure {
    fake_kind kind;
    int left; /* calls until it happens; 0 = none, -1 = always */
    int code; /* 0: the connection is lost */
    bool retryable, done;
} failure;

struct fake_server {
    char folder[64], path[96];
    mtnt_backend backend;
    int sessions, max_prepared;
    prepared *prepared;
    failure failures[MOST_FAILURES];
    fake_call *calls;
    size_t call_count;
};

typedef struct session {
    fake_server *server;
    int number;
    void *inner; /* of mtnt__sqlite_backend */
    remembered *first, **last;
} session;

static const mtnt__backend *const real = &mtnt__sqlite_backend;

static void *must(void *memory)
{
    assert_non_null(memory);
    return memory;
}

/* ---- what a transaction has run ---- */

static mtnt_value *copy_values(const mtnt_value *values)
{
    size_t count = 0;
    mtnt_value *copy;

    while (values && values[count].type != MTNT_TYPE_END)
        count++;
    copy = must(calloc(count + 1, sizeof(*copy)));
    for (size_t i = 0; i < count; i++) {
        copy[i] = values[i];
        if (values[i].bytes)
            copy[i].bytes = memcpy(must(malloc(values[i].length + 1)), values[i].bytes, values[i].length);
    }
    return copy;
}

static void forget_transaction(remembered *first)
{
    while (first) {
        remembered *next = first->next;

        for (mtnt_value *value = first->values; value && value->type != MTNT_TYPE_END; value++)
            free((void *)(uintptr_t)value->bytes);
        free(first->values);
        free(first->sql);
        free(first);
        first = next;
    }
}

static void remember(session *s, const char *sql, const mtnt_value *values, bool script)
{
    remembered *one;

    if (!real->in_transaction(s->inner))
        return;
    one = must(calloc(1, sizeof(*one)));
    one->sql = must(strdup(sql));
    one->values = script ? NULL : copy_values(values);
    *s->last = one;
    s->last = &one->next;
}

static remembered *take_transaction(session *s)
{
    remembered *first = s->first;

    s->first = NULL;
    s->last = &s->first;
    return first;
}

static int replay(session *s, mtnt__call *call, const remembered *first, mtnt_error *err)
{
    mtnt__call own = *call;
    int rc = MTNT_OK;

    own.operation = false;
    for (; rc == 0 && first; first = first->next) {
        mtnt_script script = {.sql = first->sql};
        mtnt__sql sql = {0};
        int64_t changes;

        if (first->values) {
            rc = real->query(s->inner, &own, first->sql, first->values, NULL, NULL, &changes, err);
            continue;
        }
        rc = mtnt__sql_init(&sql, &script, MTNT_SQLITE, 0, err);
        if (rc == 0)
            rc = real->script(s->inner, &own, &sql, err);
        mtnt__sql_release(&sql);
    }
    return rc;
}

/* ---- the record, and what goes wrong ---- */

static int record(session *s, fake_kind kind, const char *text, int code)
{
    fake_server *server = s->server;

    server->calls = must(realloc(server->calls, (server->call_count + 1) * sizeof(*server->calls)));
    server->calls[server->call_count++] = (fake_call){kind, s->number, must(strdup(text)), code};
    return code;
}

/* The failure that is due for a call of that kind, if any. */
static const failure *due(session *s, fake_kind kind)
{
    const failure *found = NULL;

    for (failure *f = s->server->failures; f < s->server->failures + MOST_FAILURES; f++) {
        if (f->left == 0 || (f->kind != FAKE_ANY && f->kind != kind))
            continue;
        if (f->left < 0 || --f->left == 0)
            found = found ? found : f;
    }
    return found;
}

static int lose(session *s, fake_kind kind, mtnt_error *err)
{
    bool doubt = kind == FAKE_COMMIT || kind == FAKE_PREPARE || kind == FAKE_FINISH;
    int rc = mtnt_error_set(err, doubt ? MTNT_E_IN_DOUBT : MTNT_E_CONNECT, "the connection is lost (on purpose)");

    real->disconnect(s->inner);
    forget_transaction(take_transaction(s));
    if (err)
        err->retryable = !doubt;
    return rc;
}

static int refuse(const failure *f, mtnt_error *err)
{
    mtnt_error_set(err, f->code, "it fails (on purpose)");
    if (err)
        err->retryable = f->retryable;
    return f->code;
}

/* Whether the call is to be done; *ret_rc is its result when it is not. */
static bool goes_on(session *s, fake_kind kind, const failure *f, int *ret_rc, mtnt_error *err)
{
    if (!f || (f->code == 0 && f->done))
        return true;
    *ret_rc = f->code ? refuse(f, err) : lose(s, kind, err);
    return false;
}

static int end(session *s, fake_kind kind, const failure *f, const char *text, int rc, mtnt_error *err)
{
    if (f && f->code == 0 && f->done && rc == 0)
        rc = lose(s, kind, err);
    return record(s, kind, text, rc);
}

/* ---- the backend ---- */

static int fake_connect(void *state, mtnt__call *call, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_CONNECT);
    int rc;

    if (goes_on(s, FAKE_CONNECT, f, &rc, err))
        rc = real->connect(s->inner, call, err);
    return end(s, FAKE_CONNECT, f, "", rc, err);
}

static bool fake_connected(const void *state)
{
    return real->connected(((const session *)state)->inner);
}

static void fake_disconnect(void *state)
{
    session *s = state;

    if (fake_connected(s)) {
        due(s, FAKE_DISCONNECT);
        record(s, FAKE_DISCONNECT, "", MTNT_OK);
    }
    real->disconnect(s->inner);
    forget_transaction(take_transaction(s));
}

static void fake_free(void *state)
{
    session *s = state;

    real->free(s->inner);
    free(s);
}

static int fake_query(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_row_fn each,
                      void *data, int64_t *ret_changes, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_QUERY);
    int rc;

    if (goes_on(s, FAKE_QUERY, f, &rc, err)) {
        rc = real->query(s->inner, call, sql, values, each, data, ret_changes, err);
        if (rc == 0)
            remember(s, sql, values, false);
    }
    return end(s, FAKE_QUERY, f, sql, rc, err);
}

static int fake_script(void *state, mtnt__call *call, const mtnt__sql *sql, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_SCRIPT);
    int rc;

    if (goes_on(s, FAKE_SCRIPT, f, &rc, err)) {
        rc = real->script(s->inner, call, sql, err);
        if (rc == 0)
            remember(s, sql->text, NULL, true);
    }
    return end(s, FAKE_SCRIPT, f, sql->text, rc, err);
}

static int fake_begin(void *state, mtnt__call *call, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_BEGIN);
    int rc;

    if (goes_on(s, FAKE_BEGIN, f, &rc, err))
        rc = real->begin(s->inner, call, err);
    return end(s, FAKE_BEGIN, f, "", rc, err);
}

static bool fake_in_transaction(const void *state)
{
    return real->in_transaction(((const session *)state)->inner);
}

static int fake_commit(void *state, mtnt__call *call, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_COMMIT);
    int rc;

    if (goes_on(s, FAKE_COMMIT, f, &rc, err)) {
        rc = real->commit(s->inner, call, err);
        if (rc == 0)
            forget_transaction(take_transaction(s));
    }
    return end(s, FAKE_COMMIT, f, "", rc, err);
}

static int fake_rollback(void *state, mtnt__call *call)
{
    session *s = state;
    const failure *f;
    int rc;

    if (!fake_in_transaction(s))
        return real->rollback(s->inner, call);
    f = due(s, FAKE_ROLLBACK);
    rc = real->rollback(s->inner, call);
    forget_transaction(take_transaction(s));
    if (f)
        rc = f->code ? f->code : lose(s, FAKE_ROLLBACK, NULL);
    return record(s, FAKE_ROLLBACK, "", rc);
}

static prepared **find(fake_server *server, const char *gid)
{
    prepared **place = &server->prepared;

    while (*place && strcmp((*place)->gid, gid) != 0)
        place = &(*place)->next;
    return place;
}

static int check_prepare(fake_server *server, const char *gid, mtnt_error *err)
{
    if (server->max_prepared == 0)
        return mtnt_error_set(err, MTNT_E_REFUSED, "this server has max_prepared_transactions = 0");
    if (*find(server, gid))
        return mtnt_error_set(err, MTNT_E_EXISTS, "transaction identifier \"%s\" is already in use", gid);
    if (fake_prepared_count(server) >= server->max_prepared) {
        mtnt_error_set(err, MTNT_E_BUSY, "all prepared transactions of this server are in use");
        if (err)
            err->retryable = true;
        return MTNT_E_BUSY;
    }
    return MTNT_OK;
}

static int fake_prepare(void *state, mtnt__call *call, const char *gid, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_PREPARE);
    prepared *one;
    int rc;

    if (goes_on(s, FAKE_PREPARE, f, &rc, err)) {
        rc = check_prepare(s->server, gid, err);
        if (rc == 0) {
            one = must(calloc(1, sizeof(*one)));
            *one = (prepared){must(strdup(gid)), take_transaction(s), s->server->prepared};
            s->server->prepared = one;
            rc = real->rollback(s->inner, call);
        }
    }
    return end(s, FAKE_PREPARE, f, gid, rc, err);
}

static void remove_prepared(prepared **place)
{
    prepared *one = *place;

    *place = one->next;
    forget_transaction(one->first);
    free(one->gid);
    free(one);
}

static int finish(session *s, mtnt__call *call, const char *gid, bool commit, mtnt_error *err)
{
    prepared **place = find(s->server, gid);
    int rc = MTNT_OK;

    if (!*place)
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "prepared transaction with identifier \"%s\" does not exist", gid);
    if (commit) {
        rc = real->begin(s->inner, call, err);
        if (rc == 0)
            rc = replay(s, call, (*place)->first, err);
        if (rc == 0)
            rc = real->commit(s->inner, call, err);
        if (rc != 0)
            real->rollback(s->inner, call);
    }
    if (rc == 0)
        remove_prepared(place);
    return rc;
}

static int fake_finish(void *state, mtnt__call *call, const char *gid, bool commit, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_FINISH);
    int rc;

    if (goes_on(s, FAKE_FINISH, f, &rc, err))
        rc = finish(s, call, gid, commit, err);
    return end(s, FAKE_FINISH, f, gid, rc, err);
}

static int fake_boundary(void *state, mtnt__call *call, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_BOUNDARY);
    int rc;

    if (goes_on(s, FAKE_BOUNDARY, f, &rc, err))
        rc = real->boundary(s->inner, call, err);
    return end(s, FAKE_BOUNDARY, f, "", rc, err);
}

static int fake_schema(void *state, mtnt__call *call, const char **ret_schema, mtnt_error *err)
{
    (void)state;
    (void)call;
    (void)err;
    *ret_schema = "main";
    return MTNT_OK;
}

static int fake_facts(void *state, mtnt__call *call, mtnt__db_facts *ret_facts, mtnt_error *err)
{
    session *s = state;
    const failure *f = due(s, FAKE_FACTS);
    int rc;

    (void)call;
    if (goes_on(s, FAKE_FACTS, f, &rc, err)) {
        *ret_facts = (mtnt__db_facts){.backend = s->server->backend, .durable = true, .version = 1};
        ret_facts->max_prepared_transactions = s->server->max_prepared;
        ret_facts->prepared_in_use = fake_prepared_count(s->server);
        snprintf(ret_facts->detail, sizeof(ret_facts->detail), "fake");
        rc = MTNT_OK;
    }
    return end(s, FAKE_FACTS, f, "", rc, err);
}

static void fake_cancel(void *state)
{
    real->cancel(((session *)state)->inner);
}

static void *fake_native(void *state, mtnt_backend kind)
{
    return real->native(((session *)state)->inner, kind);
}

#define FAKE_BACKEND(kind_)                                                                                        \
    {                                                                                                              \
        .kind = (kind_), .connect = fake_connect, .connected = fake_connected, .disconnect = fake_disconnect,      \
        .free = fake_free, .query = fake_query, .script = fake_script, .begin = fake_begin,                        \
        .in_transaction = fake_in_transaction, .commit = fake_commit, .rollback = fake_rollback,                   \
        .prepare = fake_prepare, .finish_prepared = fake_finish, .boundary = fake_boundary, .schema = fake_schema, \
        .facts = fake_facts, .cancel = fake_cancel, .native = fake_native,                                         \
    }

/* ---- the server ---- */

fake_server *fake_server_new(void)
{
    fake_server *server = must(calloc(1, sizeof(*server)));
    const char *memory = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

    snprintf(server->folder, sizeof(server->folder), "%s/mtnt-fake-XXXXXX", memory);
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->path, sizeof(server->path), "%s/fake.db", server->folder);
    server->backend = MTNT_SQLITE;
    server->max_prepared = 64;
    return server;
}

void fake_server_free(fake_server *server)
{
    if (!server)
        return;
    while (server->prepared)
        remove_prepared(&server->prepared);
    fake_forget(server);
    unlink(server->path);
    rmdir(server->folder);
    free(server);
}

static session *session_new(fake_server *server, const mtnt__db_options *options, mtnt__db_options *ret_inner)
{
    session *s = must(calloc(1, sizeof(*s)));
    mtnt__db_options inner = options ? *options : (mtnt__db_options){0};

    inner.create = true;
    inner.building = true; /* a journal in memory */
    inner.side = MTNT__SIDE_ALONE;
    s->server = server;
    s->number = ++server->sessions;
    s->last = &s->first;
    assert_int_equal(mtnt__sqlite_new(&s->inner, server->path, NULL, &inner, NULL), 0);
    *ret_inner = inner;
    return s;
}

static void open_session(fake_server *server, mtnt_db **ret_db, mtnt_db **ret_model, const mtnt__db_options *options)
{
    static const mtnt__backend as_sqlite = FAKE_BACKEND(MTNT_SQLITE), as_postgres = FAKE_BACKEND(MTNT_POSTGRES);
    mtnt__db_options inner;
    session *s = session_new(server, options, &inner);

    assert_int_equal(mtnt__db_new_with(ret_db, ret_model, server->backend == MTNT_SQLITE ? &as_sqlite : &as_postgres, s,
                                       &inner, NULL),
                     0);
}

mtnt_db *fake_db_open(fake_server *server, const mtnt__db_options *options)
{
    mtnt_db *db;

    open_session(server, &db, NULL, options);
    return db;
}

void fake_db_open_pair(fake_server *server, mtnt_db **ret_controller, mtnt_db **ret_model,
                       const mtnt__db_options *options)
{
    open_session(server, ret_controller, ret_model, options);
}

void fake_set_backend(fake_server *server, mtnt_backend backend)
{
    server->backend = backend;
}

void fake_set_max_prepared(fake_server *server, int max)
{
    server->max_prepared = max;
}

/* ---- failures and the record ---- */

static void add_failure(fake_server *server, failure added)
{
    for (failure *f = server->failures; f < server->failures + MOST_FAILURES; f++) {
        if (f->left == 0) {
            *f = added;
            return;
        }
    }
    fail_msg("more than %d failures at once", MOST_FAILURES);
}

void fake_fail(fake_server *server, fake_kind kind, int n, int code, bool retryable)
{
    add_failure(server, (failure){.kind = kind, .left = n, .code = code, .retryable = retryable});
}

void fake_fail_always(fake_server *server, fake_kind kind, int code, bool retryable)
{
    add_failure(server, (failure){.kind = kind, .left = -1, .code = code, .retryable = retryable});
}

void fake_lose(fake_server *server, fake_kind kind, int n, bool done)
{
    add_failure(server, (failure){.kind = kind, .left = n, .done = done});
}

void fake_forget(fake_server *server)
{
    memset(server->failures, 0, sizeof(server->failures));
    for (size_t i = 0; i < server->call_count; i++)
        free((void *)(uintptr_t)server->calls[i].text);
    free(server->calls);
    server->calls = NULL;
    server->call_count = 0;
}

size_t fake_calls(const fake_server *server, const fake_call **ret_calls)
{
    *ret_calls = server->calls;
    return server->call_count;
}

int fake_count(const fake_server *server, fake_kind kind)
{
    int count = 0;

    for (size_t i = 0; i < server->call_count; i++)
        count += kind == FAKE_ANY || server->calls[i].kind == kind;
    return count;
}

int fake_prepared_count(const fake_server *server)
{
    int count = 0;

    for (const prepared *one = server->prepared; one; one = one->next)
        count++;
    return count;
}

bool fake_is_prepared(const fake_server *server, const char *gid)
{
    for (const prepared *one = server->prepared; one; one = one->next)
        if (strcmp(one->gid, gid) == 0)
            return true;
    return false;
}
