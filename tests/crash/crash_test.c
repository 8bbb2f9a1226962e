/* kill -9 at every point of a migration, in every mode, for every pair. A process performs, and dies before its n-th system call that changes
 * a file or talks to a server; another one recovers. Then both sides hold all of it or nothing; what the dead process has said to be done is
 * done; nothing stays prepared or provisional; and the next migration goes through.
 * By default a sample of the points, most of them around the commit; MTNT_TEST_CRASH_ALL=1 takes every one. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fleet_run.h"
#include "points.h"
#include "whole.h"

typedef struct kind {
    uint32_t writes;
    bool creates, fails, backward, rehearses;
    uint32_t flags; /* of the second operation; with BY_SIDE of both */
} kind;

/* What the process that dies has got to, in memory that outlives it. */
static struct story {
    int kill_at;
    int bodies_done; /* points passed when the last operation was through */
    int all;         /* points passed when it was over; 0 = it did not get there */
    int rc;
} * story;

static const kind *current; /* in the process that dies */

static int note_last(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    if (current != NULL)
        story->bodies_done = points_passed();
    return 0;
}

static void add_chain(fleet *f, const kind *k)
{
    body last = {.during = note_last, .during_rollback = note_last};

    if (k->creates)
        fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                       (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "CREATE TABLE precious (a INTEGER)"});
    last.flags = (k->flags & MTNT_OPERATION_BY_SIDE) != 0 ? k->flags : 0;
    fleet_add_body(f, "a", k->writes, last);
    last.flags = k->flags;
    if (k->fails)
        last.model_up = "CREATE TABLE b (a INTEGER NOT NULL); INSERT INTO b VALUES (NULL)";
    fleet_add_body(f, "b", k->writes, last);
}

static void perform_and_die(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    int rc;

    options.rehearse = current->rehearses;
    points_arm(story->kill_at);
    rc = current->backward ? fleet_rewind(f, 0, NULL) : fleet_perform(f, 0, &options);
    story->rc = rc;
    story->all = points_passed();
    points_arm(0);
}

static bool holds_all(fleet *f, const kind *k)
{
    return fleet_model_exists(f, 0) &&
           ((k->writes & MTNT_WRITES_MODEL) == 0 || strcmp(fleet_tables(f, 0), "a;b;precious") == 0) &&
           ((k->writes & MTNT_WRITES_CONTROLLER) == 0 || strcmp(fleet_notes(f, 0), "a;b") == 0);
}

static bool holds_nothing(fleet *f, const kind *k)
{
    return (k->creates ? !fleet_model_exists(f, 0) : strcmp(fleet_tables(f, 0), "precious") == 0) &&
           strcmp(fleet_notes(f, 0), "") == 0;
}

static void complain(fleet *f, const char *what)
{
    fail_msg(
        "killed at %d of about %d (bodies done at %d): %s. tables %s, notes %s, gids %s, %d provisional, tenant %s: %s",
        story->kill_at, story->all, story->bodies_done, what,
        fleet_model_exists(f, 0) ? fleet_tables(f, 0) : "(no model)", fleet_notes(f, 0), fleet_gids(f),
        fleet_provisional(f), fleet_known(f, 0), f->err.message);
}

static void check(fleet *f, const kind *k, bool acknowledged)
{
    bool all = holds_all(f, k), nothing = holds_nothing(f, k);

    if (all == nothing)
        complain(f, "neither all nor nothing");
    if (k->fails && !nothing)
        complain(f, "it fails, and is there");
    if (acknowledged && !k->fails && story->rc == 0 && (k->backward ? !nothing : !all))
        complain(f, "it was said to be done, and is not");
    if (fleet_gids(f)[0] != '\0' || fleet_provisional(f) != 0)
        complain(f, "something is left");
}

/* Another process than the one that died settles it; half of the time a migration does that on its way. */
static void recover(fleet *f, const kind *k, bool acknowledged)
{
    int rc = fleet_recover(f, 0);

    if (rc != 0)
        complain(f, "it cannot be recovered");
    if (strncmp(fleet_known(f, 0), "idle|", 5) != 0 && strcmp(fleet_known(f, 0), "-") != 0)
        complain(f, "it is recovered, and not idle");
    check(f, k, acknowledged);
}

static int run_on(fleet *f, const kind *k)
{
    if (!k->fails)
        return k->backward ? fleet_rewind(f, 0, NULL) : fleet_perform(f, 0, NULL);
    return fleet_perform(f, 0, NULL) == MTNT_E_DATABASE ? 0 : MTNT_E_INVALID;
}

/* Returns false when the process got to the end alive. */
static bool kill_once(pair which, const kind *k, int at)
{
    fleet *f = fleet_new(which, 1, !k->creates);
    bool died, acknowledged;
    int status;

    add_chain(f, k);
    if (k->backward)
        fleet_must_perform(f, 0);
    memset(story, 0, sizeof(*story));
    story->kill_at = at;
    current = k;
    status = fleet_in_child(f, perform_and_die);
    current = NULL;
    died = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    if (!died && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("killed at %d: ended with status %d", at, status);
    acknowledged = story->all > 0 && !k->rehearses;
    if (k->rehearses && !holds_nothing(f, k))
        complain(f, "a rehearsal has done something");
    if (k->rehearses && story->all > 0 && story->rc != 0)
        complain(f, "a rehearsal fails");
    if (at % 2 == 0)
        recover(f, k, acknowledged);
    if (run_on(f, k) != 0)
        complain(f, "the next one fails");
    check(f, k, true);
    if (!k->fails && (k->backward ? !holds_nothing(f, k) : !holds_all(f, k)))
        complain(f, "the next one has not done it");
    fleet_free(f);
    return died;
}

static void kill_range(pair which, const kind *k, int from, int to, int samples)
{
    int step = samples == 0 || to - from < samples ? 1 : (to - from) / samples;

    for (int at = from; at < to; at += step)
        kill_once(which, k, at);
}

static void kill_everywhere(pair which, kind k)
{
    bool every = getenv("MTNT_TEST_CRASH_ALL") != NULL;
    int bodies_done, all;

    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    assert_false(kill_once(which, &k, 0));
    bodies_done = story->bodies_done;
    all = story->all;
    if (bodies_done <= 0 || all <= bodies_done)
        fail_msg("%d points, bodies done at %d", all, bodies_done);
    if (every) {
        /* How often an answer comes in parts is not always the same: on until it survives, twice. */
        for (int at = 1, survived = 0; survived < 2; at++)
            survived += !kill_once(which, &k, at);
    } else {
        kill_range(which, &k, 1, bodies_done, 3);
        kill_range(which, &k, bodies_done, all + 1, 10);
    }
    munmap(story, sizeof(*story));
}

static void model(pair which)
{
    kill_everywhere(which, (kind){.writes = MTNT_WRITES_MODEL});
}

static void controller(pair which)
{
    kill_everywhere(which, (kind){.writes = MTNT_WRITES_CONTROLLER});
}

static void both(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH});
}

static void both_backward(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .backward = true});
}

static void both_failing(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .fails = true});
}

static void created(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .creates = true});
}

static void created_model_only(pair which)
{
    kill_everywhere(which, (kind){.writes = MTNT_WRITES_MODEL, .creates = true});
}

static void created_failing(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .creates = true, .fails = true});
}

static void rehearsed(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .rehearses = true});
}

static void rehearsed_creation(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .rehearses = true, .creates = true});
}

/* A saga: its second operation runs outside a transaction, so that it may be found not begun, half done (when it fails, its first statement has
 * committed) or done; or both operations commit one side after the other. All or nothing holds all the same, once it is recovered. */
static void saga(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .flags = MTNT_OPERATION_NO_TRANSACTION});
}

static void saga_failing(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .flags = MTNT_OPERATION_NO_TRANSACTION, .fails = true});
}

static void saga_by_side(pair which)
{
    kill_everywhere(which, (kind){.writes = WRITES_BOTH, .flags = MTNT_OPERATION_SAGA | MTNT_OPERATION_BY_SIDE});
}

static void saga_by_side_failing(pair which)
{
    kill_everywhere(
        which, (kind){.writes = WRITES_BOTH, .flags = MTNT_OPERATION_SAGA | MTNT_OPERATION_BY_SIDE, .fails = true});
}

/* ---- a run over several tenants at once ---- */

#define RUN_TENANTS 3

static const kind *of_run;

static void run_and_die(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor = NULL;
    mtnt_counts counts;

    points_arm(story->kill_at);
    options.workers = of_run->creates ? RUN_TENANTS : 2;
    if (mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err) == 0)
        story->rc = mtnt_executor_migrate(executor, &source, &counts, &f->err);
    mtnt_executor_free(executor);
    story->all = points_passed();
    points_arm(0);
}

static void kill_run_once(pair which, const kind *k, int at)
{
    const char *notes = (k->writes & MTNT_WRITES_CONTROLLER) != 0 ? "a;b" : "";
    fleet *f = fleet_new(which, RUN_TENANTS, !k->creates);
    fleet_report r;
    int status;

    of_run = k;
    add_chain(f, k);
    memset(story, 0, sizeof(*story));
    story->kill_at = at;
    status = fleet_in_child(f, run_and_die);
    if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("killed at %d: ended with status %d", at, status);
    fleet_log_clear(f);
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    if (r.counts.migrated + r.counts.current != RUN_TENANTS)
        fail_msg("killed at %d: the next run migrates %d of all: %s %s %s", at, (int)r.counts.migrated, r.texts[0],
                 r.texts[1], r.texts[2]);
    for (size_t i = 0; i < RUN_TENANTS; i++) {
        assert_text(fleet_tables(f, i), "a;b;precious");
        assert_text(fleet_notes(f, i), notes);
        assert_text(fleet_known(f, i), k->creates ? "idle|3|ok" : "idle|2|ok");
    }
    assert_text(fleet_gids(f), "");
    assert_int_equal(fleet_provisional(f), 0);
    fleet_free(f);
}

static void kill_runs(pair which, kind k)
{
    bool every = getenv("MTNT_TEST_CRASH_ALL") != NULL;
    int all;

    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    kill_run_once(which, &k, 0);
    all = story->all;
    assert_true(all > 0);
    for (int at = 1; at <= all; at += every ? 1 : 1 + all / 10)
        kill_run_once(which, &k, at);
    munmap(story, sizeof(*story));
}

static void run(pair which)
{
    kill_runs(which, (kind){.writes = WRITES_BOTH});
}

/* They decide together, and share the syncs of their folder. */
static void run_of_new_models(pair which)
{
    kill_runs(which, (kind){.writes = MTNT_WRITES_MODEL, .creates = true});
}

/* ---- new models that become a template, and copies of it ---- */

#define COPIES 4

static void add_chain_of_copies(fleet *f)
{
    const uint32_t same = MTNT_OPERATION_SAME_FOR_ALL;

    fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_CREATES_MODEL | MTNT_OPERATION_CLONES | same,
                          .model_up = "CREATE TABLE precious (a INTEGER)",
                          .checksum = "create"});
    fleet_add_body(f, "a", MTNT_WRITES_MODEL, (body){.flags = same, .checksum = "a"});
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.flags = same, .checksum = "b"});
}

static void copy_and_die(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor = NULL;
    mtnt_counts counts = {0};

    f->count = COPIES;
    points_arm(story->kill_at);
    options.workers = 1;
    if (mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err) == 0)
        story->rc = mtnt_executor_migrate(executor, &source, &counts, &f->err);
    mtnt_executor_free(executor);
    story->bodies_done = (int)counts.cloned;
    story->all = points_passed();
    points_arm(0);
}

static void check_copy(fleet *f, size_t tenant, int at)
{
    char mark[80];

    assert_text(fleet_tables(f, tenant), "a;b;precious");
    assert_text(fleet_applied(f, tenant), "create;a;b");
    assert_text(fleet_known(f, tenant), "idle|3|ok");
    assert_text(fleet_ask_model(f, tenant, "SELECT value FROM mtnt_meta WHERE key = 'tenant'"), f->tenants[tenant].id);
    snprintf(mark, sizeof(mark), "%s",
             fleet_ask_model(f, tenant, "SELECT value FROM mtnt_meta WHERE key = 'model_uuid'"));
    for (size_t i = 0; i < tenant; i++)
        if (strcmp(fleet_ask_model(f, i, "SELECT value FROM mtnt_meta WHERE key = 'model_uuid'"), mark) == 0)
            fail_msg("killed at %d: two models are one", at);
}

static void kill_copies_once(pair which, int at)
{
    fleet *f = fleet_new(which, COPIES + 2, false);
    char when[40];
    fleet_report r;
    int status;

    add_chain_of_copies(f);
    memset(story, 0, sizeof(*story));
    story->kill_at = at;
    status = fleet_in_child(f, copy_and_die);
    if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("killed at %d: ended with status %d", at, status);
    if (at == 0)
        assert_int_equal(story->bodies_done, COPIES - 2);
    snprintf(when, sizeof(when), "killed at %d", at);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    if (r.counts.migrated + r.counts.current != COPIES + 2)
        fail_msg("%s: the next run migrates %d of %d: %s%s%s%s", when, (int)r.counts.migrated, COPIES + 2, r.texts[0],
                 r.texts[1], r.texts[2], r.texts[3]);
    for (size_t i = 0; i < COPIES + 2; i++)
        check_copy(f, i, at);
    whole_sweep(f, when);
    /* One that nobody has made whole may be there until the next is made. */
    if (strchr(fleet_templates(f), ';') != NULL)
        fail_msg("%s: %s", when, fleet_templates(f));
    fleet_free(f);
}

static void copies(pair which)
{
    bool every = getenv("MTNT_TEST_CRASH_ALL") != NULL;
    int all, samples = which == PAIR_SQLITE ? 16 : 5;

    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    kill_copies_once(which, 0);
    all = story->all;
    assert_true(all > 0);
    for (int at = 1; at <= all; at += every ? 1 : 1 + all / samples)
        kill_copies_once(which, at);
    munmap(story, sizeof(*story));
}

int main(void)
{
    /* Every pair has its mode for `both`; of the rest, what differs from it. */
    const unsigned int all = getenv("MTNT_TEST_CRASH_ALL") != NULL ? ON_ALL : 0,
                       same = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES);
    const bare_test tests[] = {
        {"model", model, all | same},
        {"controller", controller, all | same},
        {"both", both, ON_ALL},
        {"both_backward", both_backward, all | ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE)},
        {"both_failing", both_failing, all | ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE)},
        {"created", created, all | same | ON(PAIR_SCHEMA) | ON(PAIR_POSTGRES_SQLITE)},
        {"created_model_only", created_model_only, all | ON(PAIR_SQLITE) | ON(PAIR_SCHEMA)},
        {"created_failing", created_failing, all | ON(PAIR_SQLITE)},
        {"rehearsed", rehearsed, all | ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE_POSTGRES)},
        {"rehearsed_creation", rehearsed_creation, all | ON(PAIR_POSTGRES_SQLITE)},
        {"saga", saga, all | same | ON(PAIR_POSTGRES_SQLITE)},
        {"saga_failing", saga_failing, all | ON(PAIR_SQLITE) | ON(PAIR_SQLITE_POSTGRES)},
        {"saga_by_side", saga_by_side, all | ON(PAIR_POSTGRES)},
        {"saga_by_side_failing", saga_by_side_failing, all | ON(PAIR_SQLITE) | ON(PAIR_SQLITE_POSTGRES)},
        {"copies", copies, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES)},
        {"run", run, all | ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE)},
        {"run_of_new_models", run_of_new_models, all | ON(PAIR_SQLITE)},
    };

    return run_bare_tests("crash", tests, sizeof(tests) / sizeof(*tests));
}
