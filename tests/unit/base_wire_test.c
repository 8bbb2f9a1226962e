/* Messages between processes of one program: what is written is read, and nothing else is. */
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/wire.h"

static void everything_comes_back(void **state)
{
    const char *const words[] = {"a=1", "", "b=2", NULL};
    mtnt_error error = MTNT_ERROR_INIT, back;
    mtnt__buffer message = {NULL, 0, 0, false};
    mtnt__wire from;
    const char **list;
    char copy[4];
    int64_t bytes = 0;

    (void)state;
    mtnt_error_set(&error, MTNT_E_DATABASE, "no such table");
    error.retryable = true;
    memcpy(error.state, "42P01", 6);
    mtnt__wire_int(&message, INT64_MIN);
    mtnt__wire_text(&message, NULL);
    mtnt__wire_text(&message, "");
    mtnt__wire_text(&message, "long text");
    mtnt__wire_list(&message, words);
    mtnt__wire_list(&message, NULL);
    mtnt__wire_error(&message, &error);
    mtnt__wire_bytes(&message, &(int64_t){77}, sizeof(int64_t));
    assert_false(message.failed);
    from = (mtnt__wire){message.bytes, message.bytes + message.length, false};
    assert_true(mtnt__wire_take_int(&from) == INT64_MIN);
    assert_null(mtnt__wire_take_text(&from));
    assert_string_equal(mtnt__wire_take_text(&from), "");
    mtnt__wire_take_copy(&from, copy, sizeof(copy));
    assert_string_equal(copy, "lon");
    list = mtnt__wire_take_list(&from);
    assert_string_equal(list[0], "a=1");
    assert_string_equal(list[1], "");
    assert_string_equal(list[2], "b=2");
    assert_null(list[3]);
    free(list);
    list = mtnt__wire_take_list(&from);
    assert_null(list[0]);
    free(list);
    mtnt__wire_take_error(&from, &back);
    assert_int_equal(back.code, MTNT_E_DATABASE);
    assert_true(back.retryable);
    assert_string_equal(back.state, "42P01");
    assert_string_equal(back.message, "no such table");
    mtnt__wire_take_bytes(&from, &bytes, sizeof(bytes));
    assert_true(bytes == 77 && !from.bad && from.at == from.end);
    assert_true(mtnt__wire_take_int(&from) == 0 && from.bad);
    mtnt__buffer_release(&message);
}

/* Cut anywhere, and with lengths that lie: bad, and nothing beyond its end is touched (a sanitizer would say so). */
static void what_is_cut_or_lies_is_bad(void **state)
{
    const char *const words[] = {"a", "b", NULL};
    mtnt__buffer message = {NULL, 0, 0, false};
    const int64_t lies[] = {-1, INT64_MAX, INT64_MIN, 1000};

    (void)state;
    mtnt__wire_text(&message, "text");
    mtnt__wire_list(&message, words);
    for (size_t length = 0; length < message.length; length++) {
        char *cut = malloc(length + 1);
        mtnt__wire from = {cut, cut + length, false};

        memcpy(cut, message.bytes, length);
        cut[length] = 'x';
        (void)mtnt__wire_take_text(&from);
        free(mtnt__wire_take_list(&from));
        assert_true(from.bad);
        free(cut);
    }
    for (size_t i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        mtnt__wire text = {(const char *)&lies[i], (const char *)(&lies[i] + 1), false}, list = text;

        assert_null(mtnt__wire_take_text(&text));
        assert_true(text.bad);
        free(mtnt__wire_take_list(&list));
        assert_true(list.bad);
    }
    mtnt__buffer_release(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),
        cmocka_unit_test(what_is_cut_or_lies_is_bad),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
