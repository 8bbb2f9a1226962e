/* A SQLite model that is not what it was: bytes turned over in its header or in a page, cut short, emptied, exchanged with another tenant's, gone;
 * found by a migration, or by the recovery of one whose process was killed.
 *
 * Nothing lost: not a byte of what stands at the model's name is written, whosever it is; the tenant says what is wrong and waits, prepared
 * transactions and all; the others go on; and once the model is back all or nothing of the interrupted migration is there (see whole.h). */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet_run.h"
#include "state/register.h"
#include "whole.h"

/* ---- a process that dies ---- */

static bool doomed, at_register, two_phase; /* two_phase: at the decider's register, not at the prepared side's */

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

int __real_mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err);
int __wrap_mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err);
int __wrap_mtnt__register_commit(mtnt_db *db, const char *migration, mtnt_error *err)
{
    if (doomed && at_register && !two_phase)
        die();
    return __real_mtnt__register_commit(db, migration, err);
}

int __real_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);
int __wrap_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err);
int __wrap_mtnt__register_commit_after(mtnt_db *db, const char *migration, const char *ended, mtnt_error *err)
{
    if (doomed && at_register && !two_phase)
        die();
    return __real_mtnt__register_commit_after(db, migration, ended, err);
}

int __real_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int __wrap_mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err)
{
    int rc = __real_mtnt__db_prepare(db, gid, err);

    if (doomed && at_register)
        die();
    return rc;
}

static int die_in_body(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    if (doomed && !at_register)
        die();
    return 0;
}

static void perform_and_die(fleet *f)
{
    doomed = true;
    fleet_perform(f, 0, NULL);
}

/* ---- files ---- */

static const char *const siblings[] = {"", "-journal", "-wal", "-shm"};

static const char *path_of(fleet *f, size_t tenant, const char *ending)
{
    static char paths[4][600];
    static size_t next;

    next = (next + 1) % 4;
    snprintf(paths[next], sizeof(paths[next]), "%s%s", f->tenants[tenant].dsn + strlen("sqlite:"), ending);
    return paths[next];
}

typedef struct content {
    char *bytes;
    size_t size;
} content;

static content read_file(const char *path)
{
    struct stat status;
    content c = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);

    if (file < 0)
        return c;
    assert_int_equal(fstat(file, &status), 0);
    c.size = (size_t)status.st_size;
    c.bytes = malloc(c.size + 1);
    assert_non_null(c.bytes);
    assert_int_equal(read(file, c.bytes, c.size), status.st_size);
    close(file);
    return c;
}

static void write_file(const char *path, content c)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(file >= 0);
    assert_int_equal(write(file, c.bytes, c.size), (ssize_t)c.size);
    close(file);
}

static void must_rename(const char *from, const char *to)
{
    if (rename(from, to) != 0 && access(from, F_OK) == 0)
        fail_msg("%s cannot be moved", from);
}

/* With its siblings, whichever there are. */
static void move_model(fleet *f, size_t from, const char *from_ending, size_t to, const char *to_ending)
{
    char a[700], b[700];

    for (size_t i = 0; i < sizeof(siblings) / sizeof(*siblings); i++) {
        snprintf(a, sizeof(a), "%s%s", path_of(f, from, from_ending), siblings[i]);
        snprintf(b, sizeof(b), "%s%s", path_of(f, to, to_ending), siblings[i]);
        must_rename(a, b);
    }
}

enum damage { HEADER, PAGE, CUT_SHORT, EMPTY, SWAPPED, MISSING, DAMAGES };
static const char *const damage_names[DAMAGES] = {"header", "page", "cut short", "empty", "swapped", "missing"};

/* What the library may say of each: any of these. */
static bool is_said_of(enum damage how, int code)
{
    if (how == SWAPPED)
        return code == MTNT_E_FOREIGN || code == MTNT_E_BLOCKED;
    if (how == MISSING)
        return code == MTNT_E_NOT_FOUND || code == MTNT_E_BLOCKED;
    return code == MTNT_E_CORRUPT || code == MTNT_E_BLOCKED;
}

static void swap(fleet *f)
{
    move_model(f, 0, "", 0, ".kept");
    move_model(f, 1, "", 0, "");
    move_model(f, 0, ".kept", 1, "");
}

static void damage_it(fleet *f, enum damage how)
{
    content c;

    if (how == SWAPPED) {
        swap(f);
        return;
    }
    c = read_file(path_of(f, 0, ""));
    assert_true(c.size >= 4096);
    move_model(f, 0, "", 0, ".kept");
    if (how == HEADER)
        for (size_t i = 0; i < 16; i++)
            c.bytes[i] = (char)~c.bytes[i];
    else if (how == PAGE)
        for (size_t i = 100; i < 4096; i++) /* the schema's own page, behind the header */
            c.bytes[i] = (char)~c.bytes[i];
    else
        c.size = how == CUT_SHORT ? 1000 : 0;
    if (how != MISSING)
        write_file(path_of(f, 0, ""), c);
    free(c.bytes);
}

static void repair_it(fleet *f, enum damage how)
{
    if (how == SWAPPED) {
        swap(f);
        return;
    }
    for (size_t i = 0; i < sizeof(siblings) / sizeof(*siblings); i++)
        unlink(path_of(f, 0, siblings[i]));
    move_model(f, 0, ".kept", 0, "");
}

static void same_bytes(content before, const char *path, const char *when)
{
    content after = read_file(path);

    if (after.size != before.size || (after.size > 0 && memcmp(after.bytes, before.bytes, after.size) != 0))
        fail_msg("%s: %s has been written to", when, path);
    free(after.bytes);
}

/* ---- found by a migration ---- */

/* The others go on, unless they are hurt too. */
static void run_past_it(fleet *f, enum damage how, const char *when)
{
    content before = read_file(path_of(f, 0, "")), others = read_file(path_of(f, 1, ""));
    fleet_report r;

    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    if (r.results[0] == MTNT_RESULT_MIGRATED || r.results[0] == MTNT_RESULT_CURRENT || r.texts[0][0] == '\0')
        fail_msg("%s: t1 is said to be fine: %s", when, r.texts[0]);
    same_bytes(before, path_of(f, 0, ""), when);
    if (how == SWAPPED) {
        same_bytes(others, path_of(f, 1, ""), when);
    } else {
        if (r.results[1] != MTNT_RESULT_MIGRATED)
            fail_msg("%s: t2 is held up: %s", when, r.texts[1]);
        assert_text(fleet_known(f, 1), "idle|2|ok");
    }
    free(before.bytes);
    free(others.bytes);
}

static fleet *migrated_once(pair which, uint32_t writes)
{
    fleet *f = fleet_new(which, 2, true);

    fleet_add(f, "a", writes);
    fleet_must_perform(f, 0);
    fleet_must_perform(f, 1);
    fleet_add_body(f, "b", writes, (body){.during = die_in_body});
    return f;
}

static void found_by_migration(pair which, uint32_t writes, enum damage how)
{
    const whole w = {.writes = writes};
    fleet *f = migrated_once(which, writes);
    char when[80];
    int rc;

    snprintf(when, sizeof(when), "%s, before a migration", damage_names[how]);
    damage_it(f, how);
    rc = fleet_perform(f, 0, NULL);
    if (!is_said_of(how, rc))
        fail_msg("%s: %s: %s", when, mtnt_code_name(rc), f->err.message);
    run_past_it(f, how, when);
    assert_text(fleet_notes(f, 0), (writes & MTNT_WRITES_CONTROLLER) != 0 ? "a" : "");
    assert_text(fleet_gids(f), "");
    repair_it(f, how);
    whole_finish(f, 0, &w, when);
    whole_finish(f, 1, &w, when);
    fleet_free(f);
}

/* ---- found by a recovery ---- */

static bool model_decides(pair which, uint32_t writes)
{
    return writes == MTNT_WRITES_MODEL || which == PAIR_POSTGRES_SQLITE;
}

static void found_by_recovery(pair which, uint32_t writes, enum damage how, bool prepared)
{
    const whole w = {.writes = writes};
    fleet *f = migrated_once(which, writes);
    content before, others;
    char when[80], gids[200];
    int status, rc;

    snprintf(when, sizeof(when), "%s, after a crash %s", damage_names[how], prepared ? "at the decision" : "in a body");
    at_register = prepared;
    two_phase = which == PAIR_POSTGRES_SQLITE && writes == WRITES_BOTH;
    status = fleet_in_child(f, perform_and_die);
    assert_true(WIFSIGNALED(status));
    snprintf(gids, sizeof(gids), "%s", fleet_gids(f));
    if (prepared && two_phase)
        assert_true(gids[0] != '\0');
    damage_it(f, how);
    before = read_file(path_of(f, 0, ""));
    others = read_file(path_of(f, 1, ""));
    rc = fleet_recover(f, 0);
    if (model_decides(which, writes)) {
        if (!is_said_of(how, rc))
            fail_msg("%s: %s: %s", when, mtnt_code_name(rc), f->err.message);
        assert_text(fleet_gids(f), gids);
        if (strncmp(fleet_known(f, 0), "idle|", 5) == 0)
            fail_msg("%s: it is taken for settled", when);
    } else if (rc != 0) {
        fail_msg("%s: the controller decides, and yet: %s", when, f->err.message);
    }
    same_bytes(before, path_of(f, 0, ""), when);
    same_bytes(others, path_of(f, 1, ""), when);
    run_past_it(f, how, when);
    assert_text(fleet_gids(f), gids);
    repair_it(f, how);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_text(fleet_tables(f, 0), (writes & MTNT_WRITES_MODEL) != 0 ? "a;precious" : "precious");
    assert_text(fleet_notes(f, 0), (writes & MTNT_WRITES_CONTROLLER) != 0 ? "a" : "");
    assert_text(fleet_gids(f), "");
    whole_finish(f, 0, &w, when);
    whole_finish(f, 1, &w, when);
    free(before.bytes);
    free(others.bytes);
    fleet_free(f);
}

static void before_migration(pair which)
{
    for (enum damage how = 0; how < DAMAGES; how++)
        found_by_migration(which, WRITES_BOTH, how);
}

static void model_after_crash(pair which)
{
    for (enum damage how = 0; how < DAMAGES; how++)
        found_by_recovery(which, MTNT_WRITES_MODEL, how, how % 2 == 0);
}

static void both_after_crash(pair which)
{
    for (enum damage how = 0; how < DAMAGES; how++)
        for (int prepared = 0; prepared < 2; prepared++)
            found_by_recovery(which, WRITES_BOTH, how, prepared);
}

int main(void)
{
    static const unsigned int sqlite_models = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE);
    static const bare_test tests[] = {
        {"before_migration", before_migration, sqlite_models},
        {"model_after_crash", model_after_crash, sqlite_models},
        {"both_after_crash", both_after_crash, sqlite_models},
    };

    return run_bare_tests("damage", tests, sizeof(tests) / sizeof(*tests));
}
