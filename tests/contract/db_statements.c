/* Single statements: parameters, rows, types, errors. */
#include <math.h>

#include "db_contract.h"

#define MAKE "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, amount DOUBLE PRECISION, data BYTEA)"

static void begin_with_table(contract *c)
{
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
}

static int see_all_types(void *data, const mtnt_row *row, mtnt_error *err)
{
    static const unsigned char bytes[] = {0, 1, 0xff, '\'', '\\', 0};
    const unsigned char *blob;
    size_t length = 77;

    (void)err;
    assert_int_equal(mtnt_row_columns(row), 5);
    assert_string_equal(mtnt_row_name(row, 0), "id");
    assert_string_equal(mtnt_row_name(row, 3), "data");
    assert_null(mtnt_row_name(row, 5));
    assert_null(mtnt_row_name(row, -1));

    assert_true(mtnt_row_int(row, 0) == INT64_C(-42));
    assert_string_equal(mtnt_row_text(row, 0), "-42");
    assert_true(mtnt_row_real(row, 0) == -42.0);
    assert_string_equal(mtnt_row_text(row, 1), "o'né\\");
    assert_int_equal(mtnt_row_int(row, 1), 0);
    assert_true(mtnt_row_real(row, 1) == 0.0);
    assert_true(mtnt_row_real(row, 2) == 0.1);
    assert_int_equal(mtnt_row_int(row, 2), 0);
    blob = mtnt_row_blob(row, 3, &length);
    assert_int_equal(length, sizeof(bytes));
    assert_memory_equal(blob, bytes, sizeof(bytes));
    assert_memory_equal(mtnt_row_blob(row, 1, &length), "o'né\\", 6);
    assert_int_equal(length, 6);

    assert_false(mtnt_row_is_null(row, 0));
    assert_true(mtnt_row_is_null(row, 4));
    assert_null(mtnt_row_text(row, 4));
    assert_int_equal(mtnt_row_int(row, 4), 0);
    assert_true(mtnt_row_real(row, 4) == 0.0);
    assert_null(mtnt_row_blob(row, 4, &length));
    assert_int_equal(length, 0);
    assert_true(mtnt_row_is_null(row, 5));
    assert_true(mtnt_row_is_null(row, -1));
    assert_null(mtnt_row_text(row, 99));
    ++*(int *)data;
    return 0;
}

static void every_type_there_and_back(void **state)
{
    static const unsigned char bytes[] = {0, 1, 0xff, '\'', '\\', 0};
    contract *c = *state;
    int rows = 0;

    begin_with_table(c);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id, name, amount, data) VALUES ($1, $2, $3, $4)",
                              MTNT_INT(-42), MTNT_TEXT("o'né\\"), MTNT_REAL(0.1), MTNT_BLOB(bytes, sizeof(bytes))));
    assert_int_equal(mtnt__db_changes(c->db), 1);
    expect_ok(
        c, mtnt_db_query(c->db, see_all_types, &rows, &c->err, "SELECT id, name, amount, data, NULL AS void FROM t"));
    assert_int_equal(rows, 1);
}

static void extremes(void **state)
{
    contract *c = *state;
    int64_t number = 0;
    char *text = NULL;

    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "CREATE TABLE n(i BIGINT, r DOUBLE PRECISION, x TEXT, b BYTEA)"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO n VALUES($1, $2, $3, $4)", MTNT_INT(INT64_MIN),
                              MTNT_REAL(1e300), MTNT_TEXT(""), MTNT_BLOB("", 0)));
    expect_ok(c, mtnt_db_query_int(c->db, &number, &c->err, "SELECT i FROM n"));
    assert_true(number == INT64_MIN);
    expect_ok(c, mtnt_db_query_int(c->db, &number, &c->err, "SELECT r FROM n"));
    assert_true(number == INT64_MAX);
    expect_ok(c, mtnt_db_query_int(c->db, &number, &c->err, "SELECT -2.9"));
    assert_int_equal(number, -2);
    expect_ok(c, mtnt_db_query_text(c->db, &text, &c->err, "SELECT x FROM n"));
    assert_string_equal(text, "");
    mtnt_free(text);
    expect_ok(c, mtnt_db_query_int(c->db, &number, &c->err, "SELECT length(b) FROM n"));
    assert_int_equal(number, 0);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "UPDATE n SET i = $1, r = $2, x = $3, b = $4", MTNT_NULL(),
                              MTNT_TEXT(NULL), MTNT_NULL(), MTNT_BLOB(NULL, 5)));
    assert_int_equal(
        contract_number(c, c->db, "SELECT count(*) FROM n WHERE i IS NULL AND r IS NULL AND x IS NULL AND b IS NULL"),
        1);
}

static void a_text_need_not_end_with_nul(void **state)
{
    contract *c = *state;
    const mtnt_value part[] = {{.type = MTNT_TYPE_TEXT, .bytes = "abcdef", .length = 3}, mtnt_value_end()};
    char *text = NULL;

    expect_ok(c, mtnt_db_query_text_values(c->db, &text, &c->err, "SELECT $1 || ''", part));
    assert_string_equal(text, "abc");
    mtnt_free(text);
}

static void first_values(void **state)
{
    contract *c = *state;
    int64_t number = 77;
    char *text = (char *)1;

    begin_with_table(c);
    expect_code(c, mtnt_db_query_int(c->db, &number, &c->err, "SELECT id FROM t"), MTNT_E_NOT_FOUND);
    assert_int_equal(number, 77);
    expect_code(c, mtnt_db_query_text(c->db, &text, &c->err, "SELECT name FROM t"), MTNT_E_NOT_FOUND);
    assert_ptr_equal(text, (char *)1);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id) VALUES (5), (6)"));
    expect_ok(c, mtnt_db_query_int(c->db, &number, &c->err, "SELECT id FROM t ORDER BY id"));
    assert_int_equal(number, 5);
    expect_ok(c, mtnt_db_query_text(c->db, &text, &c->err, "SELECT name FROM t"));
    assert_null(text);
}

static void a_parameter_may_stand_twice(void **state)
{
    contract *c = *state;
    int64_t number = 0;

    expect_ok(c, mtnt_db_query_int(c->db, &number, &c->err,
                                   "SELECT CAST($2 AS INTEGER) * 100 + CAST($1 AS INTEGER) * 10 + CAST($2 AS INTEGER)",
                                   MTNT_INT(3), MTNT_INT(4)));
    assert_int_equal(number, 434);
}

static void parameters_must_fit(void **state)
{
    contract *c = *state;

    begin_with_table(c);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SAVEPOINT a"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id, name) VALUES ($1, $2)", MTNT_INT(1)),
                MTNT_E_INVALID);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "ROLLBACK TO a"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id) VALUES ($1)", MTNT_INT(1), MTNT_INT(2)),
                MTNT_E_INVALID);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "ROLLBACK TO a"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id) VALUES ($1)"), MTNT_E_INVALID);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "ROLLBACK TO a"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "DELETE FROM t", MTNT_INT(1)), MTNT_E_INVALID);
}

static void exactly_one_statement(void **state)
{
    static const char *const none[] = {"", "  ", "-- nothing", ";", NULL};
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, MAKE));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "DELETE FROM t; DELETE FROM t"), MTNT_E_INVALID);
    assert_string_equal(c->err.statement, "DELETE FROM t; DELETE FROM t");
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "DELETE FROM t; -- that was all\n ;"));
    for (int i = 0; none[i]; i++)
        expect_code(c, mtnt_db_exec(c->db, &c->err, none[i]), MTNT_E_INVALID);
    expect_code(c, mtnt_db_exec_values(c->db, &c->err, NULL, NULL), MTNT_E_INVALID);
}

static void changes_are_counted(void **state)
{
    contract *c = *state;

    begin_with_table(c);
    assert_int_equal(mtnt__db_changes(c->db), 0);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id) VALUES (1), (2), (3)"));
    assert_int_equal(mtnt__db_changes(c->db), 3);
    contract_number(c, c->db, "SELECT id FROM t");
    assert_int_equal(mtnt__db_changes(c->db), 0);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "UPDATE t SET name = 'x' || id WHERE id > 1"));
    assert_int_equal(mtnt__db_changes(c->db), 2);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "DELETE FROM t WHERE id > 7"));
    assert_int_equal(mtnt__db_changes(c->db), 0);
    assert_int_equal(contract_number(c, c->db, "INSERT INTO t(id) VALUES (9) RETURNING id"), 9);
    assert_int_equal(mtnt__db_changes(c->db), 1);
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id) VALUES (9)"), MTNT_E_DATABASE);
    assert_int_equal(mtnt__db_changes(c->db), 0);
}

/* ---- callbacks ---- */

typedef struct visit {
    contract *c;
    int rows, stop_at, answer;
} visit;

static int count_until(void *data, const mtnt_row *row, mtnt_error *err)
{
    visit *v = data;

    (void)row;
    if (++v->rows == v->stop_at)
        return mtnt_error_set(err, v->answer, "enough");
    return 0;
}

static void a_callback_ends_the_query(void **state)
{
    contract *c = *state;
    visit v = {c, 0, 3, MTNT_E_OPERATION};

    begin_with_table(c);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id) VALUES (1), (2), (3), (4), (5)"));
    expect_code(c, mtnt_db_query(c->db, count_until, &v, &c->err, "SELECT id FROM t"), MTNT_E_OPERATION);
    assert_int_equal(v.rows, 3);
    assert_string_equal(c->err.message, "enough");
    assert_string_equal(c->err.statement, "");
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 5); /* the transaction goes on */
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static int use_the_handle(void *data, const mtnt_row *row, mtnt_error *err)
{
    visit *v = data;
    mtnt_error own = MTNT_ERROR_INIT;

    (void)row;
    (void)err;
    assert_int_equal(mtnt_db_exec(v->c->db, &own, "SELECT 1"), MTNT_E_INVALID);
    assert_int_equal(mtnt__db_commit(v->c->db, &own), MTNT_E_INVALID);
    assert_int_equal(mtnt__db_begin(v->c->db, &own), MTNT_E_INVALID);
    mtnt__db_rollback(v->c->db);
    v->rows++;
    return 0;
}

static void a_callback_may_not_use_its_handle(void **state)
{
    contract *c = *state;
    visit v = {.c = c};

    begin_with_table(c);
    expect_ok(c, mtnt_db_query(c->db, use_the_handle, &v, &c->err, "SELECT 1"));
    assert_int_equal(v.rows, 1);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static void a_query_without_callback_ignores_rows(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SELECT 1"));
    expect_ok(c, mtnt_db_query(c->db, NULL, NULL, &c->err, "SELECT 1"));
}

/* ---- errors ---- */

static void constraints_say_what_and_where(void **state)
{
    contract *c = *state;

    begin_with_table(c);
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id, name) VALUES (1, 'a')"));
    expect_code(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id, name)\nVALUES (2, $1)", MTNT_TEXT("a")),
                MTNT_E_DATABASE);
    assert_string_equal(c->err.state, c->on == ON_POSTGRES ? "23505" : "SQLITE_CONSTRAINT_UNIQUE");
    assert_string_equal(c->err.statement, "INSERT INTO t(id, name)");
    assert_false(c->err.retryable);
    assert_int_equal(c->err.line, 0);
    assert_string_equal(c->err.file, "");
}

static void syntax_errors_show_the_line(void **state)
{
    contract *c = *state;

    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT 1,\n  2 FRUM x"), MTNT_E_DATABASE);
    assert_string_equal(c->err.statement, "  2 FRUM x");
    assert_string_equal(c->err.state, c->on == ON_POSTGRES ? "42601" : "SQLITE_ERROR");
    expect_code(c, mtnt_db_exec(c->db, &c->err, "SELECT 'ä'\n, nothing"), MTNT_E_DATABASE);
    assert_string_equal(c->err.statement, ", nothing");
    assert_string_equal(c->err.state, c->on == ON_POSTGRES ? "42703" : "SQLITE_ERROR");
}

static void errors_need_not_be_wanted(void **state)
{
    contract *c = *state;
    int64_t number;

    assert_int_equal(mtnt_db_exec(c->db, NULL, "SELEC"), MTNT_E_DATABASE);
    assert_int_equal(mtnt_db_query_int(c->db, &number, NULL, "SELECT 1 WHERE 1 = 0"), MTNT_E_NOT_FOUND);
    assert_int_equal(mtnt__db_run(c->db, NULL, NULL, NULL, "SELEC {schema}", NULL), MTNT_E_DATABASE);
    assert_int_equal(mtnt__db_run_script(c->db, NULL, "SELEC"), MTNT_E_DATABASE);
    assert_int_equal(mtnt__db_commit(c->db, NULL), MTNT_E_INVALID);
    assert_int_equal(mtnt__db_begin(c->db, NULL), 0);
    assert_int_equal(mtnt__db_begin(c->db, NULL), MTNT_E_INVALID);
    assert_int_equal(mtnt__db_operation_boundary(c->db, NULL), 0);
    assert_int_equal(mtnt__db_commit(c->db, NULL), 0);
}

static void transaction_control_is_refused(void **state)
{
    static const char *const words[] = {"BEGIN",
                                        "COMMIT",
                                        "ROLLBACK",
                                        "END",
                                        "/* x */ commit",
                                        "START TRANSACTION",
                                        "PREPARE TRANSACTION 'x'",
                                        "ROLLBACK PREPARED 'x'"};
    contract *c = *state;

    begin_with_table(c);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        expect_code(c, mtnt_db_exec(c->db, &c->err, words[i]), MTNT_E_INVALID);
    assert_true(mtnt__db_in_transaction(c->db));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "SAVEPOINT a"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "INSERT INTO t(id) VALUES (1)"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "ROLLBACK TO a"));
    expect_ok(c, mtnt_db_exec(c->db, &c->err, "RELEASE a"));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static void schema_stands_for_ours(void **state)
{
    contract *c = *state;

    expect_ok(c, mtnt__db_run_script(c->db, &c->err,
                                     "CREATE TABLE {schema}.a(x INTEGER); CREATE TABLE {schema}.b(x INTEGER)"));
    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err,
                              "INSERT INTO {schema}.a SELECT CAST($1 AS INTEGER) FROM {schema}.b",
                              (const mtnt_value[]){MTNT_INT(1), mtnt_value_end()}));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM {schema}.a"), 0);
    expect_ok(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "INSERT INTO {schema}.a VALUES (1)", NULL));
    assert_int_equal(mtnt__db_changes(c->db), 1);
    expect_code(c, mtnt__db_run(c->db, NULL, NULL, &c->err, "INSERT INTO {schema}.nothing VALUES (1)", NULL),
                MTNT_E_DATABASE);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(every_type_there_and_back, ON_ALL),
        CONTRACT(extremes, ON_ALL),
        CONTRACT(a_text_need_not_end_with_nul, ON_ALL),
        CONTRACT(first_values, ON_ALL),
        CONTRACT(a_parameter_may_stand_twice, ON_ALL),
        CONTRACT(parameters_must_fit, ON_ALL),
        CONTRACT(exactly_one_statement, ON_ALL),
        CONTRACT(changes_are_counted, ON_ALL),
        CONTRACT(a_callback_ends_the_query, ON_ALL),
        CONTRACT(a_callback_may_not_use_its_handle, ON_ALL),
        CONTRACT(a_query_without_callback_ignores_rows, ON_ALL),
        CONTRACT(constraints_say_what_and_where, ON_ALL),
        CONTRACT(syntax_errors_show_the_line, ON_ALL),
        CONTRACT(errors_need_not_be_wanted, ON_ALL),
        CONTRACT(transaction_control_is_refused, ON_ALL),
        CONTRACT(schema_stands_for_ours, ON_ALL),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
