/* kill -9 at every point of a takeover, for every pair. A process takes a model over from another controller, and dies before its n-th system call that
 * changes a file or talks to a server; another one recovers. Then the model is the one's or the other's, and the controller tells of it, with its operations
 * and an audit row, or of nothing, and it knows what the other one has migrated; what the dead process has said to be done is done. By default a sample of the points; MTNT_TEST_CRASH_ALL=1
 * takes every one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "other_controller.h"
#include "points.h"

/* What the process that dies has got to, in memory that outlives it. */
static struct story {
    int kill_at;
    int all; /* points passed when it was over; 0 = it did not get there */
    int rc;
} * story;

static mtnt_adoption by_ann(fleet *f)
{
    mtnt_adoption adoption = MTNT_ADOPTION_INIT;

    adoption.who = "ann@test";
    adoption.from = other_dsn(f);
    return adoption;
}

static void adopt_and_die(fleet *f)
{
    const mtnt_adoption adoption = by_ann(f);
    mtnt_adopted adopted;

    points_arm(story->kill_at);
    story->rc = adopt(f, 0, &adoption, &adopted);
    story->all = points_passed();
    points_arm(0);
}

static bool is_ours(fleet *f)
{
    return strcmp(fleet_ask_model(f, 0, "SELECT value FROM mtnt_meta WHERE key = 'controller'"),
                  mtnt_controller_id(f->controller)) == 0;
}

static void complain(fleet *f, const char *what)
{
    fail_msg("killed at %d of about %d: %s. The model is %s, tenant %s, %s audit rows: %s", story->kill_at, story->all,
             what, is_ours(f) ? "ours" : "the other one's", fleet_known(f, 0),
             fleet_ask_controller(f, "SELECT count(*) FROM mtnt_audit"), f->err.message);
}

static void check(fleet *f)
{
    const char *audits = fleet_ask_controller(f, "SELECT tenant, who FROM mtnt_audit");
    const char *operations = fleet_ask_controller(f, "SELECT name, status FROM mtnt_operation ORDER BY position");

    if (is_ours(f)) {
        if (strcmp(fleet_known(f, 0), "idle|2|ok") != 0 || strcmp(audits, "t1|ann@test") != 0 ||
            strcmp(operations, "a|COMPLETED;b|COMPLETED") != 0)
            complain(f, "ours, and not all of it");
    } else if (strcmp(audits, "") != 0 || strcmp(operations, "") != 0 ||
               (strcmp(fleet_known(f, 0), "-") != 0 && strncmp(fleet_known(f, 0), "idle|0|", 7) != 0)) {
        complain(f, "the other one's, and something of it is told");
    }
}

/* Its half of what wrote both is with the other one: nothing is missed here. */
static void check_audit(fleet *f)
{
    mtnt_audit found;

    if (mtnt_audit_model(f->controller, f->chain, f->tenants[0].model, &found, &f->err) != 0 ||
        found.verdict != MTNT_AUDIT_AGREES)
        complain(f, "ours, and its migrations are not known");
}

/* Returns false when the process got to the end alive. */
static bool kill_once(pair which, int at)
{
    fleet *f = fleet_new(which, 1, true);
    mtnt_controller *other = other_open(f);
    const mtnt_adoption adoption = by_ann(f);
    mtnt_adopted adopted;
    bool died;
    int status;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", WRITES_BOTH);
    other_take_notes(f, other);
    assert_code(f, other_perform(f, other, 0), 0);
    mtnt_controller_close(other);
    memset(story, 0, sizeof(*story));
    story->kill_at = at;
    status = fleet_in_child(f, adopt_and_die);
    died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!died && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("killed at %d: ended with status %d", at, status);
    if (at % 2 == 0) {
        if (fleet_recover(f, 0) != 0)
            complain(f, "it cannot be recovered");
        check(f);
        if (story->all > 0 && story->rc == 0 && !is_ours(f))
            complain(f, "it was said to be done, and is not");
    }
    if (adopt(f, 0, &adoption, &adopted) != 0)
        complain(f, "the next one fails");
    check(f);
    check_audit(f);
    if (!is_ours(f) || fleet_perform(f, 0, NULL) != 0)
        complain(f, "it is not ours after all");
    fleet_free(f);
    return died;
}

static void taken_over(pair which)
{
    int all;

    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    assert_false(kill_once(which, 0));
    all = story->all;
    assert_true(all > 10);
    if (getenv("MTNT_TEST_CRASH_ALL") != NULL) {
        for (int at = 1, survived = 0; survived < 2; at++)
            survived += !kill_once(which, at);
    } else {
        /* Odd strides, so that both ways of recovery are met all along. */
        for (int at = 1; at <= all; at += (1 + all / 9) | 1)
            kill_once(which, at);
    }
    munmap(story, sizeof(*story));
}

int main(void)
{
    const bare_test tests[] = {{"taken_over", taken_over, ON_ALL}};

    return run_bare_tests("adopt", tests, sizeof(tests) / sizeof(*tests));
}
