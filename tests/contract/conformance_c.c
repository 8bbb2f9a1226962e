/* CONFORMANCE, C: up, down, list; what the store knows and the chain does not. */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet_run.h"
#include "mtnt/operations.h"

typedef struct list {
    size_t count, up, down;
    int64_t started[8], finished[8];
    char names[200];
} list;

static int add_info(void *data, const mtnt_operation_info *info, mtnt_error *err)
{
    list *l = data;

    (void)err;
    l->started[l->count] = info->started_ms;
    l->finished[l->count] = info->finished_ms;
    l->count++;
    l->up += info->applied;
    l->down += !info->applied;
    snprintf(l->names + strlen(l->names), sizeof(l->names) - strlen(l->names), "%s%s%s", l->count > 1 ? " " : "",
             info->applied ? "+" : "-", info->name);
    return 0;
}

static list look(fleet *f)
{
    list l = {0};

    assert_code(f, mtnt_controller_operations(f->controller, f->chain, "t1", add_info, &l, &f->err), 0);
    return l;
}

static void three(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add(f, "c", WRITES_BOTH);
}

static void c1_fresh(fleet *f)
{
    list l;

    three(f);
    l = look(f);
    assert_text(l.names, "-a -b -c");
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(l.started[i], 0);
        assert_int_equal(l.finished[i], 0);
    }
    fleet_must_perform(f, 0);
    l = look(f);
    assert_text(l.names, "+a +b +c");
    for (size_t i = 0; i < 3; i++) {
        assert_true(l.started[i] > 1600000000000);
        assert_true(l.started[i] <= l.finished[i]);
        assert_true(i == 0 || l.finished[i - 1] <= l.started[i]);
    }
}

static void c2_append(fleet *f)
{
    list l;

    three(f);
    fleet_must_perform(f, 0);
    fleet_add(f, "d", WRITES_BOTH);
    l = look(f);
    assert_text(l.names, "+a +b +c -d");
    fleet_log_clear(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_log(f, "t1"), "setup d, execute d");
    assert_text(look(f).names, "+a +b +c +d");
}

static void c3_down_and_up(fleet *f)
{
    mtnt_migration_options to_b = MTNT_MIGRATION_OPTIONS_INIT;
    list first, again;

    three(f);
    fleet_add(f, "d", WRITES_BOTH);
    fleet_must_perform(f, 0);
    first = look(f);
    fleet_log_clear(f);
    fleet_must_rewind(f, 0);
    assert_text(fleet_log(f, "t1"), "rollback d, rollback c, rollback b, rollback a");
    assert_text(look(f).names, "-a -b -c -d");
    usleep(5000);
    fleet_must_perform(f, 0);
    again = look(f);
    assert_text(again.names, "+a +b +c +d");
    for (size_t i = 0; i < 4; i++)
        assert_true(again.started[i] > first.started[i]);
    fleet_log_clear(f);
    to_b.to = "b";
    assert_code(f, fleet_rewind(f, 0, &to_b), 0);
    assert_text(fleet_log(f, "t1"), "rollback d, rollback c");
    assert_text(look(f).names, "+a +b -c -d");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_tables(f, 0), "a;b;precious");
    assert_text(fleet_notes(f, 0), "a;b");
}

static void c4_unchanged(fleet *f, const char *words, const char *more_words)
{
    char *model = fleet_dump_model(f, 0), *controller = fleet_dump_controller(f), *after;
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    fleet_log_clear(f);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_HISTORY);
    assert_says(f->err.message, words);
    assert_says(f->err.message, more_words);
    assert_says(f->err.message, "Nothing was changed");
    options.allow_out_of_order = true;
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_HISTORY);
    assert_code(f, fleet_rewind(f, 0, NULL), MTNT_E_HISTORY);
    assert_text(fleet_log(f, NULL), "");
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, model);
    free(after);
    after = fleet_dump_controller(f);
    assert_string_equal(after, controller);
    free(after);
    free(model);
    free(controller);
    assert_text(fleet_gids(f), "");
}

static void c4_unknown(fleet *f)
{
    three(f);
    fleet_must_perform(f, 0);
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    c4_unchanged(f, "3 `c`", "a newer release has migrated it");
    assert_says(f->err.message, "rewind --tenant t1 --to b");
}

static void c4_renamed(fleet *f)
{
    three(f);
    fleet_must_perform(f, 0);
    fleet_new_chain(f);
    fleet_add(f, "a", WRITES_BOTH);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add(f, "x", WRITES_BOTH);
    c4_unchanged(f, "expected \"c\", found \"x\"", "renamed");
}

static void c4_changed(fleet *f)
{
    fleet_add_body(f, "a", WRITES_BOTH, (body){.checksum = "CREATE TABLE a (a INTEGER)"});
    fleet_must_perform(f, 0);
    fleet_new_chain(f);
    fleet_add_body(f, "a", WRITES_BOTH, (body){.checksum = "CREATE TABLE a (a BIGINT)"});
    c4_unchanged(f, "`a` has been changed since it was applied", "Restore it");
}

/* What is recorded in the controller alone is compared too. */
static void c4_controller_only(fleet *f)
{
    fleet_add(f, "a", MTNT_WRITES_CONTROLLER);
    fleet_must_perform(f, 0);
    assert_text(fleet_notes(f, 0), "a");
    fleet_new_chain(f);
    fleet_add(f, "x", MTNT_WRITES_CONTROLLER);
    c4_unchanged(f, "expected \"a\", found \"x\"", "renamed");
}

static int die(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    (void)f;
    (void)operation;
    (void)context;
    (void)err;
    kill(getpid(), SIGKILL);
    return 0;
}

static int die_once(fleet *f, mtnt_operation *operation, mtnt_context *context, mtnt_error *err)
{
    return f->data == NULL ? 0 : die(f, operation, context, err);
}

static void perform_and_die(fleet *f)
{
    f->data = f;
    fleet_perform(f, 0, NULL);
}

static void c6_half_run(fleet *f)
{
    char *before = fleet_dump_model(f, 0), *after;
    int status;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_add_body(f, "b", WRITES_BOTH, (body){.during = die_once});
    status = fleet_in_child(f, perform_and_die);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_text(look(f).names, "-a -b");
    assert_text(fleet_known(f, 0), "executing|0|ok");
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, before);
    free(before);
    free(after);
    f->data = NULL;
    fleet_must_perform(f, 0);
    assert_true(f->outcome.recovered);
    assert_false(f->outcome.recovered_committed);
    assert_text(fleet_log(f, "t1"), "setup a, execute a, setup b, execute b");
    assert_text(look(f).names, "+a +b");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_ask_controller(f, "SELECT state FROM mtnt_migration ORDER BY state"), "aborted;committed");
}

static void c7_several_tables(fleet *f)
{
    static const char *const tables[] = {"contacts (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
                                         "plans (id INTEGER PRIMARY KEY)",
                                         "calls (contact INTEGER REFERENCES contacts (id))", NULL};
    static const char *const dropped[] = {"plans (id INTEGER PRIMARY KEY)", NULL};
    mtnt_tables_options create = {.tables = tables}, drop = {.tables = dropped, .drop = true};
    mtnt_migration_options to_create = MTNT_MIGRATION_OPTIONS_INIT;
    mtnt_entry entry = MTNT_ENTRY_INIT;
    char *before = fleet_dump_model(f, 0), *after;

    entry.name = "create";
    assert_code(f, mtnt_operation_add_tables(f->chain, &create, &entry, &f->err), 0);
    entry.name = "drop";
    assert_code(f, mtnt_operation_add_tables(f->chain, &drop, &entry, &f->err), 0);
    to_create.to = "create";
    for (int round = 0; round < 2; round++) {
        fleet_must_perform(f, 0);
        assert_text(fleet_tables(f, 0), "calls;contacts;precious");
        assert_code(f, fleet_rewind(f, 0, &to_create), 0);
        assert_text(fleet_tables(f, 0), "calls;contacts;plans;precious");
        fleet_must_rewind(f, 0);
        assert_text(fleet_tables(f, 0), "precious");
    }
    after = fleet_dump_model(f, 0);
    assert_says(after, "precious");
    free(before);
    free(after);
}

/* ---- C5: backups ---- */

/* How many files are in a tenant's folder of backups; the path of the last one by name. */
static int backups(fleet *f, const char *tenant, char *ret_last, size_t size)
{
    char folder[300], last[200] = "";
    struct dirent *entry;
    DIR *files;
    int count = 0;

    snprintf(folder, sizeof(folder), "%s/backups/%s", f->folder, tenant);
    files = opendir(folder);
    for (entry = files == NULL ? NULL : readdir(files); entry != NULL; entry = readdir(files)) {
        if (entry->d_name[0] == '.')
            continue;
        count++;
        if (strcmp(entry->d_name, last) > 0)
            snprintf(last, sizeof(last), "%.199s", entry->d_name);
    }
    if (files != NULL)
        closedir(files);
    if (ret_last != NULL)
        snprintf(ret_last, size, "%s/%s", folder, last);
    return count;
}

static mtnt_migration_options with_backup(fleet *f)
{
    static char folder[200];
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    snprintf(folder, sizeof(folder), "%s/backups", f->folder);
    options.backup = folder;
    return options;
}

/* The backup takes the model's place, by the means that its readers have. */
static void put_in_place(fleet *f, const char *backup)
{
    const struct fleet_tenant *tenant = &f->tenants[0];
    char command[1500], schema[100], path[300];

    if (f->model_backend == MTNT_SQLITE) {
        snprintf(path, sizeof(path), "%s", strchr(tenant->dsn, ':') + 1);
        snprintf(command, sizeof(command), "cp '%s' '%s'", backup, path);
    } else {
        snprintf(schema, sizeof(schema), "%s", tenant->schema[0] == '\0' ? "public" : tenant->schema);
        snprintf(command, sizeof(command), "DROP SCHEMA \"%s\" CASCADE", schema);
        assert_text(fleet_ask_model(f, 0, command), "");
        if (tenant->schema[0] == '\0')
            assert_text(fleet_ask_model(f, 0, "CREATE SCHEMA public"), "");
        snprintf(command, sizeof(command), "pg_restore --dbname='%s' '%s'", tenant->dsn, backup);
    }
    assert_int_equal(system(command), 0);
}

static void c5_backup(fleet *f)
{
    mtnt_migration_options options = with_backup(f), first = options;
    char backup[600], *before, *after;

    first.to = "a";
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_add(f, "b", WRITES_BOTH);
    fleet_add(f, "c", MTNT_WRITES_MODEL);
    assert_text(fleet_ask_model(f, 0, "DROP TABLE precious"), "");
    assert_code(f, fleet_perform(f, 0, &first), 0);
    assert_int_equal(backups(f, "t1", NULL, 0), 0);
    before = fleet_dump_model(f, 0);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_int_equal(backups(f, "t1", backup, sizeof(backup)), 1);
    assert_says(backup, "-v1-");
    assert_says(backup, f->outcome.migration);
    /* Nothing to do, nothing to save. */
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_int_equal(backups(f, "t1", NULL, 0), 1);
    /* It is the model as it was, our tables included … */
    put_in_place(f, backup);
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, before);
    assert_text(fleet_applied(f, 0), "a");
    free(before);
    free(after);
    /* … and can be migrated. The controller believes what it has; the model says otherwise once it is opened. */
    assert_text(fleet_ask_controller(f, "UPDATE mtnt_tenant SET digest = ''"), "");
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_text(fleet_applied(f, 0), "a;b;c");
    assert_int_equal(backups(f, "t1", NULL, 0), 2);
    assert_code(f, fleet_rewind(f, 0, &options), 0);
    assert_int_equal(backups(f, "t1", backup, sizeof(backup)), 3);
    assert_says(backup, "-v3-");
}

/* A model that we meet for the first time, and that is not empty. */
static void c5_first_of_a_full_model(fleet *f)
{
    mtnt_migration_options options = with_backup(f);
    char backup[600], *before = fleet_dump_model(f, 0), *after;

    three(f);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_int_equal(backups(f, "t1", backup, sizeof(backup)), 1);
    put_in_place(f, backup);
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, before);
    free(before);
    free(after);
}

static void c5_created_model(fleet *f)
{
    mtnt_migration_options options = with_backup(f);
    mtnt_create_model_options create = {.snapshot = false};

    assert_code(f, mtnt_operation_add_create_model(f->chain, &create, NULL, &f->err), 0);
    fleet_add(f, "a", MTNT_WRITES_MODEL);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_int_equal(backups(f, "t1", NULL, 0), 0);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_int_equal(backups(f, "t1", NULL, 0), 1);
}

/* One for each tenant, before its first change; not one for each operation, and none before what takes a failure back. */
static void c5_once(fleet *f)
{
    mtnt_migration_options options = with_backup(f);

    three(f);
    fleet_add_body(f, "d", MTNT_WRITES_MODEL, (body){.fail_at = "execute"});
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    assert_true(fleet_perform(f, 0, &options) != 0);
    assert_text(fleet_applied(f, 0), "");
    assert_int_equal(backups(f, "t1", NULL, 0), 1);
}

/* A backup that cannot be made fails its tenant before anything is changed. */
static void c5_failing(fleet *f)
{
    mtnt_migration_options options = with_backup(f);
    char path[300], *before, *after;
    FILE *file;

    three(f);
    before = fleet_dump_model(f, 0);
    snprintf(path, sizeof(path), "%s/backups", f->folder);
    file = fopen(path, "we"); /* where a folder should be */
    assert_non_null(file);
    fclose(file);
    assert_code(f, fleet_perform(f, 0, &options), MTNT_E_IO);
    assert_says(f->err.message, "nothing was changed");
    assert_says(f->err.message, "is not a folder");
    assert_text(f->outcome.failed_phase, "backup");
    assert_text(fleet_log(f, NULL), "");
    after = fleet_dump_model(f, 0);
    assert_string_equal(after, before);
    assert_text(fleet_gids(f), "");
    unlink(path);
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_int_equal(backups(f, "t1", NULL, 0), 1);
    free(before);
    free(after);
}

static void c5_many(fleet *f)
{
    mtnt_executor_options more = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report report;

    three(f);
    more.migration = with_backup(f);
    assert_code(f, fleet_run(f, 4, &more, &report), 0);
    assert_int_equal(report.counts.migrated, 5);
    for (size_t i = 0; i < f->count; i++)
        assert_int_equal(backups(f, f->tenants[i].id, NULL, 0), 1);
}

/* ---- what is improved on: body and record commit together; two stores never end out of step ---- */

static void body_and_record_together(fleet *f)
{
    three(f);
    fleet_must_perform(f, 0);
    assert_text(fleet_ask_model(f, 0, "SELECT count(DISTINCT migration) FROM mtnt_applied"), "1");
    assert_text(fleet_ask_model(f, 0, "SELECT a.migration FROM mtnt_applied AS a WHERE name = 'a'"),
                f->outcome.migration);
    assert_text(fleet_ask_controller(f, "SELECT DISTINCT migration FROM mtnt_operation"), f->outcome.migration);
    assert_text(fleet_ask_controller(f, "SELECT migration FROM mtnt_tenant"), f->outcome.migration);
}

/* pg_dump and pg_restore of the server that the tests run against. */
static void use_programs(void)
{
    const char *folder = getenv("MTNT_TEST_PG_BINDIR"), *path = getenv("PATH");
    char all[4000];

    if (folder != NULL && path != NULL && snprintf(all, sizeof(all), "%s:%s", folder, path) < (int)sizeof(all))
        setenv("PATH", all, 1);
}

int main(void)
{
    static const pair_test tests[] = {
        {"c1_fresh", c1_fresh, ON_ALL, 1, false},
        {"c2_append", c2_append, ON_ALL, 1, false},
        {"c3_down_and_up", c3_down_and_up, ON_ALL, 1, false},
        {"c4_unknown", c4_unknown, ON_ALL, 1, false},
        {"c4_renamed", c4_renamed, ON_ALL, 1, false},
        {"c4_changed", c4_changed, ON_ALL, 1, false},
        {"c4_controller_only", c4_controller_only, ON_ALL, 1, false},
        {"c5_backup", c5_backup, ON_ALL, 1, false},
        {"c5_first_of_a_full_model", c5_first_of_a_full_model, ON_ALL, 1, false},
        {"c5_created_model", c5_created_model, ON_ALL, 1, true},
        {"c5_once", c5_once, ON_ALL, 1, false},
        {"c5_failing", c5_failing, ON_ALL, 1, false},
        {"c5_many", c5_many, ON_ALL, 5, false},
        {"c6_half_run", c6_half_run, ON_ALL, 1, false},
        {"c7_several_tables", c7_several_tables, ON_ALL, 1, false},
        {"body_and_record_together", body_and_record_together, ON_ALL, 1, false},
    };

    use_programs();
    return run_pair_tests("conformance_c", tests, sizeof(tests) / sizeof(*tests));
}
