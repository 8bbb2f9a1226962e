/* What interrupted migrations leave where recovery has looked already, or never will: prepared transactions that arrive late, provisional models, rows of
 * decision registers. Each is settled as the register says, and nothing else is touched. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinate/janitor.h"
#include "fleet_run.h"

int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options);
static int64_t lease_ms;
int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options)
{
    (void)options;
    return lease_ms;
}

/* ---- a worker that stops, dies, or is looked at, at a place ---- */

static bool stop_before_prepare, die_after_prepare, die_before_finish;
static fleet *look_after_prepare;
static mtnt_sweep swept;
static char last_name[300];
static bool even_at_work;

static void note(void *data, const char *name, mtnt_leftover what, const mtnt_error *err)
{
    (void)data;
    (void)err;
    snprintf(last_name, sizeof(last_name), "%d %s", (int)what, name);
}

static int sweep_with(fleet *f, mtnt_controller *controller, size_t models)
{
    const mtnt_model *given[FLEET_TENANTS];

    for (size_t i = 0; i < f->count; i++)
        given[i] = f->tenants[i].model;
    last_name[0] = '\0';
    return mtnt__janitor(controller, given, models, NULL, even_at_work, note, NULL, &swept, &f->err);
}

static void sweep(fleet *f)
{
    assert_code(f, sweep_with(f, f->controller, f->count), 0);
}

int __real_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err)
{
    fleet *f = look_after_prepare;
    mtnt_controller *controller = NULL;
    int rc;

    if (stop_before_prepare)
        kill(getpid(), SIGSTOP);
    rc = __real_mtnt__db_prepare(db, gid, err);
    if (die_after_prepare)
        kill(getpid(), SIGKILL);
    look_after_prepare = NULL;
    if (f != NULL) {
        assert_int_equal(mtnt_controller_open(&controller, f->controller_dsn, NULL, NULL), 0);
        assert_int_equal(sweep_with(f, controller, f->count), 0);
        mtnt_controller_close(controller);
    }
    return rc;
}

int __real_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err)
{
    if (die_before_finish)
        kill(getpid(), SIGKILL);
    return __real_mtnt__db_finish_prepared(db, gid, commit, err);
}

static void forget(void)
{
    stop_before_prepare = die_after_prepare = die_before_finish = even_at_work = false;
}

static void perform(fleet *f)
{
    fleet_perform(f, 0, NULL);
}

static void die(fleet *f)
{
    int status;

    lease_ms = 3600 * 1000;
    fleet_add(f, "a", WRITES_BOTH);
    status = fleet_in_child(f, perform);
    assert_true(WIFSIGNALED(status));
    forget();
}

static bool has_gid(fleet *f)
{
    return strncmp(fleet_gids(f), "mtnt:", 5) == 0;
}

static void nothing_of_it(fleet *f)
{
    assert_text(fleet_gids(f), "");
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
}

/* ---- prepared transactions ---- */

static void late_prepare(fleet *f)
{
    int status = 0;
    pid_t worker;

    fleet_add(f, "a", WRITES_BOTH);
    lease_ms = 0;
    stop_before_prepare = die_after_prepare = true;
    worker = fleet_begin_child(f, perform);
    assert_int_equal(waitpid(worker, &status, WUNTRACED), worker);
    assert_true(WIFSTOPPED(status));
    forget();
    fleet_reopen(f);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_migration(f, 0), "aborted");
    sweep(f);
    assert_int_equal(swept.rolled_back, 0);
    /* It wakes up, its PREPARE arrives, and it dies with that. */
    kill(worker, SIGCONT);
    assert_int_equal(waitpid(worker, &status, 0), worker);
    assert_true(WIFSIGNALED(status));
    assert_true(has_gid(f));
    /* No tenant is unended: recovery alone would never look. */
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(has_gid(f));
    sweep(f);
    assert_int_equal(swept.rolled_back, 1);
    nothing_of_it(f);
    assert_text(fleet_migration(f, 0), "aborted");
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

/* Its process is dead and nobody has recovered it: the janitor goes by the register too, and leaves the state to recovery. */
static void undecided(fleet *f)
{
    die_after_prepare = true;
    die(f);
    assert_true(has_gid(f));
    sweep(f);
    assert_int_equal(swept.rolled_back, 1);
    nothing_of_it(f);
    assert_text(fleet_known(f, 0), "executing|0|ok");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_migration(f, 0), "aborted");
}

static void decided(fleet *f)
{
    die_before_finish = true;
    die(f);
    assert_true(has_gid(f));
    sweep(f);
    assert_int_equal(swept.committed, 1);
    assert_text(fleet_gids(f), "");
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_notes(f, 0), "a");
    assert_text(fleet_known(f, 0), "executing|0|ok");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

/* The tenant is not named: where the controller decides, the gid's own database is all that is needed. */
static void not_named(fleet *f)
{
    bool model_decides = f->which == PAIR_POSTGRES_SQLITE;

    die_before_finish = true;
    die(f);
    assert_code(f, sweep_with(f, f->controller, 0), 0);
    assert_int_equal(swept.committed, model_decides ? 0 : 1);
    assert_int_equal(swept.not_settled, model_decides ? 1 : 0);
    assert_int_equal(has_gid(f), model_decides);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_gids(f), "");
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_notes(f, 0), "a");
}

static void at_work(fleet *f)
{
    lease_ms = 3600 * 1000;
    fleet_add(f, "a", WRITES_BOTH);
    look_after_prepare = f;
    fleet_must_perform(f, 0);
    assert_int_equal(swept.at_work, 1);
    assert_int_equal(swept.rolled_back + swept.committed, 0);
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_notes(f, 0), "a");
}

/* It may be swept under a live worker's hands: that one is aborted, and both databases agree. */
static void swept_at_work(fleet *f)
{
    lease_ms = 3600 * 1000;
    fleet_add(f, "a", WRITES_BOTH);
    look_after_prepare = f;
    even_at_work = true;
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_BLOCKED);
    forget();
    assert_int_equal(swept.rolled_back, 1);
    nothing_of_it(f);
    assert_text(fleet_migration(f, 0), "aborted");
    fleet_must_perform(f, 0);
    assert_text(fleet_tables(f, 0), "a;precious");
}

/* Our name, and no claim: perhaps of a controller that was restored from a backup. It is a person's. */
static void unknown(fleet *f)
{
    char sql[300], gid[100];

    snprintf(gid, sizeof(gid), "mtnt:%.8s:t1:0123456789abcdef0123456789abcdef", mtnt_controller_id(f->controller));
    snprintf(sql, sizeof(sql), "BEGIN; CREATE TABLE left_over (x INTEGER); PREPARE TRANSACTION '%s'", gid);
    assert_text(fleet_ask_model(f, 0, sql), "");
    sweep(f);
    assert_int_equal(swept.unknown, 1);
    assert_says(last_name, gid);
    assert_text(fleet_gids(f), gid);
    snprintf(sql, sizeof(sql), "ROLLBACK PREPARED '%s'", gid);
    assert_text(fleet_ask_model(f, 0, sql), "");
}

/* ---- provisional models ---- */

static void touch(const char *path)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fclose(file);
}

/* A zombie's CREATE may arrive after its abort. What is not known to be aborted stays. */
static void provisional_files(fleet *f)
{
    static const char unknown_id[] = "0123456789abcdef0123456789abcdef";
    const char *model = f->tenants[0].dsn + strlen("sqlite:");
    char late[500], sibling[520], foreign[500], live[500];

    die_after_prepare = true;
    lease_ms = 3600 * 1000;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.fail_at = "execute"});
    assert_true(fleet_perform(f, 0, NULL) != 0);
    assert_true(fleet_perform(f, 1, NULL) != 0);
    forget();
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_migration SET state = 'executing' WHERE tenant = 't2'"), "");
    snprintf(late, sizeof(late), "%s.mtnt-new-%s", model,
             fleet_ask_controller(f, "SELECT migration FROM mtnt_migration WHERE tenant = 't1'"));
    snprintf(live, sizeof(live), "%s.mtnt-new-%s", f->tenants[1].dsn + strlen("sqlite:"),
             fleet_ask_controller(f, "SELECT migration FROM mtnt_migration WHERE tenant = 't2'"));
    snprintf(foreign, sizeof(foreign), "%s.mtnt-new-%s", model, unknown_id);
    snprintf(sibling, sizeof(sibling), "%s-journal", late);
    touch(late);
    touch(sibling);
    touch(live);
    touch(foreign);
    sweep(f);
    assert_int_equal(swept.removed, 1);
    assert_int_equal(access(late, F_OK), -1);
    assert_int_equal(access(sibling, F_OK), -1);
    assert_int_equal(access(live, F_OK), 0);
    assert_int_equal(access(foreign, F_OK), 0);
    assert_int_equal(access(model, F_OK), 0);
}

static void provisional_databases(fleet *f)
{
    char sql[200], name[64];

    lease_ms = 3600 * 1000;
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.fail_at = "execute"});
    assert_true(fleet_perform(f, 0, NULL) != 0);
    snprintf(name, sizeof(name), "mtnt_new_%s", fleet_ask_controller(f, "SELECT migration FROM mtnt_migration"));
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", name);
    assert_text(fleet_ask_database(f, NULL, sql), "");
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_migration SET state = 'in_doubt'"), "");
    sweep(f);
    assert_int_equal(swept.removed, 0);
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_migration SET state = 'aborted'"), "");
    sweep(f);
    assert_int_equal(swept.removed, 1);
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM pg_database WHERE datname = '%s'", name);
    assert_text(fleet_ask_database(f, NULL, sql), "0");
}

/* ---- registers ---- */

#define ROWS "SELECT outcome, count(*) FROM mtnt_decision GROUP BY outcome ORDER BY outcome"

static void collected(fleet *f)
{
    bool model_decides = f->which == PAIR_POSTGRES_SQLITE;
    int64_t count = 0;

    /* Undecided: abort is written, and stays for ever. */
    die_after_prepare = true;
    die(f);
    assert_code(f, fleet_recover(f, 0), 0);
    fleet_must_perform(f, 0);
    assert_text(fleet_notes(f, 0), "a");
    fleet_add(f, "b", WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_add(f, "c", WRITES_BOTH);
    fleet_must_perform(f, 0);
    /* The one before was collected by each; the last one's is there, on both sides. */
    assert_text(fleet_ask_controller(f, ROWS), model_decides ? "commit|1" : "abort|1;commit|1");
    assert_text(fleet_ask_model(f, 0, ROWS), model_decides ? "abort|1;commit|1" : "commit|1");
    assert_code(f, mtnt__store_collect(f->controller, &count, &f->err), 0);
    assert_int_equal(count, 1);
    assert_text(fleet_ask_controller(f, ROWS), model_decides ? "" : "abort|1");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_known(f, 0), "idle|3|ok");
}

/* What has not ended keeps its row, whoever collects, and however often. */
static void not_collected(fleet *f)
{
    int64_t count = 0;

    die_before_finish = true;
    die(f);
    assert_code(f, mtnt__store_collect(f->controller, &count, &f->err), 0);
    assert_int_equal(count, 0);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(f->outcome.recovered_committed);
    assert_text(fleet_tables(f, 0), "a;precious");
    assert_text(fleet_notes(f, 0), "a");
    assert_code(f, mtnt__store_collect(f->controller, &count, &f->err), 0);
    assert_int_equal(count, 1);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

static void collected_by_a_run(fleet *f)
{
    fleet_report r;

    lease_ms = 3600 * 1000;
    fleet_add(f, "a", MTNT_WRITES_CONTROLLER);
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    assert_int_equal(r.counts.migrated, 2);
    assert_text(fleet_ask_controller(f, ROWS), "");
}

int main(void)
{
    const unsigned int two_phase = ON(PAIR_POSTGRES) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE) |
                                   ON(PAIR_SQLITE_POSTGRES),
                       postgres = ON(PAIR_POSTGRES) | ON(PAIR_OTHER_SCHEMA),
                       sqlite_models = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"late_prepare", late_prepare, postgres, 1, false},
        {"undecided", undecided, two_phase, 1, false},
        {"decided", decided, two_phase, 1, false},
        {"not_named", not_named, ON(PAIR_POSTGRES) | ON(PAIR_POSTGRES_SQLITE), 1, false},
        {"at_work", at_work, postgres | ON(PAIR_POSTGRES_SQLITE), 1, false},
        {"swept_at_work", swept_at_work, postgres, 1, false},
        {"unknown", unknown, ON(PAIR_POSTGRES) | ON(PAIR_SQLITE_POSTGRES), 1, false},
        {"provisional_files", provisional_files, sqlite_models, 2, false},
        {"provisional_databases", provisional_databases, ON(PAIR_POSTGRES) | ON(PAIR_SQLITE_POSTGRES), 1, false},
        {"collected", collected, two_phase, 1, false},
        {"not_collected", not_collected, two_phase, 1, false},
        {"collected_by_a_run", collected_by_a_run, ON_ALL, 2, false},
    };

    return run_pair_tests("janitor", tests, sizeof(tests) / sizeof(*tests));
}
