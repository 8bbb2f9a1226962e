/* Every edge of an operation's statuses, taken by real migrations; and no other is ever taken. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet_fixture.h"

#include "coordinate/task.h"

#define STATUSES (MTNT_STATUS_ROLLED_BACK + 1)

typedef struct walk {
    mtnt_status last[3]; /* of operations a, b, c */
    bool taken[STATUSES][STATUSES];
} walk;

static void took(void *data, const mtnt__step *step)
{
    walk *w = data;
    size_t at = (size_t)(step->entry->name[0] - 'a');

    if (!mtnt__status_may_become(w->last[at], step->status))
        fail_msg("%s went from `%s` to `%s`", step->entry->name, mtnt_status_name(w->last[at]),
                 mtnt_status_name(step->status));
    w->taken[w->last[at]][step->status] = true;
    w->last[at] = step->status;
}

static int go(fleet *f, walk *w, bool backward)
{
    const mtnt_model *models[] = {f->tenants[0].model};
    mtnt__link link = {.controller = f->controller};
    mtnt__known known;
    mtnt__claim *claims[1];
    mtnt__task task;
    mtnt__job job;
    int code;

    assert_code(f, mtnt__store_select(f->controller, "shop", models, 1, &known, &f->err), 0);
    assert_code(
        f, mtnt__job_init(&job, f->controller, f->chain, backward ? MTNT_BACKWARD : MTNT_FORWARD, NULL, &f->err), 0);
    assert_code(f, mtnt__task_init(&task, &job, f->tenants[0].model, &known, &f->err), 0);
    task.status = took;
    task.status_data = w;
    while (task.phase != MTNT__TASK_DONE) {
        assert_code(f, mtnt__task_next(&task, &f->err), 0);
        claims[0] = &task.claim;
        assert_code(f, mtnt__store_claim(f->controller, "shop", claims, 1, 60000, &f->err), 0);
        assert_true(task.claim.claimed);
        mtnt__task_run(&task, &link);
        assert_code(f, mtnt__store_finish(f->controller, "shop", &task.end, 1, &f->err), 0);
    }
    code = task.result_code;
    mtnt__task_release(&task);
    mtnt__job_release(&job);
    mtnt__link_release(&link);
    return code;
}

/* What recovery and people read has to be what the operations were told. */
static void check_rows(fleet *f, const walk *w)
{
    char expected[200];

    snprintf(expected, sizeof(expected), "a|%s;b|%s;c|%s", mtnt_status_name(w->last[0]), mtnt_status_name(w->last[1]),
             mtnt_status_name(w->last[2]));
    assert_string_equal(fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position"), expected);
}

static int fail_twice(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    return f->counter++ < 2 ? mtnt_error_set(err, MTNT_E_OPERATION, "not yet") : 0;
}

static void every_edge(fleet *f)
{
    size_t count;
    const mtnt__status_transition *edges = mtnt__status_transitions(&count);
    walk w = {0};

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = fail_twice});
    fleet_add(f, "c", WRITES_BOTH);
    assert_code(f, mtnt__controller_ensure(f->controller, &f->err), 0);
    for (int i = 0; i < 2; i++) {
        assert_code(f, go(f, &w, false), MTNT_E_OPERATION);
        check_rows(f, &w);
    }
    /* As a release that writes early may leave it. */
    fleet_ask_controller(f, "UPDATE mtnt_operation SET status = 'STARTED' WHERE name = 'c'");
    w.last[2] = MTNT_STATUS_STARTED;
    assert_code(f, go(f, &w, false), 0);
    check_rows(f, &w);
    assert_code(f, go(f, &w, true), 0);
    check_rows(f, &w);
    for (size_t i = 0; i < count; i++)
        if (!w.taken[edges[i].from][edges[i].to])
            fail_msg("never from `%s` to `%s`", mtnt_status_name(edges[i].from), mtnt_status_name(edges[i].to));
}

static void the_table_is_sound(fleet *f)
{
    size_t count;
    const mtnt__status_transition *edges = mtnt__status_transitions(&count);

    (void)f;
    for (size_t i = 0; i < count; i++) {
        assert_true(strlen(edges[i].event) > 2 && strlen(edges[i].operator_text) > 5);
        assert_true(edges[i].to != MTNT_STATUS_NONE);
        for (size_t j = 0; j < i; j++)
            assert_false(edges[i].from == edges[j].from && edges[i].to == edges[j].to);
    }
    assert_false(mtnt__status_may_become(MTNT_STATUS_COMPLETED, MTNT_STATUS_FAILED));
    assert_false(mtnt__status_may_become(MTNT_STATUS_NONE, MTNT_STATUS_COMPLETED));
    assert_false(mtnt__status_may_become(MTNT_STATUS_PENDING, MTNT_STATUS_ROLLED_BACK));
}

int main(void)
{
    static const pair_test tests[] = {
        {"every_edge", every_edge, ON_ALL, 1, false},
        {"the_table_is_sound", the_table_is_sound, ON(PAIR_SQLITE), 1, false},
    };

    return run_pair_tests("statuses", tests, sizeof(tests) / sizeof(*tests));
}
