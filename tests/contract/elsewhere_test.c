/* Tenants that another process holds: they are come back to, nobody is waited for meanwhile, and none of them fails. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fleet_run.h"

/* ---- rows that another process has locked ---- */

static int let_go(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t2") != 0)
        return 0;
    answer = fleet_ask_controller(f, "COMMIT");
    return answer[0] == '\0' ? 0 : mtnt_error_set(err, MTNT_E_INVALID, "%s", answer);
}

static void passes_by(fleet *f, const char *lock)
{
    fleet_report r;

    assert_null(strchr(fleet_ask_controller(f, lock), '!'));
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    if (r.counts.failed > 0)
        fail_msg("%s %s", r.texts[0], r.texts[1]);
    assert_int_equal(r.counts.migrated, 3);
    /* Its turn came when the others were through. */
    assert_text(fleet_log(f, NULL),
                "t2: setup b, t2: execute b, t3: setup b, t3: execute b, t1: setup b, t1: execute b");
}

static void locked_row(fleet *f)
{
    fleet_report r;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    fleet_log_clear(f);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = let_go});
    passes_by(f, "BEGIN; SELECT tenant FROM mtnt_tenant WHERE tenant = 't1' FOR UPDATE");
}

static void locked_stranger(fleet *f)
{
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = let_go});
    passes_by(f, "BEGIN; SELECT count(pg_advisory_xact_lock(1836346996, hashtext('shop/t1') & 2047))");
}

/* ---- claims of others ---- */

/* Another process ends the first tenant's migration while the second's runs. */
static int end_elsewhere(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *answer;

    (void)operation;
    if (strcmp(mtnt_model_id(mtnt_scope_tenant(context)), "t2") != 0)
        return 0;
    answer = fleet_ask_controller(f, "UPDATE mtnt_tenant SET state = 'idle', owner = NULL WHERE tenant = 't1'");
    return answer[0] == '\0' ? 0 : mtnt_error_set(err, MTNT_E_INVALID, "%s", answer);
}

static void claimed_elsewhere(fleet *f)
{
    fleet_report r;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = end_elsewhere});
    assert_text(fleet_ask_controller(
                    f, "UPDATE mtnt_tenant SET state = 'executing', migration = 'theirs', owner = 'elsewhere', "
                       "lease_until_ms = 9000000000000 WHERE tenant = 't1'"),
                "");
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    assert_int_equal(r.counts.failed, 0);
    assert_int_equal(r.counts.migrated, 3);
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

/* Whoever wants to go need not wait for others. */
static int cancel(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    mtnt_executor_cancel(f->data, MTNT_CANCEL_DRAIN);
    return 0;
}

static void cancelled_while_waiting(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    mtnt_tenant_source source;
    mtnt_executor *executor;
    mtnt_counts counts;
    fleet_report r;

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.during = cancel});
    assert_text(fleet_ask_controller(
                    f, "UPDATE mtnt_tenant SET state = 'executing', migration = 'theirs', owner = 'elsewhere', "
                       "lease_until_ms = 9000000000000 WHERE tenant = 't1'"),
                "");
    options.workers = 1;
    assert_code(f, mtnt_executor_new(&executor, f->controller, f->chain, &options, &f->err), 0);
    f->data = executor;
    source = fleet_source(f);
    assert_code(f, mtnt_executor_migrate(executor, &source, &counts, &f->err), 0);
    mtnt_executor_free(executor);
    assert_int_equal(counts.failed, 0);
    assert_int_equal(counts.migrated + counts.untouched, 3);
    assert_true(counts.untouched >= 1);
    assert_text(fleet_known(f, 0), "executing|1|ok");
}

int main(void)
{
    const unsigned int on_postgres = ON(PAIR_POSTGRES) | ON(PAIR_POSTGRES_SQLITE);
    const pair_test tests[] = {
        {"locked_row", locked_row, on_postgres, 3, false},
        {"locked_stranger", locked_stranger, on_postgres, 3, false},
        {"claimed_elsewhere", claimed_elsewhere, on_postgres | ON(PAIR_SQLITE), 3, false},
        {"cancelled_while_waiting", cancelled_while_waiting, on_postgres | ON(PAIR_SQLITE), 3, false},
    };

    return run_pair_tests("elsewhere", tests, sizeof(tests) / sizeof(*tests));
}
