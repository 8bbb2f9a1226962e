/* Several processes on one fleet, at the same time: every tenant is migrated exactly once, none is forgotten, and none fails because another
 * process has it. An operation that leaves a row in its model shows doubles. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/system.h"
#include "cluster.h"
#include "fleet_fixture.h"
#include "proxy.h"

#define PROCESSES 4
#define CROWD 96

static int crowd_size(void)
{
    const char *wanted = getenv("MTNT_TEST_PROCESSES");
    int size = wanted == NULL ? CROWD : atoi(wanted);

    return size < 8 ? 8 : size;
}

/* What the processes tell the test, and it them: in memory that all share. */
typedef struct outcome {
    mtnt_counts counts;
    mtnt_error error;
    mtnt_counts whole; /* as it was told last */
    char warning[MTNT_ERROR_MESSAGE_SIZE];
    char failure[MTNT_ERROR_MESSAGE_SIZE]; /* of the last tenant that failed */
    bool done;
} outcome;

static struct shared {
    outcome outcomes[PROCESSES];
    int ready; /* at the barrier */
    int failures;
    int begun, done;       /* bodies */
    int64_t done_ms[1000]; /* when so many were done */
    int early;             /* tenants that were begun before their wave */
    int holder;            /* who has the canary, from 1; 0 = nobody */
    bool go, parted;
} * shared;
static int me; /* of a process */
static mtnt_rollout_options rollout;
static bool strangers;
static cluster servers; /* of the controller, where the test takes it down */
static bool clustered;

static void share(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
}

static void unshare_all(void)
{
    munmap(shared, sizeof(*shared));
}

/* ---- the crowd ---- */

static int next_of_crowd(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    fleet *f = data;
    char id[20], dsn[200];

    *ret_model = NULL;
    if (f->counter == crowd_size())
        return 0;
    snprintf(id, sizeof(id), "c%d", (int)++f->counter);
    snprintf(dsn, sizeof(dsn), "sqlite:%s/%s.db", f->folder, id);
    options.id = id;
    options.dsn = dsn;
    return mtnt_model_new(ret_model, &options, err);
}

static int64_t size_of_crowd(void *data)
{
    (void)data;
    return crowd_size();
}

static int work(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    usleep(2000);
    return mtnt_db_exec(mtnt_scope_model(context), err, "INSERT INTO done(process) VALUES($1)", MTNT_INT(me));
}

static void make_chain(fleet *f)
{
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add_body(f, "table", MTNT_WRITES_MODEL,
                   (body){.model_up = "CREATE TABLE IF NOT EXISTS done(process INTEGER)"});
    fleet_add_body(f, "row", MTNT_WRITES_MODEL, (body){.model_up = "", .during = work});
}

static int rows_of(const fleet *f, int number)
{
    mtnt_controller *model = NULL;
    mtnt_error error = MTNT_ERROR_INIT;
    int64_t rows = -1;
    char dsn[200];
    mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;

    options.read_only = true;
    snprintf(dsn, sizeof(dsn), "sqlite:%s/c%d.db", f->folder, number);
    if (mtnt_controller_open(&model, dsn, &options, &error) == 0)
        (void)mtnt_db_query_int(mtnt_controller_db(model), &rows, &error, "SELECT count(*) FROM done");
    mtnt_controller_close(model);
    return (int)rows;
}

static const char *ask(fleet *f, const char *sql)
{
    return clustered ? cluster_ask(&servers, "controller", sql) : fleet_ask_controller(f, sql);
}

static void check_each_once(fleet *f)
{
    char expected[40];

    for (int i = 1; i <= crowd_size(); i++)
        if (rows_of(f, i) != 1)
            fail_msg("tenant c%d: %d rows", i, rows_of(f, i));
    snprintf(expected, sizeof(expected), "idle|%d|0|%d", (int)mtnt_chain_len(f->chain), crowd_size());
    assert_text(ask(f, "SELECT state, version, count(error), count(*) FROM mtnt_tenant GROUP BY 1, 2"), expected);
}

/* ---- the processes ---- */

static void note(void *data, const mtnt_event *event)
{
    outcome *told = data;

    if (event->type == MTNT_EVENT_TENANT_FINISHED && event->error != NULL)
        snprintf(told->failure, sizeof(told->failure), "%s", event->error->message);
    if (event->type == MTNT_EVENT_WARNING)
        snprintf(told->warning, sizeof(told->warning), "%s", event->error->message);
    if (event->whole != NULL)
        told->whole = *event->whole;
}

static void run_one(fleet *f, mtnt_executor_options *options)
{
    mtnt_tenant_source source = {next_of_crowd, size_of_crowd, NULL, f};
    outcome *told = shared->outcomes + me;
    mtnt_executor *executor = NULL;
    int rc;

    f->counter = 0;
    options->reporter = (mtnt_reporter){note, told};
    options->rollout = rollout;
    rc = mtnt_executor_new(&executor, f->controller, f->chain, options, &told->error);
    /* The controller may be gone while it is asked for the run that is to be joined: whoever starts a process starts it again. */
    for (int tries = 0; rc != 0 && clustered && told->error.retryable && tries < 300; tries++) {
        usleep(100000);
        mtnt_error_clear(&told->error);
        rc = mtnt_executor_new(&executor, f->controller, f->chain, options, &told->error);
    }
    if (rc == 0)
        (void)mtnt_executor_migrate(executor, &source, &told->counts, &told->error);
    mtnt_executor_free(executor);
    told->done = true;
}

static void at_once(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;

    options.workers = 2;
    __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&shared->go, __ATOMIC_SEQ_CST))
        usleep(1000);
    run_one(f, &options);
}

static void start(fleet *f, int count, void (*run)(fleet *f), pid_t *ret_pids)
{
    for (me = 0; me < count; me++)
        ret_pids[me] = fleet_begin_child(f, run);
    while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < count)
        usleep(1000);
    __atomic_store_n(&shared->go, true, __ATOMIC_SEQ_CST);
}

static void expect_no_failure(int process)
{
    const outcome *told = shared->outcomes + process;

    if (told->counts.failed > 0)
        fail_msg("process %d: %d failed: %s", process, (int)told->counts.failed, told->failure);
}

static void expect_end(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void finish(int count, const pid_t *pids)
{
    for (int i = 0; i < count; i++) {
        expect_end(pids[i]);
        assert_true(shared->outcomes[i].done);
        if (shared->outcomes[i].error.code != MTNT_OK)
            fail_msg("process %d: %s", i, shared->outcomes[i].error.message);
    }
}

/* Two plain runs over the same tenants. */
static void two_runs(fleet *f)
{
    const outcome *told;
    pid_t pids[PROCESSES];
    int64_t migrated = 0;

    share();
    make_chain(f);
    start(f, 2, at_once, pids);
    finish(2, pids);
    for (int i = 0; i < 2; i++) {
        told = shared->outcomes + i;
        assert_int_equal(told->counts.failed, 0);
        assert_int_equal(told->counts.untouched, 0);
        assert_int_equal(told->counts.migrated + told->counts.current, crowd_size());
        migrated += told->counts.migrated;
    }
    assert_int_equal(migrated, crowd_size());
    check_each_once(f);
    unshare_all();
}

/* ---- one run ---- */

/* The run that a process has begun is found by the others, which take its terms over. */
static void join_it(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    outcome *told = shared->outcomes + me;
    mtnt_run_info info;
    int rc = MTNT_E_NOT_FOUND;

    __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&shared->go, __ATOMIC_SEQ_CST))
        usleep(1000);
    options.workers = 2;
    options.migration.heartbeat_ms = 200;
    for (int tries = 0; me > 0 && rc == MTNT_E_NOT_FOUND && tries < 3000; tries++) {
        rc = mtnt_run_find(f->controller, f->chain, 0, &info, &told->error);
        usleep(10000);
    }
    if (me > 0 && rc != 0)
        return;
    options.join_run = me == 0 ? 0 : info.run;
    mtnt_error_clear(&told->error);
    run_one(f, &options);
}

static const char *run_row(fleet *f)
{
    return fleet_ask_controller(
        f,
        "SELECT migrated, already_current, failed, untouched, finished_ms IS NOT NULL AND finished_ms > 0 FROM mtnt_run");
}

static void check_run(fleet *f, int failed)
{
    char expected[80];

    snprintf(expected, sizeof(expected), "%d|0|%d|0|%s", crowd_size() - failed, failed,
             f->controller_backend == MTNT_SQLITE ? "1" : "t");
    assert_text(run_row(f), expected);
}

static void one_run(fleet *f)
{
    int count = f->controller_backend == MTNT_SQLITE ? 2 : PROCESSES;
    pid_t pids[PROCESSES];

    share();
    make_chain(f);
    start(f, count, join_it, pids);
    finish(count, pids);
    for (int i = 0; i < count; i++)
        expect_no_failure(i);
    check_each_once(f);
    check_run(f, 0);
    assert_int_equal(atoi(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_run_process")), count);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_run_process WHERE finished_ms IS NULL"), "0");
    unshare_all();
}

/* What has failed in one process is not tried again by another. */
static int fail_some(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int number = atoi(mtnt_model_id(mtnt_scope_tenant(context)) + 1);

    if (number % 10 == 0) {
        __atomic_add_fetch(&shared->failures, 1, __ATOMIC_SEQ_CST);
        return mtnt_error_set(err, MTNT_E_OPERATION, "no luck");
    }
    return work(f, operation, context, err);
}

static void failures_once(fleet *f)
{
    int count = f->controller_backend == MTNT_SQLITE ? 2 : PROCESSES, failed = crowd_size() / 10;
    pid_t pids[PROCESSES];

    share();
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add_body(f, "table", MTNT_WRITES_MODEL,
                   (body){.model_up = "CREATE TABLE IF NOT EXISTS done(process INTEGER)"});
    fleet_add_body(f, "row", MTNT_WRITES_MODEL, (body){.model_up = "", .during = fail_some});
    start(f, count, join_it, pids);
    finish(count, pids);
    assert_int_equal(shared->failures, failed);
    check_run(f, failed);
    for (int i = 0; i < count; i++) {
        const mtnt_counts *counts = &shared->outcomes[i].counts;

        assert_int_equal(counts->failed + counts->elsewhere, failed);
        assert_int_equal(counts->total, crowd_size());
    }
    unshare_all();
}

/* ---- killed ---- */

/* Nobody knows whether a process lives, as if it were on another host: only the lease tells. */
mtnt__process_state __real_mtnt__process_look(const char *text);
mtnt__process_state __wrap_mtnt__process_look(const char *text);
mtnt__process_state __wrap_mtnt__process_look(const char *text)
{
    return strangers ? MTNT__PROCESS_UNKNOWN : __real_mtnt__process_look(text);
}

int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options);
int64_t __wrap_mtnt__lease_ms(const mtnt_migration_options *options)
{
    (void)options;
    return 1500;
}

static void killed(fleet *f, int which)
{
    pid_t pids[PROCESSES];
    int status;

    strangers = true;
    share();
    make_chain(f);
    start(f, PROCESSES, join_it, pids);
    /* In the middle of its work. */
    while (atoi(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state = 'idle'")) < crowd_size() / 8)
        usleep(1000);
    kill(pids[which], SIGKILL);
    assert_int_equal(waitpid(pids[which], &status, 0), pids[which]);
    for (int i = 0; i < PROCESSES; i++) {
        if (i == which)
            continue;
        expect_end(pids[i]);
        if (shared->outcomes[i].error.code != MTNT_OK)
            fail_msg("process %d: %s", i, shared->outcomes[i].error.message);
        expect_no_failure(i);
    }
    check_each_once(f);
    unshare_all();
}

static void first_killed(fleet *f)
{
    killed(f, 0);
}

static void joiner_killed(fleet *f)
{
    killed(f, 2);
}

/* ---- stopped ---- */

/* It wakes when others have taken its tenants over: what it had begun dies with its lease or at the register, and none of it counts as failed. */
static void stopped(fleet *f)
{
    pid_t pids[PROCESSES];

    strangers = true;
    share();
    make_chain(f);
    start(f, PROCESSES, join_it, pids);
    while (atoi(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state = 'idle'")) < crowd_size() / 8)
        usleep(1000);
    kill(pids[1], SIGSTOP);
    for (int i = 0; i < PROCESSES; i++)
        if (i != 1)
            expect_end(pids[i]);
    check_each_once(f);
    kill(pids[1], SIGCONT);
    expect_end(pids[1]);
    for (int i = 0; i < PROCESSES; i++) {
        if (shared->outcomes[i].error.code != MTNT_OK)
            fail_msg("process %d: %s", i, shared->outcomes[i].error.message);
        expect_no_failure(i);
    }
    check_each_once(f);
    unshare_all();
}

/* ---- waves and a budget over all of them ---- */

#define FIRST_WAVE 4
#define SOAK_MS 300

static int64_t now_ms(void)
{
    const mtnt__system *system = mtnt__system_default();

    return system->boot_ms(system->data);
}

/* Which tenant it is, of all that were begun, and whether its wave had begun. */
static int in_its_wave(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int begun = __atomic_fetch_add(&shared->begun, 1, __ATOMIC_SEQ_CST), ends[] = {FIRST_WAVE, crowd_size() / 4}, rc;

    for (int i = 0; i < 2; i++)
        if (begun >= ends[i] && (__atomic_load_n(&shared->done, __ATOMIC_SEQ_CST) < ends[i] ||
                                 now_ms() - shared->done_ms[ends[i]] < SOAK_MS))
            __atomic_add_fetch(&shared->early, 1, __ATOMIC_SEQ_CST);
    rc = work(f, operation, context, err);
    begun = __atomic_add_fetch(&shared->done, 1, __ATOMIC_SEQ_CST);
    if (begun < 1000)
        shared->done_ms[begun] = now_ms();
    return rc;
}

static void make_waves(fleet *f, int (*during)(fleet *, mtnt_operation *, mtnt_context *, mtnt_error *))
{
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add_body(f, "table", MTNT_WRITES_MODEL,
                   (body){.model_up = "CREATE TABLE IF NOT EXISTS done(process INTEGER)"});
    fleet_add_body(f, "row", MTNT_WRITES_MODEL, (body){.model_up = "", .during = during});
}

/* What each of them says adds up to the fleet, and what the last one says of all is all of it. */
static void check_sums(fleet *f, int count)
{
    int64_t migrated = 0, failed = 0;
    bool all = false;

    for (int i = 0; i < count; i++) {
        const mtnt_counts *own = &shared->outcomes[i].counts, *whole = &shared->outcomes[i].whole;

        assert_int_equal(own->migrated + own->current + own->failed + own->elsewhere + own->untouched, own->total);
        assert_int_equal(own->total, crowd_size());
        migrated += own->migrated;
        failed += own->failed;
        assert_true(whole->migrated + whole->current + whole->failed + whole->untouched <= crowd_size());
        all = all || (whole->total == crowd_size() &&
                      whole->migrated + whole->current + whole->failed + whole->untouched == crowd_size());
    }
    assert_true(all);
    assert_int_equal(migrated, atoi(fleet_ask_controller(f, "SELECT migrated FROM mtnt_run")));
    assert_int_equal(failed, atoi(fleet_ask_controller(f, "SELECT failed FROM mtnt_run")));
}

static void waves_together(fleet *f)
{
    int count = f->controller_backend == MTNT_SQLITE ? 2 : PROCESSES, busy = 0;
    pid_t pids[PROCESSES];

    share();
    make_waves(f, in_its_wave);
    rollout = (mtnt_rollout_options){.waves = "25%", .canary = FIRST_WAVE, .soak_ms = SOAK_MS};
    start(f, count, join_it, pids);
    finish(count, pids);
    for (int i = 0; i < count; i++) {
        expect_no_failure(i);
        assert_int_equal(shared->outcomes[i].counts.stop, MTNT_STOP_NONE);
        busy += shared->outcomes[i].counts.migrated > 0;
        assert_text(shared->outcomes[i].warning, "");
    }
    assert_int_equal(shared->early, 0);
    assert_int_equal(shared->done, crowd_size());
    /* Of two who wait for a file's lock one may get it each time. */
    assert_true(busy > 1 || f->controller_backend == MTNT_SQLITE);
    check_each_once(f);
    check_run(f, 0);
    check_sums(f, count);
    assert_int_equal(atoi(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_place")), crowd_size() / 4);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_place WHERE settled = 0"), "0");
    unshare_all();
}

/* Some that were begun when it was spent fail, too; nobody is begun after it. */
static void budget_together(fleet *f)
{
    int count = f->controller_backend == MTNT_SQLITE ? 2 : PROCESSES;
    pid_t pids[PROCESSES];

    share();
    make_waves(f, fail_some);
    rollout = (mtnt_rollout_options){.max_failures = "3"};
    start(f, count, join_it, pids);
    finish(count, pids);
    for (int i = 0; i < count; i++)
        assert_int_equal(shared->outcomes[i].counts.stop, MTNT_STOP_BUDGET);
    assert_in_range(shared->failures, 4, 3 + count * 2);
    check_sums(f, count);
    assert_true(atoi(fleet_ask_controller(f, "SELECT untouched FROM mtnt_run")) > 0);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state <> 'idle'"), "0");
    unshare_all();
}

/* The first to have it never comes back. */
static int hold_the_canary(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    int nobody = 0;

    if (__atomic_compare_exchange_n(&shared->holder, &nobody, me + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        for (;;)
            pause();
    return work(f, operation, context, err);
}

/* The only place of the wave is that of a process which is killed: another one takes it over, and nobody goes ahead meanwhile. */
static void canary_killed(fleet *f)
{
    pid_t pids[PROCESSES];
    int holder, status;

    strangers = true;
    share();
    make_waves(f, hold_the_canary);
    rollout = (mtnt_rollout_options){.canary = 1};
    start(f, PROCESSES, join_it, pids);
    while ((holder = __atomic_load_n(&shared->holder, __ATOMIC_SEQ_CST)) == 0 ||
           atoi(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_run_process")) < PROCESSES)
        usleep(10000);
    usleep(700000);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_tenant WHERE state = 'idle'"), "0");
    kill(pids[holder - 1], SIGKILL);
    assert_int_equal(waitpid(pids[holder - 1], &status, 0), pids[holder - 1]);
    for (int i = 0; i < PROCESSES; i++)
        if (i != holder - 1) {
            expect_end(pids[i]);
            if (shared->outcomes[i].error.code != MTNT_OK)
                fail_msg("process %d: %s", i, shared->outcomes[i].error.message);
            expect_no_failure(i);
        }
    check_each_once(f);
    assert_text(fleet_ask_controller(f, "SELECT count(*), count(DISTINCT tenant) FROM mtnt_place"), "1|1");
    unshare_all();
}

/* ---- everything at once ---- */

/* A host that nothing reaches, and that reaches nothing: its messages come late, and so do the answers. */
static proxy_action pass_unless_parted(void *data, const proxy_message *message)
{
    (void)data;
    (void)message;
    while (__atomic_load_n(&shared->parted, __ATOMIC_SEQ_CST))
        usleep(5000);
    return PROXY_PASS;
}

static void go_through_a_proxy(fleet *f)
{
    char words[300];

    snprintf(words, sizeof(words), "host=%s/socket port=%d user=mtnt", servers.primary.folder, servers.primary.port);
    setenv("MTNT_TEST_PG", words, 1);
    assert_non_null(proxy_start(f->folder, pass_unless_parted, NULL));
    snprintf(f->controller_dsn, sizeof(f->controller_dsn), "postgresql:///controller?host=%s&port=%d&user=mtnt",
             f->folder, servers.primary.port);
    fleet_reopen(f);
}

#define PARTED 3

static void in_the_storm(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    outcome *told = shared->outcomes + me;
    mtnt_run_info info;
    int rc = MTNT_E_NOT_FOUND;

    if (me == PARTED)
        go_through_a_proxy(f);
    __atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&shared->go, __ATOMIC_SEQ_CST))
        usleep(1000);
    options.workers = 2;
    options.migration.heartbeat_ms = 200;
    for (int tries = 0; me > 0 && rc != 0 && tries < 3000; tries++) {
        rc = mtnt_run_find(f->controller, f->chain, 0, &info, &told->error);
        usleep(10000);
    }
    options.join_run = me == 0 ? 0 : info.run;
    mtnt_error_clear(&told->error);
    run_one(f, &options);
}

static int slow_work(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    usleep(8000);
    return work(f, operation, context, err);
}

static int tenants_done(fleet *f)
{
    return atoi(ask(f, "SELECT count(*) FROM mtnt_tenant WHERE state = 'idle' AND version = 4"));
}

static void await_eighths(fleet *f, int eighths)
{
    while (tenants_done(f) < crowd_size() * eighths / 8)
        usleep(5000);
}

static void send(pid_t pid, int number)
{
    if (kill(pid, number) != 0)
        fprintf(stderr, "the process had ended before\n");
}

static mtnt_rollout_options storm_rollout;

/* One of four is killed, and another comes; one is stopped for longer than its lease, and wakes; one loses its way to the controller, and finds it
 * again; and the controller goes twice, once for longer. At the end each tenant is done, once, and both sides say so. */
static void storm(fleet *f)
{
    pid_t pids[PROCESSES];
    char expected[40];
    int status;

    strangers = true;
    rollout = storm_rollout;
    share();
    cluster_start(&servers);
    clustered = true;
    if (cluster_ask(&servers, "postgres", "CREATE DATABASE controller")[0] == '!' ||
        cluster_ask(&servers, "controller", "CREATE TABLE notes (tenant TEXT, operation TEXT)")[0] == '!')
        fail_msg("%s", servers.answer);
    cluster_dsn(&servers, "controller", f->controller_dsn, sizeof(f->controller_dsn));
    fleet_reopen(f);
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add_body(f, "table", MTNT_WRITES_MODEL,
                   (body){.model_up = "CREATE TABLE IF NOT EXISTS done(process INTEGER)"});
    fleet_add_body(f, "row", MTNT_WRITES_MODEL, (body){.model_up = "", .during = slow_work});
    fleet_add_body(f, "note", WRITES_BOTH, (body){.model_up = ""});
    start(f, PROCESSES, in_the_storm, pids);

    await_eighths(f, 1);
    send(pids[1], SIGKILL);
    assert_int_equal(waitpid(pids[1], &status, 0), pids[1]);
    me = 1;
    pids[1] = fleet_begin_child(f, in_the_storm);
    /* Its first connection is not what is ridden out. */
    while (__atomic_load_n(&shared->ready, __ATOMIC_SEQ_CST) < PROCESSES + 1)
        usleep(1000);
    await_eighths(f, 2);
    send(pids[2], SIGSTOP);
    cluster_halt(&servers);
    usleep(1500000);
    cluster_restart(&servers);
    await_eighths(f, 3);
    usleep(1000000);
    send(pids[2], SIGCONT);
    await_eighths(f, 5);
    __atomic_store_n(&shared->parted, true, __ATOMIC_SEQ_CST);
    usleep(2500000);
    __atomic_store_n(&shared->parted, false, __ATOMIC_SEQ_CST);
    await_eighths(f, 6);
    cluster_restart(&servers);
    finish(PROCESSES, pids);
    for (int i = 0; i < PROCESSES; i++)
        expect_no_failure(i);

    check_each_once(f);
    snprintf(expected, sizeof(expected), "%d|%d", crowd_size(), crowd_size());
    assert_text(ask(f, "SELECT count(*), count(DISTINCT tenant) FROM notes"), expected);
    assert_text(ask(f, "SELECT count(*) FROM pg_prepared_xacts"), "0");
    clustered = false;
    fleet_close(f);
    cluster_stop(&servers);
    unshare_all();
}

/* In waves, which all of them wait for together, and of which the controller's absence is no reason to begin anybody too early, nor to count a failure. */
static void storm_in_waves(fleet *f)
{
    storm_rollout = (mtnt_rollout_options){.waves = "30%,80%", .canary = 4, .soak_ms = 100, .max_failures = "2"};
    storm(f);
}

int main(void)
{
    const pair_test tests[] = {
        {"two_runs", two_runs, ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE), 1, true},
        {"one_run", one_run, ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE), 1, true},
        {"failures_once", failures_once, ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE), 1, true},
        {"waves_together", waves_together, ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE), 1, true},
        {"budget_together", budget_together, ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE), 1, true},
        {"canary_killed", canary_killed, ON(PAIR_POSTGRES_SQLITE), 1, true},
        {"first_killed", first_killed, ON(PAIR_POSTGRES_SQLITE), 1, true},
        {"joiner_killed", joiner_killed, ON(PAIR_POSTGRES_SQLITE), 1, true},
        {"stopped", stopped, ON(PAIR_POSTGRES_SQLITE), 1, true},
        {"storm", storm, ON(PAIR_POSTGRES_SQLITE), 1, true},
        {"storm_in_waves", storm_in_waves, ON(PAIR_POSTGRES_SQLITE), 1, true},
    };

    return run_pair_tests("processes", tests, sizeof(tests) / sizeof(*tests));
}
