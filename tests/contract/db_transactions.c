/* Transactions: begin, commit, rollback, what is seen in between, what is left after an error. */
#include "db_contract.h"

#define MAKE "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT)"

static void commit_and_rollback(void **state)
{
    contract *c = *state;
    mtnt_db *other = contract_open(c, NULL);

    assert_false(mtnt__db_in_transaction(c->db));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    assert_true(mtnt__db_in_transaction(c->db));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_false(mtnt__db_in_transaction(c->db));
    assert_int_equal(contract_number(c, other, "SELECT count(*) FROM t"), 0);

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    mtnt__db_rollback(c->db);
    assert_false(mtnt__db_in_transaction(c->db));
    mtnt__db_rollback(c->db); /* nothing is open: fine */
    assert_int_equal(contract_number(c, other, "SELECT count(*) FROM t"), 0);
}

static void calls_at_the_wrong_time(void **state)
{
    contract *c = *state;

    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_INVALID);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(c, mtnt__db_begin(c->db, &c->err), MTNT_E_INVALID);
    assert_true(mtnt__db_in_transaction(c->db));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static void closing_rolls_back(void **state)
{
    contract *c = *state;
    mtnt_db *other = contract_open(c, NULL);

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(other, &c->err));
    expect_ok(c, mtnt_db_exec(other, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    contract_close(c, other);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')")); /* no lock is left */
    mtnt__db_close(NULL);
}

static void nothing_is_seen_before_commit(void **state)
{
    contract *c = *state;
    const mtnt__db_options reading = {.read_only = true};
    mtnt_db *other = contract_open(c, &reading);

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    assert_int_equal(contract_number(c, other, "SELECT count(*) FROM t"), 0);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_int_equal(contract_number(c, other, "SELECT count(*) FROM t"), 1);
}

static void an_error_can_be_rolled_back(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'b')"), MTNT_E_DATABASE);
    mtnt__db_rollback(c->db);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (2, 'b')"));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    assert_int_equal(contract_number(c, c->db, "SELECT min(id) FROM t"), 2);
}

/* PostgreSQL turns such a COMMIT into a rollback, and calls it success. */
static void a_failed_transaction_does_not_commit(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'b')"), MTNT_E_DATABASE);
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_DATABASE);
    assert_false(mtnt__db_in_transaction(c->db));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void deferred_constraints_fail_cleanly_at_commit(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt_db_exec(c->db, &c->err,
                              "CREATE TABLE child(t INTEGER REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED)"));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO child VALUES (7)"));
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_DATABASE);
    assert_string_equal(c->err.state, c->on == ON_POSTGRES ? "23503" : "SQLITE_CONSTRAINT_FOREIGNKEY");
    expect_message(c, "child");
    assert_false(mtnt__db_in_transaction(c->db));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM child"), 0);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO child VALUES (7)"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (7, 'x')"));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static void a_read_only_side_is_not_written(void **state)
{
    contract *c = *state;
    const mtnt__db_options reading = {.read_only = true};
    mtnt_db *reader = contract_open(c, &reading);

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(reader, &c->err));
    expect_code(c, mtnt_db_exec(reader, &c->err, "INSERT INTO t VALUES (1, 'a')"), MTNT_E_INVALID);
    mtnt__db_rollback(reader);
    expect_ok(c, mtnt__db_begin(reader, &c->err));
    expect_code(c, mtnt_db_exec(reader, &c->err, "CREATE TABLE u(x INTEGER)"), MTNT_E_INVALID);
    mtnt__db_rollback(reader);
    expect_code(c, mtnt_db_exec(reader, &c->err, "INSERT INTO t VALUES (1, 'a')"), MTNT_E_INVALID);
    assert_int_equal(contract_number(c, reader, "SELECT count(*) FROM t"), 0);
    expect_ok(c, mtnt__db_begin(reader, &c->err));
    expect_ok(c, mtnt__db_commit(reader, &c->err));
}

static void an_operation_cannot_lift_read_only(void **state)
{
    static const char *const tricks[] = {"PRAGMA query_only = 0", "PRAGMA query_only(off)"};
    contract *c = *state;
    const mtnt__db_options reading = {.read_only = true};
    mtnt_db *reader = contract_open(c, &reading);

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    for (int i = 0; i < 2 && c->on == ON_POSTGRES; i++) { /* the first BEGIN of a session asks more than later ones */
        expect_ok(c, mtnt__db_begin(reader, &c->err));
        expect_code(c, mtnt_db_exec(reader, &c->err, "SET TRANSACTION READ WRITE"), MTNT_E_INVALID);
        mtnt__db_rollback(reader);
    }
    if (c->on == ON_POSTGRES)
        return;
    expect_ok(c, mtnt__db_begin(reader, &c->err));
    for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++)
        expect_code(c, mtnt_db_exec(reader, &c->err, tricks[i]), MTNT_E_INVALID);
    expect_code(c, mtnt_db_exec(reader, &c->err, "INSERT INTO t VALUES (1, 'a')"), MTNT_E_INVALID);
}

/* ON CONFLICT ROLLBACK and its like: what comes after must not run by itself. */
static void a_statement_that_ends_the_transaction_is_noticed(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (1, 'a')"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT OR ROLLBACK INTO t VALUES (1, 'b')"), MTNT_E_DATABASE);
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t VALUES (2, 'b')"), MTNT_E_DATABASE);
    expect_message(c, "transaction is lost");
    expect_code(c, mtnt__db_commit(c->db, &c->err), MTNT_E_DATABASE);
    assert_false(mtnt__db_in_transaction(c->db));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void handles_work_again_after_everything(void **state)
{
    contract *c = *state;

    for (int i = 0; i < 3; i++) {
        expect_ok(c, mtnt__db_begin(c->db, &c->err));
        expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
        expect_code(c, mtnt_db_exec(c->db, &c->err, "SELEC"), MTNT_E_DATABASE);
        mtnt__db_rollback(c->db);
        mtnt__db_disconnect(c->db);
    }
    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
}

static void facts_are_read_back(void **state)
{
    contract *c = *state;
    mtnt__db_facts facts = {0};

    expect_ok(c, mtnt__db_facts_read(c->db, &facts, &c->err));
    assert_true(facts.durable);
    assert_false(facts.standby);
    assert_true(facts.detail[0] != '\0');
    if (c->on == ON_SQLITE) {
        assert_false(facts.wal);
        assert_string_equal(facts.detail, "delete, synchronous=extra");
        assert_true(facts.version >= 3037000);
    } else {
        assert_int_equal(facts.max_prepared_transactions, 64);
    }
    assert_int_equal(facts.backend, mtnt_db_backend(c->db));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt__db_facts_read(c->db, &facts, &c->err));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(commit_and_rollback, ON_ALL),
        CONTRACT(calls_at_the_wrong_time, ON_ALL),
        CONTRACT(closing_rolls_back, ON_ALL),
        CONTRACT(nothing_is_seen_before_commit, ON_ALL),
        CONTRACT(an_error_can_be_rolled_back, ON_ALL),
        CONTRACT(a_failed_transaction_does_not_commit, ON_POSTGRES),
        CONTRACT(deferred_constraints_fail_cleanly_at_commit, ON_ALL),
        CONTRACT(a_read_only_side_is_not_written, ON_ALL),
        CONTRACT(an_operation_cannot_lift_read_only, ON_ALL),
        CONTRACT(a_statement_that_ends_the_transaction_is_noticed, ON_SQLITE | ON_FAKE),
        CONTRACT(handles_work_again_after_everything, ON_ALL),
        CONTRACT(facts_are_read_back, ON_ALL),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
