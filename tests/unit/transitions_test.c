/* The states of a migration: every edge of the table, and every pair that is none. */
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "state/transitions.h"

#define STATES 9  /* MTNT__STATE_NONE … MTNT__STATE_DIVERGED */
#define EVENTS 12 /* 0 is none */

struct edge {
    mtnt__migration_state from;
    mtnt__migration_event event;
    const char *to;
};

/* What the protocol says, written down a second time; what is not here changes nothing. */
static const struct edge expected[] = {
    {MTNT__STATE_NONE, MTNT__EVENT_CLAIM, "executing"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_COMMIT, "committed"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_ABORT, "aborted"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_LOSE_ANSWER, "in_doubt"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_MEET_FOREIGN, "blocked"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_COMPENSATE, "compensating"},
    {MTNT__STATE_EXECUTING, MTNT__EVENT_DISAGREE, "diverged"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_COMMIT, "committed"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_ABORT, "aborted"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_LOSE_ANSWER, "in_doubt"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_DISAGREE, "diverged"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_RESOLVE_COMMIT, "committed"},
    {MTNT__STATE_BLOCKED, MTNT__EVENT_RESOLVE_ABORT, "aborted"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_COMMIT, "committed"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_ABORT, "aborted"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_MEET_FOREIGN, "blocked"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_COMPENSATE, "compensating"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_DISAGREE, "diverged"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_RESOLVE_COMMIT, "committed"},
    {MTNT__STATE_IN_DOUBT, MTNT__EVENT_RESOLVE_ABORT, "aborted"},
    {MTNT__STATE_COMPENSATING, MTNT__EVENT_ABORT, "aborted"},
    {MTNT__STATE_COMPENSATING, MTNT__EVENT_COMMIT, "committed"},
    {MTNT__STATE_COMPENSATING, MTNT__EVENT_FAIL_TO_UNDO, "rollback_failed"},
    {MTNT__STATE_ROLLBACK_FAILED, MTNT__EVENT_RETRY, "compensating"},
    {MTNT__STATE_ROLLBACK_FAILED, MTNT__EVENT_RESOLVE_COMMIT, "committed"},
    {MTNT__STATE_ROLLBACK_FAILED, MTNT__EVENT_RESOLVE_ABORT, "aborted"},
    {MTNT__STATE_DIVERGED, MTNT__EVENT_RESOLVE_COMMIT, "committed"},
    {MTNT__STATE_DIVERGED, MTNT__EVENT_RESOLVE_ABORT, "aborted"},
};

static const char *expects(int from, int event)
{
    for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
        if ((int)expected[i].from == from && (int)expected[i].event == event)
            return expected[i].to;
    return "-";
}

static void every_pair(void **state)
{
    (void)state;
    for (int from = 0; from < STATES; from++)
        for (int event = 0; event < EVENTS; event++) {
            const mtnt__transition *edge =
                mtnt__transition_find((mtnt__migration_state)from, (mtnt__migration_event)event);

            assert_string_equal(edge == NULL ? "-" : mtnt__migration_state_name(edge->to), expects(from, event));
            if (edge == NULL) {
                assert_int_equal(mtnt__migration_move((mtnt__migration_state)from, (mtnt__migration_event)event), from);
                continue;
            }
            assert_int_equal(edge->from, from);
            assert_int_equal(edge->event, event);
            assert_int_equal(mtnt__migration_move((mtnt__migration_state)from, (mtnt__migration_event)event), edge->to);
        }
}

static void the_table_is_sound(void **state)
{
    size_t count;
    const mtnt__transition *edges = mtnt__transitions(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        assert_false(mtnt__migration_state_ended(edges[i].from));
        assert_int_not_equal(edges[i].from, edges[i].to);
        assert_true(strlen(edges[i].operator_text) > 10);
        /* Each pair once, so that looking it up cannot depend on the order. */
        assert_ptr_equal(mtnt__transition_find(edges[i].from, edges[i].event), edges + i);
    }
}

/* No state that is not an end is a trap: steps lead from it to both ends. */
static bool leads_to(mtnt__migration_state from, mtnt__migration_state to, int depth)
{
    size_t count;
    const mtnt__transition *edges = mtnt__transitions(&count);

    for (size_t i = 0; i < count && depth > 0; i++)
        if (edges[i].from == from && (edges[i].to == to || leads_to(edges[i].to, to, depth - 1)))
            return true;
    return false;
}

static void every_state_can_end(void **state)
{
    (void)state;
    for (int from = MTNT__STATE_EXECUTING; from < STATES; from++) {
        if (mtnt__migration_state_ended((mtnt__migration_state)from))
            continue;
        assert_true(leads_to((mtnt__migration_state)from, MTNT__STATE_COMMITTED, 3));
        assert_true(leads_to((mtnt__migration_state)from, MTNT__STATE_ABORTED, 3));
    }
}

/* Where recovery does not go on by itself, every way out is a person's word. */
static void people_are_asked(void **state)
{
    size_t count;
    const mtnt__transition *edges = mtnt__transitions(&count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        if (mtnt__migration_state_waits_for_a_person(edges[i].from))
            assert_true(edges[i].event == MTNT__EVENT_RETRY || edges[i].event == MTNT__EVENT_RESOLVE_COMMIT ||
                        edges[i].event == MTNT__EVENT_RESOLVE_ABORT);
}

static void event_names(void **state)
{
    (void)state;
    for (int a = 1; a < EVENTS; a++) {
        assert_string_not_equal(mtnt__migration_event_name((mtnt__migration_event)a), "unknown");
        for (int b = 1; b < a; b++)
            assert_string_not_equal(mtnt__migration_event_name((mtnt__migration_event)a),
                                    mtnt__migration_event_name((mtnt__migration_event)b));
    }
    assert_string_equal(mtnt__migration_event_name((mtnt__migration_event)EVENTS), "unknown");
}

static void names(void **state)
{
    (void)state;
    for (int a = 0; a < STATES; a++) {
        assert_string_not_equal(mtnt__migration_state_name((mtnt__migration_state)a), "unknown");
        assert_int_equal(mtnt__migration_state_parse(mtnt__migration_state_name((mtnt__migration_state)a)), a);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(mtnt__migration_state_name((mtnt__migration_state)a),
                                    mtnt__migration_state_name((mtnt__migration_state)b));
    }
    assert_string_equal(mtnt__migration_state_name((mtnt__migration_state)STATES), "unknown");
    assert_int_equal(mtnt__migration_state_parse("idle"), MTNT__STATE_NONE);
    assert_true(mtnt__migration_state_ended(MTNT__STATE_COMMITTED));
    assert_true(mtnt__migration_state_ended(MTNT__STATE_ABORTED));
    assert_false(mtnt__migration_state_ended(MTNT__STATE_IN_DOUBT));
    assert_false(mtnt__migration_state_ended(MTNT__STATE_BLOCKED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),       cmocka_unit_test(the_table_is_sound), cmocka_unit_test(every_state_can_end),
        cmocka_unit_test(people_are_asked), cmocka_unit_test(event_names),        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
