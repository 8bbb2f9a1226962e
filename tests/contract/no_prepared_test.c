/* A server with max_prepared_transactions = 0 (see no_prepared.sh): what needs a prepared transaction is refused before any operation runs, and
 * says what to do; what does not need one goes on as ever. */
#include <stdlib.h>
#include <string.h>

#include "fleet_run.h"

static void refused_before_any_work(fleet *f)
{
    char *before = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f), *after, *controller_after;
    fleet_report r;

    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_REFUSED);
    assert_says(f->err.message, "max_prepared_transactions");
    assert_text(fleet_log(f, NULL), "");
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    assert_says(r.texts[0], "max_prepared_transactions");
    assert_text(fleet_log(f, NULL), "");
    after = fleet_dump_model(f, 0);
    controller_after = fleet_dump_controller(f);
    assert_string_equal(after, before);
    assert_string_equal(controller_after, controller);
    free(before);
    free(after);
    free(controller);
    free(controller_after);
    assert_text(fleet_known(f, 0), "idle|0|error");
}

static void one_database_written(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    fleet_add(f, "b", MTNT_WRITES_CONTROLLER);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_notes(f, 0), "b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static void both_in_one_transaction(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "a");
    assert_text(fleet_notes(f, 0), "a");
}

int main(void)
{
    const unsigned int two_phase =
        ON(PAIR_POSTGRES) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE_POSTGRES);
    const pair_test tests[] = {
        {"refused_before_any_work", refused_before_any_work, two_phase, 1, false},
        {"one_database_written", one_database_written, ON_ALL, 1, false},
        {"both_in_one_transaction", both_in_one_transaction, ON(PAIR_SCHEMA) | ON(PAIR_SQLITE), 1, false},
    };

    return run_pair_tests("no_prepared", tests, sizeof(tests) / sizeof(*tests));
}
