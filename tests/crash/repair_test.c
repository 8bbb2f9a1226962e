/* kill -9 while the controller's rows are brought in step with a model, before any system call that changes a file or talks to a server: the rows are what
 * they were or what they should be, the model is not touched, and the next repair, or recovery, makes all of it right.
 * By default a sample of the points; MTNT_TEST_CRASH_ALL=1 takes every one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fleet_run.h"
#include "points.h"

#define SAMPLES 25

static struct story {
    int kill_at, all;
} * story;

static int repair(fleet *f, mtnt_verification_counts *ret_counts)
{
    mtnt_verification_options options = MTNT_VERIFICATION_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    int rc;

    options.workers = 1;
    options.repair = true;
    options.who = "ann";
    rc = mtnt_verify_models(f->controller, f->chain, &source, &options, ret_counts, &f->err);
    mtnt_tenant_source_close(&source);
    return rc;
}

static void repair_and_die(fleet *f)
{
    mtnt_verification_counts counts;

    points_arm(story->kill_at);
    (void)repair(f, &counts);
    story->all = points_passed();
    points_arm(0);
}

static void expect(fleet *f, int at, const char *found, const char *expected, const char *what)
{
    if (strcmp(found, expected) != 0)
        fail_msg("killed at %d of %d: %s: \"%s\", expected \"%s\" (tenant %s: %s)", at, story->all, what, found,
                 expected, fleet_known(f, 0), f->err.message);
}

/* Returns false when the process got to the end alive. */
static bool kill_once(pair where, int at)
{
    fleet *f = fleet_new(where, 1, true);
    const char *operations = "SELECT name, status FROM mtnt_operation ORDER BY position";
    mtnt_verification_counts counts;
    char *model, *after;
    bool died;
    int status;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET version = 0, digest = ''");
    fleet_ask_controller(f, "UPDATE mtnt_operation SET status = 'ROLLED_BACK'");
    model = fleet_dump_model(f, 0);
    memset(story, 0, sizeof(*story));
    story->kill_at = at;
    status = fleet_in_child(f, repair_and_die);
    died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!died && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("killed at %d: ended with status %d", at, status);
    /* All of it or nothing, with its audit row. */
    if (strncmp(fleet_known(f, 0), "idle|2", 6) == 0) {
        expect(f, at, fleet_ask_controller(f, operations), "a|COMPLETED;b|COMPLETED", "operations");
        expect(f, at, fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), "1", "audit");
    } else {
        expect(f, at, fleet_ask_controller(f, operations), "a|ROLLED_BACK;b|ROLLED_BACK", "operations");
        expect(f, at, fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), "0", "audit");
    }
    /* A claim that it has left is settled, by a recovery or a migration. */
    if (at % 2 == 0)
        assert_code(f, fleet_recover(f, 0), 0);
    else
        fleet_must_perform(f, 0);
    assert_code(f, repair(f, &counts), 0);
    assert_int_equal(counts.sound + counts.repaired, 1);
    expect(f, at, fleet_known(f, 0), "idle|2|ok", "tenant");
    fleet_must_perform(f, 0);
    expect(f, at, fleet_applied(f, 0), "a;b", "applied");
    after = fleet_dump_model(f, 0);
    expect(f, at, after, model, "the model");
    free(after);
    free(model);
    fleet_free(f);
    return died;
}

static void killed_anywhere(pair where)
{
    int all, stride;

    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    assert_false(kill_once(where, 0));
    all = story->all;
    assert_true(all > 5);
    stride = getenv("MTNT_TEST_CRASH_ALL") != NULL || all < SAMPLES ? 1 : all / SAMPLES;
    for (int at = 1; at <= all; at += stride)
        kill_once(where, at);
    munmap(story, sizeof(*story));
}

int main(void)
{
    static const bare_test tests[] = {
        {"killed_anywhere", killed_anywhere, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES) | ON(PAIR_POSTGRES_SQLITE)}};

    return run_bare_tests("repair", tests, sizeof(tests) / sizeof(*tests));
}
