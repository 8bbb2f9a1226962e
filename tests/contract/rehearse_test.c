/* Rehearsals, over every pair of backends: everything is done, and nothing is left of it, whatever happens meanwhile. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "fleet_run.h"
#include "whole.h"

#include "db/database.h"

static mtnt_migration_options rehearsal(void)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.rehearse = true;
    return options;
}

static int rehearse(fleet *f)
{
    const mtnt_migration_options options = rehearsal();

    return fleet_perform(f, 0, &options);
}

struct dumps {
    char *model, *controller;
};

static struct dumps dump(fleet *f)
{
    return (struct dumps){fleet_dump_model(f, 0), fleet_dump_controller(f)};
}

static void same_as(fleet *f, struct dumps before)
{
    struct dumps now = dump(f);

    assert_string_equal(now.model, before.model);
    assert_string_equal(now.controller, before.controller);
    free(now.model);
    free(now.controller);
    free(before.model);
    free(before.controller);
}

/* ---- what goes through ---- */

static void leaves_nothing(fleet *f, uint32_t writes)
{
    struct dumps before = dump(f);

    fleet_add(f, "a", writes);
    fleet_add(f, "b", writes);
    assert_code(f, rehearse(f), 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_true(f->outcome.rehearsed);
    assert_int_equal(f->outcome.executed, 2);
    assert_int_equal(f->outcome.from_version, 0);
    assert_int_equal(f->outcome.to_version, 2);
    assert_int_equal(f->outcome.skipped, 0);
    same_as(f, before);
    assert_text(fleet_known(f, 0), "idle|0|ok");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_text(fleet_gids(f), "");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_operation"), "0");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_decision"), "0");
    /* Half of the way, and what is there already. */
    fleet_must_perform(f, 0);
    fleet_add(f, "c", writes);
    before = dump(f);
    assert_code(f, rehearse(f), 0);
    assert_int_equal(f->outcome.executed, 1);
    assert_int_equal(f->outcome.to_version, 3);
    same_as(f, before);
    assert_text(fleet_known(f, 0), "idle|2|ok");
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|3|ok");
    assert_code(f, rehearse(f), 0);
    assert_false(f->outcome.rehearsed);
    assert_int_equal(f->outcome.executed, 0);
}

static void model_only(fleet *f)
{
    leaves_nothing(f, MTNT_WRITES_MODEL);
}

static void controller_only(fleet *f)
{
    leaves_nothing(f, MTNT_WRITES_CONTROLLER);
}

static void both(fleet *f)
{
    leaves_nothing(f, WRITES_BOTH);
}

static void new_model(fleet *f)
{
    char *before = fleet_dump_controller(f), *after;

    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, rehearse(f), 0);
    assert_true(f->outcome.rehearsed);
    assert_false(f->outcome.created_model);
    assert_int_equal(f->outcome.executed, 2);
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_provisional(f), 0);
    after = fleet_dump_controller(f);
    assert_string_equal(after, before);
    free(before);
    free(after);
    assert_text(fleet_gids(f), "");
    fleet_must_perform(f, 0);
    assert_text(fleet_tables(f, 0), "a");
}

/* ---- what does not ---- */

static void fails(fleet *f)
{
    struct dumps before = dump(f);

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "execute"});
    assert_code(f, rehearse(f), MTNT_E_OPERATION);
    assert_says(f->err.message, "execute operation b: boom");
    assert_text(f->outcome.failed_operation, "b");
    assert_false(f->outcome.rehearsed);
    same_as(f, before);
    /* It is not the tenant's failure, and a later success takes none away. */
    assert_text(fleet_known(f, 0), "idle|0|ok");
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_known(f, 0), "idle|0|error");
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, rehearse(f), 0);
    assert_text(fleet_known(f, 0), "idle|0|error");
    fleet_must_perform(f, 0);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

/* Nothing but a commit would find it. */
static void deferred(fleet *f)
{
    struct dumps before = dump(f);
    const char *sql = f->model_backend == MTNT_POSTGRES
                          ? "CREATE TABLE a(id int PRIMARY KEY, up int REFERENCES a DEFERRABLE INITIALLY DEFERRED);"
                            "INSERT INTO a VALUES (1, 7)"
                          : "CREATE TABLE a(id INTEGER PRIMARY KEY, up INTEGER REFERENCES a(id));"
                            "INSERT INTO a VALUES (1, 7)";

    fleet_add_body(f, "a", WRITES_BOTH, (body){.model_up = sql});
    assert_code(f, rehearse(f), MTNT_E_DATABASE);
    assert_text(f->outcome.failed_phase, "commit");
    same_as(f, before);
    assert_text(fleet_gids(f), "");
}

static void backward(fleet *f)
{
    const mtnt_migration_options options = rehearsal();

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    assert_code(f, fleet_rewind(f, 0, &options), MTNT_E_INVALID);
    assert_text(fleet_known(f, 0), "idle|1|ok");
}

/* ---- what is passed over ---- */

static void passed_over(fleet *f)
{
    struct dumps before = dump(f);
    mtnt_entry_info info;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "outside", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_NO_TRANSACTION});
    fleet_add_body(f, "effect", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_EXTERNAL});
    fleet_add_body(f, "step", WRITES_BOTH, (body){.flags = MTNT_OPERATION_SAGA});
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_add_body(f, "gone", MTNT_WRITES_NOTHING, (body){.flags = MTNT_OPERATION_DELETES_MODEL});
    assert_code(f, rehearse(f), 0);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_true(f->outcome.rehearsed);
    assert_text(f->outcome.mode, "single");
    assert_int_equal(f->outcome.executed, 2);
    assert_int_equal(f->outcome.skipped, 4);
    same_as(f, before);
    for (size_t i = 0; mtnt_chain_get(f->chain, i, &info); i++)
        assert_int_equal(mtnt_rehearsal_obstacle(&info, MTNT_MODE_AUTO) == NULL, info.flags == 0);
}

static void nothing_left_to_do(fleet *f)
{
    struct dumps before = dump(f);

    fleet_add_body(f, "outside", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_NO_TRANSACTION});
    assert_code(f, rehearse(f), 0);
    assert_text(fleet_log(f, "t1"), "");
    assert_true(f->outcome.rehearsed);
    assert_int_equal(f->outcome.skipped, 1);
    same_as(f, before);
}

/* ---- what is seen ---- */

static const char *lock_of(const fleet *f, const char *table, bool on_controller)
{
    for (size_t i = 0; i < f->outcome.lock_count; i++)
        if (strcmp(f->outcome.locks[i].table, table) == 0 && f->outcome.locks[i].on_controller == on_controller)
            return f->outcome.locks[i].mode;
    return "-";
}

static void locks(fleet *f)
{
    bool of_model = f->model_backend == MTNT_POSTGRES, of_controller = f->controller_backend == MTNT_POSTGRES;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.model_up = "ALTER TABLE precious ADD COLUMN more integer"});
    assert_code(f, rehearse(f), 0);
    assert_text(lock_of(f, "precious", false), of_model ? "ACCESS EXCLUSIVE" : "-");
    assert_text(lock_of(f, "notes", true), of_controller ? "ROW EXCLUSIVE" : "-");
    assert_text(lock_of(f, "a", false), "-");
    assert_int_equal(f->outcome.lock_count, (size_t)of_model + (size_t)of_controller);
}

/* ---- who dies in it ---- */

static bool dies_at_finish;

int __real_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err)
{
    if (dies_at_finish)
        raise(SIGKILL);
    return __real_mtnt__db_finish_prepared(db, gid, commit, err);
}

static int die(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    return raise(SIGKILL);
}

static void run_rehearsal(fleet *f)
{
    dies_at_finish = f->counter == 1;
    (void)rehearse(f);
}

static void is_settled(fleet *f, const whole *w)
{
    int status = fleet_in_child(f, run_rehearsal);

    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    whole_end_leases(f);
    assert_code(f, fleet_recover(f, 0), 0);
    whole_check(f, 0, w, false, "killed in a rehearsal");
    assert_true(whole_is_not_there(f, 0, w));
    assert_text(fleet_gids(f), "");
    assert_int_equal(fleet_provisional(f), 0);
}

static void killed(fleet *f)
{
    const whole w = {.writes = WRITES_BOTH};

    whole_add_chain(f, &w, (body){.during = die});
    is_settled(f, &w);
}

static void killed_with_a_gid(fleet *f)
{
    const whole w = {.writes = WRITES_BOTH};

    whole_add_chain(f, &w, (body){.flags = 0});
    f->counter = 1;
    is_settled(f, &w);
    whole_finish(f, 0, &w, "after that");
}

static void killed_in_the_making(fleet *f)
{
    const whole w = {.writes = WRITES_BOTH, .creates = true};

    whole_add_chain(f, &w, (body){.during = die});
    is_settled(f, &w);
}

/* ---- where a tenant is expected to stand ---- */

static int only_from(void *data, const mtnt_model *model, int64_t version, const char *digest, mtnt_error *err)
{
    fleet *f = data;

    assert_text(mtnt_model_id(model), "t1");
    assert_int_equal(digest[0] == '\0', version == 0);
    return version == f->counter ? 0 : mtnt_error_set(err, MTNT_E_HISTORY, "moved on");
}

static void expected(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    struct dumps before;

    options.expect = only_from;
    options.expect_data = f;
    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    fleet_add(f, "b", WRITES_BOTH);
    before = dump(f);
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_HISTORY);
    assert_says(f->err.message, "moved on");
    same_as(f, before);
    f->counter = 1;
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    fleet_add(f, "c", WRITES_BOTH);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_text(fleet_known(f, 0), "idle|3|ok");
}

/* ---- a fleet ---- */

static void fleet_of_them(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report report;
    char *before[FLEET_TENANTS];

    options.migration = rehearsal();
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.fail_at = "execute", .fail_for = "t3"});
    for (size_t i = 0; i < f->count; i++)
        before[i] = fleet_dump_model(f, i);
    assert_code(f, fleet_run(f, 3, &options, &report), 0);
    assert_int_equal(report.counts.migrated, f->count - 1);
    assert_int_equal(report.counts.failed, 1);
    for (size_t i = 0; i < f->count; i++) {
        char *after = fleet_dump_model(f, i);

        assert_int_equal(report.results[i], i == 2 ? MTNT_RESULT_FAILED : MTNT_RESULT_REHEARSED);
        assert_string_equal(after, before[i]);
        free(after);
        free(before[i]);
    }
    assert_text(fleet_gids(f), "");
}

#define ON_SOME (ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_OTHER_SCHEMA))
#define ON_TWO_PHASE (ON_ALL & ~ON(PAIR_SQLITE) & ~ON(PAIR_SCHEMA))

int main(void)
{
    static const pair_test tests[] = {
        {"model_only", model_only, ON_SOME, 0, false},
        {"controller_only", controller_only, ON_SOME, 0, false},
        {"both", both, ON_ALL, 0, false},
        {"new_model", new_model, ON_ALL, 0, true},
        {"fails", fails, ON_SOME | ON(PAIR_POSTGRES), 0, false},
        {"deferred", deferred, ON_SOME, 0, false},
        {"backward", backward, ON(PAIR_SQLITE), 0, false},
        {"passed_over", passed_over, ON_SOME, 0, false},
        {"nothing_left_to_do", nothing_left_to_do, ON_SOME, 0, false},
        {"locks", locks, ON_ALL & ~ON(PAIR_SQLITE), 0, false},
        {"killed", killed, ON_SOME, 0, false},
        {"killed_with_a_gid", killed_with_a_gid, ON_TWO_PHASE, 0, false},
        {"killed_in_the_making", killed_in_the_making, ON_SOME | ON(PAIR_POSTGRES), 0, true},
        {"expected", expected, ON_SOME, 0, false},
        {"fleet_of_them", fleet_of_them, ON_SOME | ON(PAIR_SCHEMA), 4, false},
    };

    return run_pair_tests("rehearse", tests, sizeof(tests) / sizeof(tests[0]));
}
