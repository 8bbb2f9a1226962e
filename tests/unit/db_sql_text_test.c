/* SQL as text: quotes, names, statements, positions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "db/sql_text.h"

static const char *variable(void *data, const char *name)
{
    static const char *const values[][2] = {
        {"tenant", "acme"},
        {"quote", "o'ne"},
        {"both", "a\\'b"},
        {"double", "say \"x\""},
        {"plan-b", "gold"},
        {"a.b", "dotted"},
        {"empty", ""},
        {"umlaut", "ä"},
        {"long", "x123456789x123456789x123456789x123456789x123456789x123456789xxxx"}};

    (void)data;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
        if (strcmp(values[i][0], name) == 0)
            return values[i][1];
    return NULL;
}

static mtnt_script script_of(const char *sql)
{
    return (mtnt_script){.sql = sql, .file = "a.sql", .line = 1, .column = 1, .variable = variable};
}

static void expect_expanded(mtnt_backend backend, const char *source, const char *expected)
{
    mtnt_script script = script_of(source);
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__sql sql;

    if (mtnt__sql_init(&sql, &script, backend, MTNT_E_INVALID, &err) != 0)
        fail_msg("%s: %s", source, err.message);
    assert_string_equal(sql.text, expected);
    assert_int_equal(sql.length, strlen(expected));
    mtnt__sql_release(&sql);
}

static void expect_same(mtnt_backend backend, const char *source)
{
    expect_expanded(backend, source, source);
}

static void names_are_quoted(void **state)
{
    (void)state;
    expect_expanded(MTNT_SQLITE, "SELECT :'tenant'", "SELECT  'acme' ");
    expect_expanded(MTNT_SQLITE, "SELECT :'quote'", "SELECT  'o''ne' ");
    expect_expanded(MTNT_SQLITE, "SELECT :'both'", "SELECT  'a\\''b' ");
    expect_expanded(MTNT_POSTGRES, "SELECT :'quote'", "SELECT  'o''ne' ");
    expect_expanded(MTNT_POSTGRES, "SELECT :'both'", "SELECT  E'a\\\\''b' ");
    expect_expanded(MTNT_POSTGRES, "SELECT :\"double\"", "SELECT  \"say \"\"x\"\"\" ");
    expect_expanded(MTNT_POSTGRES, "SELECT :'plan-b', :'a.b'", "SELECT  'gold' ,  'dotted' ");
    expect_expanded(MTNT_POSTGRES, "x.:\"tenant\".:\"quote\"", "x. \"acme\" . \"o'ne\" ");
    /* what stands beside does not grow together with it */
    expect_expanded(MTNT_SQLITE, "SELECT x:'tenant''y'", "SELECT x 'acme' 'y'");
    expect_expanded(MTNT_POSTGRES, "E:'both'", "E E'a\\\\''b' ");
    expect_expanded(MTNT_POSTGRES, "SELECT :'empty'", "SELECT  '' ");
}

static void names_are_left_alone_in_quotes(void **state)
{
    static const char *const both[] = {
        "SELECT ':''tenant''' ",    "SELECT '\n:''tenant' ",    "SELECT \":'tenant'\"",     "-- :'nobody'\nSELECT 1",
        "/* :'nobody' */ SELECT 1", "SELECT 'a'':''nobody''b'", "SELECT a :: text, b::'x'",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
        expect_same(MTNT_SQLITE, both[i]);
        expect_same(MTNT_POSTGRES, both[i]);
    }
    expect_same(MTNT_SQLITE, "SELECT `:'nobody'`, [:'nobody']");
    expect_same(MTNT_POSTGRES, "SELECT $$:'nobody'$$, $a$ $b$ :'nobody' $$ $a$, $ä1$:'nobody'$ä1$");
    expect_same(MTNT_POSTGRES, "SELECT E'\\' :\\'nobody\\'', e'a''\\\\'");
    expect_same(MTNT_POSTGRES, "SELECT E'a'\n  '\\' :''nobody''' ");
    expect_same(MTNT_POSTGRES, "SELECT E'a' -- comment\n  '\\' :''nobody''' ");
    expect_same(MTNT_POSTGRES, "/* a /* :'nobody' */ :'nobody' */ SELECT 1");
    expect_same(MTNT_POSTGRES, "SELECT '{a,b}'::text[], x::\"char\", a[1:2], a:=1");
    expect_same(MTNT_POSTGRES, "SELECT U&'\\0061 :' , U&\"d\\0061t\\+000061\"");
    expect_same(MTNT_SQLITE, "SELECT :name, @name, $name, ?1, $1");
    expect_same(MTNT_POSTGRES, "SELECT $1, a$1, a$b$c FROM t$x$");
    expect_expanded(MTNT_SQLITE, "/* a /* */ :'tenant' */", "/* a /* */  'acme'  */");
    expect_expanded(MTNT_POSTGRES, "SELECT 1E'a\\'', :'tenant'", "SELECT 1E'a\\'',  'acme' ");
    expect_expanded(MTNT_POSTGRES, "SELECT fooE'a\\', :'tenant'", "SELECT fooE'a\\',  'acme' ");
    expect_expanded(MTNT_POSTGRES, "-- x\r:'tenant'", "-- x\r 'acme' ");
    expect_expanded(MTNT_SQLITE, "-- x\r:'nobody'\n:'tenant'", "-- x\r:'nobody'\n 'acme' ");
}

static void a_byte_order_mark_is_dropped(void **state)
{
    (void)state;
    expect_expanded(MTNT_POSTGRES, "\xef\xbb\xbfSELECT :'tenant'", "SELECT  'acme' ");
    expect_expanded(MTNT_SQLITE, "\xef\xbb\xbfSELECT 1", "SELECT 1");
}

static void expect_refused(mtnt_backend backend, const char *source, int code, uint32_t line, uint32_t column,
                           const char *word)
{
    mtnt_script script = script_of(source);
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__sql sql;

    if (mtnt__sql_init(&sql, &script, backend, MTNT_E_INVALID, &err) != code)
        fail_msg("%s: %s %s", source, mtnt_code_name(err.code), err.message);
    if (err.line != line || err.column != column || !strstr(err.message, word))
        fail_msg("%s: %u:%u %s", source, err.line, err.column, err.message);
    assert_string_equal(err.file, "a.sql");
}

static void errors_have_their_place(void **state)
{
    (void)state;
    expect_refused(MTNT_SQLITE, "SELECT 1;\nSELECT :'nobody'", MTNT_E_CONFIG, 2, 8, ":'nobody'");
    expect_refused(MTNT_SQLITE, "SELECT 'ä', :\"nobody\"", MTNT_E_CONFIG, 1, 13, ":\"nobody\"");
    expect_refused(MTNT_SQLITE, "SELECT :\"empty\"", MTNT_E_CONFIG, 1, 8, "empty");
    expect_refused(MTNT_POSTGRES, "SELECT :\"long\"", MTNT_E_CONFIG, 1, 8, "63");
    expect_expanded(MTNT_SQLITE, "\"a\"", "\"a\"");
    expect_refused(MTNT_SQLITE, "SELECT 1;\n  SELECT 'x''", MTNT_E_CONFIG, 2, 10, "string");
    expect_refused(MTNT_SQLITE, "SELECT \"x", MTNT_E_CONFIG, 1, 8, "identifier");
    expect_refused(MTNT_SQLITE, "SELECT [x", MTNT_E_CONFIG, 1, 8, "identifier");
    expect_refused(MTNT_SQLITE, "SELECT `x", MTNT_E_CONFIG, 1, 8, "identifier");
    expect_refused(MTNT_POSTGRES, "SELECT 1 /* x /* y */", MTNT_E_CONFIG, 1, 10, "comment");
    expect_refused(MTNT_POSTGRES, "SELECT $a$ x $b$", MTNT_E_CONFIG, 1, 8, "dollar");
    /* The shells' own commands are no SQL; a backslash in a string, and a dot in a name, are. */
    expect_refused(MTNT_POSTGRES, "SELECT 1;\n\\copy a FROM 'b'", MTNT_E_CONFIG, 2, 1, "`\\copy` is a command of psql");
    expect_refused(MTNT_SQLITE, "SELECT 1 \\g", MTNT_E_CONFIG, 1, 10, "`\\g` is a command of psql");
    expect_refused(MTNT_SQLITE, "SELECT 1;\n.read b", MTNT_E_CONFIG, 2, 1, "`.read` is a command of sqlite3's shell");
    expect_same(MTNT_POSTGRES, "SELECT '\\d', E'\\\\', $$\n\\d$$, a\n.b /* \\d */");
    expect_refused(MTNT_POSTGRES, "SELECT E'x\\'", MTNT_E_CONFIG, 1, 8, "string");
    expect_same(MTNT_SQLITE, "SELECT 1 /* the text may end here");
}

static void expect_control(mtnt_backend backend, const char *source, const char *word)
{
    mtnt_script script = {.sql = source};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__sql sql;

    if (mtnt__sql_init(&sql, &script, backend, MTNT_E_INVALID, &err) != MTNT_E_INVALID ||
        strncmp(err.message, word, strlen(word)) != 0)
        fail_msg("%s: %s", source, err.message);
}

static void expect_free(mtnt_backend backend, const char *source)
{
    mtnt_script script = {.sql = source};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__sql sql;

    if (mtnt__sql_init(&sql, &script, backend, MTNT_E_INVALID, &err) != 0)
        fail_msg("%s: %s", source, err.message);
    mtnt__sql_release(&sql);
}

static void transaction_control_is_found(void **state)
{
    static const mtnt_backend backends[] = {MTNT_SQLITE, MTNT_POSTGRES};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        mtnt_backend b = backends[i];

        expect_control(b, "BEGIN", "BEGIN");
        expect_control(b, "begin immediate;", "BEGIN");
        expect_control(b, "SELECT 1; /* x */ Commit ;", "COMMIT");
        expect_control(b, "END", "END");
        expect_control(b, "ROLLBACK", "ROLLBACK");
        expect_control(b, "ROLLBACK;", "ROLLBACK");
        expect_control(b, "ROLLBACK WORK", "ROLLBACK");
        expect_control(b, "ROLLBACK TRANSACTION AND CHAIN", "ROLLBACK");
        expect_control(b, "ABORT", "ABORT");
        expect_control(b, "START TRANSACTION", "START TRANSACTION");
        expect_control(b, "PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION");
        expect_control(b, "COMMIT PREPARED 'x'", "COMMIT");
        expect_control(b, "ROLLBACK PREPARED 'x'", "ROLLBACK");
        expect_control(b, ";;\n-- x\n;COMMIT", "COMMIT");
        expect_control(b, "SELECT ';';COMMIT", "COMMIT");
        expect_free(
            b, "SAVEPOINT a; RELEASE a; ROLLBACK TO a; ROLLBACK TRANSACTION TO SAVEPOINT a; rollback to savepoint a");
        expect_free(b, "SELECT 'BEGIN'; -- COMMIT\n/* ; COMMIT; */ SELECT \"COMMIT\" AS \";COMMIT\"");
        expect_free(b, "");
        expect_free(b, "SELECT CASE WHEN 1 THEN 2 END; SELECT 1");
        expect_free(b, "COMMENTS");
        expect_free(b, "PREPARE p AS SELECT 1");
    }
    expect_control(MTNT_SQLITE, "SELECT 1;\xef\xbb\xbf ROLLBACK",
                   "ROLLBACK"); /* SQLite has byte order marks for blanks */
    expect_control(MTNT_SQLITE, "ATTACH 'x' AS y", "ATTACH");
    expect_control(MTNT_SQLITE, "detach y", "DETACH");
    expect_free(MTNT_POSTGRES, "ALTER TABLE p ATTACH PARTITION x FOR VALUES IN (1)");
}

static void bodies_are_not_transaction_control(void **state)
{
    (void)state;
    expect_free(
        MTNT_SQLITE,
        "CREATE TRIGGER a AFTER INSERT ON t BEGIN UPDATE t SET x = CASE WHEN 1 THEN 2 END; SELECT 1; END;\nSELECT 1");
    expect_free(MTNT_SQLITE, "CREATE TEMP TRIGGER IF NOT EXISTS a AFTER INSERT ON t BEGIN SELECT 1; END");
    expect_free(MTNT_SQLITE,
                "create temporary trigger a after insert on t begin delete from t where \"end\" = 1; end; select 1;");
    expect_control(MTNT_SQLITE, "CREATE TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END; COMMIT", "COMMIT");
    expect_control(MTNT_SQLITE, "CREATE TABLE trigger(a); COMMIT", "COMMIT");
    expect_control(MTNT_SQLITE, "CREATE TABLE t(a); END", "END");

    expect_free(
        MTNT_POSTGRES,
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 2 END; END; SELECT 1");
    expect_free(MTNT_POSTGRES, "CREATE OR REPLACE PROCEDURE f() BEGIN ATOMIC INSERT INTO t VALUES (1); END;");
    expect_free(MTNT_POSTGRES,
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT x.end AS end FROM t x; SELECT 2; END; SELECT 1");
    expect_control(MTNT_POSTGRES, "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; COMMIT", "COMMIT");
    expect_control(MTNT_POSTGRES, "CREATE FUNCTION f() RETURNS int RETURN 1; END", "END");
    expect_free(
        MTNT_POSTGRES,
        "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN 1; END$$; DO $x$ BEGIN NULL; END; $x$");
    expect_free(MTNT_POSTGRES, "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b); SELECT 1");
    expect_control(MTNT_POSTGRES, "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b); COMMIT",
                   "COMMIT");
}

static void expect_statements(mtnt_backend backend, const char *source, const char *const *starts)
{
    mtnt_script script = script_of(source);
    mtnt__sql sql;
    size_t count = 0;

    assert_int_equal(mtnt__sql_init(&sql, &script, backend, 0, NULL), 0);
    for (; starts[count]; count++) {
        assert_true(count < sql.statement_count);
        assert_memory_equal(sql.text + sql.statements[count], starts[count], strlen(starts[count]));
    }
    assert_int_equal(sql.statement_count, count);
    mtnt__sql_release(&sql);
}

static void statements_are_counted(void **state)
{
    (void)state;
    expect_statements(MTNT_SQLITE, "", (const char *const[]){NULL});
    expect_statements(MTNT_SQLITE, " ;; -- x\n;", (const char *const[]){NULL});
    expect_statements(MTNT_SQLITE, "a;b ;\n c", (const char *const[]){"a;", "b ;", "c", NULL});
    expect_statements(MTNT_SQLITE, "x :'tenant'; y :'quote'; z", (const char *const[]){"x ", "y ", "z", NULL});
    expect_statements(MTNT_SQLITE, ":'tenant'; y", (const char *const[]){" 'acme'", "y", NULL});
    expect_statements(MTNT_SQLITE, "CREATE TRIGGER a BEGIN SELECT 1; END; b",
                      (const char *const[]){"CREATE", "b", NULL});
    expect_statements(MTNT_POSTGRES, "a (b; c); d", (const char *const[]){"a", "d", NULL});
    expect_statements(MTNT_POSTGRES, "BEGIN; SELECT 1; END", (const char *const[]){"BEGIN", "SELECT", "END", NULL});
}

static void positions_lead_back_to_the_source(void **state)
{
    const char *source = "\xef\xbb\xbfSELECT :'tenant', x,\n :\"umlaut\" , y";
    mtnt_script script = script_of(source);
    mtnt__sql sql;

    (void)state;
    assert_int_equal(mtnt__sql_init(&sql, &script, MTNT_POSTGRES, 0, NULL), 0);
    for (const char *word = "SxyL,"; *word; word++) {
        size_t expanded = (size_t)(strrchr(sql.text, *word) - sql.text);
        size_t original = (size_t)(strrchr(source, *word) - source);

        assert_int_equal(mtnt__sql_source_offset(&sql, expanded), original);
    }
    /* anywhere in a value: the name */
    for (const char *at = strstr(sql.text, " 'acme' "); at < strstr(sql.text, ", x"); at++)
        assert_int_equal(mtnt__sql_source_offset(&sql, (size_t)(at - sql.text)), strchr(source, ':') - source);
    assert_int_equal(mtnt__sql_source_offset(&sql, 0), 3);
    assert_int_equal(mtnt__sql_source_offset(&sql, sql.length), strlen(source));
    mtnt__sql_release(&sql);
}

static void places_are_lines_and_columns(void **state)
{
    mtnt_script script = {.sql = "SELECT 1,\r\n  'ä', x\n", .file = "a.yaml", .line = 7, .column = 12};
    mtnt_error err = MTNT_ERROR_INIT;
    char longest[600];

    (void)state;
    mtnt__sql_locate(&script, 7, &err);
    assert_int_equal(err.line, 7);
    assert_int_equal(err.column, 19);
    assert_string_equal(err.statement, "SELECT 1,");
    mtnt__sql_locate(&script, (size_t)(strchr(script.sql, 'x') - script.sql), &err);
    assert_int_equal(err.line, 8);
    assert_int_equal(err.column, 8);
    assert_string_equal(err.statement, "  'ä', x");
    mtnt__sql_locate(&script, 10000, &err);
    assert_int_equal(err.line, 9);

    script.line = 0;
    mtnt_error_clear(&err);
    mtnt__sql_locate(&script, 0, &err);
    assert_int_equal(err.line, 0);
    assert_int_equal(err.column, 0);
    assert_string_equal(err.statement, "SELECT 1,");

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    script.sql = longest;
    mtnt__sql_locate(&script, 0, &err);
    assert_int_equal(strlen(err.statement), sizeof(err.statement) - 1);
    mtnt__sql_locate(&script, 0, NULL);
}

static void single_statements(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_int_equal(mtnt__sql_check_single("SELECT ';' -- ;\n;;", MTNT_SQLITE, &err), 0);
    assert_int_equal(mtnt__sql_check_single("CREATE TRIGGER a BEGIN SELECT 1; END", MTNT_SQLITE, &err), 0);
    assert_int_equal(mtnt__sql_check_single("", MTNT_SQLITE, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt__sql_check_single(";-- x", MTNT_POSTGRES, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt__sql_check_single("SELECT 1;\n SELECT 2", MTNT_POSTGRES, &err), MTNT_E_INVALID);
    assert_string_equal(err.statement, " SELECT 2");
    assert_int_equal(mtnt__sql_check_single("SELECT 1; COMMIT", MTNT_POSTGRES, &err), MTNT_E_INVALID);
    assert_non_null(strstr(err.message, "COMMIT"));
    assert_int_equal(mtnt__sql_check_single("SELECT 'unended", MTNT_POSTGRES, &err),
                     0); /* which the database says itself */
}

static void a_check_needs_no_names(void **state)
{
    mtnt_script script = {.sql = "SELECT :'nobody'"};
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    assert_int_equal(mtnt_script_check(&script, MTNT_POSTGRES, &err), 0);
    script.variable = variable;
    assert_int_equal(mtnt_script_check(&script, MTNT_POSTGRES, &err), MTNT_E_CONFIG);
    script.sql = "SELECT 1; COMMIT";
    assert_int_equal(mtnt_script_check(&script, MTNT_POSTGRES, &err), MTNT_E_CONFIG);
    script.sql = NULL;
    assert_int_equal(mtnt_script_check(&script, MTNT_POSTGRES, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt_script_check(NULL, MTNT_POSTGRES, &err), MTNT_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_quoted),
        cmocka_unit_test(names_are_left_alone_in_quotes),
        cmocka_unit_test(a_byte_order_mark_is_dropped),
        cmocka_unit_test(errors_have_their_place),
        cmocka_unit_test(transaction_control_is_found),
        cmocka_unit_test(bodies_are_not_transaction_control),
        cmocka_unit_test(statements_are_counted),
        cmocka_unit_test(positions_lead_back_to_the_source),
        cmocka_unit_test(places_are_lines_and_columns),
        cmocka_unit_test(single_statements),
        cmocka_unit_test(a_check_needs_no_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
