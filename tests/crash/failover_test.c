/* The controller fails over: its primary is gone at once, and a standby, which really replicates (pg_basebackup, streaming), is promoted. Both are in one
 * address. With a synchronous standby nothing is lost, and a run that is under way goes on; with an asynchronous one that was cut off before, the
 * controller's last commits are gone, and the models still hold what they decided. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"
#include "fleet_fixture.h"

#define CROWD 96

static cluster servers;
static const char database[] = "controller";

/* Models where the fixture has them, on a server that stays; the controller on the pair that fails over. */
static void use_cluster(fleet *f)
{
    if (cluster_ask(&servers, "postgres", "CREATE DATABASE controller")[0] == '!' ||
        cluster_ask(&servers, database, "CREATE TABLE notes (tenant TEXT, operation TEXT)")[0] == '!')
        fail_msg("%s", servers.answer);
    cluster_dsn(&servers, database, f->controller_dsn, sizeof(f->controller_dsn));
    fleet_reopen(f);
}

static const char *ask(const char *sql)
{
    return cluster_ask(&servers, database, sql);
}

static const char *known(const char *tenant)
{
    char sql[200];

    snprintf(sql, sizeof(sql), "SELECT state, version FROM mtnt_tenant WHERE tenant = '%s'", tenant);
    return ask(sql);
}

static const char *notes(const char *tenant)
{
    char sql[200];

    snprintf(sql, sizeof(sql), "SELECT operation FROM notes WHERE tenant = '%s' ORDER BY 1", tenant);
    return ask(sql);
}

/* ---- a run that is under way ---- */

static int next_of_crowd(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    fleet *f = data;
    char id[20], dsn[200];

    *ret_model = NULL;
    if (f->counter == CROWD)
        return 0;
    snprintf(id, sizeof(id), "c%d", (int)++f->counter);
    snprintf(dsn, sizeof(dsn), "sqlite:%s/%s.db", f->folder, id);
    options.id = id;
    options.dsn = dsn;
    return mtnt_model_new(ret_model, &options, err);
}

static bool warned;

static void note_failure(void *data, const mtnt_event *event)
{
    (void)data;
    if (event->type == MTNT_EVENT_WARNING && strstr(event->error->message, "has failed over to another server") != NULL)
        warned = true;
    if (event->type == MTNT_EVENT_TENANT_FINISHED && event->error != NULL)
        fprintf(stderr, "%s: %s\n", mtnt_model_id(event->tenant), event->error->message);
}

static int run_crowd(fleet *f, mtnt_counts *ret_counts)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source = {next_of_crowd, NULL, NULL, f};
    mtnt_executor *executor = NULL;
    int rc;

    f->counter = 0;
    options.workers = 3;
    options.reporter = (mtnt_reporter){note_failure, NULL};
    mtnt_error_clear(&f->err);
    rc = mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err);
    if (rc == 0)
        rc = mtnt_executor_migrate(executor, &source, ret_counts, &f->err);
    mtnt_executor_free(executor);
    return rc;
}

static void run_in_child(fleet *f)
{
    mtnt_counts counts = {.total = 0};
    int rc = run_crowd(f, &counts);

    if (rc != 0 || counts.migrated != CROWD || !warned) {
        fprintf(stderr, "%s: %d migrated, %d failed, %d untouched, %d current\n", rc == 0 ? "ended" : f->err.message,
                (int)counts.migrated, (int)counts.failed, (int)counts.untouched, (int)counts.current);
        _exit(1);
    }
}

static int slowly(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    usleep(10000);
    return mtnt_db_exec(mtnt_scope_model(context), err, "INSERT INTO done VALUES(1)");
}

static const char *ask_file(fleet *f, int number, const char *sql)
{
    mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;
    mtnt_controller *model = NULL;
    mtnt_error error = MTNT_ERROR_INIT;
    static char answer[40];
    int64_t value = -1;
    char dsn[200];

    options.read_only = true;
    snprintf(dsn, sizeof(dsn), "sqlite:%s/c%d.db", f->folder, number);
    if (mtnt_controller_open(&model, dsn, &options, &error) == 0)
        (void)mtnt_db_query_int(mtnt_controller_db(model), &value, &error, sql);
    mtnt_controller_close(model);
    snprintf(answer, sizeof(answer), "%d", (int)value);
    return answer;
}

static void each_once(fleet *f)
{
    char expected[60];

    for (int i = 1; i <= CROWD; i++)
        if (strcmp(ask_file(f, i, "SELECT count(*) FROM done"), "1") != 0)
            fail_msg("c%d: %s rows", i, ask_file(f, i, "SELECT count(*) FROM done"));
    snprintf(expected, sizeof(expected), "idle|4|0|%d", CROWD);
    assert_text(ask("SELECT state, version, count(error), count(*) FROM mtnt_tenant GROUP BY 1, 2"), expected);
    snprintf(expected, sizeof(expected), "%d|%d", CROWD, CROWD);
    assert_text(ask("SELECT count(*), count(DISTINCT tenant) FROM notes WHERE operation = 'note'"), expected);
    assert_text(ask("SELECT count(*) FROM pg_prepared_xacts"), "0");
}

static mtnt_audit_verdict audit(fleet *f, const mtnt_model *model)
{
    mtnt_audit found;

    mtnt_error_clear(&f->err);
    if (mtnt_audit_model(f->controller, f->chain, model, &found, &f->err) != 0)
        fail_msg("%s: %s", mtnt_model_id(model), f->err.message);
    return found.verdict;
}

/* Whoever gets there instead of the primary knows it, and tries elsewhere. */
static void standby_takes_no_writes(fleet *f)
{
    mtnt_controller *controller = NULL;
    char dsn[300];

    snprintf(dsn, sizeof(dsn), "postgresql:///%s?host=%s/socket&port=%d&user=mtnt", database, servers.standby.folder,
             servers.standby.port);
    mtnt_error_clear(&f->err);
    assert_code(f, mtnt_controller_open(&controller, dsn, NULL, &f->err), MTNT_E_CONNECT);
    assert_true(f->err.retryable);
    assert_string_equal(f->err.state, "25006");
    assert_says(f->err.message, "target_session_attrs=read-write");
}

/* At every moment of its two-phase commits, by chance. Commits that wait for the standby when the primary dies are in doubt, or done there. */
static void synchronous(pair which)
{
    fleet *f = fleet_new(which, 1, true);
    char count[60];
    mtnt_model *model = NULL;
    mtnt_counts counts;
    pid_t child;
    int wanted = CROWD / 4;

    cluster_start(&servers);
    use_cluster(f);
    cluster_add_standby(&servers, true);
    standby_takes_no_writes(f);
    cluster_dsn(&servers, database, f->controller_dsn, sizeof(f->controller_dsn));
    fleet_reopen(f);
    fleet_add_body(f, "create", MTNT_WRITES_MODEL, (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = ""});
    fleet_add_body(f, "table", MTNT_WRITES_MODEL, (body){.model_up = "CREATE TABLE done(one INTEGER)"});
    assert_code(f, run_crowd(f, &counts), 0);
    assert_int_equal(counts.migrated, CROWD);
    fleet_add_body(f, "row", MTNT_WRITES_MODEL, (body){.model_up = "", .during = slowly});
    fleet_add_body(f, "note", WRITES_BOTH, (body){.model_up = ""});
    child = fleet_begin_child(f, run_in_child);
    do
        snprintf(count, sizeof(count), "%s", ask("SELECT count(*) FROM mtnt_tenant WHERE version = 4"));
    while (atoi(count) < wanted && usleep(2000) == 0);
    cluster_fail_over(&servers);
    assert_int_equal(fleet_end_child(f, child), 0);
    each_once(f);
    f->counter = 0;
    while (next_of_crowd(f, &model, &f->err) == 0 && model != NULL) {
        assert_int_equal(audit(f, model), MTNT_AUDIT_AGREES);
        mtnt_model_free(model);
    }
    fleet_free(f);
    cluster_stop(&servers);
}

/* ---- what an asynchronous standby has not heard ---- */

static void to(fleet *f, size_t tenant, const char *operation)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.to = operation;
    assert_code(f, fleet_perform(f, tenant, &options), 0);
}

static void back(fleet *f, size_t tenant)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.steps = 1;
    assert_code(f, fleet_rewind(f, tenant, &options), 0);
}

static bool cutting;

static int cut_here(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    if (cutting)
        cluster_cut_standby(&servers);
    cutting = false;
    return 0;
}

static void begin_asynchronous(fleet *f)
{
    cluster_start(&servers);
    use_cluster(f);
    cluster_add_standby(&servers, false);
    cluster_dsn(&servers, database, f->controller_dsn, sizeof(f->controller_dsn));
    fleet_reopen(f);
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    fleet_add_body(f, "c", WRITES_BOTH, (body){.during = cut_here});
}

static void lose_the_tail(fleet *f)
{
    cluster_fail_over(&servers);
    fleet_reopen(f);
    fleet_log_clear(f);
}

static void expect_diverged(fleet *f, size_t tenant)
{
    const char *id = f->tenants[tenant].id;

    assert_code(f, fleet_perform(f, tenant, NULL), MTNT_E_BLOCKED);
    assert_text(fleet_applied(f, tenant), "a;b;c");
    assert_text(fleet_tables(f, tenant), "a;b;c;precious");
    assert_text(fleet_log(f, id), "");
    assert_text(notes(id), "");
    if (strncmp(known(id), "diverged|", 9) != 0)
        fail_msg("%s: %s", id, known(id));
}

static void resolve(fleet *f, size_t tenant)
{
    const mtnt_resolution resolution = {MTNT_RESOLUTION_VERSION, MTNT_WORD_COMMITTED, "test", NULL, false};
    mtnt_coordinator *coordinator = NULL;
    mtnt_resolved resolved;

    assert_code(f, mtnt_coordinator_new(&coordinator, f->controller, f->tenants[tenant].model, f->chain, NULL, &f->err),
                0);
    assert_code(f, mtnt_coordinator_resolve(coordinator, &resolution, &resolved, &f->err), 0);
    mtnt_coordinator_free(coordinator);
}

/* t6: its claim was heard, and nothing after it. t1, t4: the model alone was written, and that is found and gone on from. t2, t3: the controller was written too, and its half is lost: that is
 * said, nothing is touched, and a person ends it. */
static void asynchronous(pair which)
{
    fleet *f = fleet_new(which, 6, true);

    begin_asynchronous(f);
    to(f, 0, "a");
    to(f, 1, "b");
    to(f, 2, "c");
    to(f, 3, "b");
    to(f, 4, "c");
    to(f, 5, "b");
    cutting = true;
    to(f, 5, "c");
    assert_false(cutting);
    to(f, 0, "b");
    to(f, 1, "c");
    back(f, 2);
    back(f, 3);
    lose_the_tail(f);

    /* The controller believes that b is yet to come. */
    assert_text(known("t1"), "idle|1");
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup c, execute c");
    assert_text(known("t1"), "idle|3");
    assert_text(notes("t1"), "c");
    assert_int_equal(audit(f, f->tenants[0].model), MTNT_AUDIT_AGREES);

    assert_text(known("t2"), "idle|2");
    expect_diverged(f, 1);
    assert_says(f->err.message, "operation c");
    assert_says(f->err.message, "resolve --tenant t2");
    assert_int_equal(audit(f, f->tenants[1].model), MTNT_AUDIT_UNSETTLED);
    ask("INSERT INTO notes VALUES ('t2', 'c')");
    resolve(f, 1);
    assert_text(known("t2"), "idle|3");
    assert_int_equal(audit(f, f->tenants[1].model), MTNT_AUDIT_AGREES);
    fleet_must_perform(f, 1);
    assert_text(fleet_log(f, "t2"), "");

    /* It believes that nothing is to be done for these two: only an audit opens them. */
    assert_text(known("t3"), "idle|3");
    assert_int_equal(audit(f, f->tenants[2].model), MTNT_AUDIT_OUT_OF_STEP);
    assert_says(f->err.message, "resolve --tenant t3");
    assert_text(known("t3"), "diverged|3");
    assert_text(notes("t3"), "c");

    assert_text(known("t4"), "idle|2");
    assert_int_equal(audit(f, f->tenants[3].model), MTNT_AUDIT_AHEAD);
    assert_text(known("t4"), "idle|1");
    assert_int_equal(audit(f, f->tenants[3].model), MTNT_AUDIT_AGREES);
    fleet_must_perform(f, 3);
    assert_text(fleet_log(f, "t4"), "setup b, execute b, setup c, execute c");

    assert_text(known("t5"), "idle|3");
    assert_int_equal(audit(f, f->tenants[4].model), MTNT_AUDIT_AGREES);
    /* Recovery asks the register, which says nothing, and finds the other side committed. */
    assert_text(known("t6"), "executing|2");
    ask("UPDATE mtnt_tenant SET lease_until_ms = 0 WHERE tenant = 't6'");
    expect_diverged(f, 5);
    fleet_free(f);
    cluster_stop(&servers);
}

int main(void)
{
    static const bare_test tests[] = {
        {"synchronous", synchronous, ON(PAIR_POSTGRES_SQLITE)},
        {"asynchronous", asynchronous, ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_POSTGRES)},
    };

    return run_bare_tests("failover", tests, sizeof(tests) / sizeof(*tests));
}
