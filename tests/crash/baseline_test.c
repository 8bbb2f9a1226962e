/* kill -9 while what another tool has applied is taken over, and while its table is kept in step, before any system call that changes a file or talks to
 * a server, for every pair; then another process recovers. What is recorded and what the table says are one: all of it, or nothing.
 * By default a sample of the points; MTNT_TEST_CRASH_ALL=1 takes every one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fleet_run.h"
#include "goose_fixture.h"
#include "points.h"

typedef enum step { TAKE_OVER, FORWARD, BACK } step;

static struct story {
    int kill_at, all, rc; /* all: points passed when it was over; 0 = it did not get there */
} * story;

static step current;

static int take(fleet *f, step which)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.steps = which == BACK ? 2 : 0;
    return which == TAKE_OVER ? fleet_baseline(f, 0, NULL)
           : which == FORWARD ? fleet_perform(f, 0, &options)
                              : fleet_rewind(f, 0, &options);
}

static void take_and_die(fleet *f)
{
    points_arm(story->kill_at);
    story->rc = take(f, current);
    story->all = points_passed();
    points_arm(0);
}

/* The second writes both databases, so that some pairs prepare. */
static void prepare(fleet *f, step which)
{
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    goose_version(f, "a", "1", true);
    goose_version(f, "b", "2", true);
    goose_version(f, "c", "3", true);
    goose_applied(f, 0, 1);
    if (which != TAKE_OVER)
        assert_code(f, take(f, TAKE_OVER), 0);
    if (which == BACK)
        assert_code(f, take(f, FORWARD), 0);
}

/* What is applied, as far as all agree about it; -1 = they do not. */
static int agreed(fleet *f)
{
    static const struct {
        const char *applied, *rows, *tables, *notes;
    } ends[] = {
        {"", "0;1", "a;goose_db_version;precious", ""},
        {"a", "0;1", "a;goose_db_version;precious", ""},
        {NULL, NULL, NULL, NULL},
        {"a;b;c", "0;1;2;3", "a;b;c;goose_db_version;precious", "b"},
    };
    const char *applied = fleet_applied(f, 0);

    /* Without our tables nothing is. */
    if (strcmp(applied, "-") == 0)
        applied = "";
    for (int i = 0; i < 4; i++)
        if (ends[i].rows != NULL && strcmp(applied, ends[i].applied) == 0 &&
            strcmp(goose_rows(f, 0), ends[i].rows) == 0 && strcmp(fleet_tables(f, 0), ends[i].tables) == 0 &&
            strcmp(fleet_notes(f, 0), ends[i].notes) == 0)
            return i;
    return -1;
}

static void complain(fleet *f, step which, const char *what)
{
    fail_msg("%s, killed at %d of about %d: %s. applied %s, rows %s, tables %s, notes %s, tenant %s: %s",
             which == TAKE_OVER ? "take over"
             : which == FORWARD ? "forward"
                                : "back",
             story->kill_at, story->all, what, fleet_applied(f, 0), goose_rows(f, 0), fleet_tables(f, 0),
             fleet_notes(f, 0), fleet_known(f, 0), f->err.message);
}

static void check(fleet *f, step which, bool done)
{
    const int before = which == TAKE_OVER ? 0
                       : which == FORWARD ? 1
                                          : 3,
              after = which == TAKE_OVER ? 1
                      : which == FORWARD ? 3
                                         : 1;
    int found = agreed(f);
    char known[32];

    if (found != after && (done || found != before))
        complain(f, which, "neither one nor the other");
    snprintf(known, sizeof(known), "idle|%d|", found);
    if ((done || found > 0) && strncmp(fleet_known(f, 0), known, strlen(known)) != 0)
        complain(f, which, "the controller says something else");
}

/* Returns false when the process got to the end alive. */
static bool kill_once(pair where, step which, int at)
{
    fleet *f = fleet_new(where, 1, true);
    bool died;
    int status;

    prepare(f, which);
    memset(story, 0, sizeof(*story));
    story->kill_at = at;
    current = which;
    status = fleet_in_child(f, take_and_die);
    died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!died && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("killed at %d: ended with status %d", at, status);
    /* Half of the time the next one settles it on its way. */
    if (at % 2 == 0) {
        if (fleet_recover(f, 0) != 0)
            complain(f, which, "it cannot be recovered");
        check(f, which, story->all > 0 && story->rc == 0);
    }
    /* Taken back once more it would go too far. */
    if ((which != BACK || agreed(f) == 3) && take(f, which) != 0)
        complain(f, which, "the next one fails");
    if (which == BACK && fleet_recover(f, 0) != 0)
        complain(f, which, "it cannot be recovered");
    check(f, which, true);
    fleet_free(f);
    return died;
}

static void kill_everywhere(pair where, step which)
{
    int all, stride;

    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    assert_false(kill_once(where, which, 0));
    all = story->all;
    assert_true(all > 0);
    stride = getenv("MTNT_TEST_CRASH_ALL") != NULL || all < 5 ? 1 : all / 5;
    /* Not always the same ones: an odd stride, so that both ways to settle it are taken. */
    for (int at = 1; at <= all; at += stride | 1)
        kill_once(where, which, at);
    munmap(story, sizeof(*story));
    story = NULL;
}

static void taken_over(pair where)
{
    kill_everywhere(where, TAKE_OVER);
}

static void in_step_forward(pair where)
{
    kill_everywhere(where, FORWARD);
}

static void in_step_back(pair where)
{
    kill_everywhere(where, BACK);
}

int main(void)
{
    const bare_test tests[] = {
        {"taken_over", taken_over, ON_ALL},
        {"in_step_forward", in_step_forward, ON_ALL},
        {"in_step_back", in_step_back, ON_ALL},
    };

    return run_bare_tests("baseline", tests, sizeof(tests) / sizeof(*tests));
}
