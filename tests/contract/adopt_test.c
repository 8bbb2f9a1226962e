/* Models of another controller are taken over, whole or not at all, and only when that one has finished with them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_run.h"
#include "other_controller.h"
#include "state/tables.h"

#define ON_SOME (ON(PAIR_SQLITE) | ON(PAIR_SCHEMA))
#define ON_SERVER (ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_SQLITE_POSTGRES))

static mtnt_adoption by_ann(const char *from)
{
    mtnt_adoption adoption = MTNT_ADOPTION_INIT;

    adoption.who = "ann@test";
    adoption.reason = "moved";
    adoption.from = from;
    return adoption;
}

/* Two operations, applied by the other controller to every tenant. */
static mtnt_controller *begin(fleet *f)
{
    mtnt_controller *other = other_open(f);

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    for (size_t i = 0; i < f->count; i++)
        assert_code(f, other_perform(f, other, i), 0);
    fleet_log_clear(f);
    return other;
}

static const char *bearer(fleet *f, size_t tenant)
{
    return fleet_ask_model(f, tenant, "SELECT value FROM mtnt_meta WHERE key = 'controller'");
}

/* Nothing is left of a refused one: not in the model, and no more than its failure in the controller. */
static void untouched(fleet *f, char *dump)
{
    char *now = fleet_dump_model(f, 0);

    assert_string_equal(now, dump);
    free(now);
    free(dump);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), "0");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_operation"), "0");
    assert_text(fleet_ask_controller(f, "SELECT version, digest, model_uuid FROM mtnt_tenant WHERE tenant = 't1'"),
                "0||-");
}

static void taken_over(fleet *f)
{
    mtnt_controller *other = begin(f);
    const mtnt_adoption adoption = by_ann(other_dsn(f));
    char expected[256];
    mtnt_adopted adopted;

    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_FOREIGN);
    assert_says(f->err.message, "mtnt-model adopt --tenant t1");
    assert_code(f, adopt(f, 0, &adoption, &adopted), 0);
    assert_text(adopted.from, mtnt_controller_id(other));
    assert_text(adopted.tenant, "t1");
    assert_false(adopted.ours);
    assert_int_equal(adopted.version, 2);
    assert_int_equal(adopted.operations, 2);
    assert_text(f->outcome.mode, "adoption");
    assert_text(bearer(f, 0), mtnt_controller_id(f->controller));
    assert_text(fleet_applied(f, 0), "a;b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_migration(f, 0), "committed");
    assert_text(fleet_log(f, NULL), "");
    assert_text(fleet_ask_controller(f, "SELECT name, status, recorded_in FROM mtnt_operation ORDER BY position"),
                "a|COMPLETED|model;b|COMPLETED|model");
    snprintf(expected, sizeof(expected), "t1|controller %s|controller %s|ann@test|moved", mtnt_controller_id(other),
             mtnt_controller_id(f->controller));
    assert_text(fleet_ask_controller(f, "SELECT tenant, from_state, to_state, who, reason FROM mtnt_audit"), expected);

    /* It goes on from here, and not from there. */
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    assert_text(fleet_tables(f, 0), "a;b;c;precious");
    assert_code(f, other_perform(f, other, 0), MTNT_E_FOREIGN);
    /* Again is nothing, and there is no second row of it. */
    assert_code(f, adopt(f, 0, &adoption, &adopted), 0);
    assert_true(adopted.ours);
    assert_null(f->outcome.adopted_from);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), "1");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    mtnt_controller_close(other);
}

/* What the other one has migrated wrote its own rows, not ours: nothing of it is missed here, nor after what comes next. What we lose ourselves is. */
static void nothing_missed(fleet *f)
{
    mtnt_controller *other = other_open(f);
    const mtnt_adoption adoption = by_ann(other_dsn(f));
    mtnt_adopted adopted;
    mtnt_audit found;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", WRITES_BOTH);
    other_take_notes(f, other);
    assert_code(f, other_perform(f, other, 0), 0);
    assert_code(f, adopt(f, 0, &adoption, &adopted), 0);
    assert_code(f, mtnt_audit_model(f->controller, f->chain, f->tenants[0].model, &found, &f->err), 0);
    assert_int_equal(found.verdict, MTNT_AUDIT_AGREES);
    fleet_add(f, "c", WRITES_BOTH);
    fleet_must_perform(f, 0);
    assert_text(fleet_notes(f, 0), "c");
    assert_code(f, mtnt_audit_model(f->controller, f->chain, f->tenants[0].model, &found, &f->err), 0);
    assert_int_equal(found.verdict, MTNT_AUDIT_AGREES);
    assert_text(fleet_known(f, 0), "idle|3|ok");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_step"), "0");
    /* As a standby that lagged has it. */
    (void)fleet_ask_controller(f, "DELETE FROM mtnt_decision WHERE outcome = 'commit'");
    (void)fleet_ask_controller(
        f, "DELETE FROM mtnt_migration WHERE migration = (SELECT migration FROM mtnt_operation WHERE name = 'c')");
    assert_code(f, mtnt_audit_model(f->controller, f->chain, f->tenants[0].model, &found, &f->err), 0);
    assert_int_equal(found.verdict, MTNT_AUDIT_OUT_OF_STEP);
    assert_int_equal(found.migrations, 1);
    mtnt_controller_close(other);
}

/* Adopt is no way around what is out of step in a model of our own. */
static void own_and_out_of_step(fleet *f)
{
    const mtnt_adoption adoption = by_ann(NULL);
    mtnt_adopted adopted;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_must_perform(f, 0);
    (void)fleet_ask_controller(f, "DELETE FROM mtnt_decision");
    (void)fleet_ask_controller(f, "DELETE FROM mtnt_migration");
    (void)fleet_ask_controller(f, "DELETE FROM mtnt_operation");
    (void)fleet_ask_controller(f, "DELETE FROM mtnt_tenant");
    assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_BLOCKED);
    assert_says(f->err.message, "operation b");
    assert_text(fleet_known(f, 0), "diverged|0|error");
    assert_text(fleet_applied(f, 0), "a;b");
}

static void only_looked_at(fleet *f)
{
    mtnt_controller *other = begin(f);
    mtnt_adoption adoption = by_ann(other_dsn(f));
    char *dump = fleet_dump_model(f, 0), *now;
    mtnt_adopted adopted;

    adoption.only_look = true;
    assert_code(f, adopt(f, 0, &adoption, &adopted), 0);
    assert_text(adopted.from, mtnt_controller_id(other));
    assert_int_equal(adopted.version, 2);
    assert_int_equal(adopted.operations, 2);
    now = fleet_dump_model(f, 0);
    assert_string_equal(now, dump);
    assert_text(fleet_known(f, 0), "-");
    free(now);
    free(dump);
    mtnt_controller_close(other);
}

/* Whatever is not idle there, in any of its chains. */
static void unfinished_there(fleet *f)
{
    static const char *const states[] = {"executing", "compensating", "in_doubt",
                                         "blocked",   "diverged",     "rollback_failed"};
    mtnt_controller *other = begin(f);
    mtnt_adoption adoption = by_ann(other_dsn(f));
    mtnt_adopted adopted;

    for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        const mtnt_value state[] = {mtnt_value_text(states[i]), mtnt_value_end()};

        assert_int_equal(mtnt_db_exec(mtnt_controller_db(other), &f->err,
                                      "UPDATE mtnt_tenant SET state = $1 WHERE tenant = 't1'", state[0]),
                         0);
        adoption.only_look = i % 2 == 0;
        assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_REFUSED);
        assert_says(f->err.message, states[i]);
        assert_says(f->err.message, "mtnt-model recover --tenant t1");
    }
    untouched(f, fleet_dump_model(f, 0));
    assert_text(bearer(f, 0), mtnt_controller_id(other));
    /* Another controller than the one that it bears knows nothing of it. */
    adoption.only_look = false;
    adoption.from = f->controller_dsn;
    assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_FOREIGN);
    assert_says(f->err.message, "--from");
    /* One that is gone is not asked. */
    adoption.from = NULL;
    assert_code(f, adopt(f, 0, &adoption, &adopted), 0);
    mtnt_controller_close(other);
}

/* What the other one has prepared holds locks in the model: it is named, also while it holds the model's own. */
static void prepared_there(fleet *f)
{
    mtnt_controller *other = begin(f);
    const mtnt_adoption adoption = by_ann(NULL);
    const char *schema = f->tenants[0].schema[0] != '\0' ? f->tenants[0].schema : NULL;
    char gid[128], begin_it[512], end_it[160];
    char *dump = fleet_dump_model(f, 0);
    mtnt_adopted adopted;

    snprintf(gid, sizeof(gid), "mtnt:%.8s:t1:%s", mtnt_controller_id(other), "0123456789abcdef0123456789abcdef");
    snprintf(begin_it, sizeof(begin_it), "BEGIN; SELECT pg_advisory_xact_lock(%lld); PREPARE TRANSACTION '%s'",
             (long long)mtnt__tables_lock_key(&mtnt__tables_model, schema), gid);
    snprintf(end_it, sizeof(end_it), "ROLLBACK PREPARED '%s'", gid);
    (void)fleet_ask_model(f, 0, begin_it);
    assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_REFUSED);
    assert_says(f->err.message, gid);
    assert_says(f->err.message, "mtnt-model recover");
    untouched(f, dump);
    (void)fleet_ask_model(f, 0, end_it);
    assert_code(f, adopt(f, 0, &adoption, &adopted), 0);
    mtnt_controller_close(other);
}

static void renamed(fleet *f)
{
    mtnt_controller *other = begin(f);
    mtnt_adoption adoption = by_ann(NULL);
    mtnt_adopted adopted;
    char *dump;

    (void)fleet_ask_model(f, 0, "UPDATE mtnt_meta SET value = 'someone' WHERE key = 'tenant'");
    dump = fleet_dump_model(f, 0);
    assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_FOREIGN);
    assert_says(f->err.message, "--as-renamed");
    untouched(f, dump);
    adoption.as_renamed = true;
    assert_code(f, adopt(f, 0, &adoption, &adopted), 0);
    assert_text(adopted.tenant, "someone");
    assert_text(fleet_ask_model(f, 0, "SELECT value FROM mtnt_meta WHERE key = 'tenant'"), "t1");
    fleet_must_perform(f, 0);
    mtnt_controller_close(other);
}

static void other_history(fleet *f)
{
    mtnt_controller *other = begin(f);
    const mtnt_adoption adoption = by_ann(other_dsn(f));
    mtnt_adopted adopted;
    char *dump = fleet_dump_model(f, 0);

    fleet_new_chain(f);
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_HISTORY);
    assert_says(f->err.message, "`b`");
    untouched(f, dump);
    mtnt_controller_close(other);
}

static void nobodys(fleet *f)
{
    const mtnt_adoption adoption = by_ann(NULL);
    mtnt_adoption bad = by_ann(NULL);
    mtnt_adopted adopted;
    char *dump = fleet_dump_model(f, 0);

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    bad.who = "";
    assert_code(f, adopt(f, 0, &bad, &adopted), MTNT_E_INVALID);
    assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_REFUSED);
    assert_says(f->err.message, "baseline");
    untouched(f, dump);
    fleet_remove_model(f, 0);
    assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_NOT_FOUND);
    assert_false(fleet_model_exists(f, 0));
}

/* A model that this controller has known, and that is another one by now. */
static void exchanged(fleet *f)
{
    mtnt_controller *other = other_open(f);
    const mtnt_adoption adoption = by_ann(other_dsn(f));
    mtnt_adopted adopted;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    (void)fleet_ask_model(f, 0,
                          "UPDATE mtnt_meta SET value = 'ffffffffffffffffffffffffffffffff' WHERE key = 'model_uuid'");
    (void)fleet_ask_model(f, 0,
                          "UPDATE mtnt_meta SET value = 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee' WHERE key = 'controller'");
    assert_code(f, adopt(f, 0, &adoption, &adopted), MTNT_E_FOREIGN);
    assert_says(f->err.message, "not the model that the controller knows");
    assert_text(bearer(f, 0), "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    mtnt_controller_close(other);
}

/* The whole fleet at once, where each tenant fails or not by itself. */
static void fleet_of_them(fleet *f)
{
    mtnt_controller *other = begin(f);
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    const mtnt_adoption adoption = by_ann(other_dsn(f));
    mtnt_executor *executor = NULL;
    fleet_report report;

    assert_int_equal(mtnt_db_exec(mtnt_controller_db(other), &f->err,
                                  "UPDATE mtnt_tenant SET state = 'blocked' WHERE tenant = $1", MTNT_TEXT("t2")),
                     0);
    options.migration.adoption = &adoption;
    options.migration.atomicity = MTNT_ATOMICITY_OPERATION; /* means nothing here */
    options.command = "adopt";
    assert_code(f, fleet_run(f, 3, &options, &report), 0);
    assert_int_equal(report.counts.migrated, 4);
    assert_int_equal(report.counts.failed, 1);
    assert_says(report.guarantee, "adoption");
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), "4");
    assert_text(bearer(f, 1), mtnt_controller_id(other));
    assert_text(bearer(f, 4), mtnt_controller_id(f->controller));
    assert_code(f, fleet_run(f, 3, &options, &report), 0);
    assert_int_equal(report.counts.current, 4);
    assert_int_equal(report.counts.failed, 1);
    options.direction = MTNT_BACKWARD;
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), MTNT_E_INVALID);
    mtnt_controller_close(other);
}

int main(void)
{
    static const pair_test tests[] = {
        {"taken_over", taken_over, ON_ALL, 0, false},
        {"nothing_missed", nothing_missed, ON_ALL, 0, false},
        {"own_and_out_of_step", own_and_out_of_step, ON_ALL, 0, false},
        {"only_looked_at", only_looked_at, ON_ALL, 0, false},
        {"unfinished_there", unfinished_there, ON_ALL, 0, false},
        {"prepared_there", prepared_there, ON_SERVER, 0, false},
        {"renamed", renamed, ON_SOME, 0, false},
        {"other_history", other_history, ON_SOME, 0, false},
        {"nobodys", nobodys, ON_SOME, 0, false},
        {"exchanged", exchanged, ON_SOME, 0, false},
        {"fleet_of_them", fleet_of_them, ON_ALL, 5, false},
    };

    return run_pair_tests("adopt", tests, sizeof(tests) / sizeof(*tests));
}
