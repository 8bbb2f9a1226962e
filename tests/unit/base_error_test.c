/* Errors: what is kept, what is cut, what is never lost. */
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "mtnt/error.h"

static void set_replaces_everything(void **state)
{
    mtnt_error err = {MTNT_E_BUSY, true, 3, 4, "23505", "a.sql", "SELECT", "before"};

    (void)state;
    assert_int_equal(mtnt_error_set(&err, MTNT_E_IO, "disk %d", 7), MTNT_E_IO);
    assert_int_equal(err.code, MTNT_E_IO);
    assert_string_equal(err.message, "disk 7");
    assert_false(err.retryable);
    assert_int_equal(err.line, 0);
    assert_string_equal(err.state, "");
    assert_string_equal(err.file, "");
    assert_string_equal(err.statement, "");
}

static void arguments_may_point_into_the_error(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    mtnt_error_set(&err, MTNT_E_IO, "inner");
    mtnt_error_set(&err, MTNT_E_DATABASE, "outer, after %s", err.message);
    assert_string_equal(err.message, "outer, after inner");
    mtnt_error_wrap(&err, "%s!", err.message);
    assert_string_equal(err.message, "outer, after inner!: outer, after inner");
}

static void wrap_keeps_the_rest(void **state)
{
    mtnt_error err = {MTNT_E_BUSY, true, 3, 4, "55P03", "a.sql", "SELECT", "lock"};

    (void)state;
    assert_int_equal(mtnt_error_wrap(&err, "operation %s", "plan"), MTNT_E_BUSY);
    assert_string_equal(err.message, "operation plan: lock");
    assert_true(err.retryable);
    assert_int_equal(err.line, 3);
    assert_string_equal(err.state, "55P03");
}

static void without_an_error_only_the_code_counts(void **state)
{
    (void)state;
    assert_int_equal(mtnt_error_set(NULL, MTNT_E_IO, "x"), MTNT_E_IO);
    assert_true(mtnt_error_wrap(NULL, "x") < 0);
    assert_true(mtnt_error_at(NULL, "f", 1, 1) < 0);
    mtnt_error_clear(NULL);
    mtnt_error_keep(NULL, NULL);
}

static void both_errors_are_kept(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT, later = MTNT_ERROR_INIT;

    (void)state;
    mtnt_error_set(&later, MTNT_OK, "nothing");
    mtnt_error_keep(&err, &later);
    assert_int_equal(err.code, MTNT_OK);

    mtnt_error_set(&err, MTNT_E_DATABASE, "first");
    mtnt_error_set(&later, MTNT_E_IO, "second");
    mtnt_error_keep(&err, &later);
    assert_int_equal(err.code, MTNT_E_DATABASE);
    assert_string_equal(err.message, "second: first");

    mtnt_error_clear(&err);
    mtnt_error_keep(&err, &later);
    assert_int_equal(err.code, MTNT_E_IO);
    assert_string_equal(err.message, "second");
}

static void position_is_added(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    mtnt_error_set(&err, MTNT_E_CONFIG, "x");
    assert_int_equal(mtnt_error_at(&err, "chain.yaml", 9, 0), MTNT_E_CONFIG);
    assert_int_equal(mtnt_error_at(&err, NULL, 0, 5), MTNT_E_CONFIG);
    assert_string_equal(err.file, "chain.yaml");
    assert_int_equal(err.line, 9);
    assert_int_equal(err.column, 5);
}

/* Valid UTF-8 that ends with the mark, whatever the text is cut in the middle of. */
static void long_texts_are_cut_between_characters(void **state)
{
    char text[MTNT_ERROR_MESSAGE_SIZE + 100];

    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        mtnt_error err = MTNT_ERROR_INIT;
        size_t length;

        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        mtnt_error_set(&err, MTNT_E_IO, "%s", text);
        length = strlen(err.message);
        assert_in_range(length, MTNT_ERROR_MESSAGE_SIZE - 8, MTNT_ERROR_MESSAGE_SIZE - 1);
        assert_string_equal(err.message + length - 3, "\xe2\x80\xa6");
        assert_int_equal((length - 3 - shift) % 3, 0);
        mtnt_error_wrap(&err, "%s", text);
        assert_string_equal(err.message + strlen(err.message) - 3, "\xe2\x80\xa6");
        assert_int_equal((strlen(err.message) - 3 - shift) % 3, 0);
    }
}

static void a_text_that_just_fits_is_whole(void **state)
{
    char text[MTNT_ERROR_MESSAGE_SIZE];
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    mtnt_error_set(&err, MTNT_E_IO, "%s", text);
    assert_string_equal(err.message, text);
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (int code = 0; code >= MTNT_E_LEASE; code--)
        assert_string_not_equal(mtnt_code_name(code), "MTNT_E_UNKNOWN");
    assert_string_equal(mtnt_code_name(MTNT_OK), "MTNT_OK");
    assert_string_equal(mtnt_code_name(MTNT_E_IN_DOUBT), "MTNT_E_IN_DOUBT");
    assert_string_equal(mtnt_code_name(MTNT_E_LEASE - 1), "MTNT_E_UNKNOWN");
    assert_string_equal(mtnt_code_name(1), "MTNT_E_UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_replaces_everything),
        cmocka_unit_test(arguments_may_point_into_the_error),
        cmocka_unit_test(wrap_keeps_the_rest),
        cmocka_unit_test(without_an_error_only_the_code_counts),
        cmocka_unit_test(both_errors_are_kept),
        cmocka_unit_test(position_is_added),
        cmocka_unit_test(long_texts_are_cut_between_characters),
        cmocka_unit_test(a_text_that_just_fits_is_whole),
        cmocka_unit_test(every_code_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
