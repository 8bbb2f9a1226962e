/* goose's folders. */
#include <stdlib.h>

#include "found.h"

static int setup(void **state)
{
    int rc = found_setup(state);

    if (rc == 0)
        ((found *)*state)->folder.reader = &mtnt__reader_goose;
    return rc;
}

static void only_numbered_files_are_its(void **state)
{
    bool (*is)(const char *) = mtnt__reader_goose.recognises;

    (void)state;
    assert_true(is("1_a.sql") && is("00005_add.v2.sql") && is("20260101000000_x.sql") && is("7_a.go"));
    assert_false(is("notes.sql") || is("1.sql") || is("0_a.sql") || is("1_a_test.go") || is("x1_a.sql") ||
                 is("1_a.sql.bak") || is("92233720368547758080_a.sql"));
}

static void sections_keep_their_lines(void **state)
{
    found *f = *state;

    found_take(f, "1_a.sql",
               "-- what it is for\n\n-- +goose Up\n\nCREATE TABLE a(x int);\n-- +goose Down\nDROP TABLE a;\n");
    assert_sql(f, MTNT__FOUND_UP, "CREATE TABLE a(x int);", 5);
    assert_sql(f, MTNT__FOUND_DOWN, "DROP TABLE a;", 7);
    assert_string_equal(f->folder.items[0].name, "1_a");
    found_take(f, "2_b.sql",
               "-- +GOOSE is no marker\n-- +goose UP\r\nSELECT 1;\r\n--   +goose   down  \r\nSELECT 2;\r\n");
    assert_sql(f, MTNT__FOUND_UP, "SELECT 1;", 3);
    assert_sql(f, MTNT__FOUND_DOWN, "SELECT 2;", 5);
}

static void without_a_down_there_is_no_way_back(void **state)
{
    found *f = *state;

    found_take(f, "1_a.sql", "-- +goose Up\nSELECT 1;\n");
    assert_sql(f, MTNT__FOUND_DOWN, NULL, 0);
    /* An empty one is a way back that does nothing, as for goose. */
    found_take(f, "2_b.sql", "-- +goose Up\n\n-- +goose Down\n");
    assert_sql(f, MTNT__FOUND_UP, "-- nothing to do", 2);
    assert_sql(f, MTNT__FOUND_DOWN, "-- nothing to do", 4);
    found_merge(f);
    assert_false(goes_back(found_operation(f, "1_a")));
    assert_true(goes_back(found_operation(f, "2_b")));
}

static void order_is_by_number(void **state)
{
    found *f = *state;

    found_take(f, "10_ten.sql", "-- +goose Up\nSELECT 10;\n");
    found_take(f, "0009_nine.sql", "-- +goose Up\nSELECT 9;\n");
    found_take(f, "20260101000000_last.sql", "-- +goose Up\nSELECT 3;\n");
    found_merge(f);
    assert_operations(f, "0009_nine 10_ten 20260101000000_last");
    assert_int_equal(found_operation(f, "20260101000000_last").order, 3);
}

static void a_version_that_is_there_twice_is_refused(void **state)
{
    found *f = *state;

    found_take(f, "1_a.sql", "-- +goose Up\nSELECT 1;\n");
    found_take(f, "001_b.sql", "-- +goose Up\nSELECT 1;\n");
    assert_int_equal(mtnt__folder_merge(&f->folder, 0), MTNT_E_CONFIG);
    assert_non_null(strstr(f->err.message, "is there twice"));
}

static void statements_end_at_the_end_of_a_line(void **state)
{
    found *f = *state;

    found_take(f, "1_a.sql", "-- +goose Up\nSELECT\n1; -- and on; with it\n SELECT 2;\t\n-- the end");
    assert_sql(f, MTNT__FOUND_UP, "SELECT\n1; -- and on; with it\n SELECT 2;\t\n-- the end", 2);
    found_refused(f, found_try(f, "2_a.sql", "-- +goose Up\nSELECT 1;\n\nSELECT 2; SELECT 3\n"), "dir/2_a.sql", 4,
                  "does not end");
    found_refused(f, found_try(f, "3_a.sql", "-- +goose Up\nSELECT 1\n-- +goose Down\nSELECT 2;\n"), "dir/3_a.sql", 2,
                  "does not end");
}

static void a_bad_down_does_not_stop_an_up(void **state)
{
    found *f = *state;

    found_take(f, "1_a.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\nSELECT 3\n");
    assert_sql(f, MTNT__FOUND_UP, "SELECT 1;", 2);
    assert_sql(f, MTNT__FOUND_DOWN, NULL, 0);
    assert_non_null(strstr(mtnt_chain_warning(f->folder.chain, 0), "dir/1_a.sql:5: "));
    /* Nor one whose SQL cannot be read. */
    found_take(f, "2_a.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 'x;\n");
    found_merge(f);
    assert_false(goes_back(found_operation(f, "2_a")));
    assert_non_null(strstr(mtnt_chain_warning(f->folder.chain, 1), "dir/2_a.sql:4: "));
}

static void blocks_hold_what_goose_would_split(void **state)
{
    static const char body[] = "-- +goose Up\n-- +goose StatementBegin\nCREATE FUNCTION f() RETURNS int AS $$\n"
                               "BEGIN\n  RETURN 1;\nEND $$ LANGUAGE plpgsql\n-- +goose StatementEnd\nSELECT f();\n";
    found *f = *state;

    found_take(f, "1_a.sql", body);
    assert_sql(f, MTNT__FOUND_UP,
               "CREATE FUNCTION f() RETURNS int AS $$\nBEGIN\n  RETURN 1;\nEND $$ LANGUAGE plpgsql\n\nSELECT f();", 3);
    found_refused(f, found_try(f, "2_a.sql", "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n"), "dir/2_a.sql", 2,
                  "without `-- +goose StatementEnd`");
    found_refused(f, found_try(f, "3_a.sql", "-- +goose Up\n-- +goose StatementEnd\nSELECT 1;\n"), "dir/3_a.sql", 2,
                  "without `-- +goose StatementBegin`");
    found_refused(f, found_try(f, "4_a.sql", "-- +goose StatementBegin\n"), "dir/4_a.sql", 1, "stands after");
    found_refused(f, found_try(f, "5_a.sql", "-- +goose Up\n-- +goose StatementBegin\n-- +goose Down\n"), "dir/5_a.sql",
                  3, "not within a statement");
}

static void mistakes_are_refused_at_their_line(void **state)
{
    found *f = *state;

    found_refused(f, found_try(f, "1_a.sql", "SELECT 1;\n"), "dir/1_a.sql", 1, "SQL before");
    found_refused(f, found_try(f, "2_a.sql", "-- nothing\n"), "dir/2_a.sql", 1, "there is no `-- +goose Up`");
    found_refused(f, found_try(f, "3_a.sql", "-- +goose Up\n-- +goose Up\n"), "dir/3_a.sql", 2, "a second");
    found_refused(f, found_try(f, "4_a.sql", "-- +goose Down\n"), "dir/4_a.sql", 1, "stands after");
    found_refused(f, found_try(f, "5_a.sql", "-- +goose Up\n -- +goose Down\n"), "dir/5_a.sql", 2, "line's start");
    found_refused(f, found_try(f, "6_a.sql", "-- +goose Up\n-- +goose Sideways\n"), "dir/6_a.sql", 2, "`Sideways`");
}

static void no_transaction_counts_for_both_directions(void **state)
{
    found *f = *state;
    mtnt_entry_info info;

    found_take(f, "1_a.sql", "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n-- +goose no transaction\n");
    found_take(f, "2_b.sql", "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\n");
    found_merge(f);
    info = found_operation(f, "1_a");
    assert_int_equal(info.flags & (MTNT_OPERATION_NO_TRANSACTION | MTNT_OPERATION_RETRIABLE),
                     MTNT_OPERATION_NO_TRANSACTION);
    /* Without a way back it can go forward only. */
    info = found_operation(f, "2_b");
    assert_true(info.flags & MTNT_OPERATION_NO_TRANSACTION && info.flags & MTNT_OPERATION_RETRIABLE);
}

static void programs_are_refused_where_they_would_run(void **state)
{
    found *f = *state;
    mtnt_entry_info info;

    found_take(f, "1_a.sql", "-- +goose Up\nSELECT 1;\n");
    found_take(f, "2_fill.go", "package migrations\n");
    found_merge(f);
    assert_operations(f, "1_a 2_fill");
    info = found_operation(f, "2_fill");
    assert_non_null(strstr(info.config, "program in Go"));
}

/* ---- ENVSUB ---- */

static const char *const allowed[] = {"MTNT_TEST_FOUND", "MTNT_TEST_UNSET", "MTNT_TEST_EMPTY", NULL};

static void assert_substituted(found *f, const char *name, const char *line, const char *becomes)
{
    char text[300];

    snprintf(text, sizeof(text), "-- +goose ENVSUB ON\n-- +goose Up\n%s\n-- +goose ENVSUB OFF\nSELECT '$HOME';\n",
             line);
    found_take(f, name, text);
    snprintf(text, sizeof(text), "%s\n\nSELECT '$HOME';", becomes);
    assert_sql(f, MTNT__FOUND_UP, text, 3);
}

static void names_are_filled_in_from_the_environment(void **state)
{
    found *f = *state;

    setenv("MTNT_TEST_FOUND", "gold", 1);
    setenv("MTNT_TEST_EMPTY", "", 1);
    unsetenv("MTNT_TEST_UNSET");
    f->options.env = allowed;
    assert_substituted(f, "1_a.sql", "SELECT '$MTNT_TEST_FOUND', '${MTNT_TEST_FOUND}x';", "SELECT 'gold', 'goldx';");
    assert_substituted(f, "2_a.sql", "SELECT '${MTNT_TEST_UNSET}' , '${MTNT_TEST_UNSET-a}';", "SELECT '' , 'a';");
    assert_substituted(f, "3_a.sql", "SELECT '${MTNT_TEST_EMPTY-a}', '${MTNT_TEST_EMPTY:-b}';", "SELECT '', 'b';");
    assert_substituted(f, "4_a.sql", "SELECT '${MTNT_TEST_UNSET:-${MTNT_TEST_FOUND}}';", "SELECT 'gold';");
    assert_substituted(f, "5_a.sql", "SELECT '\\$HOME', '$$HOME', '$(x)', '\\\\';",
                       "SELECT '$HOME', '$HOME', '$(x)', '\\\\';");
}

static void names_that_are_not_allowed_are_refused(void **state)
{
    found *f = *state;
    static const char head[] = "-- +goose ENVSUB ON\n-- +goose Up\n";
    char text[200];
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"SELECT '$HOME';", "`HOME` is not on the list `env`"},
        {"SELECT '${HOME}';", "`HOME` is not on the list `env`"},
        {"SELECT '${MTNT_TEST_UNSET?it}';", "`MTNT_TEST_UNSET` is not set"},
        {"SELECT '${MTNT_TEST_FOUND:1:2}';", "a part of a value"},
        {"SELECT '${MTNT_TEST_FOUND';", "is not what goose can fill in"},
        {"SELECT '$1';", "is not what goose can fill in"},
    };

    unsetenv("MTNT_TEST_UNSET");
    f->options.env = allowed;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        snprintf(text, sizeof(text), "%s%s\n", head, cases[i].line);
        found_refused(f, found_try(f, "1_a.sql", text), "dir/1_a.sql", 3, cases[i].says);
    }
    f->options.env = NULL;
    snprintf(text, sizeof(text), "%sSELECT '$MTNT_TEST_FOUND';\n", head);
    found_refused(f, found_try(f, "1_a.sql", text), "dir/1_a.sql", 3, "`MTNT_TEST_FOUND` is not on the list");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, found_teardown)
int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(only_numbered_files_are_its),
        CASE(sections_keep_their_lines),
        CASE(without_a_down_there_is_no_way_back),
        CASE(order_is_by_number),
        CASE(a_version_that_is_there_twice_is_refused),
        CASE(statements_end_at_the_end_of_a_line),
        CASE(a_bad_down_does_not_stop_an_up),
        CASE(blocks_hold_what_goose_would_split),
        CASE(mistakes_are_refused_at_their_line),
        CASE(no_transaction_counts_for_both_directions),
        CASE(programs_are_refused_where_they_would_run),
        CASE(names_are_filled_in_from_the_environment),
        CASE(names_that_are_not_allowed_are_refused),
    };

    return cmocka_run_group_tests_name("formats.goose", tests, NULL, NULL);
}
