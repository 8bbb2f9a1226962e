/* Our own tables: made, upgraded in place by the steps that are missing, refused when they come from a newer version. A second step after
 * the first is made up here; the controller's real ones are run over a first version with rows in it. */
#include "db_contract.h"
#include "state/tables.h"

static const char add_column[] = "ALTER TABLE {schema}.mtnt_decision ADD COLUMN reason TEXT NOT NULL DEFAULT 'none'; "
                                 "UPDATE {schema}.mtnt_meta SET value = '2' WHERE key = 'schema_version'";
static const char broken[] =
    "ALTER TABLE {schema}.mtnt_decision ADD COLUMN reason TEXT NOT NULL DEFAULT 'none'; "
    "UPDATE {schema}.mtnt_meta SET value = '2' WHERE key = 'schema_version'; INSERT INTO {schema}.nowhere VALUES (1)";

/* Ensures, in a transaction of its own. */
static int ensure(contract *c, const mtnt__tables *tables, size_t *ret_before)
{
    int rc = mtnt__db_begin(c->db, &c->err);

    mtnt_error_clear(&c->err);
    if (rc == 0)
        rc = mtnt__tables_ensure(c->db, tables, ret_before, &c->err);
    if (rc == 0)
        rc = mtnt__db_commit(c->db, &c->err);
    mtnt__db_rollback(c->db);
    return rc;
}

static size_t version(contract *c, const mtnt__tables *tables)
{
    size_t found = 99;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__tables_version(c->db, tables, &found, &c->err));
    mtnt__db_rollback(c->db);
    return found;
}

static bool has_reason(contract *c)
{
    mtnt_error err = MTNT_ERROR_INIT;
    int64_t count;

    return mtnt_db_query_int(c->db, &count, &err, "SELECT count(reason) FROM mtnt_decision") == 0;
}

static void upgraded_in_place(contract *c, const mtnt__tables *real)
{
    const mtnt__tables_step steps[] = {real->steps[0], {add_column, add_column}};
    const mtnt__tables second = {real->owner, steps, 2}, only = {real->owner, steps, 1}, *first = &only;
    size_t before = 99;

    assert_int_equal(version(c, first), 0);
    expect_ok(c, ensure(c, first, &before));
    assert_int_equal(before, 0);
    assert_int_equal(version(c, first), 1);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO mtnt_decision (migration, outcome) VALUES ('m', 'commit')"));
    /* Nothing to do. */
    expect_ok(c, ensure(c, first, &before));
    assert_int_equal(before, 1);
    assert_false(has_reason(c));
    /* The newer program runs what is missing, and keeps what is there. */
    expect_ok(c, ensure(c, &second, &before));
    assert_int_equal(before, 1);
    assert_int_equal(version(c, &second), 2);
    assert_true(has_reason(c));
    assert_int_equal(
        contract_number(c, c->db, "SELECT count(*) FROM mtnt_decision WHERE migration = 'm' AND reason = 'none'"), 1);
    expect_ok(c, ensure(c, &second, &before));
    assert_int_equal(before, 2);
    /* The older one refuses what it does not know. */
    assert_int_equal(ensure(c, first, &before), MTNT_E_NEWER);
    assert_non_null(strstr(c->err.message, "version 2"));
    assert_non_null(strstr(c->err.message, first->owner));
    assert_true(has_reason(c));
}

static void model_upgraded(void **state)
{
    upgraded_in_place(*state, &mtnt__tables_model);
}

static void controller_upgraded(void **state)
{
    upgraded_in_place(*state, &mtnt__tables_controller);
}

/* A controller of the first version, with a migration in it, goes on under this program. */
static void the_real_steps(void **state)
{
    contract *c = *state;
    const mtnt__tables first = {mtnt__tables_controller.owner, mtnt__tables_controller.steps, 1};
    size_t before = 99;

    expect_ok(c, ensure(c, &first, &before));
    expect_ok(
        c,
        mtnt_db_exec(
            c->db, &c->err,
            "INSERT INTO mtnt_migration (migration, chain, tenant, epoch, direction, mode, decider, state, placed, started_ms) "
            "VALUES ('m', 'c', 't', 1, 'forward', 'single', 'model', 'executing', 'p', 1)"));
    expect_ok(c, ensure(c, &mtnt__tables_controller, &before));
    assert_int_equal(before, 1);
    assert_int_equal(version(c, &mtnt__tables_controller), mtnt__tables_controller.count);
    assert_int_equal(
        contract_number(c, c->db, "SELECT count(*) FROM mtnt_migration WHERE migration = 'm' AND decider_home IS NULL"),
        1);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM mtnt_step"), 0);
}

/* From nothing to the newest at once. */
static void made_by_the_newer_one(void **state)
{
    const mtnt__tables_step steps[] = {mtnt__tables_model.steps[0], {add_column, add_column}};
    const mtnt__tables second = {"model", steps, 2};
    contract *c = *state;
    size_t before = 99;

    expect_ok(c, ensure(c, &second, &before));
    assert_int_equal(before, 0);
    assert_int_equal(version(c, &second), 2);
    assert_true(has_reason(c));
}

/* A step that fails leaves the version before, and nothing of itself. */
static void failing_step(void **state)
{
    const mtnt__tables_step steps[] = {mtnt__tables_model.steps[0], {broken, broken}};
    const mtnt__tables second = {"model", steps, 2};
    contract *c = *state;
    size_t before = 99;

    expect_ok(c, ensure(c, &mtnt__tables_model, &before));
    assert_int_not_equal(ensure(c, &second, &before), 0);
    assert_non_null(strstr(c->err.message, "cannot make the model's own tables"));
    assert_int_equal(version(c, &second), 1);
    assert_false(has_reason(c));
    expect_ok(c, ensure(c, &mtnt__tables_model, &before));
    assert_int_equal(before, 1);
}

/* Somebody else's table of that name is none of ours. */
static void damaged(void **state)
{
    contract *c = *state;
    size_t before = 99;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, "CREATE TABLE mtnt_meta (key TEXT PRIMARY KEY, value TEXT)"));
    assert_int_equal(ensure(c, &mtnt__tables_model, &before), MTNT_E_NOT_FOUND);
    assert_non_null(strstr(c->err.message, "schema_version"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO mtnt_meta VALUES ('schema_version', 'first')"));
    assert_int_equal(ensure(c, &mtnt__tables_model, &before), MTNT_E_CORRUPT);
    assert_int_equal(before, 99);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(model_upgraded, ON_SQLITE | ON_POSTGRES), CONTRACT(controller_upgraded, ON_SQLITE | ON_POSTGRES),
        CONTRACT(the_real_steps, ON_SQLITE | ON_POSTGRES), CONTRACT(made_by_the_newer_one, ON_SQLITE | ON_POSTGRES),
        CONTRACT(failing_step, ON_SQLITE | ON_POSTGRES),   CONTRACT(damaged, ON_SQLITE | ON_POSTGRES),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
