/* Sessions that a worker keeps from tenant to tenant: the next one sees nothing of what operations have left in it, and where that cannot be had, there is a new
 * one. */
#include <stdio.h>
#include <string.h>

#include "db/database.h"
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

/* ---- COMMIT PREPARED, answered while the next tenant starts ---- */

static int models_begun, sent, answered,
    lose; /* lose: the answer that never comes, or -1: the message that is never sent */
static int overlaps;

int __real_mtnt__db_begin_locked(mtnt_db *db, int64_t key, mtnt_error *err);
int __wrap_mtnt__db_begin_locked(mtnt_db *db, int64_t key, mtnt_error *err);
int __wrap_mtnt__db_begin_locked(mtnt_db *db, int64_t key, mtnt_error *err)
{
    models_begun += key != 0;
    return __real_mtnt__db_begin_locked(db, key, err);
}

static int lost(mtnt_db *db, mtnt_error *err)
{
    mtnt__db_disconnect(db);
    return mtnt_error_set(err, MTNT_E_IN_DOUBT, "no answer came");
}

int __real_mtnt__db_send_finish(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_send_finish(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_send_finish(mtnt_db *db, const char *gid, bool commit, mtnt_error *err)
{
    sent++;
    if (lose == sent) /* it never arrives */
        return 0;
    return lose == -sent ? lost(db, err) : __real_mtnt__db_send_finish(db, gid, commit, err);
}

int __real_mtnt__db_collect_finish(mtnt_db *db, bool commit, mtnt_error *err);
int __wrap_mtnt__db_collect_finish(mtnt_db *db, bool commit, mtnt_error *err);
int __wrap_mtnt__db_collect_finish(mtnt_db *db, bool commit, mtnt_error *err)
{
    answered++;
    overlaps += models_begun == answered + 1;
    return lose == answered ? lost(db, err) : __real_mtnt__db_collect_finish(db, commit, err);
}

static void all_are_migrated(fleet *f, int workers)
{
    fleet_report report;

    models_begun = sent = answered = 0;
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    assert_code(f, fleet_run(f, workers, NULL, &report), 0);
    assert_int_equal(report.counts.migrated, f->count);
    assert_int_equal(sent, f->count);
    for (size_t i = 0; i < f->count; i++) {
        assert_text(fleet_applied(f, i), "a;b");
        assert_text(fleet_notes(f, i), "a;b");
        assert_text(fleet_known(f, i), "idle|2|ok");
        assert_text(fleet_migration(f, i), "committed");
    }
    assert_text(fleet_gids(f), "");
}

/* Whoever has nobody after it, the last one at least, does not wait. */
static void answered_late(fleet *f)
{
    lose = 0;
    overlaps = 0;
    all_are_migrated(f, 1);
    assert_int_equal(answered, f->count);
    assert_int_equal(models_begun, f->count);
    assert_in_range(overlaps, 1, f->count - 1);
}

static void late_answer_lost(fleet *f)
{
    lose = 2;
    all_are_migrated(f, 1);
    assert_int_equal(answered, f->count);
}

static void not_even_sent(fleet *f)
{
    lose = -2;
    all_are_migrated(f, 1);
    assert_int_equal(answered, f->count - 1);
}

/* What was decided before is not touched by it. */
static void the_next_fails(fleet *f)
{
    fleet_report report;

    lose = 0;
    models_begun = sent = answered = 0;
    fleet_add_body(f, "a", WRITES_BOTH, (body){.fail_at = "execute", .fail_for = "t2"});
    assert_code(f, fleet_run(f, 1, NULL, &report), 0);
    assert_int_equal(report.counts.migrated, 2);
    assert_int_equal(report.counts.failed, 1);
    assert_text(fleet_known(f, 0), "idle|1|ok");
    assert_text(fleet_known(f, 1), "idle|0|error");
    assert_text(fleet_known(f, 2), "idle|1|ok");
    assert_int_equal(answered, 2);
    assert_text(fleet_gids(f), "");
}

int main(void)
{
    const unsigned int two_phase =
        ON(PAIR_POSTGRES) | ON(PAIR_OTHER_SCHEMA) | ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SQLITE_POSTGRES);
    const unsigned int kinds = ON(PAIR_POSTGRES_SQLITE) | ON(PAIR_SCHEMA);
    const pair_test tests[] = {
        {"kept", kept, kinds, 3, false},
        {"raw_handle", raw_handle, kinds, 3, false},
        {"answered_late", answered_late, two_phase, 8, false},
        {"late_answer_lost", late_answer_lost, two_phase, 4, false},
        {"not_even_sent", not_even_sent, two_phase, 4, false},
        {"the_next_fails", the_next_fails, two_phase, 3, false},
    };

    return run_pair_tests("sessions", tests, sizeof(tests) / sizeof(*tests));
}
