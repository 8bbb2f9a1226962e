/* Several processes on one fleet, at the same time: every tenant is migrated exactly once, none is forgotten, and none fails because another
 * process has it. An operation that leaves a row in its model shows doubles. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet_fixture.h"

#define PROCESSES 4
#define CROWD 240

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
    bool done;
} outcome;

static struct shared {
    outcome outcomes[PROCESSES];
    int ready; /* at the barrier */
    bool go;
} * shared;
static int me; /* of a process */

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

static void check_each_once(fleet *f)
{
    char expected[40];

    for (int i = 1; i <= crowd_size(); i++)
        if (rows_of(f, i) != 1)
            fail_msg("tenant c%d: %d rows", i, rows_of(f, i));
    snprintf(expected, sizeof(expected), "idle|3|0|%d", crowd_size());
    assert_text(fleet_ask_controller(f, "SELECT state, version, count(error), count(*) FROM mtnt_tenant GROUP BY 1, 2"),
                expected);
}

/* ---- the processes ---- */

static void run_one(fleet *f, const mtnt_executor_options *options)
{
    mtnt_tenant_source source = {next_of_crowd, size_of_crowd, NULL, f};
    outcome *told = shared->outcomes + me;
    mtnt_executor *executor = NULL;

    f->counter = 0;
    if (mtnt_executor_new(&executor, f->controller, f->chain, options, &told->error) == 0)
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

static void finish(fleet *f, int count, const pid_t *pids)
{
    for (int i = 0; i < count; i++) {
        assert_int_equal(fleet_end_child(f, pids[i]), 0);
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
    finish(f, 2, pids);
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

int main(void)
{
    const pair_test tests[] = {
        {"two_runs", two_runs, ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE), 1, true},
    };

    return run_pair_tests("processes", tests, sizeof(tests) / sizeof(*tests));
}
