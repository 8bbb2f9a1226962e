/* Something that is not ours appears at the name of a model that is being made: a file, a folder, a symbolic link to nowhere, another database;
 * before the migration was decided, and between the decision and the rename.
 *
 * Nothing lost: what is there is never overwritten, followed or removed. Before the decision the migration is aborted and leaves nothing; after
 * it the tenant is blocked with both kept, and once the other one has been moved away a recovery brings the whole of ours. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "db/database.h"
#include "fleet_run.h"
#include "whole.h"

enum thing { A_FILE, A_FOLDER, A_LINK, A_DATABASE, THINGS };
static const char *const thing_names[THINGS] = {"file", "folder", "symbolic link", "database"};

static const whole made = {.writes = WRITES_BOTH, .creates = true};

/* ---- the thing ---- */

static const char *target(fleet *f)
{
    return f->tenants[0].dsn + strlen("sqlite:");
}

static void put(fleet *f, enum thing what)
{
    FILE *file;

    switch (what) {
    case A_FILE:
        file = fopen(target(f), "we");
        assert_non_null(file);
        assert_true(fputs("not ours", file) >= 0);
        assert_int_equal(fclose(file), 0);
        break;
    case A_FOLDER: assert_int_equal(mkdir(target(f), 0700), 0); break;
    case A_LINK: assert_int_equal(symlink("/nonexistent/mtnt", target(f)), 0); break;
    case A_DATABASE: fleet_make_model(f, 0); break;
    case THINGS: break;
    }
}

static bool is_there(fleet *f, enum thing what)
{
    char text[80] = "";
    struct stat status;
    FILE *file;

    if (what == A_DATABASE)
        return fleet_model_exists(f, 0) && strcmp(fleet_tables(f, 0), "precious") == 0;
    if (lstat(target(f), &status) != 0)
        return false;
    if (what == A_FOLDER)
        return S_ISDIR(status.st_mode);
    if (what == A_LINK)
        return S_ISLNK(status.st_mode) && access("/nonexistent", F_OK) != 0;
    file = fopen(target(f), "re");
    assert_non_null(file);
    if (fgets(text, sizeof(text), file) == NULL)
        text[0] = '\0';
    fclose(file);
    return S_ISREG(status.st_mode) && strcmp(text, "not ours") == 0;
}

static void move_away(fleet *f, enum thing what)
{
    if (what == A_DATABASE)
        fleet_remove_model(f, 0);
    else
        assert_int_equal(what == A_FOLDER ? rmdir(target(f)) : unlink(target(f)), 0);
}

/* ---- when it appears ---- */

static struct {
    fleet *f;
    enum thing what;
    bool before;
} coming;

static void appear(bool before)
{
    fleet *f = coming.f;

    if (f == NULL || coming.before != before)
        return;
    coming.f = NULL;
    put(f, coming.what);
}

static int appear_in_body(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    appear(true);
    return 0;
}

__attribute__((visibility("default"))) int renameat2(int from_folder, const char *from, int to_folder, const char *to,
                                                     unsigned int flags)
{
    appear(false);
    return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

int __real_mtnt__postgres_rename_database(const char *dsn, const char *from, const char *to,
                                          const mtnt__db_options *options, mtnt_error *err);
int __wrap_mtnt__postgres_rename_database(const char *dsn, const char *from, const char *to,
                                          const mtnt__db_options *options, mtnt_error *err);
int __wrap_mtnt__postgres_rename_database(const char *dsn, const char *from, const char *to,
                                          const mtnt__db_options *options, mtnt_error *err)
{
    appear(false);
    return __real_mtnt__postgres_rename_database(dsn, from, to, options, err);
}

/* ---- the tests ---- */

static fleet *new_fleet(pair which, enum thing what, bool before)
{
    fleet *f = fleet_new(which, 1, false);

    whole_add_chain(f, &made, (body){.during = appear_in_body});
    coming.f = f;
    coming.what = what;
    coming.before = before;
    return f;
}

static void complain(fleet *f, enum thing what, const char *problem)
{
    fail_msg("%s: %s; %d provisional, notes %s, tenant %s: %s", thing_names[what], problem, fleet_provisional(f),
             fleet_notes(f, 0), fleet_known(f, 0), f->err.message);
}

static void before_decision(pair which, enum thing what)
{
    fleet *f = new_fleet(which, what, true);
    int rc = fleet_perform(f, 0, NULL);

    if (rc != MTNT_E_EXISTS)
        complain(f, what, mtnt_code_name(rc));
    if (!is_there(f, what))
        complain(f, what, "it is not what it was");
    if (fleet_provisional(f) != 0 || fleet_notes(f, 0)[0] != '\0')
        complain(f, what, "ours is not gone");
    assert_text(fleet_known(f, 0), "idle|0|error");
    assert_text(fleet_migration(f, 0), "aborted");
    assert_code(f, fleet_recover(f, 0), 0);
    if (!is_there(f, what))
        complain(f, what, "a recovery has touched it");
    move_away(f, what);
    whole_finish(f, 0, &made, thing_names[what]);
    fleet_free(f);
}

static void after_decision(pair which, enum thing what)
{
    fleet *f = new_fleet(which, what, false);
    fleet_report r;
    int rc = fleet_perform(f, 0, NULL);

    if (rc != MTNT_E_BLOCKED)
        complain(f, what, mtnt_code_name(rc));
    for (int look = 0; look < 3; look++) {
        if (!is_there(f, what))
            complain(f, what, "it is not what it was");
        if (fleet_provisional(f) != 1 || strcmp(fleet_notes(f, 0), "a;b") != 0)
            complain(f, what, "ours is not kept");
        assert_text(fleet_known(f, 0), "blocked|0|error");
        assert_text(fleet_migration(f, 0), "blocked");
        if (look == 0)
            assert_code(f, fleet_recover(f, 0), MTNT_E_BLOCKED);
        else if (look == 1)
            assert_code(f, fleet_run(f, 1, NULL, &r), 0);
    }
    move_away(f, what);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(f->outcome.recovered_committed);
    whole_check(f, 0, &made, true, thing_names[what]);
    whole_finish(f, 0, &made, thing_names[what]);
    fleet_free(f);
}

static void files_before(pair which)
{
    for (enum thing what = A_FILE; what <= A_LINK; what++)
        before_decision(which, what);
}

static void files_after(pair which)
{
    for (enum thing what = A_FILE; what <= A_LINK; what++)
        after_decision(which, what);
}

static void database_before(pair which)
{
    before_decision(which, A_DATABASE);
}

static void database_after(pair which)
{
    after_decision(which, A_DATABASE);
}

int main(void)
{
    static const unsigned int sqlite_models = ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE);
    static const unsigned int databases = sqlite_models | ON(PAIR_POSTGRES) | ON(PAIR_SQLITE_POSTGRES);
    static const bare_test tests[] = {
        {"files_before", files_before, sqlite_models},
        {"files_after", files_after, sqlite_models},
        {"database_before", database_before, databases},
        {"database_after", database_after, databases},
    };

    return run_bare_tests("foreign", tests, sizeof(tests) / sizeof(*tests));
}
