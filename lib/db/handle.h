/* Handles and the connection behind them: shared by database.c, transaction.c and query.c. */
#ifndef MTNT_DB_HANDLE_H
#define MTNT_DB_HANDLE_H

#include "db/backend.h"
#include "mtnt/native.h"

typedef struct mtnt__connection {
    const mtnt__backend *backend;
    void *state;
    const mtnt__system *system;
    int64_t connect_timeout_ms, lock_timeout_ms, statement_timeout_ms;
    atomic_bool cancelled;
    bool transaction; /* begun by us, and not ended by us: while the engine disagrees, every call is refused */
    bool read_only;
    bool tried;   /* to connect, at least once */
    bool alone;   /* an operation works outside transactions */
    bool in_call; /* a row callback is at work */
    bool finishing,
        finished; /* between the halves of finish_prepared; finished: there is only the whole, and it has been done */
    bool renewed; /* and not used since: that the other side is gone may not have been noticed yet */
    int64_t changes;
    int handles;
} mtnt__connection;

struct mtnt_db {
    mtnt__connection *connection;
    mtnt__side side;
    mtnt__deadline_ms deadline;
};

mtnt__call mtnt__call_of(const mtnt_db *db, bool operation);
/* For what has to be done even when time is up or a cancel was asked for. */
mtnt__call mtnt__call_farewell(const mtnt_db *db);

/* One statement outside any transaction: what must stand alone, such as CREATE DATABASE. */
int mtnt__db_command(mtnt_db *db, const char *sql, mtnt_error *err);

/* alone.c: the statements of a script one by one, on a handle that stands alone. */
int mtnt__db_run_alone(mtnt_db *db, mtnt__call *call, const mtnt__sql *sql, bool pass_over_missing, mtnt_error *err);

#endif
