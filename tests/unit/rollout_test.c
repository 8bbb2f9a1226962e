/* The policies of a rollout, without any database: shares, waves and their budget, groups, the rate and the pauses between tries. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "fleet/groups.h"
#include "fleet/pace.h"
#include "fleet/parking.h"
#include "fleet/waves.h"

/* ---- shares ---- */

static void shares(void **state)
{
    static const char *const bad[] = {"", "%", "-1", "101%", "5 %", "1.2345%", ".5%", "1.%", "x", "1%%", "+3", "1000%"};
    mtnt__share share = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (mtnt__share_parse(bad[i], &share))
            fail_msg("`%s` was taken for a share", bad[i]);
    assert_true(mtnt__share_parse("7", &share));
    assert_int_equal(mtnt__share_of(share, 1000), 7);
    assert_false(mtnt__share_exceeded(share, 7, 1000));
    assert_true(mtnt__share_exceeded(share, 8, 1000));
    assert_true(mtnt__share_parse("2.5%", &share));
    assert_int_equal(mtnt__share_of(share, 1000), 25);
    assert_int_equal(mtnt__share_of(share, 1001), 26); /* rounded up */
    assert_false(mtnt__share_exceeded(share, 25, 1001));
    assert_true(mtnt__share_exceeded(share, 26, 1001)); /* 2.597 % */
    assert_true(mtnt__share_parse("0%", &share));
    assert_true(mtnt__share_exceeded(share, 1, 1000000));
    assert_false(mtnt__share_exceeded(share, 0, 0));
    assert_true(mtnt__share_parse("100%", &share));
    assert_false(mtnt__share_exceeded(share, 1000000, 1000000));
}

static void lists_of_shares(void **state)
{
    static const char *const bad[] = {"",        ",",   "1,", ",1",   "10,1", "10%,5%",
                                      "10%,100", "0,5", "0%", "1,,2", "5,5",  "a"};
    mtnt_rollout_options options = {.waves = "1,100%"};
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (mtnt_rollout_check_waves(bad[i], &err) != MTNT_E_INVALID)
            fail_msg("`%s` was taken for waves", bad[i]);
    assert_int_equal(mtnt_rollout_check_waves("1,10,5%,100%", &err), 0);
    assert_false(mtnt_rollout_needs_count(&options));
    options.waves = "1,10%";
    assert_true(mtnt_rollout_needs_count(&options));
    options.waves = NULL;
    options.max_failures = "3";
    assert_false(mtnt_rollout_needs_count(&options));
    options.max_failures = "3%";
    assert_true(mtnt_rollout_needs_count(&options));
}

/* ---- waves ---- */

static mtnt__waves planned(mtnt_rollout_options options, int64_t total)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__waves waves = {0};

    if (mtnt__waves_plan(&waves, &options, total, &err) != 0)
        fail_msg("%s", err.message);
    return waves;
}

static int64_t run_wave(mtnt__waves *waves, int64_t most)
{
    int64_t count = 0;

    for (; count < most && mtnt__waves_room(waves); count++)
        mtnt__waves_begin(waves);
    for (int64_t i = 0; i < count; i++) {
        assert_false(mtnt__waves_complete(waves));
        mtnt__waves_end(waves);
    }
    return count;
}

static void next_wave(mtnt__waves *waves, int64_t failed)
{
    mtnt__waves_set(waves, waves->at + 1, waves->begun, waves->begun, failed);
}

static void waves_of_a_fleet(void **state)
{
    mtnt__waves waves =
        planned((mtnt_rollout_options){.waves = "1,10%,100%", .soak_ms = 500, .max_failures = "1%"}, 200);

    (void)state;
    assert_int_equal(waves.count, 3);
    assert_int_equal(mtnt__waves_budget(&waves), 2);
    assert_int_equal(mtnt__waves_size(&waves), 1);
    assert_int_equal(run_wave(&waves, 1000), 1);
    assert_true(mtnt__waves_complete(&waves));
    assert_false(mtnt__waves_spent(&waves, 0));
    mtnt__waves_soak(&waves, 10000);
    assert_false(mtnt__waves_room(&waves));
    next_wave(&waves, 0);
    assert_int_equal(mtnt__waves_size(&waves), 19);
    assert_int_equal(run_wave(&waves, 1000), 19);
    assert_true(mtnt__waves_complete(&waves));
    next_wave(&waves, 0);
    assert_true(mtnt__waves_last(&waves));
    assert_int_equal(mtnt__waves_size(&waves), 180);
    assert_int_equal(run_wave(&waves, 180), 180);
    assert_false(mtnt__waves_complete(&waves)); /* nothing comes after it */
}

/* What others have begun takes room here; what somebody else had begun takes none when it is taken up. */
static void waves_of_several(void **state)
{
    mtnt__waves waves = planned((mtnt_rollout_options){.waves = "5,100%", .soak_ms = 500}, 200);

    (void)state;
    mtnt__waves_set(&waves, 0, 4, 0, 0);
    assert_true(mtnt__waves_room(&waves));
    mtnt__waves_inherit(&waves);
    assert_true(mtnt__waves_room(&waves));
    mtnt__waves_begin(&waves);
    assert_false(mtnt__waves_room(&waves));
    assert_false(mtnt__waves_complete(&waves));
    mtnt__waves_end(&waves);
    assert_false(mtnt__waves_complete(&waves)); /* the one that was taken up is not over */
    mtnt__waves_forget(&waves);                 /* somebody was quicker: room for another */
    assert_true(mtnt__waves_room(&waves));
    assert_false(mtnt__waves_complete(&waves));
    mtnt__waves_soak(&waves, 10);
    assert_false(mtnt__waves_room(&waves));
    mtnt__waves_set(&waves, 1, 5, 5, 0);
    assert_true(mtnt__waves_room(&waves)); /* nobody soaks in a new wave */
    assert_int_equal(mtnt__waves_size(&waves), 195);
}

static void budgets(void **state)
{
    mtnt__waves waves = planned((mtnt_rollout_options){.canary = 10, .max_failures = "3"}, 100);

    (void)state;
    /* A number is of the run: it may be spent in one wave. */
    run_wave(&waves, 10);
    assert_false(mtnt__waves_spent(&waves, 3));
    assert_true(mtnt__waves_spent(&waves, 4));
    /* A percentage is of each wave, too: 1 of 10 is more than 5 %, though 5 of 100 are not. */
    waves = planned((mtnt_rollout_options){.canary = 10, .max_failures = "5%"}, 100);
    mtnt__waves_begin(&waves);
    assert_true(mtnt__waves_spent(&waves, 1));
    assert_int_equal(mtnt__waves_left(&waves, 0), 0); /* of the wave; five of the run */
    waves = planned((mtnt_rollout_options){.max_failures = "5%"}, 100);
    run_wave(&waves, 10);
    assert_false(mtnt__waves_spent(&waves, 5));
    assert_true(mtnt__waves_spent(&waves, 6));
    /* What failed in earlier waves is not this one's. */
    waves = planned((mtnt_rollout_options){.canary = 50, .max_failures = "10%"}, 100);
    run_wave(&waves, 50);
    assert_false(mtnt__waves_spent(&waves, 5));
    next_wave(&waves, 5);
    run_wave(&waves, 10);
    assert_false(mtnt__waves_spent(&waves, 10));
    assert_true(mtnt__waves_spent(&waves, 11));
    /* None: a wave passes without failures only, and the last one is not judged. */
    waves = planned((mtnt_rollout_options){.canary = 2}, -1);
    mtnt__waves_begin(&waves);
    assert_false(mtnt__waves_spent(&waves, 1)); /* not complete */
    mtnt__waves_begin(&waves);
    mtnt__waves_end(&waves);
    mtnt__waves_end(&waves);
    assert_true(mtnt__waves_spent(&waves, 1));
    next_wave(&waves, 0);
    run_wave(&waves, 5);
    assert_false(mtnt__waves_spent(&waves, 5));
    assert_int_equal(mtnt__waves_budget(&waves), -1);
    waves = planned((mtnt_rollout_options){.max_failures = "0"}, -1);
    assert_false(mtnt__waves_spent(&waves, 0));
    assert_true(mtnt__waves_spent(&waves, 1));
}

static void plans(void **state)
{
    mtnt_rollout_options percent = {.waves = "10%"};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__waves waves;

    (void)state;
    assert_int_equal(mtnt__waves_plan(&waves, &percent, -1, &err), MTNT_E_INVALID);
    assert_non_null(strstr(err.message, "mtnt_executor_count"));
    percent = (mtnt_rollout_options){.max_failures = "10%"};
    assert_int_equal(mtnt__waves_plan(&waves, &percent, -1, &err), MTNT_E_INVALID);
    /* Nothing is judged where there is one wave only, by whatever way. */
    assert_false(planned((mtnt_rollout_options){.waves = "100%"}, -1).judges);
    assert_false(planned((mtnt_rollout_options){.canary = 5}, 5).judges);
    assert_false(planned((mtnt_rollout_options){0}, -1).judges);
    /* Waves that nobody would be in are left out. */
    waves = planned((mtnt_rollout_options){.canary = 3, .waves = "1,2,10%,50%"}, 10);
    assert_int_equal(waves.count, 3);
    assert_int_equal(waves.ends[0], 3);
    assert_int_equal(waves.ends[1], 5);
    assert_int_equal(waves.ends[2], INT64_MAX);
}

/* ---- groups ---- */

static const char *const gold[] = {"tier=gold", NULL}, *const eu[] = {"region=eu", NULL},
                         *const both[] = {"tier=gold", "region=eu", NULL}, *const bad_label[] = {"gold", NULL};

static void wrong_groups(void **state)
{
    static const char *const on_b[] = {"b", NULL}, *const on_a[] = {"a", NULL}, *const on_c[] = {"c", NULL};
    const struct {
        mtnt_group groups[3];
        size_t count, wrong;
        const char *says;
    } cases[] = {
        {{{.name = "", .match = gold}}, 1, 0, "has no name"},
        {{{.name = "a", .match = gold}, {.name = "a", .match = eu}}, 2, 1, "two groups `a`"},
        {{{.name = "a"}}, 1, 0, "matches nothing"},
        {{{.name = "a", .match = bad_label}}, 1, 0, "key=value"},
        {{{.name = "a", .match = gold, .depends_on = on_b}}, 1, 0, "no such group"},
        {{{.name = "a", .match = gold, .depends_on = on_a}}, 1, 0, "depends on itself"},
        {{{.name = "x", .match = gold},
          {.name = "a", .match = gold, .depends_on = on_b},
          {.name = "b", .match = eu, .depends_on = on_a}},
         3,
         1,
         "depends on itself"},
        {{{.name = "a", .match = gold, .order = 1, .depends_on = on_b}, {.name = "b", .match = eu, .order = 2}},
         2,
         0,
         "comes later"},
        {{{.name = "a", .match = gold, .parallel = -1}}, 1, 0, "parallel"},
    };
    const mtnt_group good[] = {{.name = "a", .match = gold, .depends_on = on_b},
                               {.name = "b", .match = eu, .depends_on = on_c},
                               {.name = "c", .match = both}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        mtnt_error err = MTNT_ERROR_INIT;
        size_t wrong = 99;

        assert_int_equal(mtnt_groups_check(cases[i].groups, cases[i].count, &wrong, &err), MTNT_E_INVALID);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("%zu: %s", i, err.message);
        assert_int_equal(wrong, cases[i].wrong);
    }
    assert_int_equal(mtnt_groups_check(good, 3, NULL, NULL), 0);
    assert_int_equal(mtnt_groups_check(NULL, 0, NULL, NULL), 0);
}

static void members(void **state)
{
    const mtnt_group groups[] = {{.name = "both", .match = both}, {.name = "gold", .match = gold}};
    const char *const one[] = {"region=eu", "tier=gold", NULL}, *const two[] = {"tier=gold", "region=us", NULL},
                      *const three[] = {"tier=golden", NULL};
    const char *const *labels[] = {one, two, three, NULL};
    const size_t expected[] = {0, 1, 2, 2};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
        mtnt_error err = MTNT_ERROR_INIT;
        mtnt_model *model;

        options.id = "a";
        options.dsn = "sqlite:a.db";
        options.labels = labels[i];
        assert_int_equal(mtnt_model_new(&model, &options, &err), 0);
        assert_int_equal(mtnt__group_of(groups, 2, model), expected[i]);
        mtnt_model_free(model);
    }
}

static void turns(void **state)
{
    static const char *const on_a[] = {"a", NULL};
    const mtnt_group list[] = {{.name = "a", .match = gold, .order = 1, .parallel = 2, .on_error = MTNT_ON_ERROR_STOP},
                               {.name = "b", .match = eu, .order = 1},
                               {.name = "c", .match = eu, .order = 1, .depends_on = on_a},
                               {.name = "d", .match = eu, .order = 2}};
    const mtnt_rollout_options options = {.groups = list, .group_count = 4};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__groups groups;

    (void)state;
    assert_int_equal(mtnt__groups_init(&groups, &options, &err), 0);
    for (size_t i = 0; i < 5; i++)
        mtnt__groups_meet(&groups, i);
    assert_true(mtnt__groups_open(&groups, 0) && mtnt__groups_open(&groups, 1));
    assert_false(mtnt__groups_open(&groups, 2) || mtnt__groups_open(&groups, 3) || mtnt__groups_open(&groups, 4));
    mtnt__groups_sit(&groups, 0);
    assert_true(mtnt__groups_room(&groups, 0));
    mtnt__groups_sit(&groups, 0);
    assert_false(mtnt__groups_room(&groups, 0)); /* parallel: 2 */
    mtnt__groups_rise(&groups, 0);
    mtnt__groups_rise(&groups, 0);
    /* Over only when the source has been read to its end. */
    mtnt__groups_part(&groups, 0);
    assert_false(mtnt__groups_open(&groups, 2));
    groups.all_known = true;
    assert_true(mtnt__groups_open(&groups, 2));
    assert_false(mtnt__groups_open(&groups, 3));
    mtnt__groups_part(&groups, 1);
    mtnt__groups_fail(&groups, 1); /* on_error is not stop */
    mtnt__groups_part(&groups, 2);
    assert_true(mtnt__groups_open(&groups, 3));
    assert_false(mtnt__groups_open(&groups, 4)); /* the others come last */
    mtnt__groups_part(&groups, 3);
    assert_true(mtnt__groups_room(&groups, 4));
    mtnt__groups_release(&groups);

    assert_int_equal(mtnt__groups_init(&groups, &options, &err), 0);
    mtnt__groups_fail(&groups, 0);
    assert_true(mtnt__groups_stopped(&groups, 0));
    assert_false(mtnt__groups_stopped(&groups, 1)); /* beside it */
    assert_true(mtnt__groups_stopped(&groups, 2));
    assert_true(mtnt__groups_stopped(&groups, 3));
    assert_true(mtnt__groups_stopped(&groups, 4));
    assert_false(mtnt__groups_room(&groups, 0));
    mtnt__groups_release(&groups);
}

static void parked(void **state)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__parking parking;
    char id[16];

    (void)state;
    assert_int_equal(mtnt__parking_init(&parking, 2, &err), 0);
    options.id = id;
    options.dsn = "sqlite:a.db";
    for (int i = 0; i < 200; i++) {
        mtnt_model *model;

        snprintf(id, sizeof(id), "t%d", i);
        assert_int_equal(mtnt_model_new(&model, &options, &err), 0);
        assert_int_equal(mtnt__parking_put(&parking, (size_t)i % 2, model, &err), 0);
    }
    assert_int_equal(parking.count, 200);
    for (int i = 0; i < 90; i++) {
        mtnt_model *model = mtnt__parking_take(&parking, 1);

        snprintf(id, sizeof(id), "t%d", i * 2 + 1);
        assert_string_equal(mtnt_model_id(model), id);
        mtnt_model_free(model);
    }
    assert_int_equal(parking.count, 110);
    mtnt__parking_release(&parking); /* with what is left */
}

/* ---- time ---- */

static int begun_in(mtnt__pace *pace, int64_t from_ms, int64_t to_ms)
{
    int count = 0;

    for (int64_t now_ms = from_ms; now_ms < to_ms; now_ms++)
        while (mtnt__pace_room(pace, now_ms)) {
            mtnt__pace_take(pace, now_ms);
            count++;
        }
    return count;
}

static void rates(void **state)
{
    static const char *const bad[] = {"10", "/s", "0/s", "-1/s", "10/d", "10/ss", "1.5/s", "10 /s", ""};
    mtnt__pace pace = {.count = 2, .ms = 1000};
    mtnt_error err = MTNT_ERROR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (mtnt_rollout_check_rate(bad[i], &err) != MTNT_E_INVALID)
            fail_msg("`%s` was taken for a rate", bad[i]);
    assert_int_equal(begun_in(&pace, 5000, 15000), 20);
    assert_int_equal(mtnt__pace_wait_ms(&pace, 15000), 0);
    /* A long pause saves nothing up. */
    assert_int_equal(begun_in(&pace, 1000000, 1000100), 1);
    assert_int_equal(mtnt__pace_wait_ms(&pace, 1000100), 400);
    pace = (mtnt__pace){.count = 1000, .ms = 1000};
    assert_in_range(begun_in(&pace, 1000, 2000), 1000, 1101);
    pace = (mtnt__pace){0};
    assert_true(mtnt__pace_room(&pace, 0));
}

static void pauses(void **state)
{
    (void)state;
    assert_int_equal(mtnt__pause_ms(0, 1, 0), 1000);
    assert_int_equal(mtnt__pause_ms(0, 2, 0), 2000);
    assert_int_equal(mtnt__pause_ms(0, 3, 0), 4000);
    assert_int_equal(mtnt__pause_ms(0, 1000, 0), 60000);
    assert_in_range(mtnt__pause_ms(0, 1, UINT32_MAX), 499, 501);
    assert_in_range(mtnt__pause_ms(0, 2, 1u << 31), 1498, 1501);
    assert_int_equal(mtnt__pause_ms(90000, 1, 0), 90000);
    assert_int_equal(mtnt__pause_ms(1, 1, 0), 1);
    assert_true(mtnt__pause_ms(1, 1, UINT32_MAX) >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares),           cmocka_unit_test(lists_of_shares), cmocka_unit_test(waves_of_a_fleet),
        cmocka_unit_test(waves_of_several), cmocka_unit_test(budgets),         cmocka_unit_test(plans),
        cmocka_unit_test(wrong_groups),     cmocka_unit_test(members),         cmocka_unit_test(turns),
        cmocka_unit_test(parked),           cmocka_unit_test(rates),           cmocka_unit_test(pauses),
    };

    return cmocka_run_group_tests_name("fleet.rollout", tests, NULL, NULL);
}
