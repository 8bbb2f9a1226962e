/* What a backend implements. database.c keeps the handles of a connection, refuses calls at the wrong time, puts the
 * circumstances of each call together and turns offsets into positions; a backend talks to its engine. The fake of the tests
 * is a backend too (mtnt__db_new_with). */
#ifndef MTNT_DB_BACKEND_H
#define MTNT_DB_BACKEND_H

#include <stdatomic.h>

#include "db/database.h"
#include "db/sql_text.h"

#define MTNT__NO_OFFSET SIZE_MAX
#define MTNT__FAREWELL_MS 5000      /* for rollback and disconnect, whatever the deadline was */
#define MTNT__POSTGRES_MARK "mtnt " /* … and the mark: application_name of a session in a transaction of ours */
#define MTNT__POSTGRES_NAME_MAX 63  /* bytes; the server cuts what is longer, without a word */

/* The circumstances of one call. */
typedef struct mtnt__call {
    const mtnt__system *system;
    mtnt__deadline_ms deadline;   /* 0 = none */
    const atomic_bool *cancelled; /* NULL: cannot be cancelled (rollback, disconnect) */
    int64_t connect_timeout_ms;   /* > 0; for a connection over the network */
    int64_t lock_timeout_ms;      /* > 0 */
    int64_t statement_timeout_ms; /* 0 = none */
    mtnt__side side;              /* of the handle that was used */
    bool operation;               /* a public call: its sides, settings and transaction control are enforced */
    bool alone;                   /* outside a transaction, and not in one of its own: settings are the session's */
    int64_t lock_key;             /* begin: an advisory lock to hold until the transaction's end; 0 = none */
    size_t error_offset;          /* set on failure: where in the SQL, or MTNT__NO_OFFSET */
} mtnt__call;

/* 0, or the code to end with: CANCELLED or DEADLINE. */
int mtnt__call_check(const mtnt__call *call, mtnt_error *err);
/* `call` with its deadline brought forward to the statement timeout, counted from now. */
mtnt__call mtnt__call_statement(const mtnt__call *call);

typedef struct mtnt__row_class {
    const char *(*name)(const mtnt_row *row, int column);
    bool (*is_null)(const mtnt_row *row, int column);
    const char *(*text)(const mtnt_row *row, int column);
    int64_t (*integer)(const mtnt_row *row, int column);
    double (*real)(const mtnt_row *row, int column);
    const void *(*blob)(const mtnt_row *row, int column, size_t *ret_length);
} mtnt__row_class;

/* Accessors are called with a column in range that is not NULL (name, is_null: in range). */
struct mtnt_row {
    const mtnt__row_class *row_class;
    void *source;
    int columns;
};

/* Numbers out of a text column, the same for every backend: an integer, a real cut to an integer, else 0. */
int64_t mtnt__number_of_text(const char *text);
int64_t mtnt__number_of_real(double real);

/* Every function gets the backend's own state. Those that return int give 0 or an mtnt_code with
 * err filled, which is never NULL here. A backend that
 * loses its connection says so by connected() and, when a transaction was open, in_transaction(). */
typedef struct mtnt__backend {
    mtnt_backend kind;
    int (*connect)(void *state, mtnt__call *call, mtnt_error *err);
    bool (*connected)(const void *state);
    void (*disconnect)(void *state); /* rolls back; may be called when not connected; allocates nothing */
    void (*free)(void *state);       /* after disconnect */

    /* One statement; `values` may be NULL, `each` too. Outside a transaction it is one of its own. */
    int (*query)(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_row_fn each, void *data,
                 int64_t *ret_changes, mtnt_error *err);
    /* One statement without rows in the transaction that is open, which need not run before the next one does, or the transaction is to end; NULL =
     * query does that. Its failure is then that one's. */
    int (*later)(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_error *err);
    /* One statement outside any transaction, alone in its message; NULL = query does that. */
    int (*command)(void *state, mtnt__call *call, const char *sql, mtnt_error *err);
    /* Makes the session fit for statements that stand alone, and ends that; NULL = there is nothing to do. */
    int (*stand_alone)(void *state, mtnt__call *call, bool on, mtnt_error *err);
    /* Before and after a statement that stands alone, which is text[0 … length): removes what an earlier, failed one like it has left. NULL = nothing. */
    int (*clear_leftover)(void *state, mtnt__call *call, const char *text, mtnt_error *err);
    /* All statements, in the transaction that is open. Rows are ignored. */
    int (*script)(void *state, mtnt__call *call, const mtnt__sql *sql, mtnt_error *err);

    int (*begin)(void *state, mtnt__call *call, mtnt_error *err);
    bool (*in_transaction)(const void *state); /* as the engine sees it */
    int (*commit)(void *state, mtnt__call *call, mtnt_error *err);
    int (*check)(void *state, mtnt__call *call,
                 mtnt_error *err);                  /* what commit would refuse; NULL = nothing is put off */
    int (*rollback)(void *state, mtnt__call *call); /* not 0: database.c disconnects */
    int (*prepare)(void *state, mtnt__call *call, const char *gid, mtnt_error *err); /* may be NULL */
    int (*finish_prepared)(void *state, mtnt__call *call, const char *gid, bool commit,
                           mtnt_error *err); /* may be NULL */

    /* For another migration: as a new connection with this mark and schema would be, and it has ended no transaction in doubt. Connected. Not 0,
     * or NULL: only a new one will do. */
    int (*renew)(void *state, mtnt__call *call, const char *mark, const char *schema, mtnt_error *err);

    /* finish_prepared in two halves: sent, and its answer. In between nothing else is asked of the connection. NULL = there is only the whole. */
    int (*send_finish)(void *state, mtnt__call *call, const char *gid, bool commit, mtnt_error *err);
    int (*collect_finish)(void *state, mtnt__call *call, bool commit, mtnt_error *err);

    /* What the last operation left in the session ends here; may be put off until the next call. */
    int (*boundary)(void *state, mtnt__call *call, mtnt_error *err);
    /* The unquoted schema of a side, for {schema}; borrowed until disconnect. */
    int (*schema)(void *state, mtnt__call *call, const char **ret_schema, mtnt_error *err);
    int (*facts)(void *state, mtnt__call *call, mtnt__db_facts *ret_facts, mtnt_error *err);
    /* As mtnt__db_snapshot and its neighbours say; NULL = there are none. Connected, and not by the connection that is open. */
    int (*snapshot)(void *state, mtnt__call *call, const char *path, char *ret_digest, mtnt_error *err);
    int (*digest)(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err);
    int (*digest_inside)(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE],
                         mtnt_error *err); /* by the connection that is open, in its transaction */
    int (*restore)(void *state, mtnt__call *call, const char *path, const mtnt__restore_terms *terms, bool *ret_changed,
                   mtnt_error *err);
    /* Outside a transaction. NULL: it has none. */
    int (*standbys)(void *state, mtnt__call *call, mtnt__db_standbys *ret_standbys, mtnt_error *err);
    void (*cancel)(void *state); /* any thread; the flag of the call is set already; does not wait */
    void *(*native)(void *state, mtnt_backend kind); /* raw handle for an operation, NULL = none of that kind */
} mtnt__backend;

/* A handle (or, with ret_model, the pair of a connection) on a backend that the caller brings. Takes `state` over, on failure
 * too. Copies options. Errors: NOMEM. */
int mtnt__db_new_with(mtnt_db **ret_db, mtnt_db **ret_model, const mtnt__backend *backend, void *state,
                      const mtnt__db_options *options, mtnt_error *err);

/* The two real ones. A pair: `path` is the model's and controller_path not NULL; on PostgreSQL `dsn` is the controller's and
 * options->schema the model's. */
extern const mtnt__backend mtnt__sqlite_backend;
extern const mtnt__backend mtnt__postgres_backend;
int mtnt__sqlite_new(void **ret_state, const char *path, const char *controller_path, const mtnt__db_options *options,
                     mtnt_error *err);
int mtnt__postgres_new(void **ret_state, const char *dsn, bool pair, const mtnt__db_options *options, mtnt_error *err);

#endif
