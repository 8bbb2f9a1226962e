/* Scripts: many statements, names, places of errors. */
#include "db_contract.h"

#define MAKE "CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE)"

static const char *variable(void *data, const char *name)
{
    (void)data;
    if (strcmp(name, "tenant") == 0)
        return "o'ne\\two";
    return strcmp(name, "table") == 0 ? "a \"table\"" : NULL;
}

static mtnt_script script_of(const char *sql)
{
    return (mtnt_script){.sql = sql, .file = "up.sql", .line = 10, .column = 5, .variable = variable};
}

static int run(contract *c, const char *sql)
{
    mtnt_script script = script_of(sql);

    mtnt_error_clear(&c->err);
    return mtnt_db_script(c->db, &script, &c->err);
}

static void expect_at(contract *c, const char *sql, int code, uint32_t line, uint32_t column, const char *statement)
{
    expect_code(c, run(c, sql), code);
    assert_string_equal(c->err.file, "up.sql");
    if (c->err.line != line || c->err.column != column)
        fail_msg("%s: %u:%u instead of %u:%u (%s)", sql, c->err.line, c->err.column, line, column, c->err.message);
    assert_string_equal(c->err.statement, statement);
}

static void begin(contract *c)
{
    if (mtnt__db_in_transaction(c->db))
        mtnt__db_rollback(c->db);
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_ok(c, run(c, MAKE));
}

static void many_statements(void **state)
{
    contract *c = *state;

    begin(c);
    expect_ok(
        c,
        run(c, "INSERT INTO t VALUES (1, 'a;b'); -- ;\n/* ; */ SELECT * FROM t;;\nUPDATE t SET name = name || '!'; "));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t WHERE name = 'a;b!'"), 1);
    expect_ok(c, run(c, ""));
    expect_ok(c, run(c, "-- nothing\n;"));
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
}

static void names_are_filled_in(void **state)
{
    contract *c = *state;

    begin(c);
    expect_ok(c, run(c, "CREATE TABLE :\"table\"(x TEXT); INSERT INTO :\"table\" VALUES (:'tenant'), (':''tenant''')"));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM \"a \"\"table\"\"\" WHERE x = 'o''ne\\two'"), 1);
    assert_int_equal(contract_number(c, c->db, "SELECT max(length(x)) FROM \"a \"\"table\"\"\""), 9);
}

static void errors_have_their_place(void **state)
{
    contract *c = *state;

    begin(c);
    expect_at(c, "SELEC 1", MTNT_E_DATABASE, 10, 5, "SELEC 1");
    begin(c);
    expect_at(c, "SELECT 1;\n  SELECT 1 FRUM t;\nSELECT 2", MTNT_E_DATABASE, 11, 17, "  SELECT 1 FRUM t;");
    begin(c);
    expect_at(c, "SELECT :'tenant', 'ä',\n  :'tenant', missing FROM t", MTNT_E_DATABASE, 11, 14,
              "  :'tenant', missing FROM t");
    begin(c);
    expect_at(c, "SELECT :'tenant' FROM nowhere", MTNT_E_DATABASE, 10, c->on == ON_POSTGRES ? 27 : 5,
              "SELECT :'tenant' FROM nowhere");
}

/* Found while it runs: the statement's place. */
static void running_errors_have_their_statement_s_place(void **state)
{
    contract *c = *state;

    begin(c);
    expect_at(
        c,
        "INSERT INTO t VALUES (1, 'a');;\n-- a comment\n  /* and */ INSERT INTO t\n  VALUES (2, 'a');\nDELETE FROM t",
        MTNT_E_DATABASE, 12, 13, "  /* and */ INSERT INTO t");
    assert_string_equal(c->err.state, c->on == ON_POSTGRES ? "23505" : "SQLITE_CONSTRAINT_UNIQUE");
    assert_false(c->err.retryable);
    begin(c);
    expect_at(c, "INSERT INTO t VALUES (1, :'tenant'); INSERT INTO t VALUES (2, :'tenant'); SELEC", MTNT_E_DATABASE, 10,
              c->on == ON_POSTGRES ? 79 : 42,
              "INSERT INTO t VALUES (1, :'tenant'); INSERT INTO t VALUES (2, :'tenant'); SELEC");
}

static void after_an_error_nothing_runs(void **state)
{
    contract *c = *state;

    begin(c);
    expect_ok(c, mtnt__db_commit(c->db, &c->err));
    expect_ok(c, mtnt__db_begin(c->db, &c->err));
    expect_code(
        c,
        run(c,
            "INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'a'); DELETE FROM t; INSERT INTO t VALUES (3, 'c')"),
        MTNT_E_DATABASE);
    mtnt__db_rollback(c->db);
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
}

static void names_and_quotes_are_checked_first(void **state)
{
    contract *c = *state;

    begin(c);
    expect_at(c, "DELETE FROM t;\n SELECT :'nobody'", MTNT_E_CONFIG, 11, 9, " SELECT :'nobody'");
    expect_at(c, "DELETE FROM t;\n SELECT 'x", MTNT_E_CONFIG, 11, 9, " SELECT 'x");
    expect_at(c, "DELETE FROM t;\n COMMIT", MTNT_E_INVALID, 11, 2, " COMMIT");
    assert_true(mtnt__db_in_transaction(c->db));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 0);
    expect_code(c, mtnt_db_script(c->db, NULL, &c->err), MTNT_E_INVALID);
}

static void without_a_transaction_it_has_its_own(void **state)
{
    contract *c = *state;

    expect_ok(c, run(c, MAKE "; INSERT INTO t VALUES (1, 'a')"));
    assert_false(mtnt__db_in_transaction(c->db));
    expect_code(c, run(c, "INSERT INTO t VALUES (2, 'b'); INSERT INTO t VALUES (3, 'b')"), MTNT_E_DATABASE);
    assert_false(mtnt__db_in_transaction(c->db));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t"), 1);
}

static void triggers_and_functions_stay_whole(void **state)
{
    contract *c = *state;

    begin(c);
    if (c->on == ON_POSTGRES) {
        expect_ok(
            c,
            run(c,
                "CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $x$\nBEGIN\n  NEW.name := NEW.name || ';' || NEW.name;"
                " RETURN NEW;\nEND $x$;\nCREATE TRIGGER twice BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION twice();\n"
                "CREATE FUNCTION one() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END;\n"
                "CREATE RULE r AS ON DELETE TO t DO ALSO (SELECT 1; SELECT 2);"
                "DO $$ BEGIN PERFORM one(); END $$;"));
    } else {
        expect_ok(
            c,
            run(c,
                "CREATE TRIGGER twice AFTER INSERT ON t BEGIN\n  UPDATE t SET name = CASE WHEN 1 THEN name || ';' || name END "
                "WHERE id = NEW.id; SELECT 1;\nEND;\n"));
    }
    expect_ok(c, run(c, "INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (2, 'b')"));
    assert_int_equal(contract_number(c, c->db, "SELECT count(*) FROM t WHERE name IN ('a;a', 'b;b')"), 2);
}

static void parameters_are_not_for_scripts(void **state)
{
    contract *c = *state;

    begin(c);
    expect_code(c, run(c, "INSERT INTO t(id) VALUES ($1)"), c->on == ON_POSTGRES ? MTNT_E_DATABASE : MTNT_E_INVALID);
}

static int sum_rows(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int64_t *)data += mtnt_row_int(row, 0);
    return 0;
}

static void rows_of_a_script(void **state)
{
    contract *c = *state;
    mtnt_script script = script_of("SELECT id FROM t\n WHERE name <> :'tenant';\n -- the end\n");
    int64_t sum = 0;

    begin(c);
    expect_ok(c, run(c, "INSERT INTO t VALUES (3, 'a'), (4, 'b'), (5, :'tenant')"));
    expect_ok(c, mtnt_db_query_script(c->db, &script, sum_rows, &sum, &c->err));
    assert_int_equal(sum, 7);
    script.sql = "SELECT 1;\n SELECT 2";
    expect_code(c, mtnt_db_query_script(c->db, &script, sum_rows, &sum, &c->err), MTNT_E_INVALID);
    assert_int_equal(c->err.line, 11);
    assert_int_equal(c->err.column, 2);
    script.sql = " ";
    expect_code(c, mtnt_db_query_script(c->db, &script, sum_rows, &sum, &c->err), MTNT_E_INVALID);
    script.sql = "SELECT\n :'tenant', missing";
    expect_code(c, mtnt_db_query_script(c->db, &script, sum_rows, &sum, &c->err), MTNT_E_DATABASE);
    assert_int_equal(c->err.line, 11);
    assert_int_equal(c->err.column, 13);
    assert_int_equal(sum, 7);
}

/* The line and column count from the script's own place, and bytes are no columns. */
static void large_scripts(void **state)
{
    contract *c = *state;
    size_t size = 200000;
    char *sql = malloc(size + 100);
    size_t used = 0;

    assert_non_null(sql);
    begin(c);
    for (int i = 0; used < size - 100; i++)
        used += (size_t)snprintf(sql + used, size - used, "INSERT INTO t VALUES (%d, 'ä%d');\n", i, i);
    expect_ok(c, run(c, sql));
    assert_true(contract_number(c, c->db, "SELECT count(*) FROM t") > 5000);
    free(sql);
}

int main(void)
{
    static const contract_test tests[] = {
        CONTRACT(many_statements, ON_ALL),
        CONTRACT(names_are_filled_in, ON_ALL),
        CONTRACT(errors_have_their_place, ON_ALL),
        CONTRACT(running_errors_have_their_statement_s_place, ON_ALL),
        CONTRACT(after_an_error_nothing_runs, ON_ALL),
        CONTRACT(names_and_quotes_are_checked_first, ON_ALL),
        CONTRACT(without_a_transaction_it_has_its_own, ON_ALL),
        CONTRACT(triggers_and_functions_stay_whole, ON_ALL),
        CONTRACT(parameters_are_not_for_scripts, ON_ALL),
        CONTRACT(rows_of_a_script, ON_ALL),
        CONTRACT(large_scripts, ON_ALL),
    };

    return contract_run(tests, sizeof(tests) / sizeof(tests[0]));
}
