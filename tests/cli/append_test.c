#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "append.h"
#include "template.h"

static void assert_appends(const char *text, const char *expected)
{
    char *added = mtnt__append_entry(text, "two", "0002_two", 0);

    if (expected == NULL) {
        assert_null(added);
        return;
    }
    assert_non_null(added);
    assert_string_equal(added, expected);
    free(added);
}

#define ENTRY "  - name: two\n    sql:\n      model: {up_file: sql/0002_two.up.sql, down_file: sql/0002_two.down.sql}\n"
#define FLUSH "- name: two\n  sql:\n    model: {up_file: sql/0002_two.up.sql, down_file: sql/0002_two.down.sql}\n"

static void test_places(void **state)
{
    (void)state;
    assert_appends("chain: s\noperations:\n  - name: one\n", "chain: s\noperations:\n  - name: one\n" ENTRY);
    assert_appends("chain: s\noperations:\n  - name: one", "chain: s\noperations:\n  - name: one\n" ENTRY);
    assert_appends("chain: s\noperations:\n- name: one\n  x: y\n",
                   "chain: s\noperations:\n- name: one\n  x: y\n" FLUSH);
    assert_appends("operations: # all\n  - name: one\n\n# next\nchain: s\n",
                   "operations: # all\n  - name: one\n" ENTRY "\n# next\nchain: s\n");
    assert_appends("chain: s\noperations: []\n", "chain: s\noperations: \n" ENTRY);
    assert_appends("chain: s\noperations:\n", "chain: s\noperations:\n" ENTRY);
    assert_appends("---\nchain: s\noperations:\n  - name: one\n", "---\nchain: s\noperations:\n  - name: one\n" ENTRY);
    /* SQL at any indent belongs to its entry. */
    assert_appends("operations:\n  - name: one\n    up: |\n      SELECT\n\n      - 1\n",
                   "operations:\n  - name: one\n    up: |\n      SELECT\n\n      - 1\n" ENTRY);
}

static void test_refused(void **state)
{
    (void)state;
    assert_appends("chain: s\n", NULL);
    assert_appends("chain: s\noperations: [{name: one}]\n", NULL);
    assert_appends("chain: s\noperations: *other\n", NULL);
    assert_appends("operations:\n  - a\noperations:\n  - b\n", NULL);
    assert_appends("operations:\n  - a\n---\noperations:\n  - b\n", NULL);
    assert_appends("{chain: s, operations: []}\n", NULL);
}

static void test_line_ends(void **state)
{
    char *added = mtnt__append_entry("operations:\r\n  - name: one\r\n", "two", "0002_two", 40);

    (void)state;
    assert_string_equal(added, "operations:\r\n  - name: one\r\n  - name: two\r\n    order: 40\r\n    sql:\r\n"
                               "      model: {up_file: sql/0002_two.up.sql, down_file: sql/0002_two.down.sql}\r\n");
    free(added);
}

static void test_names(void **state)
{
    char *added = mtnt__append_shown("null", "0001_null", 0);

    (void)state;
    assert_non_null(strstr(added, "- name: \"null\"\n"));
    free(added);
    added = mtnt__append_shown("42", "0001_42", 0);
    assert_non_null(strstr(added, "- name: \"42\"\n"));
    free(added);
}

static void test_template(void **state)
{
    char *filled = mtnt__template_fill("{order} {name} {nam} {name}{", "x", 12);

    (void)state;
    assert_string_equal(filled, "12 x {nam} x{");
    free(filled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places), cmocka_unit_test(test_refused),  cmocka_unit_test(test_line_ends),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_template),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
