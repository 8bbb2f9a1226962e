/* What is known to lose data is found by the fault_disk, and what the protocol prescribes instead is not: otherwise the tests that use it
 * would prove nothing. Each test here does the protocol's steps with sqlite3 alone, because the library cannot be brought to do them wrongly,
 * and passes by finding the loss. "Lost" is: an outcome that was acknowledged, or acted upon, is not in the register after a power loss; or
 * one database of a pair holds the migration and the other does not. */
#include <dirent.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "fault_disk.h"
#include "fault_vfs.h"
#include "scratch.h"

typedef struct settings {
    const char *journal, *synchronous;
} settings;

typedef enum reader { READS_ONLY, HARDENS, CHECKPOINTS_AND_HARDENS } reader;

/* Of processes that are dead. */
static struct story {
    bool acknowledged, acted;
} * story;

static char folder[128];

/* ---- one database, or two ---- */

static bool in_child;

/* A process that a test has made must not go on as the test. */
static void fail_in_either(const char *sql, const char *message)
{
    if (!in_child)
        fail_msg("%s: %s", sql, message);
    fprintf(stderr, "%s: %s\n", sql, message);
    abort();
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_in_either(sql, sqlite3_errmsg(db));
}

static int read_number(void *data, int count, char **values, char **names)
{
    (void)count;
    (void)names;
    *(int *)data = atoi(values[0]);
    return 0;
}

static int number(sqlite3 *db, const char *sql)
{
    char *message = NULL;
    int found = -1;

    if (sqlite3_exec(db, sql, read_number, &found, &message) != SQLITE_OK)
        fail_in_either(sql, message);
    return found;
}

static sqlite3 *open_database(const char *name, const settings *how)
{
    char path[256], sql[100];
    sqlite3 *db = NULL;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (sqlite3_open(path, &db) != SQLITE_OK)
        fail_in_either(path, sqlite3_errmsg(db));
    snprintf(sql, sizeof(sql), "PRAGMA journal_mode=%s; PRAGMA synchronous=%s", how->journal, how->synchronous);
    /* A disk that fails here makes the process end: what comes after would not be under these settings. */
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) {
        if (in_child)
            raise(SIGKILL);
        fail_in_either(sql, sqlite3_errmsg(db));
    }
    return db;
}

static void attach_controller(sqlite3 *db, const settings *how)
{
    char sql[400];

    snprintf(
        sql, sizeof(sql),
        "ATTACH '%s/controller.db' AS controller; PRAGMA controller.journal_mode=%s; PRAGMA controller.synchronous=%s",
        folder, how->journal, how->synchronous);
    run(db, sql);
}

static void make_database(const char *name, const settings *how)
{
    sqlite3 *db = open_database(name, how);

    run(db, "CREATE TABLE decision (migration TEXT PRIMARY KEY, outcome TEXT, seen INTEGER DEFAULT 0);"
            "CREATE TABLE work (a); INSERT INTO decision VALUES ('earlier', 'commit', 0)");
    sqlite3_close(db);
}

static int decided(const char *name)
{
    char path[256];
    sqlite3 *db = NULL;
    int count;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    count = number(db, "SELECT count(*) FROM decision WHERE migration = 'm' AND outcome = 'commit'");
    assert_int_equal(number(db, "SELECT count(*) FROM work"), count);
    assert_int_equal(number(db, "SELECT count(*) FROM decision WHERE migration = 'earlier'"), 1);
    sqlite3_close(db);
    return count;
}

/* ---- processes ---- */

typedef struct task {
    void (*run)(const struct task *task);
    const settings *how;
    reader reader;
    fault_kind kind;
    int at;
} task;

/* Returns whether it met its fault. Either way it does not end in peace: nothing is closed. */
static bool in_process(const task *t)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        in_child = true;
        fault_arm(t->kind, t->at);
        t->run(t);
        raise(SIGKILL);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return t->at > 0 && fault_calls() >= t->at;
}

static const char work[] =
    "BEGIN IMMEDIATE; INSERT INTO work VALUES (1); INSERT INTO decision VALUES ('m', 'commit', 0)";

static void decide(const task *t)
{
    sqlite3 *db = open_database("decider.db", t->how);

    if (sqlite3_exec(db, work, NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        story->acknowledged = true;
}

static void commit_pair(const task *t)
{
    sqlite3 *db = open_database("decider.db", t->how);

    attach_controller(db, t->how);
    run(db, work);
    run(db, "INSERT INTO controller.work VALUES (1); INSERT INTO controller.decision VALUES ('m', 'commit', 0)");
    if (sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        story->acknowledged = true;
}

/* Acting is what cannot be taken back: COMMIT PREPARED on a server that has power. */
static void recover(const task *t)
{
    sqlite3 *db = open_database("decider.db", t->how);

    if (t->reader == CHECKPOINTS_AND_HARDENS)
        run(db, "PRAGMA wal_checkpoint");
    if (t->reader != READS_ONLY)
        run(db,
            "BEGIN IMMEDIATE; INSERT INTO decision VALUES ('m', 'abort', 0) ON CONFLICT DO UPDATE SET seen = seen + 1");
    story->acted = number(db, "SELECT count(*) FROM decision WHERE migration = 'm' AND outcome = 'commit'") == 1;
    if (t->reader != READS_ONLY)
        run(db, "COMMIT");
}

/* ---- every call, every loss ---- */

static void empty_folder(void)
{
    DIR *all = opendir(folder);
    struct dirent *found;

    assert_non_null(all);
    while ((found = readdir(all)) != NULL)
        if (found->d_name[0] != '.')
            unlinkat(dirfd(all), found->d_name, 0);
    closedir(all);
}

static void begin(const settings *how, bool pair)
{
    fault_disk_end();
    empty_folder();
    make_database("decider.db", how);
    if (pair)
        make_database("controller.db", how);
    memset(story, 0, sizeof(*story));
    fault_disk_begin(folder);
}

static const struct {
    fault_keep contents, names;
} losses[] = {{FAULT_KEEP_NOTHING, FAULT_KEEP_NOTHING},
              {FAULT_KEEP_NOTHING, FAULT_KEEP_ALL},
              {FAULT_KEEP_ALL, FAULT_KEEP_NOTHING},
              {FAULT_KEEP_SOME, FAULT_KEEP_SOME},
              {FAULT_KEEP_SOME, FAULT_KEEP_SOME}};
#define LOSSES ((int)(sizeof(losses) / sizeof(*losses)))

static void lose_power(int which, int at)
{
    fault_power_loss(losses[which].contents, losses[which].names, (unsigned)(at * LOSSES + which));
}

/* How often an acknowledged decision is lost. */
static int lost_decisions(settings how)
{
    int lost = 0;

    for (int which = 0; which < LOSSES; which++)
        for (int at = 1, met = 1; met; at++) {
            begin(&how, false);
            met = in_process(&(task){.run = decide, .how = &how, .kind = FAULT_POWER, .at = at});
            assert_int_equal(story->acknowledged, !met);
            lose_power(which, at);
            lost += decided("decider.db") != 1 && story->acknowledged;
        }
    return lost;
}

/* How often one of the pair has it and the other does not. */
static int torn_pairs(settings how, fault_kind kind)
{
    int torn = 0;

    for (int which = 0; which < (kind == FAULT_POWER ? LOSSES : 1); which++)
        for (int at = 1, met = 1; met; at++) {
            int first, second;

            begin(&how, true);
            met = in_process(&(task){.run = commit_pair, .how = &how, .kind = kind, .at = at});
            if (kind == FAULT_POWER)
                lose_power(which, at);
            first = decided("decider.db");
            second = decided("controller.db");
            torn += first != second || (story->acknowledged && first != 1);
        }
    return torn;
}

/* How often a recovery acts on a commit that a power loss then takes away. */
static int lost_under_recovery(settings how, reader with, fault_kind kind)
{
    int lost = 0;

    for (int which = 0; which < LOSSES; which++)
        for (int at = 1, met = 1; met; at++) {
            begin(&how, false);
            met = in_process(&(task){.run = decide, .how = &how, .kind = kind, .at = at});
            in_process(&(task){.run = recover, .how = &how, .reader = with});
            lose_power(which, at);
            lost += decided("decider.db") != story->acted || (story->acknowledged && !story->acted);
        }
    return lost;
}

/* ---- what is found, and what there is not to be found ---- */

/* The journal's deletion commits; without EXTRA it is not on disk when COMMIT returns, and the journal comes back with the power. */
static void delete_and_full_loses_an_acknowledged_decision(void **state)
{
    (void)state;
    assert_true(lost_decisions((settings){"DELETE", "FULL"}) > 0);
    assert_int_equal(lost_decisions((settings){"DELETE", "EXTRA"}), 0);
}

/* The log is synced at checkpoints only. */
static void wal_and_normal_loses_an_acknowledged_decision(void **state)
{
    (void)state;
    assert_true(lost_decisions((settings){"WAL", "NORMAL"}) > 0);
    assert_int_equal(lost_decisions((settings){"WAL", "FULL"}), 0);
    assert_int_equal(lost_decisions((settings){"WAL", "EXTRA"}), 0);
}

/* There is no super-journal with write-ahead logs: a plain kill between the two commits is enough. */
static void wal_in_a_super_journal_pair_is_not_atomic(void **state)
{
    (void)state;
    assert_true(torn_pairs((settings){"WAL", "FULL"}, FAULT_KILL) > 0);
    assert_true(torn_pairs((settings){"WAL", "FULL"}, FAULT_POWER) > 0);
    assert_int_equal(torn_pairs((settings){"DELETE", "EXTRA"}, FAULT_KILL), 0);
    assert_int_equal(torn_pairs((settings){"DELETE", "EXTRA"}, FAULT_POWER), 0);
}

/* A worker killed between writing its commit and syncing it leaves one that can be read and is not on disk. */
static void recovery_that_only_reads_acts_on_what_a_power_loss_takes_away(void **state)
{
    (void)state;
    assert_true(lost_under_recovery((settings){"WAL", "FULL"}, READS_ONLY, FAULT_KILL) > 0);
    assert_true(lost_under_recovery((settings){"DELETE", "EXTRA"}, READS_ONLY, FAULT_KILL) > 0);
    assert_int_equal(lost_under_recovery((settings){"WAL", "FULL"}, HARDENS, FAULT_KILL), 0);
    assert_int_equal(lost_under_recovery((settings){"DELETE", "EXTRA"}, HARDENS, FAULT_KILL), 0);
}

/* What a failed fsync should have written is not written by the next one: a log's later frames become durable, and those before them, without
 * which they count for nothing, do not. A checkpoint carries them into the file. */
static void hardening_behind_a_failed_fsync_needs_a_checkpoint(void **state)
{
    (void)state;
    assert_true(lost_under_recovery((settings){"WAL", "FULL"}, HARDENS, FAULT_IO) > 0);
    assert_int_equal(lost_under_recovery((settings){"WAL", "FULL"}, CHECKPOINTS_AND_HARDENS, FAULT_IO), 0);
    assert_int_equal(lost_under_recovery((settings){"DELETE", "EXTRA"}, CHECKPOINTS_AND_HARDENS, FAULT_IO), 0);
}

static int setup(void **state)
{
    const scratch *s;
    int rc = scratch_setup(state);

    s = *state;
    snprintf(folder, sizeof(folder), "%s", s->folder);
    story = mmap(NULL, sizeof(*story), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(story, MAP_FAILED);
    fault_vfs_install();
    return rc;
}

static int teardown(void **state)
{
    fault_disk_end();
    munmap(story, sizeof(*story));
    return scratch_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(delete_and_full_loses_an_acknowledged_decision, setup, teardown),
        cmocka_unit_test_setup_teardown(wal_and_normal_loses_an_acknowledged_decision, setup, teardown),
        cmocka_unit_test_setup_teardown(wal_in_a_super_journal_pair_is_not_atomic, setup, teardown),
        cmocka_unit_test_setup_teardown(recovery_that_only_reads_acts_on_what_a_power_loss_takes_away, setup, teardown),
        cmocka_unit_test_setup_teardown(hardening_behind_a_failed_fsync_needs_a_checkpoint, setup, teardown),
    };

    setenv("TMPDIR", "/dev/shm", 0); /* what is durable is ours to say */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
