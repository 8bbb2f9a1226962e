/* Bounded text, numbers without the locale, growing text. */
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/text.h"

static void copies_cut_between_characters(void **state)
{
    char target[8];

    (void)state;
    assert_true(mtnt__text_copy(target, sizeof(target), "1234567"));
    assert_string_equal(target, "1234567");
    assert_false(mtnt__text_copy(target, sizeof(target), "12345678"));
    assert_string_equal(target, "1234567");
    assert_false(mtnt__text_copy(target, sizeof(target), "12345\xe2\x82\xac"));
    assert_string_equal(target, "12345");
    assert_true(mtnt__text_copy(target, sizeof(target), "1234\xe2\x82\xac"));
    assert_string_equal(target, "1234\xe2\x82\xac");
    assert_false(mtnt__text_copy(target, 1, "x"));
    assert_string_equal(target, "");
    assert_false(mtnt__text_copy(target, 0, ""));
}

static void equality_knows_null(void **state)
{
    (void)state;
    assert_true(mtnt__text_equal(NULL, NULL));
    assert_true(mtnt__text_equal("a", "a"));
    assert_false(mtnt__text_equal("a", NULL));
    assert_false(mtnt__text_equal(NULL, ""));
    assert_false(mtnt__text_equal("a", "b"));
}

static void integers(void **state)
{
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x10",
                                      "1.0",
                                      "--1",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "99999999999999999999999"};
    int64_t value = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(mtnt__parse_int(bad[i], INT64_MIN, INT64_MAX, &value));
    assert_int_equal(value, 77);
    assert_true(mtnt__parse_int("9223372036854775807", INT64_MIN, INT64_MAX, &value));
    assert_true(value == INT64_MAX);
    assert_true(mtnt__parse_int("-9223372036854775808", INT64_MIN, INT64_MAX, &value));
    assert_true(value == INT64_MIN);
    assert_true(mtnt__parse_int("007", 0, 10, &value));
    assert_int_equal(value, 7);
    assert_false(mtnt__parse_int("11", 0, 10, &value));
    assert_false(mtnt__parse_int("-1", 0, 10, &value));
}

static void reals_whatever_the_locale(void **state)
{
    static const double numbers[] = {0, 0.1, -1.5, 1e300, 5e-324, 123456789.123456789};
    static const char *const bad[] = {"", " 1", "1,5", "1.5 ", "x", "1.5x", "\t1"};
    char text[MTNT__REAL_SIZE];
    double value = 0;

    (void)state;
    setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed */
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        mtnt__format_real(numbers[i], text);
        assert_null(strchr(text, ','));
        assert_true(mtnt__parse_real(text, &value));
        assert_memory_equal(&value, &numbers[i], sizeof(value));
        mtnt__format_real_short(numbers[i], text);
        assert_true(mtnt__parse_real(text, &value));
        assert_memory_equal(&value, &numbers[i], sizeof(value));
    }
    mtnt__format_real_short(0.1, text);
    assert_string_equal(text, "0.1");
    mtnt__format_real_short(0.1 + 0.2, text);
    assert_string_equal(text, "0.30000000000000004");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(mtnt__parse_real(bad[i], &value));
    mtnt__format_real(-INFINITY, text);
    assert_string_equal(text, "-inf");
    assert_true(mtnt__parse_real("NaN", &value));
    assert_true(isnan(value));
    setlocale(LC_ALL, "C");
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0},       {"0s", 0},       {"200ms", 200},   {"5s", 5000},
                {"2m", 120000}, {"1h", 3600000}, {"1d", 86400000}, {"9223372036854775807ms", INT64_MAX}};
    static const char *const bad[] = {
        "",     "5", "s", "-5s", "5 s", "5S", "5sec", "1.5h", "9223372036854775807s", "99999999999999999999999999ms",
        "1h30m"};
    int64_t ms = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(mtnt__parse_duration_ms(bad[i], &ms));
    assert_int_equal(ms, 77);
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(mtnt__parse_duration_ms(good[i].text, &ms));
        assert_true(ms == good[i].ms);
    }
}

static void did_you_mean(void **state)
{
    static const char *const names[] = {"model", "schema", "id", "labels", "description", NULL};
    char longest[200];

    (void)state;
    assert_string_equal(mtnt__text_nearest("modle", names), "model"); /* a swap is one edit */
    assert_string_equal(mtnt__text_nearest("mode", names), "model");
    assert_string_equal(mtnt__text_nearest("shcema", names), "schema");
    assert_string_equal(mtnt__text_nearest("label", names), "labels");
    assert_string_equal(mtnt__text_nearest("descripton", names), "description");
    assert_string_equal(mtnt__text_nearest("di", names), "id");
    assert_null(mtnt__text_nearest("xyz", names));
    assert_null(mtnt__text_nearest("q", names));
    assert_null(mtnt__text_nearest("", names));
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(mtnt__text_nearest(longest, names));
    assert_null(mtnt__text_nearest("model", (const char *const[]){longest, NULL}));
}

static void buffers_grow(void **state)
{
    mtnt__buffer buffer = {0};
    char *text;

    (void)state;
    assert_string_equal(mtnt__buffer_text(&buffer), "");
    for (int i = 0; i < 1000; i++)
        mtnt__buffer_add_format(&buffer, "%d,", i % 10);
    mtnt__buffer_add(&buffer, NULL, 0);
    mtnt__buffer_add(&buffer, "a\0b", 3);
    assert_int_equal(buffer.length, 2003);
    assert_memory_equal(mtnt__buffer_text(&buffer) + 2000, "a\0b", 4);
    mtnt__buffer_clear(&buffer);
    assert_string_equal(mtnt__buffer_text(&buffer), "");
    mtnt__buffer_add_text(&buffer, "end");
    text = mtnt__buffer_take(&buffer);
    assert_string_equal(text, "end");
    assert_null(buffer.bytes);
    free(text);
    text = mtnt__buffer_take(&buffer);
    assert_string_equal(text, "");
    free(text);
    mtnt__buffer_release(&buffer);
}

static void a_failed_buffer_stays_failed(void **state)
{
    mtnt__buffer buffer = {0};

    (void)state;
    mtnt__buffer_add_text(&buffer, "x");
    mtnt__buffer_add(&buffer, "y", SIZE_MAX / 2);
    assert_true(buffer.failed);
    mtnt__buffer_add_text(&buffer, "z");
    assert_string_equal(mtnt__buffer_text(&buffer), "x");
    assert_null(mtnt__buffer_take(&buffer));
    mtnt__buffer_release(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_cut_between_characters),
        cmocka_unit_test(equality_knows_null),
        cmocka_unit_test(integers),
        cmocka_unit_test(reals_whatever_the_locale),
        cmocka_unit_test(durations),
        cmocka_unit_test(did_you_mean),
        cmocka_unit_test(buffers_grow),
        cmocka_unit_test(a_failed_buffer_stays_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
