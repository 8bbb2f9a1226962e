/* A snapshot within a saga: what comes after it and fails is taken back by the restore, whatever process does it; what somebody else has written between
 * two units is never taken away. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/database.h"
#include "fleet_fixture.h"
#include "mtnt/operations.h"

#define OUTSIDE MTNT_OPERATION_NO_TRANSACTION

/* ---- a process that dies right before or after a commit of the model ---- */

static int die_at, commits;
static bool die_after;

int __real_mtnt__db_commit(mtnt_db *db, mtnt_error *err);
int __wrap_mtnt__db_commit(mtnt_db *db, mtnt_error *err);
int __wrap_mtnt__db_commit(mtnt_db *db, mtnt_error *err)
{
    bool dies = die_at > 0 && ++commits == die_at;
    int rc;

    if (dies && !die_after)
        kill(getpid(), SIGKILL);
    rc = __real_mtnt__db_commit(db, err);
    if (dies)
        kill(getpid(), SIGKILL);
    return rc;
}

/* ---- chains ---- */

static void add_snapshot(fleet *f, const char *name)
{
    char folder[200];
    mtnt_snapshot_options options = {folder};
    mtnt_entry entry = MTNT_ENTRY_INIT;

    snprintf(folder, sizeof(folder), "%s/kept", f->folder);
    entry.name = name;
    if (mtnt_operation_add_snapshot(f->chain, &options, &entry, &f->err) != 0)
        fail_msg("%s", f->err.message);
}

static const char hurt[] = "UPDATE precious SET a = a + 10; CREATE TABLE odd (b TEXT)";

/* Saved, changed in a transaction that has a way back, in one that has none, and outside. */
static void add_chain(fleet *f, body last)
{
    add_snapshot(f, "saved");
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add_body(f, "b", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_SAGA,
                          .no_down = true,
                          .model_up = "INSERT INTO precious SELECT a + 100 FROM precious"});
    fleet_add(f, "c",
              f->counter == 1 ? MTNT_WRITES_MODEL : WRITES_BOTH); /* two files do not commit together in WAL mode */
    fleet_add_body(f, "d", MTNT_WRITES_MODEL, last);
}

/* A whole dump but for the rows of the register, which each unit adds to. */
static char *content(fleet *f)
{
    char *text = fleet_dump_model(f, 0), *rows = strstr(text, "\nmtnt_decision: "), *rest;

    if (rows != NULL) {
        rest = rows + 1 + strcspn(rows + 1, "\n");
        memmove(rows, rest, strlen(rest) + 1);
    }
    return text;
}

/* A tenant with our tables, so that whole dumps can be compared. */
static char *begin(fleet *f)
{
    fleet_add_body(f, "first", MTNT_WRITES_MODEL, (body){.order = 1});
    fleet_must_perform(f, 0);
    fleet_log_clear(f);
    if (f->counter == 1)
        assert_text(fleet_ask_model(f, 0, "PRAGMA journal_mode = WAL"), "wal");
    return content(f);
}

static void expect_as_before(fleet *f, char *before)
{
    char *after = content(f);

    assert_string_equal(after, before);
    free(before);
    free(after);
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_applied(f, 0), "first");
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_tenant"), "idle");
    assert_text(fleet_gids(f), "");
}

static void migrate_well(fleet *f)
{
    fleet_new_chain(f);
    fleet_add_body(f, "first", MTNT_WRITES_MODEL, (body){.order = 1});
    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt});
    fleet_add(f, "e", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "first;saved;a;b;c;d;e");
}

/* ---- in one process ---- */

static void half_failed(fleet *f)
{
    char *before = begin(f);

    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt, .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_says(f->err.message, "verify operation d");
    expect_as_before(f, before);
    assert_text(fleet_migration(f, 0), "aborted");
    migrate_well(f);
}

static void half_failed_wal(fleet *f)
{
    f->counter = 1;
    half_failed(f);
}

/* It succeeds, with and without a way back, and something after it fails. */
static void later_failed(fleet *f)
{
    char *before = begin(f);

    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt});
    add_snapshot(f, "saved_again");
    fleet_add_body(f, "e", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE});
    fleet_add_body(f, "z", MTNT_WRITES_MODEL, (body){.no_down = true, .fail_at = "execute"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    expect_as_before(f, before);
    migrate_well(f);
}

/* The second restore finds what the first has left. */
static void two_restores(fleet *f)
{
    char *before = begin(f);

    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt});
    add_snapshot(f, "saved_again");
    fleet_add_body(f, "e", MTNT_WRITES_MODEL,
                   (body){.flags = OUTSIDE, .no_down = true, .model_up = "DELETE FROM precious", .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    expect_as_before(f, before);
}

/* A model that has none of our tables when it is saved. */
static void saved_first(fleet *f)
{
    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt, .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_ask_model(f, 0, "SELECT a FROM precious ORDER BY a"), "1;2");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    fleet_new_chain(f);
    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt});
    fleet_must_perform(f, 0);
    assert_text(fleet_applied(f, 0), "saved;a;b;c;d");
}

/* ---- somebody else ---- */

static int write_beside(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    assert_text(fleet_ask_model(f, 0, "INSERT INTO precious VALUES (77)"), "");
    return 0;
}

static void expect_refused(fleet *f)
{
    char pattern[300];

    snprintf(pattern, sizeof(pattern), "%s/kept/t1/v", f->folder);
    assert_says(f->err.message, "Nothing was restored");
    assert_says(f->err.message, pattern);
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_tenant"), "rollback_failed");
    assert_text(fleet_ask_model(f, 0, "SELECT a FROM precious WHERE a = 77"), "77");
    snprintf(pattern, sizeof(pattern), "ls '%s/kept/t1' | grep -Eq '[.](db|dump)$'", f->folder);
    assert_int_equal(system(pattern), 0);
}

/* Between two units that write the model, while one is run that writes the controller alone. */
static void written_between(fleet *f)
{
    char *before = begin(f);

    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = "SELECT 1"});
    fleet_add_body(f, "e", MTNT_WRITES_CONTROLLER, (body){.flags = OUTSIDE, .during = write_beside});
    fleet_add_body(f, "g", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    expect_refused(f);
    /* What was to be restored keeps its record. */
    assert_text(fleet_applied(f, 0), "first;saved;a;b;c;d");
    free(before);
}

/* While a unit runs outside a transaction: SQLite tells. */
static void written_during(fleet *f)
{
    char *before = begin(f);

    add_chain(f,
              (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt, .during = write_beside, .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    expect_refused(f);
    free(before);
}

/* In a transaction nobody else comes in between. */
static int try_beside(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    const char *said;

    (void)operation;
    (void)context;
    (void)err;
    said = fleet_ask_model(f, 0, "SET lock_timeout = '200ms'; INSERT INTO precious VALUES (77)");
    assert_says(said, "lock timeout");
    return 0;
}

static void held_off(fleet *f)
{
    char *before = begin(f);

    add_snapshot(f, "saved");
    fleet_add_body(f, "b", MTNT_WRITES_MODEL, (body){.no_down = true, .during = try_beside});
    fleet_add_body(f, "c", MTNT_WRITES_MODEL, (body){.flags = OUTSIDE, .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    expect_as_before(f, before);
}

/* Its folder was taken away: that is not "nothing was saved". */
static int lose_folder(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    char from[200], to[200];

    (void)operation;
    (void)context;
    (void)err;
    snprintf(from, sizeof(from), "%s/kept", f->folder);
    snprintf(to, sizeof(to), "%s/lost", f->folder);
    assert_int_equal(rename(from, to), 0);
    return 0;
}

static void snapshot_lost(fleet *f)
{
    char *before = begin(f);

    add_snapshot(f, "saved");
    fleet_add_body(
        f, "b", MTNT_WRITES_MODEL,
        (body){.flags = OUTSIDE, .model_up = hurt, .no_down = true, .during = lose_folder, .fail_at = "verify"});
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_OPERATION);
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_tenant"), "rollback_failed");
    assert_says(f->err.message, "/kept/t1/v");
    free(before);
}

/* ---- another process ---- */

static int die(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)err;
    if (f->data != NULL)
        kill(getpid(), SIGKILL);
    return 0;
}

static void perform_and_die(fleet *f)
{
    f->data = f;
    fleet_perform(f, 0, NULL);
}

static void killed_later(fleet *f)
{
    char *before = begin(f);
    int status;

    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt});
    fleet_add_body(f, "e", MTNT_WRITES_MODEL, (body){.during = die});
    status = fleet_in_child(f, perform_and_die);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    f->data = NULL;
    assert_code(f, fleet_recover(f, 0), 0);
    expect_as_before(f, before);
    migrate_well(f);
}

/* Nobody can tell how far it came, and hours may have passed. */
static void killed_in_the_body(fleet *f)
{
    char *before = begin(f);
    int status;

    add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt, .during = die});
    status = fleet_in_child(f, perform_and_die);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    f->data = NULL;
    assert_text(fleet_ask_model(f, 0, "INSERT INTO precious VALUES (77)"), "");
    fleet_recover(f, 0);
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_tenant"), "rollback_failed");
    assert_text(fleet_ask_model(f, 0, "SELECT a FROM precious WHERE a = 77"), "77");
    free(before);
}

static void perform_until_commit(fleet *f)
{
    die_at = (int)f->counter;
    fleet_perform(f, 0, NULL);
}

/* Right before and right after each commit there is, the note says both. */
static void killed_at_each_commit(fleet *f)
{
    bool killed = true;
    int status;

    for (int at = 1; killed; at += f->model_backend == MTNT_SQLITE ? 1 : 4) {
        char *before;

        for (int after = 0; after < 2 && killed; after++) {
            fleet_new_chain(f);
            f->counter = 0;
            before = begin(f);
            add_chain(f, (body){.flags = OUTSIDE, .no_down = true, .model_up = hurt});
            fleet_add_body(f, "e", MTNT_WRITES_MODEL, (body){.fail_at = "execute"});
            f->counter = at;
            die_after = after == 1;
            status = fleet_in_child(f, perform_until_commit);
            killed = WIFSIGNALED(status);
            if (killed)
                assert_code(f, fleet_recover(f, 0), 0);
            expect_as_before(f, before);
        }
    }
    assert_true(f->counter > 8);
}

int main(void)
{
    const unsigned int sqlite = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE), postgres = ON_ALL & ~sqlite;
    const unsigned int few = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES);
    const pair_test tests[] = {
        {.name = "half_failed", .run = half_failed, .pairs = ON_ALL},
        {.name = "half_failed_wal", .run = half_failed_wal, .pairs = sqlite},
        {.name = "later_failed", .run = later_failed, .pairs = few},
        {.name = "two_restores", .run = two_restores, .pairs = few},
        {.name = "saved_first", .run = saved_first, .pairs = few},
        {.name = "written_between", .run = written_between, .pairs = few},
        {.name = "written_during", .run = written_during, .pairs = ON(PAIR_SQLITE)},
        {.name = "held_off", .run = held_off, .pairs = ON(PAIR_POSTGRES) & postgres},
        {.name = "snapshot_lost", .run = snapshot_lost, .pairs = few},
        {.name = "killed_later", .run = killed_later, .pairs = few},
        {.name = "killed_in_the_body", .run = killed_in_the_body, .pairs = few},
        {.name = "killed_at_each_commit", .run = killed_at_each_commit, .pairs = few},
    };
    const char *programs = getenv("MTNT_TEST_PG_BINDIR"), *path = getenv("PATH");
    char all[4000];

    if (programs && path && snprintf(all, sizeof(all), "%s:%s", programs, path) < (int)sizeof(all))
        setenv("PATH", all, 1);
    return run_pair_tests("saga_snapshot", tests, sizeof(tests) / sizeof(*tests));
}
