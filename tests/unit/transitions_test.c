/* The states of a migration: every edge of the table, and every pair that is none. */
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "state/transitions.h"

#define STATES 6 /* MTNT__STATE_NONE … MTNT__STATE_IN_DOUBT */
#define EVENTS 6 /* 0 is none */

/* What the protocol says, written down a second time: a dash is "nothing changes". */
static const char *const expected[STATES][EVENTS] = {
    /*                           none  claim        commit       abort      lose answer  meet foreign */
    [MTNT__STATE_NONE] = {"-", "executing", "-", "-", "-", "-"},
    [MTNT__STATE_EXECUTING] = {"-", "-", "committed", "aborted", "in_doubt", "blocked"},
    [MTNT__STATE_COMMITTED] = {"-", "-", "-", "-", "-", "-"},
    [MTNT__STATE_ABORTED] = {"-", "-", "-", "-", "-", "-"},
    [MTNT__STATE_BLOCKED] = {"-", "-", "committed", "aborted", "in_doubt", "-"},
    [MTNT__STATE_IN_DOUBT] = {"-", "-", "committed", "aborted", "-", "blocked"},
};

static void every_pair(void **state)
{
    (void)state;
    for (int from = 0; from < STATES; from++)
        for (int event = 0; event < EVENTS; event++) {
            const mtnt__transition *edge =
                mtnt__transition_find((mtnt__migration_state)from, (mtnt__migration_event)event);

            assert_string_equal(edge == NULL ? "-" : mtnt__migration_state_name(edge->to), expected[from][event]);
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

/* No state that is not an end is a trap: recovery gets from it to both ends. */
static void every_state_can_end(void **state)
{
    (void)state;
    for (int from = MTNT__STATE_EXECUTING; from < STATES; from++) {
        if (mtnt__migration_state_ended((mtnt__migration_state)from))
            continue;
        assert_int_equal(mtnt__transition_find((mtnt__migration_state)from, MTNT__EVENT_COMMIT)->to,
                         MTNT__STATE_COMMITTED);
        assert_int_equal(mtnt__transition_find((mtnt__migration_state)from, MTNT__EVENT_ABORT)->to,
                         MTNT__STATE_ABORTED);
    }
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
        cmocka_unit_test(every_pair),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(every_state_can_end),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
