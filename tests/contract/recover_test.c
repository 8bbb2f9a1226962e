/* Settling what an attempt has left unended: who may, what comes of it, and a worker that wakes up after it was given up. */
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet_run.h"

static int die(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    if (f->data != NULL)
        kill(getpid(), SIGKILL);
    return 0;
}

static void perform_and_die(fleet *f)
{
    f->data = f;
    fleet_perform(f, 0, NULL);
}

/* A process has died in the middle of a migration; nobody has looked since. */
static void leave_unended(fleet *f)
{
    int status;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = die});
    status = fleet_in_child(f, perform_and_die);
    assert_true(WIFSIGNALED(status));
    assert_text(fleet_known(f, 0), "executing|0|ok");
}

static void settled_once(fleet *f)
{
    leave_unended(f);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(f->outcome.recovered);
    assert_false(f->outcome.recovered_committed);
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_says(fleet_ask_controller(f, "SELECT error FROM mtnt_tenant"), "interrupted");
    /* There is nothing left to settle. */
    assert_code(f, fleet_recover(f, 0), 0);
    assert_false(f->outcome.recovered);
    fleet_must_perform(f, 0);
    assert_false(f->outcome.recovered);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static void nothing_to_settle(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    /* A stranger, then one that is idle. */
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_known(f, 0), "-");
    fleet_must_perform(f, 0);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

static void settled_by_a_run(fleet *f)
{
    fleet_report r;

    leave_unended(f);
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    assert_int_equal(r.counts.recovered_aborted, 1);
    assert_int_equal(r.counts.recovered_committed, 0);
    assert_int_equal(r.counts.migrated, 1);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* Two recoverers at once: one of them does it, the other finds it done or is told to wait. */
struct recoverer {
    fleet *f;
    mtnt_controller *controller;
    int rc;
    mtnt_error err;
};

static void *recover_it(void *data)
{
    struct recoverer *r = data;
    mtnt_coordinator *coordinator = NULL;

    r->rc = mtnt_coordinator_new(&coordinator, r->controller, r->f->tenants[0].model, r->f->chain, NULL, &r->err);
    if (r->rc == 0)
        r->rc = mtnt_coordinator_recover(coordinator, &r->err);
    mtnt_coordinator_free(coordinator);
    return NULL;
}

static void several_at_once(fleet *f)
{
    struct recoverer recoverers[4];
    pthread_t threads[4];

    leave_unended(f);
    for (int i = 0; i < 4; i++) {
        recoverers[i] = (struct recoverer){.f = f};
        assert_code(f, mtnt_controller_open(&recoverers[i].controller, f->controller_dsn, NULL, &f->err), 0);
    }
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(threads + i, NULL, recover_it, recoverers + i), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        mtnt_controller_close(recoverers[i].controller);
        if (recoverers[i].rc != 0 && recoverers[i].rc != MTNT_E_BUSY)
            fail_msg("%s: %s", mtnt_code_name(recoverers[i].rc), recoverers[i].err.message);
    }
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_gids(f), "");
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* Two processes recover two tenants and run three others, all of them both. */
static const int victims[] = {1, 3};

static void perform_victims(fleet *f)
{
    f->data = f;
    fleet_perform(f, (size_t)victims[f->counter], NULL);
}

static void run_all(fleet *f)
{
    fleet_report r;

    _exit(fleet_run(f, 3, NULL, &r) == 0 ? 0 : 1);
}

static void beside_running_tenants(fleet *f)
{
    fleet_report r;
    int status = 0;
    pid_t other;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = die});
    for (f->counter = 0; f->counter < 2; f->counter++)
        assert_true(WIFSIGNALED(fleet_in_child(f, perform_victims)));
    f->data = NULL;
    other = fleet_begin_child(f, run_all);
    fleet_reopen(f);
    assert_code(f, fleet_run(f, 3, NULL, &r), 0);
    assert_int_equal(waitpid(other, &status, 0), other);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    /* Whom the other one had when we came is no failure of the tenant. */
    assert_code(f, fleet_run(f, 3, NULL, &r), 0);
    assert_int_equal(r.counts.failed, 0);
    for (size_t i = 0; i < f->count; i++) {
        assert_text(fleet_known(f, i), "idle|2|ok");
        assert_text(fleet_tables(f, i), "a;b;precious");
        assert_text(fleet_notes(f, i), "a;b");
    }
    assert_text(fleet_gids(f), "");
    assert_text(fleet_ask_controller(
                    f, "SELECT count(*) FROM mtnt_migration WHERE state = 'aborted' AND error LIKE '%recovery%'"),
                "2");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_migration WHERE state = 'committed'"), "5");
}

/* What takes long to recover holds nobody up: it is the first of its run, and the last to be told. */
static struct {
    char order[FLEET_TENANTS * 4 + 1];
} ends;

static void note_end(void *data, const mtnt_event *event)
{
    (void)data;
    if (event->type == MTNT_EVENT_TENANT_FINISHED) {
        strcat(ends.order, mtnt_model_id(event->tenant));
        strcat(ends.order, " ");
    }
}

static void slow_recovery(fleet *f)
{
    mtnt_controller_options impatient = MTNT_CONTROLLER_OPTIONS_INIT;
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor = NULL;
    mtnt_counts counts;
    sqlite3 *lock = NULL;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = die});
    assert_true(WIFSIGNALED(fleet_in_child(f, perform_and_die)));
    f->data = NULL;
    /* Its model's register cannot be had until the lock timeout is over. */
    assert_int_equal(sqlite3_open(f->tenants[0].dsn + strlen("sqlite:"), &lock), SQLITE_OK);
    assert_int_equal(sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    mtnt_controller_close(f->controller);
    f->controller = NULL;
    impatient.lock_timeout_ms = 3000;
    assert_code(f, mtnt_controller_open(&f->controller, f->controller_dsn, &impatient, &f->err), 0);
    options.workers = 2;
    options.reporter.event = note_end;
    ends.order[0] = '\0';
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    assert_code(f, mtnt_executor_migrate(executor, &source, &counts, &f->err), 0);
    mtnt_executor_free(executor);
    mtnt_tenant_source_close(&source);
    assert_int_equal(counts.migrated, 3);
    assert_int_equal(counts.failed, 1);
    assert_int_equal(strlen(ends.order), 12);
    assert_string_equal(ends.order + 9, "t1 ");
    assert_int_equal(sqlite3_close(lock), SQLITE_OK);
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* ---- a worker that is alive ---- */

/* From within a body, as another controller's handle sees it. */
static int recover_from_outside(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    struct recoverer *r = f->data;

    (void)operation;
    (void)context;
    if (r == NULL)
        return 0;
    f->data = NULL;
    if (f->counter == 1) {
        /* Its lease is over: it has been out for too long. */
        const char *answer = fleet_ask_controller(f, "UPDATE mtnt_tenant SET lease_until_ms = 0");

        if (answer[0] != '\0')
            return mtnt_error_set(err, MTNT_E_INVALID, "%s", answer);
    }
    recover_it(r);
    return 0;
}

static void perform_with_recoverer(fleet *f, struct recoverer *r, uint32_t writes, bool lease_over)
{
    *r = (struct recoverer){.f = f};
    assert_code(f, mtnt_controller_open(&r->controller, f->controller_dsn, NULL, &f->err), 0);
    f->data = r;
    f->counter = lease_over;
    fleet_add(f, "a", writes);
    fleet_add_body(f, "b", writes, (body){.during = recover_from_outside});
}

/* Its lease holds: nobody touches it. */
static void live_worker(fleet *f)
{
    struct recoverer r;

    perform_with_recoverer(f, &r, MTNT_WRITES_MODEL, false);
    fleet_must_perform(f, 0);
    assert_int_equal(r.rc, MTNT_E_BUSY);
    assert_true(r.err.retryable);
    assert_says(r.err.message, "tenant t1: another process is migrating it");
    mtnt_controller_close(r.controller);
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* Its lease is over and the register says abort before it has come to its own row: everything of it dies with that. */
static void zombie(fleet *f, uint32_t writes)
{
    struct recoverer r;

    perform_with_recoverer(f, &r, writes, true);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "given up by a recovery");
    if (r.rc != 0)
        fail_msg("%s", r.err.message);
    mtnt_controller_close(r.controller);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_gids(f), "");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_says(fleet_known(f, 0), "idle|0|");
    /* And the next one is as good as any. */
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static void zombie_both_written(fleet *f)
{
    zombie(f, WRITES_BOTH);
}

static void zombie_controller_written(fleet *f)
{
    zombie(f, MTNT_WRITES_CONTROLLER);
}

/* Where the decider lets one in at a time, the worker's lock is proof that it lives: recovery has to wait. */
static void zombie_holds_the_lock(fleet *f)
{
    mtnt_controller_options impatient = MTNT_CONTROLLER_OPTIONS_INIT;
    struct recoverer r;

    perform_with_recoverer(f, &r, MTNT_WRITES_MODEL, true);
    mtnt_controller_close(r.controller);
    impatient.lock_timeout_ms = 100;
    assert_code(f, mtnt_controller_open(&r.controller, f->controller_dsn, &impatient, &f->err), 0);
    fleet_must_perform(f, 0);
    assert_int_equal(r.rc, MTNT_E_BUSY);
    mtnt_controller_close(r.controller);
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_migration(f, 0), "committed");
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* ---- places and things that are not as they were ---- */

static void moved_meanwhile(fleet *f)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_coordinator *coordinator = NULL;
    mtnt_model *moved = NULL;
    char dsn[300];

    leave_unended(f);
    snprintf(dsn, sizeof(dsn), "sqlite:%s/elsewhere.db", f->folder);
    assert_int_equal(rename(f->tenants[0].dsn + strlen("sqlite:"), dsn + strlen("sqlite:")), 0);
    options.id = "t1";
    options.dsn = dsn;
    assert_code(f, mtnt_model_new(&moved, &options, &f->err), 0);
    assert_code(f, mtnt_coordinator_new(&coordinator, f->controller, moved, f->chain, NULL, &f->err), 0);
    assert_code(f, mtnt_coordinator_perform(coordinator, &f->err), MTNT_E_BLOCKED);
    assert_says(f->err.message, "somewhere else");
    mtnt_coordinator_free(coordinator);
    mtnt_model_free(moved);
    assert_text(fleet_known(f, 0), "executing|0|ok");
    /* Back where it was. */
    assert_int_equal(rename(dsn + strlen("sqlite:"), f->tenants[0].dsn + strlen("sqlite:")), 0);
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* A claim without its migration's row, and one of a mode that is not known yet. */
static void damaged_claim(fleet *f)
{
    leave_unended(f);
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_migration SET mode = 'teleport'"), "");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_NEWER);
    assert_says(f->err.message, "teleport");
    assert_text(fleet_ask_controller(f, "DELETE FROM mtnt_migration; UPDATE mtnt_tenant SET lease_until_ms = 0"), "");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_CORRUPT);
    assert_text(fleet_tables(f, 0), "precious");
}

/* ---- blocked: a foreign thing at the name of a model that is made and committed ---- */

static fleet *taken; /* of whom the target is taken just before the rename */

__attribute__((visibility("default"))) int renameat2(int from_folder, const char *from, int to_folder, const char *to,
                                                     unsigned int flags)
{
    fleet *f = taken;

    taken = NULL;
    if (f != NULL)
        fleet_make_model(f, 0);
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

static void blocked(fleet *f)
{
    fleet_report r;

    fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "CREATE TABLE ours (a INTEGER)"});
    fleet_add(f, "a", WRITES_BOTH);
    taken = f;
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_says(f->err.message, "something else has appeared");
    assert_says(f->err.message, "mtnt-new-");
    /* Both are kept, and what the controller holds is committed with ours. */
    assert_text(fleet_tables(f, 0), "precious");
    assert_int_equal(fleet_provisional(f), 1);
    assert_text(fleet_notes(f, 0), "a");
    assert_text(fleet_known(f, 0), "blocked|0|error");
    assert_text(fleet_migration(f, 0), "blocked");
    /* Nothing goes on until a person has moved one away. */
    fleet_log_clear(f);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    assert_code(f, fleet_recover(f, 0), MTNT_E_BLOCKED);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.results[0], MTNT_RESULT_IN_DOUBT);
    assert_int_equal(r.counts.in_doubt, 1);
    assert_text(fleet_log(f, NULL), "");
    assert_text(fleet_known(f, 0), "blocked|0|error");
    assert_int_equal(fleet_provisional(f), 1);
    /* Then it is finished without running anything. */
    fleet_remove_model(f, 0);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(f->outcome.recovered_committed);
    assert_text(fleet_log(f, NULL), "");
    assert_text(fleet_tables(f, 0), "a;ours");
    assert_text(fleet_applied(f, 0), "create;a");
    assert_int_equal(fleet_provisional(f), 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_migration(f, 0), "committed");
    fleet_must_perform(f, 0);
    assert_int_equal(f->outcome.executed, 0);
}

/* The controller's records of what a crash has interrupted come back, whatever it knew before. */
static void recovered_with_position(fleet *f)
{
    mtnt_migration_options first = MTNT_MIGRATION_OPTIONS_INIT;
    int status;

    fleet_add(f, "a", WRITES_BOTH);
    first.to = "a";
    assert_code(f, fleet_perform(f, 0, &first), 0);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = die});
    status = fleet_in_child(f, perform_and_die);
    assert_true(WIFSIGNALED(status));
    f->data = NULL;
    assert_text(fleet_known(f, 0), "executing|1|ok");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_known(f, 0), "idle|1|error");
    assert_text(fleet_applied(f, 0), "a");
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

int main(void)
{
    const unsigned int controller_decides = ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA),
                       sqlite_models = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"settled_once", settled_once, ON_ALL, 1, false},
        {"nothing_to_settle", nothing_to_settle, ON_ALL, 1, false},
        {"settled_by_a_run", settled_by_a_run, ON_ALL, 1, false},
        {"several_at_once", several_at_once, ON_ALL, 1, false},
        {"beside_running_tenants", beside_running_tenants, ON_ALL, 5, false},
        {"slow_recovery", slow_recovery, sqlite_models, 4, false},
        {"live_worker", live_worker, ON_ALL, 1, false},
        {"zombie_both_written", zombie_both_written, controller_decides, 1, false},
        {"zombie_controller_written", zombie_controller_written, controller_decides | ON(PAIR_POSTGRES_SQLITE), 1,
         false},
        {"zombie_holds_the_lock", zombie_holds_the_lock, sqlite_models, 1, false},
        {"moved_meanwhile", moved_meanwhile, sqlite_models, 1, false},
        {"damaged_claim", damaged_claim, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"blocked", blocked, sqlite_models, 1, true},
        {"recovered_with_position", recovered_with_position, ON_ALL, 1, false},
    };

    return run_pair_tests("recover", tests, sizeof(tests) / sizeof(*tests));
}
