/* A fresh database on the test server, one for each test that wants one. MTNT_TEST_PG says where the server is (a URI or
 * "keyword=value …", set by tests/run.sh); without it the test fails. Every call fails the running test on an error. */
#ifndef MTNT_TESTS_PG_H
#define MTNT_TESTS_PG_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pg_database {
    char name[64];
    char dsn[512]; /* postgresql:///name?host=…: what the library takes */
} pg_database;

/* The name begins with "mtnt_test_" and is that of no other test. */
void pg_database_make(pg_database *ret_database);
/* Ends its sessions, resolves its prepared transactions, drops it. NULL or one that was never made is fine. */
void pg_database_drop(pg_database *database);

/* The DSN of a database of that name on the test server, which need not exist. */
void pg_dsn(const char *name, char *ret_dsn, int size);

/* A statement on a connection of its own. */
void pg_run(const pg_database *database, const char *sql);
/* The first value of a query as an integer; 0 for NULL or no row. */
int64_t pg_number(const pg_database *database, const char *sql);

/* pg_terminate_backend for every other session of the database. */
void pg_terminate_sessions(const pg_database *database);
/* Waits (10 s at most) until a session of the database waits for a lock. */
void pg_wait_for_blocked(const pg_database *database);

#endif
