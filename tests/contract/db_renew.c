/* Connections that go from one migration to the next, and statements that wait for the next message. */
#include "db_contract.h"
#include "mtnt/native.h"

#define MAKE "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)"

/* ---- renewed ---- */

static int64_t pid(contract *c)
{
    return contract_number(c, c->db, "SELECT pg_catalog.pg_backend_pid()");
}

static void end_session(contract *c, int64_t which)
{
    char sql[100];

    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d, 5000)::int", (int)which);
    assert_int_equal(pg_number(&c->pg, sql), 1);
}

static void is_as_new(void **state)
{
    const mtnt_script leave = {
        .sql =
            "SET search_path = pg_catalog; SET my.variable = 'mine'; SELECT pg_catalog.pg_advisory_lock(4711); PREPARE mine AS SELECT 1;"
            "DECLARE mine CURSOR WITH HOLD FOR SELECT 1; SET default_transaction_read_only = on; CREATE TEMP TABLE mine(x INTEGER);"
            "LISTEN mine; SET ROLE pg_monitor"};
    contract *c = *state;
    int64_t before = pid(c);

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_script(c->db, &leave, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_true(mtnt__db_renew(c->db, "another", NULL));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    assert_int_equal(contract_number(c, c->db, "SELECT pg_catalog.pg_backend_pid()"), before);
    assert_int_equal(
        contract_number(
            c, c->db,
            "SELECT (SELECT count(*) FROM pg_catalog.pg_prepared_statements) + (SELECT count(*) FROM pg_catalog.pg_cursors WHERE name = 'mine')"
            " + (SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND pid = pg_catalog.pg_backend_pid())"
            " + (SELECT count(*) FROM pg_catalog.pg_listening_channels())"
            " + (SELECT count(*) FROM pg_catalog.pg_class WHERE relname = 'mine')"),
        0);
    assert_int_equal(
        contract_number(
            c, c->db,
            "SELECT (coalesce(current_setting('my.variable', true), '') = '' AND current_user = session_user AND "
            "current_setting('default_transaction_read_only') = 'off' AND current_setting('search_path') LIKE '%public%' AND "
            "current_setting('application_name') = 'mtnt another')::int"),
        1);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    /* What was executed to get there does not stand in the way. */
    expect_ok(c, mtnt__db_prepare(c->db, "mtnt:renewed", &c->err));
    expect_ok(c, mtnt__db_finish_prepared(c->db, "mtnt:renewed", false, &c->err));
}

static void is_as_new_outside_a_transaction_too(void **state)
{
    contract *c = *state;
    char home[MTNT__HOME_SIZE];

    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SELECT set_config('search_path', '', false)"));
    assert_true(mtnt__db_renew(c->db, NULL, NULL));
    expect_ok(c, mtnt__db_home(c->db, c->dsn, home, &c->err));
    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "CREATE TABLE {schema}.u(x INTEGER)", NULL));
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM public.u"), 0);
}

static void takes_the_schema_of_the_next(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, "CREATE SCHEMA \"a b\""));
    assert_true(mtnt__db_renew(c->db, NULL, "a b"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM \"a b\".t"), 0);
    assert_true(mtnt__db_renew(c->db, NULL, NULL));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    assert_int_equal(pg_number(&c->pg, "SELECT count(*) FROM public.t"), 0);
}

/* It was idle, and nobody has noticed. */
static void connects_anew_when_it_is_gone(void **state)
{
    contract *c = *state;
    int64_t before = pid(c);

    assert_true(mtnt__db_renew(c->db, NULL, NULL));
    end_session(c, before);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    assert_int_not_equal(contract_number(c, c->db, "SELECT pg_catalog.pg_backend_pid()"), before);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    /* Only the first transaction after it: a later loss is one. */
    end_session(c, pid(c));
    expect_code(c, mtnt__db_begin(c->db, &c->err), MTNT_E_CONNECT);
    end_session(c, pid(c));
    assert_false(mtnt__db_renew(c->db, NULL, NULL));
}

static void not_in_a_transaction(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    assert_false(mtnt__db_renew(c->db, NULL, NULL));
    mtnt__db_rollback(c->db);
}

static void not_after_the_raw_handle(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    assert_true(c->on == ON_SQLITE ? mtnt_db_sqlite(c->db) != NULL : mtnt_db_postgres(c->db) != NULL);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_false(mtnt__db_renew(c->db, NULL, NULL));
    mtnt__db_disconnect(c->db);
    expect_ok(c, mtnt__db_connect(c->db, &c->err));
    assert_true(mtnt__db_renew(c->db, NULL, NULL));
}

static void not_after_a_cancel(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    mtnt__db_set_deadline(c->db, mtnt__deadline_in(mtnt__system_default(), 200));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT pg_catalog.pg_sleep(20)"), MTNT_E_DEADLINE);
    mtnt__db_set_deadline(c->db, 0);
    mtnt__db_rollback(c->db);
    assert_false(mtnt__db_renew(c->db, NULL, NULL));
}

static void a_file_without_marks_of_operations(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    assert_true(mtnt__db_renew(c->db, NULL, NULL));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "PRAGMA cache_size = 7"));
    assert_false(mtnt__db_renew(c->db, NULL, NULL));
    mtnt__db_disconnect(c->db);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "CREATE TEMP VIEW mine AS SELECT 1"));
    assert_false(mtnt__db_renew(c->db, NULL, NULL));
    mtnt__db_disconnect(c->db);
    expect_ok(c, mtnt__db_connect(c->db, &c->err));
    assert_true(mtnt__db_renew(c->db, NULL, NULL));
}

static void not_the_fake(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_connect(c->db, &c->err));
    assert_false(mtnt__db_renew(c->db, NULL, NULL));
}

/* ---- later ---- */

#define LATER "-- $9 is no parameter here, nor in '$9'\nINSERT INTO {schema}.t(id, name) VALUES ($1, $2) -- the end, $9"

static void insert_later(contract *c, int64_t id, const char *name)
{
    const mtnt_value values[] = {mtnt_value_int(id), name ? mtnt_value_text(name) : mtnt_value_null(),
                                 mtnt_value_end()};

    expect_ok(c, mtnt__db_run_later(c->db, &c->err, LATER, values));
}

static int64_t rows(contract *c)
{
    mtnt_db *other = contract_open(c, NULL);
    int64_t count = contract_number(c, other, "SELECT count(*) FROM t");

    contract_close(c, other);
    return count;
}

static void goes_with_the_commit(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    insert_later(c, 1, "it's \\ $1; 'x'\n--");
    insert_later(c, -2, NULL);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_int_equal(rows(c), 2);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t WHERE id = -2 AND name IS NULL"), 1);
    assert_int_equal(contract_number(c, c->db, "SELECT length(name) FROM t WHERE id = 1"), 17);
}

static void comes_before_the_next_statement(void **state)
{
    const mtnt_script script = {.sql =
                                    "UPDATE t SET name = 'c' WHERE id = 2; UPDATE t SET name = 'd' WHERE name = 'c'"};
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    insert_later(c, 1, "a");
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 1);
    insert_later(c, 2, "b");
    expect_ok(c, mtnt_db_script(c->db, &script, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t WHERE name = 'd'"), 1);
}

/* A script's own error stands where it stood. */
static void leaves_places_as_they_were(void **state)
{
    const mtnt_script script = {
        .sql = "UPDATE t SET name = 'c';\nUPDATE nowhere SET x = 1", .file = "a.sql", .line = 10};
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    insert_later(c, 1, "a");
    expect_code(c, mtnt_db_script(c->db, &script, &c->err), MTNT_E_DATABASE);
    assert_int_equal(c->err.line, 11);
    mtnt__db_rollback(c->db);
}

static void is_rolled_back(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    insert_later(c, 1, "a");
    mtnt__db_rollback(c->db);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    insert_later(c, 2, "a");
    mtnt__db_disconnect(c->db);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_int_equal(rows(c), 0);
}

static void its_failure_is_the_end_s(void **state)
{
    contract *c = *state;
    const mtnt_value again[] = {mtnt_value_int(1), mtnt_value_null(), mtnt_value_end()};
    int rc;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (2, 'a')"));
    rc = mtnt__db_run_later(c->db, &c->err, LATER, again);
    if (rc == 0)
        rc = mtnt__db_commit(c->db, &c->err);
    expect_code(c, rc, MTNT_E_DATABASE);
    mtnt__db_rollback(c->db);
    assert_int_equal(rows(c), 1);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    rc = mtnt__db_run_later(c->db, &c->err, LATER, again);
    if (rc == 0 && c->on != ON_SQLITE)
        rc = mtnt__db_prepare(c->db, "mtnt:later", &c->err);
    expect_code(c, rc, MTNT_E_DATABASE);
    mtnt__db_rollback(c->db);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (3, 'a')"));
}

static void goes_with_the_prepare(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    insert_later(c, 1, "a");
    expect_ok(c, mtnt__db_prepare(c->db, "mtnt:later", &c->err));
    assert_int_equal(rows(c), 0);
    expect_ok(c, mtnt__db_finish_prepared(c->db, "mtnt:later", true, &c->err));
    assert_int_equal(rows(c), 1);
}

static void needs_its_values(void **state)
{
    contract *c = *state;
    const mtnt_value one[] = {mtnt_value_int(1), mtnt_value_end()};
    int rc;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    rc = mtnt__db_run_later(c->db, &c->err, LATER, one);
    assert_int_not_equal(rc, 0);
    mtnt__db_rollback(c->db);
    assert_int_equal(rows(c), 0);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(is_as_new, ON_POSTGRES),
        CONTRACT(is_as_new_outside_a_transaction_too, ON_POSTGRES),
        CONTRACT(takes_the_schema_of_the_next, ON_POSTGRES),
        CONTRACT(connects_anew_when_it_is_gone, ON_POSTGRES),
        CONTRACT(not_in_a_transaction, ON_ALL),
        CONTRACT(not_after_the_raw_handle, ON_SQLITE | ON_POSTGRES),
        CONTRACT(not_after_a_cancel, ON_POSTGRES),
        CONTRACT(a_file_without_marks_of_operations, ON_SQLITE),
        CONTRACT(not_the_fake, ON_FAKE),
        CONTRACT(goes_with_the_commit, ON_ALL),
        CONTRACT(comes_before_the_next_statement, ON_ALL),
        CONTRACT(leaves_places_as_they_were, ON_SQLITE | ON_POSTGRES),
        CONTRACT(is_rolled_back, ON_ALL),
        CONTRACT(its_failure_is_the_end_s, ON_ALL),
        CONTRACT(goes_with_the_prepare, ON_POSTGRES | ON_FAKE),
        CONTRACT(needs_its_values, ON_POSTGRES),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
