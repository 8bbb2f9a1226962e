/* What is remembered of tenants that are current: by itself, with a clock of ours. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fleet/remembered.h"

static int64_t clock_ms;

static int64_t boot_ms(void *data)
{
    (void)data;
    return clock_ms;
}

static int fixed_random(void *data, void *ret_bytes, size_t size)
{
    (void)data;
    memset(ret_bytes, 42, size);
    return 0;
}

static const mtnt__system machine = {.boot_ms = boot_ms, .random = fixed_random};

static mtnt__remembered *remember(size_t most, int64_t ttl_ms)
{
    mtnt__remembered *remembered = NULL;

    clock_ms = 1000;
    assert_int_equal(mtnt__remembered_new(&remembered, most, ttl_ms, &machine, NULL), 0);
    return remembered;
}

static mtnt_model *tenant_at(const char *id, const char *dsn)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_model *model = NULL;

    options.id = id;
    options.dsn = dsn;
    assert_int_equal(mtnt_model_new(&model, &options, NULL), 0);
    return model;
}

static mtnt_model *tenant(int number)
{
    char id[32];

    snprintf(id, sizeof(id), "tenant-%d", number);
    return tenant_at(id, "sqlite:somewhere.db");
}

static void add(mtnt__remembered *remembered, int number)
{
    mtnt_model *model = tenant(number);

    mtnt__remembered_add(remembered, model, mtnt__remembered_stamp(remembered, mtnt_model_id(model)));
    mtnt_model_free(model);
}

static bool has(mtnt__remembered *remembered, int number)
{
    mtnt_model *model = tenant(number);
    bool has = mtnt__remembered_has(remembered, model);

    mtnt_model_free(model);
    return has;
}

static void knows_what_was_added(void **state)
{
    mtnt__remembered *remembered = remember(10, 0);

    (void)state;
    assert_false(has(remembered, 1));
    add(remembered, 1);
    add(remembered, 1);
    assert_true(has(remembered, 1));
    assert_false(has(remembered, 2));
    assert_int_equal(mtnt__remembered_hits(remembered), 1);
    mtnt__remembered_free(remembered);
}

static void the_last_used_stay(void **state)
{
    mtnt__remembered *remembered = remember(3, 0);

    (void)state;
    for (int i = 1; i <= 3; i++)
        add(remembered, i);
    assert_true(has(remembered, 1)); /* now 2 is the oldest */
    add(remembered, 4);
    assert_true(has(remembered, 1));
    assert_false(has(remembered, 2));
    assert_true(has(remembered, 3));
    assert_true(has(remembered, 4));
    mtnt__remembered_free(remembered);
}

static void many_are_bounded_and_found(void **state)
{
    const int most = 8192;
    mtnt__remembered *remembered = remember((size_t)most, 0);
    int found = 0;

    (void)state;
    for (int i = 0; i < most / 2; i++)
        add(remembered, i);
    for (int i = 0; i < most / 2; i++)
        assert_true(has(remembered, i));
    for (int i = most / 2; i < 3 * most; i++)
        add(remembered, i);
    for (int i = 0; i < 3 * most; i++)
        found += has(remembered, i);
    /* Full, or nearly: the shards are not filled alike. */
    assert_in_range(found, most * 9 / 10, most);
    assert_true(has(remembered, 3 * most - 1));
    mtnt__remembered_free(remembered);
}

static void another_place_is_another_question(void **state)
{
    mtnt__remembered *remembered = remember(10, 0);
    mtnt_model *here = tenant_at("a", "sqlite:here.db"), *there = tenant_at("a", "sqlite:there.db");

    (void)state;
    mtnt__remembered_add(remembered, here, 0);
    assert_true(mtnt__remembered_has(remembered, here));
    assert_false(mtnt__remembered_has(remembered, there));
    mtnt__remembered_add(remembered, there, 0);
    assert_false(mtnt__remembered_has(remembered, here));
    assert_true(mtnt__remembered_has(remembered, there));
    mtnt_model_free(here);
    mtnt_model_free(there);
    mtnt__remembered_free(remembered);
}

static void only_for_its_time(void **state)
{
    mtnt__remembered *remembered = remember(10, 50);

    (void)state;
    add(remembered, 1);
    clock_ms += 49;
    assert_true(has(remembered, 1));
    clock_ms += 1;
    assert_false(has(remembered, 1));
    add(remembered, 1);
    assert_true(has(remembered, 1));
    mtnt__remembered_free(remembered);
}

static void forgotten(void **state)
{
    mtnt__remembered *remembered = remember(10000, 0);

    (void)state;
    for (int i = 0; i < 100; i++)
        add(remembered, i);
    mtnt__remembered_forget(remembered, "tenant-7");
    mtnt__remembered_forget(remembered, "nobody");
    assert_false(has(remembered, 7));
    assert_true(has(remembered, 8));
    mtnt__remembered_forget(remembered, NULL);
    for (int i = 0; i < 100; i++)
        assert_false(has(remembered, i));
    mtnt__remembered_free(remembered);
}

/* The answer to a question that was asked before is not what is wanted now. */
static void late_answers_are_not_remembered(void **state)
{
    mtnt__remembered *remembered = remember(10, 0);
    mtnt_model *model = tenant(1);
    uint64_t stamp = mtnt__remembered_stamp(remembered, mtnt_model_id(model));

    (void)state;
    mtnt__remembered_forget(remembered, mtnt_model_id(model));
    mtnt__remembered_add(remembered, model, stamp);
    assert_false(has(remembered, 1));
    stamp = mtnt__remembered_stamp(remembered, mtnt_model_id(model));
    mtnt__remembered_forget(remembered, NULL);
    mtnt__remembered_add(remembered, model, stamp);
    assert_false(has(remembered, 1));
    add(remembered, 1);
    assert_true(has(remembered, 1));
    mtnt_model_free(model);
    mtnt__remembered_free(remembered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_was_added),
        cmocka_unit_test(the_last_used_stay),
        cmocka_unit_test(many_are_bounded_and_found),
        cmocka_unit_test(another_place_is_another_question),
        cmocka_unit_test(only_for_its_time),
        cmocka_unit_test(forgotten),
        cmocka_unit_test(late_answers_are_not_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
