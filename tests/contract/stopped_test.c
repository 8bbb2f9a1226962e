/* A worker that is stopped (SIGSTOP) wherever it holds something, its lease over: recovery ends it, whatever stands in its way, and all or nothing
 * of it is left. The lease is over at once here (--wrap). */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinate/task.h"
#include "fleet_run.h"

int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options);
int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options)
{
    (void)options;
    return 0;
}

/* ---- where it stops ---- */

enum place { NOWHERE, IN_OPERATION, BEFORE_PREPARE, AFTER_PREPARE, BEFORE_COMMIT, BEFORE_REGISTER };
static enum place stop_at;
static bool in_recovery; /* the calls below are not the worker's */

static void stop_here(enum place here)
{
    if (in_recovery || stop_at != here)
        return;
    stop_at = NOWHERE;
    kill(getpid(), SIGSTOP);
}

int __real_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err)
{
    int rc;

    stop_here(BEFORE_PREPARE);
    rc = __real_mtnt__db_prepare(db, gid, err);
    stop_here(AFTER_PREPARE);
    return rc;
}

int __real_mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err);
int __wrap_mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err);
int __wrap_mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err)
{
    int rc;

    stop_here(BEFORE_REGISTER);
    rc = __real_mtnt__register_commit(db, migration, err);
    stop_here(BEFORE_COMMIT);
    return rc;
}

int __real_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);
int __wrap_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);
int __wrap_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err)
{
    int rc;

    stop_here(BEFORE_REGISTER);
    rc = __real_mtnt__register_commit_after(db, migration, ended, err);
    stop_here(BEFORE_COMMIT);
    return rc;
}

static int stop(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    stop_here(IN_OPERATION);
    return 0;
}

/* ---- the other process ---- */

static void perform(fleet *f)
{
    _exit(fleet_perform(f, 0, NULL) == 0 ? 0 : 1);
}

/* Begins a migration in a process of its own and returns once that one is stopped. */
static pid_t begin_and_stop(fleet *f, uint32_t writes, enum place where)
{
    mtnt_controller_options impatient = MTNT_CONTROLLER_OPTIONS_INIT;
    int status = 0;
    pid_t worker;

    fleet_add(f, "a", writes);
    fleet_add_body(f, "b", writes, (body){.during = stop});
    in_recovery = false;
    stop_at = where;
    worker = fleet_begin_child(f, perform);
    stop_at = NOWHERE;
    in_recovery = true;
    assert_int_equal(waitpid(worker, &status, WUNTRACED), worker);
    assert_true(WIFSTOPPED(status));
    impatient.lock_timeout_ms = 200;
    assert_code(f, mtnt_controller_open(&f->controller, f->controller_dsn, &impatient, &f->err), 0);
    return worker;
}

/* Wakes it, if recovery has not ended it, and waits for its end: it must not say that it has done it. */
static void wake_up(pid_t worker)
{
    int status = 0;

    kill(worker, SIGCONT);
    assert_int_equal(waitpid(worker, &status, 0), worker);
    if (WIFSIGNALED(status))
        assert_int_equal(WTERMSIG(status), SIGKILL);
    else
        assert_int_equal(WEXITSTATUS(status), 1);
}

static void nothing_of_it(fleet *f)
{
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_gids(f), "");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_known(f, 0), "idle|0|error");
}

static void stopped(fleet *f, uint32_t writes, enum place where)
{
    pid_t worker = begin_and_stop(f, writes, where);

    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(f->outcome.recovered);
    assert_false(f->outcome.recovered_committed);
    nothing_of_it(f);
    /* The next attempt does not have to wait for it to wake up. */
    fleet_must_perform(f, 0);
    wake_up(worker);
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_applied(f, 0), (writes & MTNT_WRITES_MODEL) != 0 ? "a;b" : "-");
    assert_text(fleet_notes(f, 0), (writes & MTNT_WRITES_CONTROLLER) != 0 ? "a;b" : "");
    assert_text(fleet_gids(f), "");
}

static void in_operation_model(fleet *f)
{
    stopped(f, MTNT_WRITES_MODEL, IN_OPERATION);
}

static void in_operation_controller(fleet *f)
{
    stopped(f, MTNT_WRITES_CONTROLLER, IN_OPERATION);
}

static void in_operation_both(fleet *f)
{
    stopped(f, WRITES_BOTH, IN_OPERATION);
}

static void before_prepare(fleet *f)
{
    stopped(f, WRITES_BOTH, BEFORE_PREPARE);
}

static void after_prepare(fleet *f)
{
    stopped(f, WRITES_BOTH, AFTER_PREPARE);
}

static void before_register_model(fleet *f)
{
    stopped(f, MTNT_WRITES_MODEL, BEFORE_REGISTER);
}

static void before_register_controller(fleet *f)
{
    stopped(f, MTNT_WRITES_CONTROLLER, BEFORE_REGISTER);
}

static void before_commit_model(fleet *f)
{
    stopped(f, MTNT_WRITES_MODEL, BEFORE_COMMIT);
}

static void before_commit_controller(fleet *f)
{
    stopped(f, MTNT_WRITES_CONTROLLER, BEFORE_COMMIT);
}

static void before_commit_both(fleet *f)
{
    stopped(f, WRITES_BOTH, BEFORE_COMMIT);
}

/* The write lock of a SQLite model, for as long as this process lives. */
static bool hold_model(fleet *f, size_t tenant)
{
    sqlite3 *raw = NULL;

    return sqlite3_open(f->tenants[tenant].dsn + strlen("sqlite:"), &raw) == SQLITE_OK &&
           sqlite3_exec(raw, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
}

/* Somebody else holds the lock, the worker being dead: nobody is hurt. */
static void somebody_else(fleet *f)
{
    pid_t worker = begin_and_stop(f, MTNT_WRITES_MODEL, IN_OPERATION), other;
    int status = 0, ready[2];
    char byte;

    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_int_equal(waitpid(worker, &status, 0), worker);
    assert_int_equal(pipe(ready), 0);
    other = fork();
    if (other == 0) {
        bool fine = hold_model(f, 0);

        _exit(write(ready[1], "x", 1) == 1 && fine ? pause() : 9);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_code(f, fleet_recover(f, 0), MTNT_E_BUSY);
    assert_true(f->err.retryable);
    assert_says(f->err.message, "somebody else than its worker");
    assert_int_equal(waitpid(other, &status, WNOHANG), 0);
    kill(other, SIGKILL);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_code(f, fleet_recover(f, 0), 0);
    nothing_of_it(f);
    close(ready[0]);
    close(ready[1]);
}

int main(void)
{
    const unsigned int two_phase = ON(PAIR_POSTGRES) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE) |
                                   ON(PAIR_SQLITE_POSTGRES),
                       sqlite_models = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"in_operation_model", in_operation_model, ON_ALL, 1, false},
        {"in_operation_controller", in_operation_controller, ON_ALL, 1, false},
        {"in_operation_both", in_operation_both, ON_ALL, 1, false},
        {"before_prepare", before_prepare, two_phase, 1, false},
        {"after_prepare", after_prepare, two_phase, 1, false},
        {"before_register_model", before_register_model, ON_ALL, 1, false},
        {"before_register_controller", before_register_controller, ON_ALL, 1, false},
        {"before_commit_model", before_commit_model, ON_ALL, 1, false},
        {"before_commit_controller", before_commit_controller, ON_ALL, 1, false},
        {"before_commit_both", before_commit_both, ON_ALL, 1, false},
        {"somebody_else", somebody_else, sqlite_models, 1, false},
    };

    return run_pair_tests("stopped", tests, sizeof(tests) / sizeof(*tests));
}
