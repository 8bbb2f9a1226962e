/* A worker that is stopped (SIGSTOP) before any of its system calls, given up by a recovery when its lease is over, and woken up again: for every
 * pair and mode. A process performs; another one recovers, and half of the time migrates, beside the sleeper; then that one goes on where it was.
 *
 * Nothing lost: see whole.h. The sleeper has committed before, or everything that it still does dies at the register: it never says "done" of a
 * migration that was given up, and never adds half of one. Where it sleeps with a lock in its hand, a recovery says that it is busy, or ends it.
 *
 * By default a sample of the points, most of them around the commit; MTNT_TEST_CRASH_ALL=1 takes every one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "coordinate/task.h"
#include "points.h"
#include "whole.h"

/* Every lease is over as soon as it is had. */
int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options);
int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options)
{
    (void)options;
    return 0;
}

/* Waiting between tries is for real networks. */
static void do_not_sleep(void *data, int64_t ms)
{
    (void)data;
    (void)ms;
}

const mtnt__system *__real_mtnt__system_default(void);
const mtnt__system *__wrap_mtnt__system_default(void);
const mtnt__system *__wrap_mtnt__system_default(void)
{
    static mtnt__system sleepless;

    if (sleepless.boot_ms == NULL) {
        sleepless = *__real_mtnt__system_default();
        sleepless.sleep_ms = do_not_sleep;
    }
    return &sleepless;
}

/* What the sleeper has got to, in memory of both. */
static struct story {
    int stop_at;
    int bodies_done, all; /* points passed when the last operation was through, and when it was over */
    bool over;
    int rc;
    size_t executed;
    char migration[40], message[300];
} * story;

static bool sleeper; /* in its process */

static int note_last(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    if (sleeper)
        story->bodies_done = points_passed();
    return 0;
}

static void perform_and_sleep(fleet *f)
{
    int rc;

    sleeper = true;
    points_arm_stop(story->stop_at);
    rc = fleet_perform(f, 0, NULL);
    story->all = points_passed();
    story->rc = rc;
    story->executed = f->outcome.executed;
    snprintf(story->migration, sizeof(story->migration), "%s",
             f->outcome.migration == NULL ? "" : f->outcome.migration);
    snprintf(story->message, sizeof(story->message), "%.299s", f->err.message);
    story->over = true;
}

static const char *when(void)
{
    static char text[500];

    snprintf(text, sizeof(text), "stopped at %d of about %d (bodies done at %d)%s%s", story->stop_at, story->all,
             story->bodies_done, story->over && story->rc != 0 ? ", woken, says: " : "",
             story->over && story->rc != 0 ? story->message : "");
    return text;
}

/* BUSY: it sleeps with a lock in its hand. */
static void busy_at_most(fleet *f, int rc, const char *what)
{
    if (rc != 0 && rc != MTNT_E_BUSY)
        fail_msg("%s: %s beside it: %s: %s", when(), what, mtnt_code_name(rc), f->err.message);
}

/* Whether the tenant has been migrated by somebody else. */
static bool go_on_beside(fleet *f)
{
    mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;
    int rc;

    options.lock_timeout_ms = fleet_settings.lock_timeout_ms;
    rc = mtnt_controller_open(&f->controller, f->controller_dsn, &options, &f->err);
    busy_at_most(f, rc, "the controller");
    if (rc != 0)
        return false;
    rc = fleet_recover(f, 0);
    busy_at_most(f, rc, "recovery");
    if (rc != 0 || story->stop_at % 2 == 0)
        return false;
    rc = fleet_perform(f, 0, NULL);
    busy_at_most(f, rc, "migration");
    return rc == 0;
}

static void check_what_it_says(fleet *f)
{
    char sql[200];

    if (story->rc != 0 || story->executed == 0)
        return;
    snprintf(sql, sizeof(sql), "SELECT state FROM mtnt_migration WHERE migration = '%s'", story->migration);
    if (strcmp(fleet_ask_controller(f, sql), "committed") != 0)
        fail_msg("%s: it says that it is done, and the controller says: %s", when(), fleet_ask_controller(f, sql));
}

/* Returns false when the process got to the end without a stop. */
static bool stop_once(pair which, const whole *w, int at)
{
    fleet *f = fleet_new(which, 1, !w->creates);
    bool stopped, done_beside = false;
    int status = 0;
    pid_t child;

    whole_add_chain(f, w, (body){.during = note_last});
    memset(story, 0, sizeof(*story));
    story->stop_at = at;
    child = fleet_begin_child(f, perform_and_sleep);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    stopped = WIFSTOPPED(status);
    if (stopped) {
        done_beside = go_on_beside(f);
        kill(child, SIGCONT);
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    /* A recovery may have had to end it. */
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        fail_msg("%s: ended with status %d", when(), status);
    fleet_reopen(f);
    if (fleet_recover(f, 0) != 0)
        fail_msg("%s: it cannot be recovered: %s", when(), f->err.message);
    check_what_it_says(f);
    whole_check(f, 0, w, done_beside || (story->over && story->rc == 0), when());
    whole_finish(f, 0, w, when());
    fleet_free(f);
    return stopped;
}

static void stop_range(pair which, const whole *w, int from, int to, int samples)
{
    int step = to - from < samples ? 1 : (to - from) / samples;

    for (int at = from; at < to; at += step)
        stop_once(which, w, at);
}

static void stop_everywhere(pair which, whole w)
{
    int bodies_done, all;

    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    fleet_settings.lock_timeout_ms = 100;
    assert_false(stop_once(which, &w, 0));
    bodies_done = story->bodies_done;
    all = story->all;
    if (bodies_done <= 0 || all <= bodies_done)
        fail_msg("%d points, bodies done at %d", all, bodies_done);
    if (getenv("MTNT_TEST_CRASH_ALL") != NULL) {
        for (int at = 1, unstopped = 0; unstopped < 2; at++)
            unstopped += !stop_once(which, &w, at);
    } else {
        stop_range(which, &w, 1, bodies_done, 1);
        stop_range(which, &w, bodies_done, all + 1, w.creates ? 4 : 6);
    }
    fleet_settings.lock_timeout_ms = 0;
    munmap(story, sizeof(*story));
}

static void model(pair which)
{
    stop_everywhere(which, (whole){.writes = MTNT_WRITES_MODEL});
}

static void controller(pair which)
{
    stop_everywhere(which, (whole){.writes = MTNT_WRITES_CONTROLLER});
}

static void both(pair which)
{
    stop_everywhere(which, (whole){.writes = WRITES_BOTH});
}

static void created(pair which)
{
    stop_everywhere(which, (whole){.writes = WRITES_BOTH, .creates = true});
}

int main(void)
{
    const unsigned int all = getenv("MTNT_TEST_CRASH_ALL") != NULL ? ON_ALL : 0;
    const bare_test tests[] = {
        {"model", model, all | ON(PAIR_SQLITE) | ON(PAIR_POSTGRES)},
        {"controller", controller, all | ON(PAIR_POSTGRES_SQLITE)},
        {"both", both, ON_ALL},
        {"created", created, all | ON(PAIR_SQLITE) | ON(PAIR_SQLITE_POSTGRES)},
    };

    return run_bare_tests("zombie", tests, sizeof(tests) / sizeof(*tests));
}
