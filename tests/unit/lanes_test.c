/* Lanes as chains of their own, environments, and what of an applied set is in which lane. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "chain/chain.h"

static int body(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    (void)err;
    return 0;
}

static const mtnt_operation_class seats = {
    MTNT_OPERATION_CLASS_INIT, .name = "seats", .writes = MTNT_WRITES_MODEL, .execute = body, .rollback = body,
};

static int set_up(void **state)
{
    mtnt_chain *chain = NULL;

    assert_int_equal(mtnt_chain_new(&chain, "shop", NULL), 0);
    *state = chain;
    return 0;
}

static int tear_down(void **state)
{
    mtnt_chain_free(*state);
    return 0;
}

static mtnt_entry named(const char *name, int64_t order)
{
    mtnt_entry entry = MTNT_ENTRY_INIT;

    entry.name = name;
    entry.order = order;
    return entry;
}

static int add(mtnt_chain *chain, const char *name, int64_t order, mtnt_error *err)
{
    mtnt_entry entry = named(name, order);

    return mtnt_chain_add_entry(chain, &seats, &entry, err);
}

static mtnt_entry_info info_at(const mtnt_chain *chain, size_t index)
{
    mtnt_entry_info info;

    assert_true(mtnt_chain_get(chain, index, &info));
    return info;
}

static void assert_text(const mtnt_error *err, int code, const char *text)
{
    assert_string_equal(err->message, text);
    assert_int_equal(err->code, code);
}

/* ---- lanes ---- */

static mtnt_lane lane_named(const char *name)
{
    mtnt_lane lane = MTNT_LANE_INIT;

    lane.name = name;
    return lane;
}

static int add_in(mtnt_chain *chain, const char *name, int64_t order, const char *lane, mtnt_error *err)
{
    mtnt_entry entry = named(name, order);

    entry.lane = lane;
    return mtnt_chain_add_entry(chain, &seats, &entry, err);
}

static void a_chain_without_lanes_is_its_own(void **state)
{
    mtnt_chain *chain = *state;
    mtnt_lane lane;

    assert_int_equal(add_in(chain, "a", 1, "fast", NULL), 0);
    assert_int_equal(mtnt_chain_lanes(chain), 1);
    assert_true(mtnt_chain_lane_at(chain, 0, &lane));
    assert_string_equal(lane.name, "fast");
    assert_int_equal(lane.deadline_ms, 0);
    assert_false(mtnt_chain_lane_at(chain, 1, &lane));
    assert_ptr_equal(mtnt_chain_lane(chain, "fast"), chain);
    assert_null(mtnt_chain_lane(chain, "slow"));
    assert_ptr_equal(mtnt__chain_first_lane(chain), chain);
    assert_string_equal(info_at(chain, 0).lane, "fast");
}

static void a_lane_is_a_chain_of_its_own(void **state)
{
    mtnt_chain *chain = *state;
    const mtnt_chain *fast, *slow;
    mtnt_lane lane;

    assert_int_equal(add(chain, "a", 1, NULL), 0);
    assert_int_equal(add_in(chain, "c", 3, "slow", NULL), 0);
    assert_int_equal(add_in(chain, "b", 2, "slow", NULL), 0);
    assert_int_equal(add_in(chain, "d", 4, "fast", NULL), 0);
    fast = mtnt_chain_lane(chain, "fast");
    slow = mtnt_chain_lane(chain, "slow");
    assert_int_equal(mtnt_chain_len(chain), 4);
    assert_string_equal(info_at(chain, 2).lane, "slow");
    assert_string_equal(mtnt_chain_name(fast), "shop");
    assert_string_equal(mtnt_chain_name(slow), "shop/slow");
    assert_int_equal(mtnt_chain_len(fast), 2);
    assert_int_equal(mtnt_chain_len(slow), 2);
    assert_string_equal(info_at(fast, 1).name, "d");
    assert_string_equal(info_at(slow, 0).name, "b");
    assert_int_equal(info_at(slow, 1).order, 3);
    assert_string_equal(info_at(slow, 1).lane, "slow");
    assert_ptr_equal(mtnt__chain_first_lane(chain), fast);
    assert_ptr_equal(mtnt__chain_first_lane(slow), slow);
    assert_ptr_equal(mtnt__chain_lane_of(fast, "c"), slow);
    assert_string_equal(mtnt__chain_base(slow), "shop");
    assert_string_equal(mtnt__chain_lane_by_key(fast, "shop/slow"), "slow");
    assert_string_equal(mtnt__chain_lane_by_key(fast, "shop/gone"), "gone");
    /* A name of their own when the chain gets one. */
    assert_int_equal(mtnt_chain_set_name(chain, "crm", NULL), 0);
    assert_string_equal(mtnt_chain_name(slow), "crm/slow");
    /* What they allow by themselves: the one that an application waits for is short. */
    assert_true(mtnt_chain_lane_at(chain, 0, &lane));
    assert_int_equal(lane.deadline_ms, 5 * 60 * 1000);
    assert_int_equal(lane.operation_timeout_ms, 60 * 1000);
    assert_true(mtnt_chain_lane_at(chain, 1, &lane));
    assert_int_equal(lane.deadline_ms, -1);
    assert_int_equal(lane.operation_timeout_ms, -1);
}

static void names_and_orders_are_unique_over_lanes(void **state)
{
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(add(*state, "a", 1, NULL), 0);
    assert_int_equal(add_in(*state, "a", 2, "slow", &err), MTNT_E_CONFIG);
    assert_int_equal(add_in(*state, "b", 1, "slow", &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_chain_len(*state), 1);
    assert_int_equal(mtnt_chain_len(mtnt_chain_lane(*state, "slow")), 0);
}

static void lanes_have_any_names(void **state)
{
    mtnt_lane lanes[] = {lane_named("now"), lane_named("later"), lane_named("beside")}, lane;
    mtnt_error err = MTNT_ERROR_INIT;

    lanes[1].deadline_ms = 7000;
    lanes[1].workers = 3;
    lanes[2].beside = true;
    assert_int_equal(add(*state, "a", 1, NULL), 0);
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 3, &err), 0);
    assert_string_equal(info_at(*state, 0).lane, "now");
    assert_int_equal(mtnt_chain_len(mtnt_chain_lane(*state, "now")), 1);
    assert_int_equal(add_in(*state, "b", 2, "slow", &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG,
                "operation `b` is in lane `slow`, which the chain does not have: name it under `lanes`");
    assert_int_equal(add_in(*state, "b", 2, "later", &err), 0);
    assert_true(mtnt_chain_lane_at(*state, 1, &lane));
    assert_int_equal(lane.deadline_ms, 7000);
    assert_int_equal(lane.workers, 3);
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 3, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "the lanes of chain shop have been declared already");
}

static void bad_lanes_are_refused(void **state)
{
    static const char long_name[] =
        "n23456789012345678901234567890123456789012345678901234567890123456789012345678901234567890";
    mtnt_lane lanes[] = {lane_named("fast"), lane_named("fast")};
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 0, &err), MTNT_E_INVALID);
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 2, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG, "there are two lanes `fast`");
    lanes[1].name = "a/b";
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 2, &err), MTNT_E_CONFIG);
    lanes[1].name = "";
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 2, &err), MTNT_E_CONFIG);
    lanes[1].name = "a_slow_lane";
    lanes[1].workers = 1025;
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 2, &err), MTNT_E_CONFIG);
    lanes[1].workers = 0;
    lanes[1].version = 9;
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 2, &err), MTNT_E_INVALID);
    lanes[1].version = MTNT_LANE_VERSION;
    /* Together they must fit the models' tables, whichever comes first. */
    assert_int_equal(mtnt_chain_set_name(*state, long_name, &err), 0);
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 2, &err), MTNT_E_CONFIG);
    assert_int_equal(mtnt_chain_lanes(*state), 1);
    assert_int_equal(mtnt_chain_set_name(*state, "short", &err), 0);
    assert_int_equal(mtnt_chain_set_lanes(*state, lanes, 2, &err), 0);
    assert_int_equal(mtnt_chain_set_name(*state, long_name, &err), MTNT_E_CONFIG);
    assert_string_equal(mtnt_chain_name(mtnt_chain_lane(*state, "a_slow_lane")), "short/a_slow_lane");
    assert_string_equal(mtnt_chain_name(*state), "short");
    assert_int_equal(mtnt_chain_set_name(*state, "a/b", &err), MTNT_E_CONFIG);
}

static void making_and_deleting_the_model_is_for_the_first_lane(void **state)
{
    mtnt_entry creator = named("base", 1), deleter = named("gone", 9);
    mtnt_error err = MTNT_ERROR_INIT;

    creator.flags = MTNT_OPERATION_CREATES_MODEL;
    creator.lane = "slow";
    assert_int_equal(mtnt_chain_add_entry(*state, &seats, &creator, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG,
                "operation `base` creates the model and must be in the chain's first lane, `fast`");
    creator.lane = NULL;
    assert_int_equal(mtnt_chain_add_entry(*state, &seats, &creator, &err), 0);
    deleter.flags = MTNT_OPERATION_DELETES_MODEL;
    assert_int_equal(mtnt_chain_add_entry(*state, &seats, &deleter, &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG,
                "operation `gone` deletes the model, and its chain has lanes: make it a chain of its own");
}

static void a_chain_that_deletes_the_model_gets_no_lanes(void **state)
{
    mtnt_entry deleter = named("gone", 9);
    mtnt_error err = MTNT_ERROR_INIT;

    deleter.flags = MTNT_OPERATION_DELETES_MODEL;
    assert_int_equal(mtnt_chain_add_entry(*state, &seats, &deleter, &err), 0);
    assert_int_equal(add_in(*state, "a", 1, "slow", &err), MTNT_E_CONFIG);
    assert_text(&err, MTNT_E_CONFIG,
                "operation `gone` deletes the model, and its chain has lanes: make it a chain of its own");
    assert_int_equal(mtnt_chain_lanes(*state), 1);
}

static void environments_are_selected(void **state)
{
    static const char *const both[] = {"base", "test", NULL}, *const base[] = {"base", NULL},
                             *const unknown[] = {"base", "prod", NULL};
    mtnt_entry entry = named("b", 2);
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(add(*state, "a", 1, NULL), 0);
    entry.environment = "base";
    assert_int_equal(mtnt_chain_add_entry(*state, &seats, &entry, NULL), 0);
    entry = named("c", 3);
    entry.environment = "test";
    entry.lane = "slow";
    assert_int_equal(mtnt_chain_add_entry(*state, &seats, &entry, NULL), 0);
    assert_int_equal(mtnt_chain_select_environments(*state, unknown, &err), MTNT_E_NOT_FOUND);
    assert_text(&err, MTNT_E_NOT_FOUND, "the chain shop has no environment `prod`");
    assert_int_equal(mtnt_chain_select_environments(*state, both, NULL), 0);
    assert_false(info_at(*state, 2).disabled);
    assert_int_equal(mtnt_chain_select_environments(*state, base, NULL), 0);
    assert_false(info_at(*state, 0).disabled);
    assert_false(info_at(*state, 1).disabled);
    assert_true(info_at(*state, 2).disabled);
    assert_true(info_at(mtnt_chain_lane(*state, "slow"), 0).disabled);
    assert_string_equal(info_at(*state, 2).environment, "test");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_chain_without_lanes_is_its_own),
        CASE(a_lane_is_a_chain_of_its_own),
        CASE(names_and_orders_are_unique_over_lanes),
        CASE(lanes_have_any_names),
        CASE(bad_lanes_are_refused),
        CASE(making_and_deleting_the_model_is_for_the_first_lane),
        CASE(a_chain_that_deletes_the_model_gets_no_lanes),
        CASE(environments_are_selected),
    };

    return cmocka_run_group_tests_name("lanes", tests, NULL, NULL);
}
