/* kill -9 while a model is put away, put back, and removed for good, before any system call that changes a file or talks to a server, for every
 * pair; then another process recovers. A model is gone only by a decision, a decision ends with the tombstone, what is put back is what was put
 * away, byte for byte as a dump shows it, and the neighbour's model is not touched.
 * By default a sample of the points, most of them after the operations; MTNT_TEST_CRASH_ALL=1 takes every one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fleet_run.h"
#include "points.h"

typedef enum step { PUT_AWAY, PUT_BACK, REMOVE } step;

static struct story {
    int kill_at;
    int bodies_done; /* points passed when the operation was through; 0 = it has none */
    int all;         /* points passed when it was over; 0 = it did not get there */
    int rc;
} * story;

static step current;

static void add_chain(fleet *f)
{
    const mtnt_delete_model_options options = {.grace_ms = 3600 * 1000};
    mtnt_entry entry = MTNT_ENTRY_INIT;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_must_perform(f, 1);
    entry.name = "gone";
    assert_int_equal(mtnt_operation_add_delete_model(f->chain, &options, &entry, &f->err), 0);
}

static int note_done(void *data, const mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err)
{
    (void)data;
    (void)operation;
    (void)scope;
    (void)err;
    if (story != NULL)
        story->bodies_done = points_passed();
    return 0;
}

static int take(fleet *f, step which)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.allow_delete = true;
    options.after_each = note_done;
    if (which == PUT_AWAY)
        return fleet_perform(f, 0, &options);
    options.to = "a";
    return which == PUT_BACK ? fleet_rewind(f, 0, &options) : fleet_recover(f, 0);
}

static void take_and_die(fleet *f)
{
    points_arm(story->kill_at);
    story->rc = take(f, current);
    story->all = points_passed();
    points_arm(0);
}

static void complain(fleet *f, step which, const char *what)
{
    fail_msg(
        "%s, killed at %d of about %d (bodies done at %d): %s. model %s, %d tombstones, removals %s, tenant %s: %s",
        which == PUT_AWAY   ? "put away"
        : which == PUT_BACK ? "put back"
                            : "remove",
        story->kill_at, story->all, story->bodies_done, what, fleet_model_exists(f, 0) ? "there" : "gone",
        fleet_tombstones(f),
        fleet_ask_controller(f, "SELECT remove_after_ms, removing_ms, removed_ms, restored_by FROM mtnt_removal"),
        fleet_known(f, 0), f->err.message);
}

static bool same_dump(fleet *f, size_t tenant, const char *dump)
{
    char *now = fleet_dump_model(f, tenant);
    bool same = strcmp(now, dump) == 0;

    free(now);
    return same;
}

static bool is_there(fleet *f, const char *dump)
{
    /* Where the model decides, a migration that was begun after it and given up leaves its word there. */
    if (fleet_model_exists(f, 0))
        fleet_ask_model(f, 0, "DELETE FROM mtnt_decision WHERE outcome = 'abort'");
    return fleet_model_exists(f, 0) && fleet_tombstones(f) == 0 && strncmp(fleet_known(f, 0), "idle|1|", 7) == 0 &&
           same_dump(f, 0, dump) &&
           strcmp(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal WHERE restored_by IS NULL"), "0") == 0;
}

static bool is_away(fleet *f)
{
    return !fleet_model_exists(f, 0) && fleet_tombstones(f) == 1 && strncmp(fleet_known(f, 0), "idle|2|", 7) == 0 &&
           strcmp(fleet_ask_controller(
                      f, "SELECT count(*) FROM mtnt_removal WHERE restored_by IS NULL AND removing_ms IS NULL"),
                  "1") == 0;
}

static bool is_removed(fleet *f)
{
    return !fleet_model_exists(f, 0) && fleet_tombstones(f) == 0 && strcmp(fleet_known(f, 0), "idle|2|ok") == 0 &&
           strcmp(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal WHERE removed_ms IS NOT NULL"), "1") == 0;
}

static void recover(fleet *f, step which)
{
    if (fleet_recover(f, 0) != 0)
        complain(f, which, "it cannot be recovered");
}

static void check(fleet *f, step which, const char *dump, const char *neighbour)
{
    bool there = is_there(f, dump), away = is_away(f), removed = is_removed(f);

    if (there + away + removed != 1)
        complain(f, which, "neither one nor the other");
    if (story->all > 0 && story->rc == 0 && (which == PUT_AWAY ? !away : which == PUT_BACK ? !there : !removed))
        complain(f, which, "it was said to be done, and is not");
    if (!same_dump(f, 1, neighbour))
        complain(f, which, "the neighbour's model has changed");
    if (which == REMOVE && !removed)
        complain(f, which, "it was due, and is there yet");
}

/* Returns false when the process got to the end alive. */
static bool kill_once(pair where, step which, int at)
{
    fleet *f = fleet_new(where, 2, true);
    char *dump, *neighbour;
    bool died;
    int status;

    add_chain(f);
    dump = fleet_dump_model(f, 0);
    neighbour = fleet_dump_model(f, 1);
    if (which != PUT_AWAY)
        assert_code(f, take(f, PUT_AWAY), 0);
    if (which == REMOVE)
        fleet_ask_controller(f, "UPDATE mtnt_removal SET remove_after_ms = 1");
    memset(story, 0, sizeof(*story));
    story->kill_at = at;
    current = which;
    status = fleet_in_child(f, take_and_die);
    died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!died && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("killed at %d: ended with status %d", at, status);
    /* Half of the time a migration settles it on its way. */
    if (at % 2 == 0 || which == REMOVE) {
        recover(f, which);
        check(f, which, dump, neighbour);
    }
    if (take(f, which) != 0)
        complain(f, which, "the next one fails");
    check(f, which, dump, neighbour);
    if (which == PUT_AWAY ? !is_away(f) : which == PUT_BACK ? !is_there(f, dump) : !is_removed(f))
        complain(f, which, "the next one has not done it");
    /* What was put away is all that there was. */
    if (which == PUT_AWAY && (take(f, PUT_BACK) != 0 || !is_there(f, dump)))
        complain(f, which, "it does not come back");
    free(dump);
    free(neighbour);
    fleet_free(f);
    return died;
}

static void kill_range(pair where, step which, int from, int to, int samples)
{
    int stride = samples == 0 || to - from < samples ? 1 : (to - from) / samples;

    for (int at = from; at < to; at += stride)
        kill_once(where, which, at);
}

static void kill_everywhere(pair where, step which)
{
    int bodies_done, all;

    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    assert_false(kill_once(where, which, 0));
    bodies_done = story->bodies_done == 0 ? 1 : story->bodies_done;
    all = story->all;
    assert_true(all > bodies_done);
    if (getenv("MTNT_TEST_CRASH_ALL") != NULL) {
        for (int at = 1, survived = 0; survived < 2; at++)
            survived += !kill_once(where, which, at);
    } else {
        kill_range(where, which, 1, bodies_done, 2);
        kill_range(where, which, bodies_done, all + 1, 14);
    }
    munmap(story, sizeof(*story));
    story = NULL;
}

static void put_away(pair where)
{
    kill_everywhere(where, PUT_AWAY);
}

static void put_back(pair where)
{
    kill_everywhere(where, PUT_BACK);
}

static void removed(pair where)
{
    kill_everywhere(where, REMOVE);
}

int main(void)
{
    const bare_test tests[] = {
        {"put_away", put_away, ON_ALL},
        {"put_back", put_back, ON_ALL},
        {"removed", removed, ON_ALL},
    };

    return run_bare_tests("removal", tests, sizeof(tests) / sizeof(*tests));
}
