/* Workers of one process that make new models at the same time decide in one transaction and share syncs of the folder. kill -9, power loss and I/O
 * errors at every call by which it changes a file; then a recovery of each tenant without faults, after which every one of them holds
 * all of its migration or nothing, whatever has become of its neighbours; what was said to be done is there, what was said to have failed is
 * not; and the next run brings the rest, and survives a power loss after it. A sample by default; MTNT_TEST_CRASH_ALL=1 takes every call. Which worker
 * meets the fault is not always the same. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/database.h"
#include "fault_disk.h"
#include "fault_vfs.h"
#include "fleet_run.h"
#include "whole.h"

#define TENANTS 4
#define MEET_MS 100

static const whole what = {.writes = MTNT_WRITES_MODEL, .creates = true};

/* Of the process that has met the fault. */
static struct story {
    mtnt_result results[TENANTS]; /* as they were reported */
    int rc, all;
} * story;

/* Over all trials, in memory of all processes. */
static struct sums {
    atomic_int arrived, trials, groups;
} * sums;

static fault_kind kind;
static int at, loss;
static char place[160];

static const struct {
    fault_keep contents, names;
} losses[] = {
    {FAULT_KEEP_NOTHING, FAULT_KEEP_NOTHING},
    {FAULT_KEEP_SOME, FAULT_KEEP_SOME},
    {FAULT_KEEP_ALL, FAULT_KEEP_NOTHING},
    {FAULT_KEEP_NOTHING, FAULT_KEEP_ALL},
};
#define LOSSES ((int)(sizeof(losses) / sizeof(*losses)))

/* ---- how many rows a transaction decides ---- */

static _Thread_local int rows;

int __real_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);
int __wrap_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);
int __wrap_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err)
{
    rows++;
    return __real_mtnt__register_commit_after(db, migration, ended, err);
}

int __real_mtnt__db_commit(mtnt_db *db, mtnt_error *err);
int __wrap_mtnt__db_commit(mtnt_db *db, mtnt_error *err);
int __wrap_mtnt__db_commit(mtnt_db *db, mtnt_error *err)
{
    if (rows > 1)
        atomic_fetch_add(&sums->groups, 1);
    rows = 0;
    return __real_mtnt__db_commit(db, err);
}

/* ---- the run ---- */

/* All of them go on to their commits together, unless one has failed on the way. */
static int meet(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    atomic_fetch_add(&sums->arrived, 1);
    for (int i = 0; i < MEET_MS * 10 && atomic_load(&sums->arrived) < TENANTS; i++)
        usleep(100);
    return 0;
}

static void note(void *data, const mtnt_event *event)
{
    (void)data;
    if (event->type == MTNT_EVENT_TENANT_FINISHED && event->tenant != NULL)
        story->results[atoi(mtnt_model_id(event->tenant) + 1) - 1] = event->result; /* NOLINT(cert-err34-c) */
}

static void run_with_fault(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = fleet_source(f);
    mtnt_executor *executor = NULL;
    mtnt_counts counts = {0};
    int rc = mtnt_controller_open(&f->controller, f->controller_dsn, NULL, &f->err);

    fault_arm(kind, at);
    options.workers = TENANTS;
    options.reporter = (mtnt_reporter){note, NULL};
    if (rc == 0)
        rc = mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err);
    if (rc == 0)
        rc = mtnt_executor_migrate(executor, &source, &counts, &f->err);
    mtnt_executor_free(executor);
    story->rc = rc;
    story->all = fault_calls();
}

static void check_tenant(fleet *f, size_t i, const char *when)
{
    mtnt_result said = story->results[i];

    whole_check(f, i, &what, said == MTNT_RESULT_MIGRATED, when);
    if (said == MTNT_RESULT_FAILED && !whole_is_not_there(f, i, &what))
        fail_msg("%s: it was said to have failed, and is there", when);
}

static void check_files(fleet *f, const char *when)
{
    if (f->controller_backend == MTNT_SQLITE && strcmp(fleet_ask_controller(f, "PRAGMA integrity_check"), "ok") != 0)
        fail_msg("%s: the controller is damaged", when);
    for (size_t i = 0; i < TENANTS; i++)
        if (fleet_model_exists(f, i) && strcmp(fleet_ask_model(f, i, "PRAGMA integrity_check"), "ok") != 0)
            fail_msg("%s: model %zu is damaged", when, i + 1);
}

static void settle(fleet *f, const char *when)
{
    fleet_report report;

    fleet_reopen(f);
    for (size_t i = 0; i < TENANTS; i++)
        if (fleet_recover(f, i) != 0)
            fail_msg("%s: tenant %zu cannot be recovered: %s", when, i + 1, f->err.message);
    whole_sweep(f, when);
    check_files(f, when);
    for (size_t i = 0; i < TENANTS; i++)
        check_tenant(f, i, when);
    if (fleet_run(f, 2, NULL, &report) != 0 || report.counts.migrated + report.counts.current != TENANTS)
        fail_msg("%s: the next run brings %d: %s", when, (int)report.counts.migrated, f->err.message);
    fleet_close(f);
    fault_power_loss(FAULT_KEEP_NOTHING, FAULT_KEEP_NOTHING, 0);
    fleet_reopen(f);
    for (size_t i = 0; i < TENANTS; i++)
        whole_finish(f, i, &what, when);
}

/* Returns how many calls there were. */
static int try(pair which, fault_kind hit, int call, int kept)
{
    fleet *f = fleet_new(which, TENANTS, false);
    char when[400];
    int status, calls;

    f->quiet = true;
    whole_add_chain(f, &what, (body){.during = meet});
    fleet_close(f);
    memset(story, 0, sizeof(*story));
    kind = hit;
    at = call;
    loss = kept;
    atomic_store(&sums->arrived, 0);
    atomic_fetch_add(&sums->trials, 1);
    fault_disk_begin(f->folder);
    status = fleet_in_process(f, run_with_fault);
    calls = story->all;
    snprintf(place, sizeof(place), "%s", fault_place());
    snprintf(when, sizeof(when), "%s at %d (%s), kept %d: returned %d, said %d %d %d %d", fault_kind_name(kind), at,
             place, loss, story->rc, story->results[0], story->results[1], story->results[2], story->results[3]);
    if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        fail_msg("%s: ended with status %d", when, status);
    if (kind == FAULT_POWER || loss > 0)
        fault_power_loss(losses[loss].contents, losses[loss].names, (unsigned)at);
    atomic_store(&sums->arrived, TENANTS);
    settle(f, when);
    fault_disk_end();
    fleet_free(f);
    return calls;
}

static void try_all(pair which)
{
    bool every = getenv("MTNT_TEST_CRASH_ALL") != NULL;
    int all, step, groups;

    atomic_store(&sums->trials, 0);
    atomic_store(&sums->groups, 0);
    all = try(which, FAULT_NONE, 0, 0);
    for (size_t i = 0; i < TENANTS; i++)
        assert_int_equal(story->results[i], MTNT_RESULT_MIGRATED);
    step = every ? 1 : 1 + all / (which == PAIR_SQLITE ? 9 : 3);
    for (fault_kind hit = FAULT_KILL; hit < FAULT_KINDS; hit++)
        for (int call = 1 + (int)hit % step; call <= all; call += step) {
            /* Nothing is lost by a plain kill; each call of the sample takes another one of the rest. */
            int first = hit == FAULT_KILL || every ? 0 : call % (hit == FAULT_POWER ? LOSSES : 2);
            int last = !every || hit == FAULT_KILL ? first : hit == FAULT_POWER ? LOSSES - 1 : 1;

            for (int kept = first; kept <= last; kept++)
                try(which, hit, call, kept);
        }
    groups = atomic_load(&sums->groups);
    print_message("%d calls, %d trials, %d decisions of more than one\n", all, atomic_load(&sums->trials), groups);
    if (which == PAIR_SQLITE)
        assert_true(groups > atomic_load(&sums->trials) / 4);
    else
        assert_int_equal(groups, 0);
}

int main(void)
{
    const bare_test tests[] = {{"new_models", try_all, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE)}};
    int rc;

    setenv("TMPDIR", "/dev/shm", 0); /* what is durable is ours to say */
    fault_vfs_install();
    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sums = mmap(NULL, sizeof(*sums), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (story == MAP_FAILED || sums == MAP_FAILED)
        return 1;
    rc = run_bare_tests("jointly", tests, sizeof(tests) / sizeof(*tests));
    munmap(story, sizeof(*story));
    munmap(sums, sizeof(*sums));
    return rc;
}
