/* A small fleet in throw-away databases, for tests of whole migrations: a controller with a table `notes` of the user's, and tenants t1, t2 …
 * whose models hold the table `precious`. The same test runs over every pair of backends. Operations are written here; they note each call,
 * make a table of their own name in the model and a row of `notes` in the controller (whatever they declare to write), and fail when told to.
 * What the databases hold is read by sqlite3 and libpq directly, never through the library. */
#ifndef MTNT_TESTS_FLEET_FIXTURE_H
#define MTNT_TESTS_FLEET_FIXTURE_H

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <sys/types.h>

#include "mtnt.h"

typedef enum pair {
    PAIR_SQLITE = 0,      /* SQLite, SQLite */
    PAIR_POSTGRES,        /* PostgreSQL, a database for each tenant */
    PAIR_SCHEMA,          /* PostgreSQL, a schema for each tenant in the controller's own database */
    PAIR_OTHER_SCHEMA,    /* PostgreSQL, a schema for each tenant in another database */
    PAIR_POSTGRES_SQLITE, /* controller PostgreSQL, models SQLite */
    PAIR_SQLITE_POSTGRES, /* controller SQLite, models PostgreSQL */
    PAIR_COUNT
} pair;
const char *pair_name(pair which);
/* Bits of pairs, for tests that make sense on some only. */
#define ON(which) (1u << (which))
#define ON_ALL ((1u << PAIR_COUNT) - 1)

#define FLEET_TENANTS 8

typedef struct fleet fleet;

/* How one operation behaves. Zero: it does what it declares, and succeeds. */
typedef struct body {
    const char *model_up, *model_down, *controller_up, *controller_down; /* SQL instead of the usual; "" = none */
    const char *fail_at;  /* names of phases that fail: "setup", "execute", "verify", "rollback" */
    const char *fail_for; /* in this tenant only; NULL = in all */
    const char *checksum; /* of the entry */
    const char *lane;     /* of the chain; NULL = the first */
    uint32_t flags;
    int64_t order;          /* 0 = the next */
    bool disabled, no_down; /* no_down: no rollback callback at all */
    int (*during)(fleet *f, mtnt_operation *operation, mtnt_context *context,
                  mtnt_error *err); /* in execute, after the SQL */
    int (*during_rollback)(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err);
} body;

struct fleet {
    pair which;
    mtnt_backend controller_backend, model_backend;
    char folder[128], controller_dsn[512];
    size_t count;
    struct fleet_tenant {
        char id[8], dsn[512], schema[16], database[64];
        mtnt_model *model;
    } tenants[FLEET_TENANTS];
    mtnt_controller *controller;
    mtnt_chain *chain;
    mtnt_coordinator *coordinator; /* of the last fleet_perform … */
    mtnt_outcome outcome;
    mtnt_error err;
    int64_t counter; /* for the test */
    void *data;      /* for the test */
    bool quiet;      /* nothing is logged, and nothing of the fixture's is allocated while operations run */

    struct fleet_body *bodies; /* internal from here on */
    char *answers[8];
    size_t answer;
    pthread_mutex_t mutex; /* over the log */
    char *log;
    size_t log_length;
};

/* For fleets made from now on; zero = as ever. The fixture itself always asks the server directly. */
extern struct fleet_settings {
    const char *through;     /* the folder of a socket that the library connects to in place of the server's: a proxy */
    int64_t lock_timeout_ms; /* of the controllers that are opened */
    const char *models_in, *controller_in; /* folders of SQLite files that the test makes, fills and removes */
} fleet_settings;

#define WRITES_BOTH (MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER)

/* A fleet of `count` tenants, its controller opened, its chain "shop" empty. with_models false: the models are yet to be made. */
fleet *fleet_new(pair which, size_t count, bool with_models);
/* Everything goes, whatever the test has left. */
void fleet_free(fleet *f);

/* An operation at the end of the chain. */
void fleet_add(fleet *f, const char *name, uint32_t writes);
void fleet_add_body(fleet *f, const char *name, uint32_t writes, body how);
/* An empty chain of the same name. */
void fleet_new_chain(fleet *f);
/* The controller is closed and opened again: another process, as far as a database can tell. */
void fleet_reopen(fleet *f);
/* Runs in a process of its own, with the controller opened there, and reopens it here once the server has noticed that the process is gone.
 * Returns the status of waitpid. */
int fleet_in_child(fleet *f, void (*run)(fleet *f));
/* The same in two steps, for what happens beside it: the controller is closed here until _reopen, or _end, which waits for the process. */
pid_t fleet_begin_child(fleet *f, void (*run)(fleet *f));
int fleet_end_child(fleet *f, pid_t child);
/* A process in which nothing of the library is open yet: `run` opens the controller, or fails to. fleet_close before, fleet_reopen after. */
int fleet_in_process(fleet *f, void (*run)(fleet *f));
void fleet_close(fleet *f);
/* A model at its usual place, with `precious` in it. */
void fleet_make_model(fleet *f, size_t tenant);
void fleet_remove_model(fleet *f, size_t tenant);
bool fleet_model_exists(fleet *f, size_t tenant);

/* One tenant: 0 or the error's code, with f->err and f->outcome set. options NULL = defaults. */
int fleet_perform(fleet *f, size_t tenant, const mtnt_migration_options *options);
int fleet_rewind(fleet *f, size_t tenant, const mtnt_migration_options *options);
int fleet_baseline(fleet *f, size_t tenant, const mtnt_migration_options *options);
int fleet_recover(fleet *f, size_t tenant);
/* The same, and the test fails unless it is 0. */
void fleet_must_perform(fleet *f, size_t tenant);
void fleet_must_rewind(fleet *f, size_t tenant);

/* All tenants of the fleet, in order, as a source. */
mtnt_tenant_source fleet_source(fleet *f);

/* What has been called for a tenant ("t1"; NULL = all, with the tenant before each): "setup a, execute a". Clears nothing. */
const char *fleet_log(fleet *f, const char *tenant);
void fleet_log_clear(fleet *f);
void fleet_note(fleet *f, const char *tenant, const char *format, ...) MTNT_PRINTF(3, 4);

/* Rows, "a|b;c|d"; NULL is "-"; "!" and the message when the statement fails. Valid for a few calls. Any statement may be run. */
const char *fleet_ask_controller(fleet *f, const char *sql);
const char *fleet_ask_model(fleet *f, size_t tenant, const char *sql);
/* Shorthands: what the model records as applied, "a;b"; its own tables but ours; the tenant's rows of notes; "state|version" and whether an
 * error is noted ("idle|2|ok", "idle|0|error"), "-" for a stranger; state of its last migration. */
const char *fleet_applied(fleet *f, size_t tenant);
const char *fleet_tables(fleet *f, size_t tenant);
const char *fleet_notes(fleet *f, size_t tenant);
const char *fleet_known(fleet *f, size_t tenant);
const char *fleet_migration(fleet *f, size_t tenant);

/* Everything that is in it: definitions and rows. controller: without our own tables' rows. To be freed. */
char *fleet_dump_model(fleet *f, size_t tenant);
char *fleet_dump_controller(fleet *f);
/* Gids of this fleet's controller that are prepared somewhere, "a;b". */
const char *fleet_gids(fleet *f);
/* What is there under provisional names: files in the folder, databases of this controller's migrations. */
int fleet_provisional(fleet *f);

/* Sealed templates of this fleet, names "a;b": files of its folder, databases. */
const char *fleet_templates(fleet *f);

/* How many of the models that were put away are still there. */
int fleet_tombstones(fleet *f);

/* A statement through libpq; `database` NULL = postgres. For tests that need more than one connection. */
const char *fleet_ask_database(fleet *f, const char *database, const char *sql);

/* ---- tests over pairs ---- */

typedef struct pair_test {
    const char *name;
    void (*run)(fleet *f);
    unsigned int pairs; /* ON(…) */
    size_t tenants;     /* 0 = 1 */
    bool without_models;
} pair_test;

/* Runs each test over each of its pairs, as "name[pair]"; MTNT_TEST_FILTER (with * and ?) selects. Returns what main should. */
int run_pair_tests(const char *group, const pair_test *tests, size_t count);

/* Those that make their fleets themselves, one after another. */
typedef struct bare_test {
    const char *name;
    void (*run)(pair which);
    unsigned int pairs;
} bare_test;
int run_bare_tests(const char *group, const bare_test *tests, size_t count);

/* "found" must contain each of the words. */
void assert_says(const char *found, const char *words);
#define assert_code(f, call, code)                                                                            \
    do {                                                                                                      \
        int assert_code_rc_ = (call);                                                                         \
        if (assert_code_rc_ != (code))                                                                        \
            fail_msg("%s: %s, expected %s: %s", #call, mtnt_code_name(assert_code_rc_), mtnt_code_name(code), \
                     (f)->err.message);                                                                       \
    } while (0)
#define assert_text(found, expected)                                                         \
    do {                                                                                     \
        const char *assert_text_found_ = (found);                                            \
        if (strcmp(assert_text_found_, (expected)) != 0)                                     \
            fail_msg("%s: \"%s\", expected \"%s\"", #found, assert_text_found_, (expected)); \
    } while (0)

#endif
