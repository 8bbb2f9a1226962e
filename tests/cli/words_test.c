#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "words.h"

static void test_int(void **state)
{
    int64_t value = 7;

    (void)state;
    assert_true(mtnt__words_int("1024", 1, 1024, &value) && value == 1024);
    assert_true(mtnt__words_int("-3", -5, 5, &value) && value == -3);
    assert_true(mtnt__words_int("9223372036854775807", 0, INT64_MAX, &value) && value == INT64_MAX);
    assert_true(mtnt__words_int("-9223372036854775808", INT64_MIN, 0, &value) && value == INT64_MIN);
    value = 7;
    assert_false(mtnt__words_int("9223372036854775808", 0, INT64_MAX, &value));
    assert_false(mtnt__words_int("", 0, 9, &value));
    assert_false(mtnt__words_int("-", -9, 9, &value));
    assert_false(mtnt__words_int("+1", 0, 9, &value));
    assert_false(mtnt__words_int(" 1", 0, 9, &value));
    assert_false(mtnt__words_int("1x", 0, 9, &value));
    assert_false(mtnt__words_int("10", 0, 9, &value));
    assert_true(value == 7);
}

static void test_duration(void **state)
{
    int64_t ms = 7;

    (void)state;
    assert_true(mtnt__words_duration_ms("200ms", &ms) && ms == 200);
    assert_true(mtnt__words_duration_ms("5s", &ms) && ms == 5000);
    assert_true(mtnt__words_duration_ms("2m", &ms) && ms == 120000);
    assert_true(mtnt__words_duration_ms("1h", &ms) && ms == 3600000);
    assert_true(mtnt__words_duration_ms("0", &ms) && ms == 0);
    ms = 7;
    assert_false(mtnt__words_duration_ms("5", &ms));
    assert_false(mtnt__words_duration_ms("s", &ms));
    assert_false(mtnt__words_duration_ms("-5s", &ms));
    assert_false(mtnt__words_duration_ms("5 s", &ms));
    assert_false(mtnt__words_duration_ms("9223372036854775807h", &ms));
    assert_true(ms == 7);
}

static void test_nearest(void **state)
{
    static const char *const names[] = {"tenants", "tenant", "to", "workers", NULL};

    (void)state;
    assert_string_equal(mtnt__words_nearest("tennants", names), "tenants");
    assert_string_equal(mtnt__words_nearest("wrokers", names), "workers");
    assert_string_equal(mtnt__words_nearest("t", names), "to");
    assert_null(mtnt__words_nearest("x", names));
    assert_null(mtnt__words_nearest("", names));
    assert_null(
        mtnt__words_nearest("something else entirely that is longer than any name could ever be in a list", names));
}

static void test_password(void **state)
{
    static const char *const secret[] = {"postgresql://u:p@h/d",           "postgresql://h/d?password=p",
                                         "postgres://h?x=1&sslpassword=p", "postgresql://h/d?PassWord=p",
                                         "postgresql://h/d?%70assword=p",  "host=h password=p"};
    static const char *const open[] = {"postgresql://u@h:5432/d", "postgresql://h/password",
                                       "postgresql://h/d?passfile=f", "sqlite:password=1", "sqlite:/a:b@c/d.db"};

    (void)state;
    for (size_t i = 0; i < sizeof secret / sizeof secret[0]; i++)
        assert_true(mtnt__words_has_password(secret[i]));
    for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
        assert_false(mtnt__words_has_password(open[i]));
}

static void assert_put(const char *text, const char *expected)
{
    char *shown = NULL;
    size_t size;
    FILE *out = open_memstream(&shown, &size);

    assert_non_null(out);
    mtnt__words_put(out, text);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(shown, expected);
    assert_int_equal(mtnt__words_width(text, strlen(text)), mtnt__words_width(expected, strlen(expected)));
    free(shown);
}

/* Nothing that a terminal obeys comes through: control characters of both sets, broken UTF-8, direction
 * marks. */
static void test_put(void **state)
{
    (void)state;
    assert_put("plain", "plain");
    assert_put("Zoë · 漢字", "Zoë · 漢字");
    assert_put("\033[2J\a", "\\x1b[2J\\x07");
    assert_put("a\nb\tc\rd", "a\\nb c\\rd");
    assert_put("\xc2\x9b"
               "31m",
               "\\u{9b}31m");
    assert_put("\xff\xc3", "\\xff\\xc3");
    assert_put("\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80");
    assert_put("\xe2\x80\xae"
               "txt.exe",
               "\\u{202e}txt.exe");
    assert_put("\x7f", "\\x7f");
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(mtnt__words_width("abc", 3), 3);
    assert_int_equal(mtnt__words_width("漢字", strlen("漢字")), 4);
    assert_int_equal(mtnt__words_width("e\xcc\x81", 3), 1);
    assert_int_equal(mtnt__words_width("\033", 1), 4);
}

static void test_texts(void **state)
{
    char text[MTNT__WORDS_DURATION_SIZE], time[MTNT__WORDS_TIME_SIZE];

    (void)state;
    mtnt__words_duration(text, 61);
    assert_string_equal(text, "61 ms");
    mtnt__words_duration(text, 4250);
    assert_string_equal(text, "4.2 s");
    mtnt__words_duration(text, 184000);
    assert_string_equal(text, "3 min 04 s");
    mtnt__words_duration(text, 7500000);
    assert_string_equal(text, "2 h 05 min");
    mtnt__words_time(time, 1795255452345);
    assert_string_equal(time, "2026-11-21T10:04:12.345Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_int),      cmocka_unit_test(test_duration), cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_password), cmocka_unit_test(test_put),      cmocka_unit_test(test_width),
        cmocka_unit_test(test_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
