/* A database server of a test's own: everything that a real one does, and whatever has to go wrong.
 *
 *     fake_server *server = fake_server_new();
 *     mtnt_db *db = fake_db_open(server, NULL);         // as many handles as wanted; each is a session
 *     fake_fail(server, FAKE_QUERY, 3, MTNT_E_DATABASE, false);   // the third query from now on fails, undone
 *     fake_lose(server, FAKE_COMMIT, 1, true);          // the next COMMIT happens, and its answer is lost
 *     …
 *     assert_int_equal(fake_count(server, FAKE_COMMIT), 2);
 *     mtnt__db_close(db);
 *     fake_server_free(server);
 *
 * Behind it is SQLite on a file in memory (/dev/shm): its SQL, its locks between sessions, its error texts. Every call that
 * reaches the backend is recorded. Two-phase commit, which SQLite has not, is emulated: PREPARE keeps what the transaction has
 * run and takes it back; COMMIT PREPARED runs it again. So a prepared transaction holds no locks here, and a test must not
 * change between the two what its statements depend on. A server belongs to one thread; setting failures up and counting may
 * be done from any one thread at a time.
 */
#ifndef MTNT_TESTS_FAKE_DB_H
#define MTNT_TESTS_FAKE_DB_H

#include "db/database.h"

typedef struct fake_server fake_server;

typedef enum fake_kind {
    FAKE_ANY,
    FAKE_CONNECT,
    FAKE_QUERY,
    FAKE_SCRIPT,
    FAKE_BEGIN,
    FAKE_COMMIT,
    FAKE_ROLLBACK,
    FAKE_PREPARE,
    FAKE_FINISH, /* COMMIT PREPARED and ROLLBACK PREPARED */
    FAKE_BOUNDARY,
    FAKE_FACTS,
    FAKE_DISCONNECT
} fake_kind;

typedef struct fake_call {
    fake_kind kind;
    int session;      /* 1 for the first handle that was opened, and so on; stays over reconnects */
    const char *text; /* SQL, gid, or "" */
    int code;         /* what it returned */
} fake_call;

fake_server *fake_server_new(void);
/* After all its handles are closed. NULL is fine. */
void fake_server_free(fake_server *server);

/* Fails the test when it cannot. options may be NULL; `system`, timeouts and read_only count. */
mtnt_db *fake_db_open(fake_server *server, const mtnt__db_options *options);
/* Two handles on one session and one transaction; both see the same schema. */
void fake_db_open_pair(fake_server *server, mtnt_db **ret_controller, mtnt_db **ret_model,
                       const mtnt__db_options *options);

/* What mtnt_db_backend says of handles that are opened from now on. MTNT_SQLITE unless set; the SQL stays SQLite's. */
void fake_set_backend(fake_server *server, mtnt_backend backend);
/* 0: PREPARE is refused, naming the setting. 64 unless set. */
void fake_set_max_prepared(fake_server *server, int max);

/* The n-th call of that kind from now on (1 = the next) is not done and fails with `code`. A rollback that fails, or a
 * disconnect, is done all the same. Any number of failures may be set up; each happens once. */
void fake_fail(fake_server *server, fake_kind kind, int n, int code, bool retryable);
/* The n-th call of that kind from now on loses the connection, after it was done or instead. COMMIT, PREPARE and FINISH answer
 * with IN_DOUBT, the others with CONNECT (retryable). */
void fake_lose(fake_server *server, fake_kind kind, int n, bool done);
/* Every call of that kind, until fake_forget, as fake_fail. */
void fake_fail_always(fake_server *server, fake_kind kind, int code, bool retryable);
/* No failures any more, and no calls on record. */
void fake_forget(fake_server *server);

/* The record, oldest first. Valid until the next call to the server. */
size_t fake_calls(const fake_server *server, const fake_call **ret_calls);
int fake_count(const fake_server *server, fake_kind kind);
/* How many transactions are prepared, and whether one of that name is. */
int fake_prepared_count(const fake_server *server);
bool fake_is_prepared(const fake_server *server, const char *gid);

#endif
