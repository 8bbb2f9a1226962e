/* Every answer that can be lost, lost once: COMMIT, PREPARE, COMMIT PREPARED, and the renames of a new model; after it was done, and instead.
 * The linker puts our versions of these calls before the real ones (--wrap). Whatever is lost, both sides hold all of it or nothing, the
 * caller is told which, nothing stays prepared or provisional, and the next migration goes through. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "db/database.h"
#include "fleet_run.h"

enum loss { LOSE_NOTHING, LOSE_ANSWER, LOSE_REQUEST };

static struct {
    enum loss how;
    int at, calls; /* the at-th call (1 …) is lost; counted from the begin */
    bool for_ever; /* and every later one */
    int ours;      /* depth: calls that the real ones make among themselves are not counted */
} plan;

static enum loss next_call(void)
{
    plan.calls++;
    return plan.calls == plan.at || (plan.for_ever && plan.calls > plan.at) ? plan.how : LOSE_NOTHING;
}

static int lost(mtnt_db *db, int code, mtnt_error *err)
{
    mtnt__db_disconnect(db);
    return mtnt_error_set(err, code, "the connection was cut by the test");
}

int __real_mtnt__db_commit(mtnt_db *db, mtnt_error *err);
int __wrap_mtnt__db_commit(mtnt_db *db, mtnt_error *err);
int __wrap_mtnt__db_commit(mtnt_db *db, mtnt_error *err)
{
    enum loss how = next_call();
    int rc = how == LOSE_REQUEST ? 0 : __real_mtnt__db_commit(db, err);

    return rc != 0 || how == LOSE_NOTHING ? rc : lost(db, MTNT_E_IN_DOUBT, err);
}

int __real_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err)
{
    enum loss how = next_call();
    int rc = how == LOSE_REQUEST ? 0 : __real_mtnt__db_prepare(db, gid, err);

    return rc != 0 || how == LOSE_NOTHING ? rc : lost(db, MTNT_E_IN_DOUBT, err);
}

int __real_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int __wrap_mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err)
{
    enum loss how = next_call();
    int rc = how == LOSE_REQUEST ? 0 : __real_mtnt__db_finish_prepared(db, gid, commit, err);

    return rc != 0 || how == LOSE_NOTHING ? rc : lost(db, MTNT_E_IN_DOUBT, err);
}

int __real_mtnt__postgres_rename_database(const char *dsn, const char *from, const char *to,
                                          const mtnt__db_options *options, mtnt_error *err);
int __wrap_mtnt__postgres_rename_database(const char *dsn, const char *from, const char *to,
                                          const mtnt__db_options *options, mtnt_error *err);
int __wrap_mtnt__postgres_rename_database(const char *dsn, const char *from, const char *to,
                                          const mtnt__db_options *options, mtnt_error *err)
{
    enum loss how = next_call();
    int rc = how == LOSE_REQUEST ? 0 : __real_mtnt__postgres_rename_database(dsn, from, to, options, err);

    return rc != 0 || how == LOSE_NOTHING ? rc
                                          : mtnt_error_set(err, MTNT_E_CONNECT, "the connection was cut by the test");
}

int __real_mtnt__file_rename_new(const char *from, const char *to, mtnt_error *err);
int __wrap_mtnt__file_rename_new(const char *from, const char *to, mtnt_error *err);
int __wrap_mtnt__file_rename_new(const char *from, const char *to, mtnt_error *err)
{
    enum loss how = next_call();
    int rc = how == LOSE_REQUEST ? 0 : __real_mtnt__file_rename_new(from, to, err);

    return rc != 0 || how == LOSE_NOTHING ? rc
                                          : mtnt_error_set(err, MTNT_E_IO, "the file system was cut off by the test");
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

/* ---- one kind of migration, every call of it lost ---- */

struct kind {
    uint32_t writes;
    bool creates;
};

static void add_chain(fleet *f, const struct kind *kind)
{
    if (kind->creates)
        fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                       (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "CREATE TABLE precious (a INTEGER)"});
    fleet_add(f, "a", kind->writes);
    fleet_add(f, "b", kind->writes);
}

static bool has_all(fleet *f, const struct kind *kind)
{
    if (!fleet_model_exists(f, 0))
        return false;
    return ((kind->writes & MTNT_WRITES_MODEL) == 0 || strcmp(fleet_tables(f, 0), "a;b;precious") == 0) &&
           ((kind->writes & MTNT_WRITES_CONTROLLER) == 0 || strcmp(fleet_notes(f, 0), "a;b") == 0);
}

static bool has_nothing(fleet *f, const struct kind *kind)
{
    if (kind->creates ? fleet_model_exists(f, 0) : strcmp(fleet_tables(f, 0), "precious") != 0)
        return false;
    return strcmp(fleet_notes(f, 0), "") == 0;
}

static void show(const char *what, enum loss how, int at)
{
    print_message("%s: %s lost at call %d\n", what, how == LOSE_ANSWER ? "answer" : "request", at);
}

/* What must hold after a migration that ended with rc and was not cut off for good. */
static void check(fleet *f, const struct kind *kind, int rc, enum loss how, int at)
{
    bool all = has_all(f, kind), none = has_nothing(f, kind);

    if (all == none) {
        show("neither all nor nothing", how, at);
        fail_msg("tables %s, notes %s: %s", fleet_model_exists(f, 0) ? fleet_tables(f, 0) : "(no model)",
                 fleet_notes(f, 0), f->err.message);
    }
    /* "Done" is never said of what is not; a failure to write down the end is an error of what was done all the same. */
    if (rc == 0 && !all) {
        show("said to be done", how, at);
        fail_msg("tables %s, notes %s", fleet_tables(f, 0), fleet_notes(f, 0));
    }
    if (fleet_gids(f)[0] != '\0' || fleet_provisional(f) != 0) {
        show("left behind", how, at);
        fail_msg("gids %s, %d provisional: %s", fleet_gids(f), fleet_provisional(f), f->err.message);
    }
}

/* The pair is used for one loss only. */
static int lose_one(pair which, const struct kind *kind, enum loss how, int at, bool for_ever)
{
    fleet *f = fleet_new(which, 1, !kind->creates);
    int calls, rc;

    add_chain(f, kind);
    memset(&plan, 0, sizeof(plan));
    plan.how = how;
    plan.at = at;
    plan.for_ever = for_ever;
    rc = fleet_perform(f, 0, NULL);
    calls = plan.calls;
    plan.how = LOSE_NOTHING;
    if (!for_ever)
        check(f, kind, rc, how, at);
    /* Nothing stands in the way of the next one, in the same process. */
    rc = fleet_perform(f, 0, NULL);
    if (rc != 0) {
        show("the next one fails", how, at);
        fail_msg("%s: %s", mtnt_code_name(rc), f->err.message);
    }
    check(f, kind, 0, how, at);
    assert_true(has_all(f, kind));
    assert_text(fleet_known(f, 0), kind->creates ? "idle|3|ok" : "idle|2|ok");
    assert_text(fleet_log(f, "t1") + strlen(fleet_log(f, "t1")) - strlen("execute b"), "execute b");
    fleet_free(f);
    return calls;
}

static void lose_each(pair which, struct kind kind)
{
    int calls = lose_one(which, &kind, LOSE_NOTHING, 0, false);

    for (int at = 1; at <= calls; at++) {
        lose_one(which, &kind, LOSE_ANSWER, at, false);
        lose_one(which, &kind, LOSE_REQUEST, at, false);
        lose_one(which, &kind, LOSE_REQUEST, at, true);
    }
    assert_true(calls >= 3);
}

static void model_written(pair which)
{
    lose_each(which, (struct kind){MTNT_WRITES_MODEL, false});
}

static void controller_written(pair which)
{
    lose_each(which, (struct kind){MTNT_WRITES_CONTROLLER, false});
}

static void both_written(pair which)
{
    lose_each(which, (struct kind){WRITES_BOTH, false});
}

static void created_model_written(pair which)
{
    lose_each(which, (struct kind){MTNT_WRITES_MODEL, true});
}

static void created_both_written(pair which)
{
    lose_each(which, (struct kind){WRITES_BOTH, true});
}

int main(void)
{
    static const bare_test tests[] = {
        {"model_written", model_written, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES)},
        {"controller_written", controller_written, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES)},
        {"both_written", both_written, ON_ALL},
        {"created_model_written", created_model_written, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES) | ON(PAIR_SCHEMA)},
        {"created_both_written", created_both_written, ON_ALL},
    };

    return run_bare_tests("in_doubt", tests, sizeof(tests) / sizeof(*tests));
}
