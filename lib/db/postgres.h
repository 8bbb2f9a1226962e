/* The PostgreSQL backend from the inside. */
#ifndef MTNT_DB_POSTGRES_H
#define MTNT_DB_POSTGRES_H

#include <libpq-fe.h>
#include <pthread.h>

#include "db/backend.h"

typedef struct mtnt__postgres {
    PGconn *raw;           /* NULL = not connected */
    PGcancel *cancel;      /* comes and goes with raw */
    pthread_mutex_t mutex; /* held where another thread may look at cancel, and where it changes */
    atomic_bool lent;      /* an operation has the raw handle */
    char *dsn;
    char *schema; /* the only one on search_path; in a pair the model's; NULL = the role's own */
    char *mark;   /* see mtnt__db_options; NULL = none */
    bool pair, read_only, steady;

    char *home_path;     /* search_path as the session began, every name quoted, once it is known; "" = empty */
    char *home_schema;   /* where unqualified names go then; "" = there is none */
    bool forgets;        /* fsync = off: what it commits may be lost by a crash; known when home_path is */
    bool home_elsewhere; /* our tables are not there, but further along the path */

    mtnt__buffer held; /* statements of our own that go with the next message of the transaction … */
    int held_count;    /* … and how many they are */

    bool touched;        /* a statement of an operation has run since the settings were last put right … */
    bool unsettled;      /* … and that operation is over: they are put right before the next one's statement */
    mtnt__side settled;  /* the side that search_path is set for */
    bool lived_in;       /* an operation has run statements in this session */
    bool inherited;      /* … of an earlier migration: what they have left is still there */
    atomic_bool spoiled; /* an operation has had the raw handle, or a cancel was sent, which may arrive late */
    bool dismissed;      /* the server has said that it ends the session */
    bool not_replicated; /* a notice said that a commit was not waited for by its standby */
} mtnt__postgres;

/* What goes back and forth for one message to the server. */
typedef struct mtnt__exchange {
    mtnt__postgres *s;
    mtnt__call *call;
    mtnt_error *err;
    mtnt_row_fn each; /* NULL = rows are ignored */
    void *data;

    size_t prefix;         /* bytes of our own before the SQL of the caller, in the text that was sent … */
    int prefix_statements; /* … and how many statements that is */
    const char *text;      /* the whole text */

    int64_t started_ms;
    int statements; /* that have ended */
    int64_t changes;
    char tag[32];         /* of the last statement */
    bool transaction_tag; /* one of the caller's statements began or ended a transaction */
    bool from_callback;   /* the error is the row callback's */
    bool fatal;           /* the error ended the session, or came from libpq */
    bool standby;         /* … or says that the server takes no writes */
    int ending;           /* CANCELLED or DEADLINE once that was noticed, and the statement cancelled */
    mtnt__deadline_ms patience, next_cancel;
} mtnt__exchange;

/* postgres_wait.c */
int mtnt__postgres_connect(void *state, mtnt__call *call, mtnt_error *err);
void mtnt__postgres_disconnect(void *state);
/* The next result, NULL at the end. Not 0: the server did not answer to a cancel, and the connection is given up. */
int mtnt__postgres_next(mtnt__exchange *x, PGresult **ret_result);
/* Waits for the socket, a slice at most. Not 0: as above. */
int mtnt__postgres_await(mtnt__exchange *x);

/* postgres_statement.c */
/* Sends the text; _collect takes its results. */
int mtnt__postgres_send(mtnt__exchange *x, const char *text);
/* Both. The transaction status is not looked at. */
int mtnt__postgres_simple(mtnt__exchange *x, const char *text);
int mtnt__postgres_query(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_row_fn each,
                         void *data, int64_t *ret_changes, mtnt_error *err);
int mtnt__postgres_script(void *state, mtnt__call *call, const mtnt__sql *sql, mtnt_error *err);
int mtnt__postgres_command(void *state, mtnt__call *call, const char *sql, mtnt_error *err);
/* What the server has said while nothing ran: notices take effect, notifications are forgotten. */
void mtnt__postgres_hear(mtnt__postgres *s);
/* Takes all results of what was sent. */
int mtnt__postgres_collect(mtnt__exchange *x);

/* postgres_later.c */
int mtnt__postgres_later(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_error *err);
/* Puts what is held in front of a text that is about to be sent; *ret_count: how many statements. Nothing is held after it. */
void mtnt__postgres_add_held(mtnt__postgres *s, mtnt__buffer *buffer, int *ret_count);
void mtnt__postgres_forget_held(mtnt__postgres *s);
/* Sends it by itself, for what cannot take it along. */
int mtnt__postgres_send_held(mtnt__postgres *s, mtnt__call *call, mtnt_error *err);

/* postgres_alone.c */
int mtnt__postgres_stand_alone(void *state, mtnt__call *call, bool on, mtnt_error *err);
int mtnt__postgres_clear_leftover(void *state, mtnt__call *call, const char *text, mtnt_error *err);

/* postgres_values.c */
typedef struct mtnt__parameters {
    int count;
    const char **values;
    int *lengths, *formats;
    Oid *types;
    void *memory;
} mtnt__parameters;
int mtnt__postgres_parameters(mtnt__parameters *ret_parameters, const mtnt_value *values, mtnt_error *err);
void mtnt__postgres_parameters_release(mtnt__parameters *parameters);
/* Gives the only row of a result to a callback. */
int mtnt__postgres_give_row(PGresult *result, mtnt_row_fn each, void *data, mtnt_error *err);

/* postgres_error.c: fills err (and the offset of the call) from a failed result. */
int mtnt__postgres_fail(mtnt__exchange *x, const PGresult *result);
int mtnt__postgres_fail_connecting(mtnt__postgres *s, const PGconn *connection, mtnt_error *err);
int mtnt__postgres_lost(mtnt__exchange *x);
/* The session is to write, and its server cannot. */
bool mtnt__postgres_is_standby(const mtnt__postgres *s);
/* CONNECT, retryable: the next connection may meet the primary. The session is given up. */
int mtnt__postgres_standby(mtnt__exchange *x);

/* postgres_transaction.c */
int mtnt__postgres_begin(void *state, mtnt__call *call, mtnt_error *err);
bool mtnt__postgres_in_transaction(const void *state);
int mtnt__postgres_commit(void *state, mtnt__call *call, mtnt_error *err);
int mtnt__postgres_check(void *state, mtnt__call *call, mtnt_error *err);
int mtnt__postgres_rollback(void *state, mtnt__call *call);
int mtnt__postgres_prepare(void *state, mtnt__call *call, const char *gid, mtnt_error *err);
int mtnt__postgres_finish_prepared(void *state, mtnt__call *call, const char *gid, bool commit, mtnt_error *err);
int mtnt__postgres_send_finish(void *state, mtnt__call *call, const char *gid, bool commit, mtnt_error *err);
int mtnt__postgres_collect_finish(void *state, mtnt__call *call, bool commit, mtnt_error *err);

/* postgres_programs.c: pg_dump and its kin. `connection` says which server and database; they get it by the environment, a password too, and
 * never by an argument. `arguments` is NULL-terminated; the first is the program. */
int mtnt__postgres_program(PGconn *connection, const mtnt__call *call, const char *const *arguments, mtnt_error *err);
/* NOT_FOUND: it is not in PATH. REFUSED: it is older than the server. */
int mtnt__postgres_program_check(PGconn *connection, const mtnt__call *call, const char *program, mtnt_error *err);

/* postgres_snapshot.c */
int mtnt__postgres_snapshot(void *state, mtnt__call *call, const char *path, char *ret_digest, mtnt_error *err);
int mtnt__postgres_digest(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err);
int mtnt__postgres_digest_inside(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err);
int mtnt__postgres_restore(void *state, mtnt__call *call, const char *path, const mtnt__restore_terms *terms,
                           bool *ret_changed, mtnt_error *err);

/* postgres.c: settings */
bool mtnt__postgres_speaks_utf8(const mtnt__postgres *s);
/* Statements that make the session fit for `side`, and how many they are. With `reset` what operations have changed goes first. */
int mtnt__postgres_add_settings(mtnt__postgres *s, const mtnt__call *call, bool reset, mtnt__buffer *buffer);
/* Learns home_path and home_schema from a result of the statement that asks for them. */
#define MTNT__HOME_QUERY                                                              \
    "SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_schema(), " \
    "pg_catalog.current_setting('fsync'), "                                           \
    "pg_catalog.to_regclass('mtnt_meta') IS DISTINCT FROM "                           \
    "pg_catalog.to_regclass(pg_catalog.quote_ident(pg_catalog.current_schema()) || '.mtnt_meta')"
int mtnt__postgres_learn_home(void *data, const mtnt_row *row, mtnt_error *err);
/* After it: when our tables stand in another schema of the path than the first, that one is home. Asked for only then, because a young session
 * takes long to plan the join. */
int mtnt__postgres_find_home(mtnt__postgres *s, mtnt__call *call, mtnt_error *err);

#endif
