/* What does not fit into memory: bytes that spill over into a file, and sorting them. */
#include "scratch.h"

#include "base/sorter.h"

#define MANY 200000

static uint32_t scrambled(uint32_t number) /* each number once */
{
    return number * 2654435761u;
}

static void bytes_are_read_back_from_file_and_tail(void **state)
{
    mtnt__spill spill = {.what = "the test"};
    uint32_t found = 0;
    size_t got;

    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(mtnt__spill_add(&spill, &(uint32_t){scrambled(i)}, sizeof(i), NULL), 0);
    assert_int_equal(mtnt__spill_size(&spill), MANY * sizeof(uint32_t));
    assert_true(spill.written > 0 && spill.tail.length > 0);
    for (uint32_t i = 0; i < MANY; i += 997) {
        assert_int_equal(mtnt__spill_read(&spill, i * sizeof(found), &found, sizeof(found), &got, NULL), 0);
        assert_int_equal(got, sizeof(found));
        assert_int_equal(found, scrambled(i));
    }
    /* Two bytes of it in the file, and two in the tail. */
    assert_int_equal(mtnt__spill_add(&spill, "xx", 2, NULL), 0);
    assert_int_equal(mtnt__spill_read(&spill, mtnt__spill_size(&spill) - 2, &found, 4, &got, NULL), 0);
    assert_int_equal(got, 2);
    assert_int_equal(mtnt__spill_read(&spill, mtnt__spill_size(&spill) + 1, &found, 4, &got, NULL), 0);
    assert_int_equal(got, 0);
    mtnt__spill_release(&spill);
}

static void a_reader_takes_what_lies_across_blocks(void **state)
{
    mtnt__spill spill = {.what = "the test"};
    mtnt__spill_reader reader = {.spill = &spill, .block = 10};
    mtnt_error err = MTNT_ERROR_INIT;
    const char *bytes;
    char text[32];

    (void)state;
    for (int i = 0; i < 50000; i++) {
        snprintf(text, sizeof(text), "%07d", i);
        assert_int_equal(mtnt__spill_add(&spill, text, 7, NULL), 0);
    }
    reader.end = mtnt__spill_size(&spill);
    for (int i = 0; i < 50000; i++) {
        snprintf(text, sizeof(text), "%07d", i);
        assert_int_equal(mtnt__spill_take(&reader, 7, &bytes, NULL), 0);
        assert_memory_equal(bytes, text, 7);
    }
    assert_int_equal(mtnt__spill_take(&reader, 1, &bytes, &err), MTNT_E_IO);
    assert_non_null(strstr(err.message, "the temporary file of the test: "));
    mtnt__spill_reader_release(&reader);
    mtnt__spill_release(&spill);
}

static void many_runs_are_merged_in_order(void **state)
{
    mtnt__sorter *sorter = NULL;
    const void *bytes = NULL;
    uint32_t count = 0;
    char text[64], last[64] = "";
    size_t length;

    (void)state;
    assert_int_equal(mtnt__sorter_new(&sorter, "the test", NULL), 0);
    for (uint32_t i = 0; i < MANY; i++) {
        snprintf(text, sizeof(text), "%010u%.*s", scrambled(i), (int)(i % 20), "....................");
        assert_int_equal(mtnt__sorter_add(sorter, text, strlen(text) + 1, NULL), 0);
    }
    assert_int_equal(mtnt__sorter_sort(sorter, NULL), 0);
    while (assert_int_equal(mtnt__sorter_next(sorter, &bytes, &length, NULL), 0), bytes) {
        assert_true(strcmp(last, bytes) < 0);
        assert_int_equal(strlen(bytes) + 1, length);
        strcpy(last, bytes);
        count++;
    }
    assert_int_equal(count, MANY);
    assert_int_equal(mtnt__sorter_next(sorter, &bytes, &length, NULL), 0);
    assert_null(bytes);
    mtnt__sorter_free(sorter);
}

static void equal_and_empty_ones_all_come(void **state)
{
    static const char *const given[] = {"b", "", "ab", "b", "a", ""}, *const sorted[] = {"", "", "a", "ab", "b", "b"};
    mtnt__sorter *sorter = NULL;
    const void *bytes = NULL;
    size_t length;

    (void)state;
    assert_int_equal(mtnt__sorter_new(&sorter, "the test", NULL), 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(mtnt__sorter_add(sorter, given[i], strlen(given[i]), NULL), 0);
    assert_int_equal(mtnt__sorter_sort(sorter, NULL), 0);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(mtnt__sorter_next(sorter, &bytes, &length, NULL), 0);
        assert_int_equal(length, strlen(sorted[i]));
        assert_memory_equal(bytes, sorted[i], length);
    }
    assert_int_equal(mtnt__sorter_next(sorter, &bytes, &length, NULL), 0);
    assert_null(bytes);
    mtnt__sorter_free(sorter);
}

static void nothing_is_sorted_too(void **state)
{
    mtnt__sorter *sorter = NULL;
    const void *bytes = "";
    size_t length;

    (void)state;
    assert_int_equal(mtnt__sorter_new(&sorter, "the test", NULL), 0);
    assert_int_equal(mtnt__sorter_sort(sorter, NULL), 0);
    assert_int_equal(mtnt__sorter_next(sorter, &bytes, &length, NULL), 0);
    assert_null(bytes);
    mtnt__sorter_free(sorter);
    mtnt__sorter_free(NULL);
}

#define CASE(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_are_read_back_from_file_and_tail),
        CASE(a_reader_takes_what_lies_across_blocks),
        CASE(many_runs_are_merged_in_order),
        CASE(equal_and_empty_ones_all_come),
        CASE(nothing_is_sorted_too),
    };

    return cmocka_run_group_tests_name("base.sorter", tests, NULL, NULL);
}
