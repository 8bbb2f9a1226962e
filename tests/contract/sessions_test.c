/* Sessions that a worker keeps from tenant to tenant: the next one sees nothing of what operations have left in it, and where that cannot be had, there is a new
 * one. */
#include <stdio.h>
#include <string.h>

#include "fleet_run.h"
#include "mtnt/native.h"

/* What a session may keep beyond its transaction. A prepared transaction refuses LISTEN and temporary tables, so these are seen where there is none. */
#define LEAVE                                                                               \
    "SET search_path = pg_catalog; SET statement_timeout = '7s'; SET my.variable = 'mine';" \
    "SELECT pg_catalog.pg_advisory_lock(4711); PREPARE mine AS SELECT 1;"                   \
    "DECLARE mine CURSOR WITH HOLD FOR SELECT 1; SET default_transaction_read_only = on"
#define LEAVE_IN_TWO_PHASE                                                                  \
    "SET search_path = pg_catalog; SET statement_timeout = '7s'; SET my.variable = 'mine';" \
    "PREPARE mine AS SELECT 1; SET default_transaction_read_only = on"
#define LOOK                                                                                                                                   \
    "SELECT pg_catalog.pg_backend_pid() || ' ' || coalesce(pg_catalog.current_setting('my.variable', true), '') || ' ' ||"                     \
    "(SELECT count(*) FROM pg_catalog.pg_prepared_statements) || ' ' || (SELECT count(*) FROM pg_catalog.pg_cursors WHERE is_holdable)"        \
    " || ' ' || (SELECT count(*) FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND pid = pg_catalog.pg_backend_pid())" \
    " || ' ' || pg_catalog.current_setting('default_transaction_read_only')"

struct seen {
    int pid[FLEET_TENANTS];
    char rest[FLEET_TENANTS][80];
    bool borrow; /* the raw handle is asked for */
    bool two_phase;
};

static int read_state(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct seen *seen = data;
    size_t tenant = 0;

    (void)err;
    while (seen->pid[tenant] != 0)
        tenant++;
    assert_int_equal(sscanf(mtnt_row_text(row, 0), "%d %79[^\n]", seen->pid + tenant, seen->rest[tenant]), 2);
    return 0;
}

static int leave(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    struct seen *seen = f->data;
    const mtnt_script script = {.sql = seen->two_phase ? LEAVE_IN_TWO_PHASE : LEAVE};
    mtnt_db *db = mtnt_scope_controller(context);
    int rc = mtnt_db_query_values(db, read_state, seen, err, LOOK, NULL);

    (void)operation;
    if (rc == 0 && seen->borrow && mtnt_db_postgres(db) == NULL)
        rc = mtnt_error_set(err, MTNT_E_OPERATION, "no raw handle");
    return rc == 0 ? mtnt_db_script(db, &script, err) : rc;
}

static void nothing_of_the_last(const struct seen *seen, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_text(seen->rest[i][0] == ' ' ? seen->rest[i] + 1 : seen->rest[i], "0 0 0 off");
}

static void run_all(fleet *f, struct seen *seen)
{
    fleet_report report;

    f->data = seen;
    seen->two_phase = f->which == PAIR_POSTGRES_SQLITE;
    fleet_add_body(f, "a", WRITES_BOTH, (body){.during = leave});
    assert_code(f, fleet_run(f, 1, NULL, &report), 0);
    assert_int_equal(report.counts.migrated, f->count);
    nothing_of_the_last(seen, f->count);
    for (size_t i = 0; i < f->count; i++) {
        assert_text(fleet_applied(f, i), "a");
        assert_text(fleet_notes(f, i), "a");
    }
}

static void kept(fleet *f)
{
    struct seen seen = {0};

    run_all(f, &seen);
    assert_int_equal(seen.pid[0], seen.pid[1]);
    assert_int_equal(seen.pid[1], seen.pid[2]);
}

/* What it has done with it nobody knows. */
static void raw_handle(fleet *f)
{
    struct seen seen = {.borrow = true};

    run_all(f, &seen);
    assert_int_not_equal(seen.pid[0], seen.pid[1]);
    assert_int_not_equal(seen.pid[1], seen.pid[2]);
}

int main(void)
{
    const unsigned int kinds = ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SCHEMA);
    const pair_test tests[] = {
        {"kept", kept, kinds, 3, false},
        {"raw_handle", raw_handle, kinds, 3, false},
    };

    return run_pair_tests("sessions", tests, sizeof(tests) / sizeof(*tests));
}
