/* What the writer of model descriptions puts, the reader gives back; what is none is told. */
#include <math.h>

#include "scratch.h"

#include "config/formats.h"
#include "coordinate/describe.h"

#define HEAD \
    "description: 1\ntenant: a\nchain: c\napplied: []\ntables:\n  - table: t\n    columns: [v]\n    rows:\n      - row: ["

typedef struct got {
    size_t count;
    mtnt_described_type type;
    char bytes[4096];
    size_t length;
} got;

static int take(void *data, const mtnt_described_rows *rows, mtnt_error *err)
{
    got *taken = data;

    (void)err;
    for (size_t i = 0; i < rows->row_count * rows->column_count; i++) {
        const mtnt_described_value *value = &rows->values[i];

        assert_true(value->length < sizeof(taken->bytes));
        assert_int_equal(value->bytes[value->length], '\0');
        memcpy(taken->bytes, value->bytes, value->length + 1);
        taken->length = value->length;
        taken->type = value->type;
        taken->count++;
    }
    return 0;
}

static int read_file(const char *path, got *ret_got, mtnt_error *err)
{
    mtnt_description *description = NULL;
    int rc = mtnt_description_open(&description, path, err);

    if (rc == 0)
        rc = mtnt_description_read(description, take, ret_got, err);
    mtnt_description_close(description);
    return rc;
}

static int read_value(scratch *s, const char *value, got *ret_got, mtnt_error *err)
{
    char text[16384];

    memset(ret_got, 0, sizeof(*ret_got));
    assert_true(snprintf(text, sizeof(text), HEAD "%s]\n", value) < (int)sizeof(text));
    return read_file(scratch_write(s, "a.yaml", text), ret_got, err);
}

static void values(void **state)
{
    static const struct {
        const char *written;
        mtnt_described_type type;
        const char *bytes;
    } good[] = {
        {"null", MTNT_DESCRIBED_NULL, ""},
        {"~", MTNT_DESCRIBED_NULL, ""},
        {"true", MTNT_DESCRIBED_BOOL, "true"},
        {"\"true\"", MTNT_DESCRIBED_TEXT, "true"},
        {"-0.50e-3", MTNT_DESCRIBED_NUMBER, "-0.50e-3"},
        {"12345678901234567890.10", MTNT_DESCRIBED_NUMBER, "12345678901234567890.10"},
        {".nan", MTNT_DESCRIBED_NUMBER, "NaN"},
        {"-.inf", MTNT_DESCRIBED_NUMBER, "-Infinity"},
        {"'7'", MTNT_DESCRIBED_TEXT, "7"},
        {"Ann", MTNT_DESCRIBED_TEXT, "Ann"},
        {"\"\"", MTNT_DESCRIBED_TEXT, ""},
        {"!!binary \"\"", MTNT_DESCRIBED_BLOB, ""},
        {"!!binary \"QW5u\"", MTNT_DESCRIBED_BLOB, "Ann"},
        {"!!binary \"QW4=\"", MTNT_DESCRIBED_BLOB, "An"},
        {"!!binary QQ==", MTNT_DESCRIBED_BLOB, "A"},
        {"!!binary \"QW\\n5u\"", MTNT_DESCRIBED_BLOB, "Ann"},
    };
    static const char *const bad[] = {"yes",
                                      "Off",
                                      "007",
                                      "0x1f",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "+1",
                                      "2024-02-29",
                                      "12:30",
                                      "NULLs: 1",
                                      "[1]",
                                      "!!binary \"QW5\"",
                                      "!!binary \"QW5u=\"",
                                      "!!binary \"Q?==\"",
                                      "!!binary \"====\"",
                                      "\"a\\0b\"",
                                      "1, 2",
                                      "*a",
                                      "&a 1"};
    mtnt_error err = MTNT_ERROR_INIT;
    got g;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (read_value(*state, good[i].written, &g, &err) != 0)
            fail_msg("%s: %s", good[i].written, err.message);
        assert_int_equal(g.count, 1);
        assert_int_equal(g.type, good[i].type);
        assert_string_equal(g.bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        mtnt_error_clear(&err);
        if (read_value(*state, bad[i], &g, &err) != MTNT_E_CONFIG)
            fail_msg("%s was taken: %s", bad[i], err.message);
        assert_int_equal(err.line, 9);
        assert_non_null(strstr(err.message, "the model description is not valid: "));
        assert_int_equal(g.count, 0);
    }
}

/* ---- there and back ---- */

static int put(void *data, const char *bytes, size_t length, mtnt_error *err)
{
    (void)err;
    assert_int_equal(fwrite(bytes, 1, length, data), length);
    return 0;
}

static uint32_t seed = 20;
static uint32_t chance(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* Any text that is UTF-8, odd characters more often than others. */
static size_t odd_text(char *text, size_t most)
{
    static const uint32_t odd[] = {1,      7,      9,      10,     13,      0x1b,    ' ',     '"',    '\'',   '\\',
                                   '#',    ':',    '-',    '&',    '*',     '!',     '%',     '@',    '`',    '{',
                                   ']',    ',',    0x7f,   0x80,   0x85,    0xa0,    0x2028,  0x2029, 0xd7ff, 0xe000,
                                   0xfeff, 0xfffd, 0xfffe, 0xffff, 0x10000, 0x1fffe, 0x10ffff};
    size_t length = 0, count = chance((uint32_t)most / 4);

    for (size_t i = 0; i < count; i++) {
        uint32_t c = chance(3) > 0 ? odd[chance(sizeof(odd) / sizeof(odd[0]))] : 1 + chance(0xd7ff);

        if (c < 0x80) {
            text[length++] = (char)c;
        } else if (c < 0x800) {
            text[length++] = (char)(0xc0 | c >> 6);
            text[length++] = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            text[length++] = (char)(0xe0 | c >> 12);
            text[length++] = (char)(0x80 | (c >> 6 & 0x3f));
            text[length++] = (char)(0x80 | (c & 0x3f));
        } else {
            text[length++] = (char)(0xf0 | c >> 18);
            text[length++] = (char)(0x80 | (c >> 12 & 0x3f));
            text[length++] = (char)(0x80 | (c >> 6 & 0x3f));
            text[length++] = (char)(0x80 | (c & 0x3f));
        }
    }
    text[length] = '\0';
    return length;
}

/* Writes one value by `which`, reads the file by both readers, and compares. */
static void there_and_back(scratch *s, uint32_t which)
{
    mtnt__describer describer = {.sink = put};
    const char *path = scratch_path(s, "b.yaml");
    FILE *file = fopen(path, "we");
    mtnt_error err = MTNT_ERROR_INIT;
    char bytes[2048];
    size_t length = odd_text(bytes, 1000);
    double real = ldexp((double)chance(1u << 24) + chance(1u << 24) / 16777216.0, (int)chance(1900) - 1000), back = 0;
    void *loaded = NULL;
    got g = {0};

    assert_non_null(file);
    describer.data = file;
    mtnt__buffer_add_text(&describer.text, HEAD);
    if (which == 0) {
        assert_int_equal(mtnt__describe_text(&describer, bytes, length, &err), 0);
    } else if (which == 1) {
        for (size_t i = 0; i < length; i++)
            bytes[i] = (char)chance(256);
        assert_int_equal(mtnt__describe_blob(&describer, bytes, length, &err), 0);
    } else {
        mtnt__describe_real(&describer, which == 2 ? real : -real);
    }
    mtnt__buffer_add_text(&describer.text, "]\n");
    assert_int_equal(mtnt__describe_flush(&describer, true, &err), 0);
    mtnt__buffer_release(&describer.text);
    assert_int_equal(fclose(file), 0);
    if (read_file(path, &g, &err) != 0)
        fail_msg("line %u: %s", err.line, err.message);
    assert_int_equal(g.count, 1);
    if (which < 2) {
        assert_int_equal(g.type, which == 0 ? MTNT_DESCRIBED_TEXT : MTNT_DESCRIBED_BLOB);
        assert_int_equal(g.length, length);
        assert_memory_equal(g.bytes, bytes, length);
    } else {
        real = which == 2 ? real : -real;
        assert_int_equal(g.type, MTNT_DESCRIBED_NUMBER);
        assert_true(mtnt__parse_real(g.bytes, &back));
        assert_memory_equal(&back, &real, sizeof(real));
    }
    /* libcyaml takes the document as a whole. */
    assert_int_equal(mtnt__yaml_load_file(&mtnt__description_format, path, &loaded, &err), 0);
    mtnt__yaml_free(&mtnt__description_format, loaded);
}

static void what_is_written_is_read(void **state)
{
    for (uint32_t i = 0; i < 800; i++)
        there_and_back(*state, i % 4);
}

static void what_is_no_text(void **state)
{
    static const char *const bad[] = {"\xff", "a\xc3",       "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\x80", "\xe2\x28\xa1"};
    mtnt__describer describer = {.sink = put};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(mtnt__describe_text(&describer, bad[i], strlen(bad[i]), NULL), MTNT_E_REFUSED);
    assert_int_equal(mtnt__describe_text(&describer, "a\0b", 3, NULL), MTNT_E_REFUSED);
    mtnt__buffer_release(&describer.text);
}

static void numbers_of_postgres(void **state)
{
    static const char *const cases[][3] = {{"1.50", "1.50", "1.5"},
                                           {"100", "100", "100"},
                                           {"-0.000", "-0.000", "-0"},
                                           {"NaN", ".nan", ".nan"},
                                           {"-Infinity", "-.inf", "-.inf"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mtnt__describer describer = {.sink = put};

        mtnt__describe_number(&describer, cases[i][0], false);
        assert_string_equal(mtnt__buffer_text(&describer.text), cases[i][1]);
        mtnt__buffer_clear(&describer.text);
        mtnt__describe_number(&describer, cases[i][0], true);
        assert_string_equal(mtnt__buffer_text(&describer.text), cases[i][2]);
        mtnt__buffer_release(&describer.text);
    }
}

static void no_such_file(void **state)
{
    mtnt_description *description = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    scratch *s = *state;

    assert_int_equal(mtnt_description_open(&description, scratch_path(s, "none.yaml"), &err), MTNT_E_NOT_FOUND);
    assert_int_equal(mtnt_description_open(&description, s->folder, &err), MTNT_E_IO);
    assert_int_equal(mtnt_description_open(&description, scratch_write(s, "empty.yaml", ""), &err), MTNT_E_CONFIG);
    assert_null(description);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(what_is_written_is_read, scratch_setup, scratch_teardown),
        cmocka_unit_test(what_is_no_text),
        cmocka_unit_test(numbers_of_postgres),
        cmocka_unit_test_setup_teardown(no_such_file, scratch_setup, scratch_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
