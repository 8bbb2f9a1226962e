/* The contract of mtnt/db.h and db/database.h: the same tests over SQLite, PostgreSQL and the fake. */
#ifndef MTNT_TESTS_DB_CONTRACT_H
#define MTNT_TESTS_DB_CONTRACT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"

#include "db/database.h"
#include "fake_db.h"
#include "pg.h"

enum { ON_SQLITE = 1, ON_POSTGRES = 2, ON_FAKE = 4, ON_ALL = 7 };

typedef struct contract {
    int on; /* one of the above */
    scratch *files;
    pg_database pg;
    fake_server *fake;
    char dsn[600]; /* of a database that is there and empty; "" for the fake */
    mtnt_db *db;   /* a handle on it, not yet connected */
    mtnt_db *others[16];
    int other_count;
    mtnt_error err;
} contract;

typedef struct contract_test {
    const char *name;
    void (*function)(void **state);
    int on;
} contract_test;
#define CONTRACT(function_, on_)   \
    {                              \
#function_, function_, on_ \
    }

/* Runs each test once for each of its backends, as "sqlite.name" and so on. What main returns. */
int contract_run(const contract_test *tests, size_t count);

/* Another handle on the same database; closed when the test ends, unless it was by contract_close. */
mtnt_db *contract_open(contract *c, const mtnt__db_options *options);
/* Handles that came from elsewhere. */
mtnt_db *contract_adopt(contract *c, mtnt_db *db);
void contract_close(contract *c, mtnt_db *db);

/* Fails the test, with the error's text, unless rc is what was expected. */
#define expect_ok(c, rc) contract_expect((c), (rc), 0, __FILE__, __LINE__)
#define expect_code(c, rc, code) contract_expect((c), (rc), (code), __FILE__, __LINE__)
void contract_expect(contract *c, int rc, int expected, const char *file, int line);
#define expect_message(c, part)                                         \
    do {                                                                \
        if (!strstr((c)->err.message, (part)))                          \
            fail_msg("\"%s\" is not in: %s", (part), (c)->err.message); \
    } while (0)

/* What a query says, as a number; fails the test on an error. */
int64_t contract_number(contract *c, mtnt_db *db, const char *sql);

static inline int64_t contract_now(void)
{
    return mtnt__system_default()->boot_ms(NULL);
}

#endif
