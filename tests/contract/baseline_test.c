/* What another tool has applied is taken over: recorded, and nothing run; its table left alone, or kept in step, whatever becomes of a migration. */
#include <stdlib.h>
#include <string.h>

#include "fleet_run.h"
#include "goose_fixture.h"

static void three_versions(fleet *f, bool keep_in_step)
{
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    goose_version(f, "a", "0001", keep_in_step);
    goose_version(f, "b", "2", keep_in_step);
    goose_version(f, "c", "3", keep_in_step);
}

static void what_the_table_says_is_recorded(fleet *f)
{
    three_versions(f, false);
    goose_applied(f, 0, 2);
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    assert_int_equal(f->outcome.executed, 2);
    assert_int_equal(f->outcome.to_version, 2);
    assert_null(f->outcome.note);
    assert_text(fleet_log(f, NULL), "");
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_migration(f, 0), "committed");
    assert_text(goose_rows(f, 0), "0;1;2");
    /* Once more there is nothing to do, and then the rest is run. */
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    assert_int_equal(f->outcome.executed, 0);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup c, execute c");
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_text(goose_rows(f, 0), "0;1;2");
}

/* What is recorded has a migration of its own, and that is known. */
static void nothing_is_missed_by_an_audit(fleet *f)
{
    mtnt_audit found;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add(f, "c", WRITES_BOTH);
    goose_version(f, "a", "0001", false);
    goose_version(f, "b", "2", false);
    goose_version(f, "c", "3", false);
    goose_applied(f, 0, 2);
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    fleet_must_perform(f, 0);
    assert_text(fleet_notes(f, 0), "c");
    assert_code(f, mtnt_audit_model(f->controller, f->chain, f->tenants[0].model, &found, &f->err), 0);
    assert_int_equal(found.verdict, MTNT_AUDIT_AGREES);
    assert_text(fleet_known(f, 0), "idle|3|ok");
}

static void a_controller_that_has_forgotten_is_told(fleet *f)
{
    three_versions(f, false);
    goose_applied(f, 0, 3);
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    assert_text(fleet_ask_controller(f, "DELETE FROM mtnt_tenant"), "");
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    assert_int_equal(f->outcome.executed, 0);
    assert_text(fleet_known(f, 0), "idle|3|ok");
}

static void assert_refused(fleet *f, const mtnt_migration_options *options, int code, const char *words)
{
    char *before = fleet_dump_model(f, 0), *after;

    assert_code(f, fleet_baseline(f, 0, options), code);
    assert_says(f->err.message, words);
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, before);
    assert_text(fleet_log(f, NULL), "");
    free(before);
    free(after);
}

static void what_does_not_go_together_is_refused(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "own", MTNT_WRITES_MODEL);
    assert_code(f, fleet_baseline(f, 0, NULL), MTNT_E_INVALID);
    assert_says(f->err.message, "comes from another tool");
    fleet_new_chain(f);
    three_versions(f, false);
    assert_refused(f, NULL, MTNT_E_REFUSED, "no table of another tool");
    goose_applied(f, 0, 2);
    options.to = "a";
    assert_refused(f, &options, MTNT_E_HISTORY, "says that it is applied as well");
    options.to = "c";
    assert_refused(f, &options, MTNT_E_HISTORY, "says that it is not");
    assert_text(fleet_ask_model(f, 0, "INSERT INTO goose_db_version(version_id, is_applied) VALUES (44, TRUE)"), "");
    assert_refused(f, NULL, MTNT_E_HISTORY, "44");
    assert_text(fleet_ask_model(f, 0, "DELETE FROM goose_db_version WHERE version_id IN (1, 44)"), "");
    assert_refused(f, NULL, MTNT_E_HISTORY, "out of order");
    options.to = NULL;
    options.allow_out_of_order = true;
    assert_code(f, fleet_baseline(f, 0, &options), 0);
    assert_text(fleet_applied(f, 0), "b");
}

static void a_persons_word_is_enough_without_a_table(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    assert_text(fleet_ask_model(f, 0, "CREATE TABLE \"both\" (x INTEGER)"), "");
    fleet_add(f, "both", WRITES_BOTH);
    fleet_add(f, "controller", MTNT_WRITES_CONTROLLER);
    fleet_add(f, "model", MTNT_WRITES_MODEL);
    options.to = "controller";
    assert_code(f, fleet_baseline(f, 0, &options), 0);
    assert_text(fleet_log(f, NULL), "");
    assert_text(fleet_applied(f, 0), "both;controller");
    assert_text(fleet_notes(f, 0), "");
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup model, execute model");
    fleet_must_rewind(f, 0);
    assert_text(fleet_applied(f, 0), "");
}

/* ---- in step ---- */

static void the_table_is_kept_in_step(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    three_versions(f, true);
    goose_applied(f, 0, 1);
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    fleet_must_perform(f, 0);
    assert_text(goose_rows(f, 0), "0;1;2;3");
    options.steps = 2;
    assert_code(f, fleet_rewind(f, 0, &options), 0);
    assert_text(goose_rows(f, 0), "0;1");
    options.steps = 0;
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_text(goose_rows(f, 0), "0;1;2;3");
}

static void what_fails_leaves_the_table(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.fail_at = "execute"});
    goose_version(f, "a", "1", true);
    goose_version(f, "b", "2", true);
    goose_version(f, "c", "3", true);
    goose_applied(f, 0, 1);
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    assert_int_not_equal(fleet_perform(f, 0, NULL), 0);
    assert_text(goose_rows(f, 0), "0;1");
    /* One by one, and back: the row comes and goes with its operation. */
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    assert_int_not_equal(fleet_perform(f, 0, &options), 0);
    assert_int_equal(f->outcome.rolled_back, 1);
    assert_text(goose_rows(f, 0), "0;1");
    options.on_failure = MTNT_ON_FAILURE_KEEP;
    assert_int_not_equal(fleet_perform(f, 0, &options), 0);
    assert_text(goose_rows(f, 0), "0;1;2");
}

/* Units commit by themselves, some outside a transaction; when the saga goes back, so do their rows. */
static void a_saga_keeps_it_too(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_NO_TRANSACTION});
    fleet_add_body(f, "c", WRITES_BOTH, (body){.flags = MTNT_OPERATION_SAGA | MTNT_OPERATION_BY_SIDE});
    fleet_add_body(f, "d", MTNT_WRITES_MODEL, (body){.fail_at = "execute", .fail_for = "t1"});
    goose_version(f, "a", "1", true);
    goose_version(f, "b", "2", true);
    goose_version(f, "c", "3", true);
    goose_version(f, "d", "4", true);
    for (size_t i = 0; i < 2; i++) {
        goose_applied(f, i, 1);
        assert_code(f, fleet_baseline(f, i, NULL), 0);
    }
    assert_int_not_equal(fleet_perform(f, 0, NULL), 0);
    assert_text(goose_rows(f, 0), "0;1");
    fleet_must_perform(f, 1);
    assert_text(goose_rows(f, 1), "0;1;2;3;4");
    fleet_must_rewind(f, 1);
    assert_text(goose_rows(f, 1), "0");
}

/* A model that is to be made has nothing to take over; once it is, the table is in it. */
static void a_model_that_is_made_here_has_it(fleet *f)
{
    fleet_add_body(f, "make", WRITES_BOTH,
                   (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "", .model_down = ""});
    three_versions(f, true);
    assert_code(f, fleet_baseline(f, 0, NULL), 0);
    assert_says(f->outcome.note, "migrate makes it");
    assert_false(fleet_model_exists(f, 0));
    assert_text(fleet_log(f, NULL), "");
    fleet_must_perform(f, 0);
    assert_text(goose_rows(f, 0), "0;1;2;3");
}

/* ---- a fleet ---- */

static void all_of_a_fleet(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_run_info info;
    fleet_report report;

    three_versions(f, false);
    for (size_t i = 0; i < f->count; i++)
        goose_applied(f, i, (int)i);
    assert_text(fleet_ask_model(f, 3, "INSERT INTO goose_db_version(version_id, is_applied) VALUES (9, TRUE)"), "");
    options.direction = MTNT_BASELINE;
    options.command = "baseline";
    assert_code(f, fleet_run(f, 3, &options, &report), 0);
    assert_int_equal(report.counts.migrated, 2);
    assert_int_equal(report.counts.current, 1);
    assert_int_equal(report.counts.failed, 1);
    assert_int_equal(report.results[3], MTNT_RESULT_FAILED);
    assert_text(fleet_log(f, NULL), "");
    assert_text(fleet_applied(f, 1), "a");
    assert_text(fleet_applied(f, 2), "a;b");
    assert_code(f, mtnt_run_find(f->controller, f->chain, 1, &info, &f->err), 0);
    assert_int_equal(info.direction, MTNT_BASELINE);
}

int main(void)
{
    const pair_test tests[] = {
        {"what_the_table_says_is_recorded", what_the_table_says_is_recorded, ON_ALL, 1, false},
        {"nothing_is_missed_by_an_audit", nothing_is_missed_by_an_audit, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"a_controller_that_has_forgotten_is_told", a_controller_that_has_forgotten_is_told,
         ON(PAIR_SQLITE) | ON(PAIR_POSTGRES), 1, false},
        {"what_does_not_go_together_is_refused", what_does_not_go_together_is_refused, ON_ALL, 1, false},
        {"a_persons_word_is_enough_without_a_table", a_persons_word_is_enough_without_a_table, ON_ALL, 1, false},
        {"the_table_is_kept_in_step", the_table_is_kept_in_step, ON_ALL, 1, false},
        {"what_fails_leaves_the_table", what_fails_leaves_the_table, ON_ALL, 1, false},
        {"a_saga_keeps_it_too", a_saga_keeps_it_too, ON_ALL, 2, false},
        {"a_model_that_is_made_here_has_it", a_model_that_is_made_here_has_it, ON_ALL, 1, true},
        {"all_of_a_fleet", all_of_a_fleet, ON_ALL, 4, false},
    };

    return run_pair_tests("baseline", tests, sizeof(tests) / sizeof(*tests));
}
