/* delete_model: put away, put back, removed for good; only what is ours, only when it was asked for, and never half. */
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet_run.h"

#define ON_SCHEMA (ON(PAIR_SCHEMA) | ON(PAIR_OTHER_SCHEMA))
#define ON_DATABASE (ON(PAIR_POSTGRES) | ON(PAIR_SQLITE_POSTGRES))
#define ON_FILE (ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE))

static void add_delete(fleet *f, int64_t grace_ms)
{
    const mtnt_delete_model_options options = {.grace_ms = grace_ms};
    mtnt_entry entry = MTNT_ENTRY_INIT;

    entry.name = "gone";
    assert_int_equal(mtnt_operation_add_delete_model(f->chain, &options, &entry, &f->err), 0);
}

static int delete_it(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.allow_delete = true;
    return fleet_perform(f, 0, &options);
}

static int put_back(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;

    options.steps = 1;
    return fleet_rewind(f, 0, &options);
}

/* One operation is applied, and the next deletes the model. */
static void begin(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    add_delete(f, 3600 * 1000);
    fleet_log_clear(f);
}

static void gone(fleet *f)
{
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_tombstones(f), 1);
    assert_text(fleet_known(f, 0), "idle|2|ok");
    assert_text(fleet_migration(f, 0), "committed");
    assert_text(fleet_ask_controller(f, "SELECT removing_ms, removed_ms, restored_by FROM mtnt_removal"), "-|-|-");
}

static void untouched(fleet *f, char *dump)
{
    char *now = fleet_dump_model(f, 0);

    assert_string_equal(now, dump);
    free(now);
    free(dump);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal"), "0");
    assert_text(fleet_known(f, 0), "idle|1|error");
}

static void put_away(fleet *f)
{
    begin(f);
    assert_code(f, delete_it(f), 0);
    assert_text(f->outcome.mode, "tombstone");
    assert_int_equal(f->outcome.executed, 1);
    assert_int_equal(f->outcome.from_version, 1);
    assert_int_equal(f->outcome.to_version, 2);
    assert_false(f->outcome.removed_model);
    gone(f);
    assert_text(fleet_ask_controller(f, "SELECT name, status, recorded_in FROM mtnt_operation ORDER BY position"),
                "a|COMPLETED|model;gone|COMPLETED|controller");
    /* What is done is not done again, and needs no word. */
    fleet_must_perform(f, 0);
    assert_int_equal(f->outcome.executed, 0);
    gone(f);
    fleet_reopen(f);
    fleet_must_perform(f, 0);
    assert_code(f, fleet_recover(f, 0), 0);
    gone(f);
}

static void run_over_it(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    begin(f);
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    assert_int_equal(r.counts.failed, 1);
    assert_says(r.texts[0], "say --yes");
    assert_true(fleet_model_exists(f, 0));
    options.migration.allow_delete = true;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 1);
    gone(f);
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.current, 1);
    fleet_ask_controller(f, "UPDATE mtnt_removal SET remove_after_ms = 1");
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    assert_int_equal(r.counts.current, 1);
    assert_int_equal(fleet_tombstones(f), 0);
    assert_text(fleet_ask_controller(f, "SELECT removed_ms >= removing_ms FROM mtnt_removal WHERE removing_ms > 1"),
                f->controller_backend == MTNT_SQLITE ? "1" : "t");
}

static void back_again(fleet *f)
{
    char *dump, *now;

    begin(f);
    dump = fleet_dump_model(f, 0);
    for (int round = 0; round < 2; round++) {
        assert_code(f, delete_it(f), 0);
        assert_int_equal(fleet_tombstones(f), 1);
        assert_code(f, put_back(f), 0);
        assert_text(f->outcome.mode, "tombstone");
        assert_int_equal(f->outcome.rolled_back + f->outcome.executed, 1);
        assert_int_equal(fleet_tombstones(f), 0);
        now = fleet_dump_model(f, 0);
        assert_string_equal(now, dump);
        free(now);
        assert_text(fleet_known(f, 0), "idle|1|ok");
        assert_text(fleet_applied(f, 0), "a");
    }
    free(dump);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal WHERE restored_by IS NOT NULL"), "2");
    /* Nothing of it is due any more. */
    fleet_ask_controller(f, "UPDATE mtnt_removal SET remove_after_ms = 1");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(fleet_model_exists(f, 0));
}

/* The model first, then the rest. */
static void all_the_way_back(fleet *f)
{
    begin(f);
    assert_code(f, delete_it(f), 0);
    fleet_must_rewind(f, 0);
    assert_text(fleet_tables(f, 0), "precious");
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_known(f, 0), "idle|0|ok");
    assert_int_equal(fleet_tombstones(f), 0);
}

static void not_asked_for(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    char *dump;

    begin(f);
    dump = fleet_dump_model(f, 0);
    assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_REFUSED);
    assert_says(f->err.message, "say --yes");
    untouched(f, dump);
    /* Up to there it needs no word. */
    options.to = "a";
    assert_code(f, fleet_perform(f, 0, &options), 0);
}

static void with_a_writer(fleet *f)
{
    mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    char *dump;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_add(f, "b", MTNT_WRITES_MODEL);
    add_delete(f, 1000);
    fleet_log_clear(f);
    dump = fleet_dump_model(f, 0);
    assert_code(f, delete_it(f), MTNT_E_REFUSED);
    assert_says(f->err.message, "`b` writes the model");
    assert_says(f->err.message, "--to b");
    assert_text(fleet_log(f, "t1"), "");
    untouched(f, dump);
    /* One by one it can be done. */
    options.allow_delete = true;
    options.atomicity = MTNT_ATOMICITY_OPERATION;
    assert_code(f, fleet_perform(f, 0, &options), 0);
    assert_int_equal(f->outcome.executed, 2);
    assert_int_equal(fleet_tombstones(f), 1);
}

/* What is written in the controller is decided with it. */
static void with_the_controller(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_add(f, "farewell", MTNT_WRITES_CONTROLLER);
    add_delete(f, 3600 * 1000);
    assert_code(f, delete_it(f), 0);
    assert_text(fleet_notes(f, 0), "a;farewell");
    assert_text(fleet_known(f, 0), "idle|3|ok");
    assert_int_equal(fleet_tombstones(f), 1);
    fleet_must_rewind(f, 0);
    assert_text(fleet_notes(f, 0), "");
    assert_text(fleet_tables(f, 0), "precious");
}

static void controller_fails(fleet *f)
{
    char *dump;

    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    fleet_add_body(f, "farewell", MTNT_WRITES_CONTROLLER, (body){.fail_at = "execute"});
    add_delete(f, 3600 * 1000);
    dump = fleet_dump_model(f, 0);
    assert_code(f, delete_it(f), MTNT_E_OPERATION);
    assert_text(fleet_notes(f, 0), "a");
    untouched(f, dump);
}

static void kept_until_then(fleet *f)
{
    begin(f);
    assert_code(f, delete_it(f), 0);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_false(f->outcome.removed_model);
    gone(f);
    fleet_ask_controller(f, "UPDATE mtnt_removal SET remove_after_ms = 1");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_true(f->outcome.removed_model);
    assert_int_equal(fleet_tombstones(f), 0);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal WHERE removed_ms IS NOT NULL"), "1");
    assert_text(fleet_known(f, 0), "idle|2|ok");
    /* Once. */
    assert_code(f, fleet_recover(f, 0), 0);
    assert_false(f->outcome.removed_model);
    fleet_must_perform(f, 0);
    assert_int_equal(f->outcome.executed, 0);
    assert_code(f, put_back(f), MTNT_E_REFUSED);
    assert_says(f->err.message, "removed for good on 2");
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

static void at_once(fleet *f)
{
    fleet_add(f, "a", WRITES_BOTH);
    fleet_must_perform(f, 0);
    add_delete(f, 0);
    assert_code(f, delete_it(f), 0);
    assert_true(f->outcome.removed_model);
    assert_false(fleet_model_exists(f, 0));
    assert_int_equal(fleet_tombstones(f), 0);
}

static void at_once_in_a_run(fleet *f)
{
    mtnt_executor_options options = MTNT_EXECUTOR_OPTIONS_INIT;
    fleet_report r;

    fleet_add(f, "a", WRITES_BOTH);
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    add_delete(f, 0);
    options.migration.allow_delete = true;
    assert_code(f, fleet_run(f, 2, &options, &r), 0);
    assert_int_equal(r.counts.migrated, 3);
    for (size_t i = 0; i < 3; i++)
        assert_false(fleet_model_exists(f, i));
    assert_int_equal(fleet_tombstones(f), 0);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal WHERE removed_ms IS NOT NULL"), "3");
}

/* ---- only what is ours ---- */

static bool has_database(const fleet *f)
{
    return (ON_DATABASE & ON(f->which)) != 0;
}

/* Somebody else's, at the tenant's place. */
static void make_other(fleet *f)
{
    char sql[200];

    if (!has_database(f)) {
        fleet_make_model(f, 0);
        return;
    }
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s", f->tenants[0].database);
    assert_text(fleet_ask_database(f, NULL, sql), "");
    assert_text(fleet_ask_database(f, f->tenants[0].database, "CREATE TABLE precious (a INTEGER)"), "");
}

static void foreign_at_the_name(fleet *f)
{
    begin(f);
    assert_code(f, delete_it(f), 0);
    make_other(f);
    assert_code(f, put_back(f), MTNT_E_EXISTS);
    assert_text(fleet_tables(f, 0), "precious");
    assert_int_equal(fleet_tombstones(f), 1);
    assert_text(fleet_known(f, 0), "idle|2|error");
    assert_text(fleet_ask_controller(f, "SELECT restored_by FROM mtnt_removal"), "-");
    fleet_remove_model(f, 0);
    assert_code(f, put_back(f), 0);
    assert_text(fleet_tables(f, 0), "a;precious");
}

/* Beside the name: a journal that is left there would be taken for the model's own. */
static void journal_at_the_name(fleet *f)
{
    char path[600];
    FILE *file;

    begin(f);
    assert_code(f, delete_it(f), 0);
    snprintf(path, sizeof(path), "%s/t1.db-journal", f->folder);
    file = fopen(path, "we");
    assert_non_null(file);
    fputs("somebody else's", file);
    fclose(file);
    assert_code(f, put_back(f), MTNT_E_EXISTS);
    assert_says(f->err.message, "-journal");
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(fleet_tombstones(f), 1);
    assert_int_equal(unlink(path), 0);
    assert_code(f, put_back(f), 0);
}

static void other_uuid(fleet *f)
{
    char *dump;

    begin(f);
    fleet_ask_model(f, 0, "UPDATE mtnt_meta SET value = 'ffffffffffffffffffffffffffffffff' WHERE key = 'model_uuid'");
    dump = fleet_dump_model(f, 0);
    assert_code(f, delete_it(f), MTNT_E_FOREIGN);
    untouched(f, dump);
}

/* Also one that the controller has lost the uuid of: then nothing says that it is the one. */
static void unknown_uuid(fleet *f)
{
    char *dump;

    begin(f);
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET model_uuid = NULL");
    dump = fleet_dump_model(f, 0);
    assert_code(f, delete_it(f), MTNT_E_FOREIGN);
    assert_says(f->err.message, "does not know the model");
    untouched(f, dump);
}

static void other_controller(fleet *f)
{
    char *dump;

    begin(f);
    fleet_ask_model(f, 0, "UPDATE mtnt_meta SET value = 'ffffffffffffffffffffffffffffffff' WHERE key = 'controller'");
    dump = fleet_dump_model(f, 0);
    assert_code(f, delete_it(f), MTNT_E_FOREIGN);
    assert_says(f->err.message, "another controller");
    untouched(f, dump);
}

static void other_tenant(fleet *f)
{
    char *dump;

    begin(f);
    fleet_ask_model(f, 0, "UPDATE mtnt_meta SET value = 't7' WHERE key = 'tenant'");
    dump = fleet_dump_model(f, 0);
    assert_code(f, delete_it(f), MTNT_E_FOREIGN);
    untouched(f, dump);
}

/* A mark that is missing is no mark of ours. */
static void no_mark(fleet *f)
{
    char *dump;

    begin(f);
    fleet_ask_model(f, 0, "DELETE FROM mtnt_meta WHERE key = 'controller'");
    dump = fleet_dump_model(f, 0);
    assert_code(f, delete_it(f), MTNT_E_FOREIGN);
    assert_says(f->err.message, "not ours to take away");
    untouched(f, dump);
}

static void never_met(fleet *f)
{
    char *dump = fleet_dump_model(f, 0), *now;

    add_delete(f, 0);
    assert_code(f, delete_it(f), MTNT_E_FOREIGN);
    now = fleet_dump_model(f, 0);
    assert_string_equal(now, dump);
    free(now);
    free(dump);
}

static void nothing_there(fleet *f)
{
    add_delete(f, 0);
    assert_code(f, delete_it(f), MTNT_E_NOT_FOUND);
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal"), "0");
}

/* What stands at the tombstone when its time comes is looked at once more. */
static void foreign_tombstone(fleet *f)
{
    begin(f);
    assert_code(f, delete_it(f), 0);
    assert_code(f, put_back(f), 0);
    fleet_ask_model(f, 0, "UPDATE mtnt_meta SET value = 'ffffffffffffffffffffffffffffffff' WHERE key = 'model_uuid'");
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET model_uuid = 'ffffffffffffffffffffffffffffffff'");
    assert_code(f, delete_it(f), 0);
    fleet_ask_controller(f,
                         "UPDATE mtnt_removal SET remove_after_ms = 1, model_uuid = 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee' "
                         "WHERE restored_by IS NULL");
    fleet_ask_controller(f, "UPDATE mtnt_tenant SET model_uuid = 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee'");
    assert_code(f, fleet_recover(f, 0), MTNT_E_BLOCKED);
    assert_says(f->err.message, "is not the model that was put there");
    assert_int_equal(fleet_tombstones(f), 1);
    assert_text(fleet_ask_controller(f, "SELECT removed_ms FROM mtnt_removal WHERE restored_by IS NULL"), "-");
}

/* ---- an application ---- */

static PGconn *application(fleet *f)
{
    char words[1000];
    PGconn *connection;

    snprintf(words, sizeof(words), "%s dbname=%s application_name=billing", getenv("MTNT_TEST_PG"),
             f->tenants[0].database);
    connection = PQconnectdb(words);
    if (PQstatus(connection) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(connection));
    return connection;
}

static void connected(fleet *f)
{
    PGconn *connection;
    char *dump;

    begin(f);
    dump = fleet_dump_model(f, 0);
    connection = application(f);
    assert_code(f, delete_it(f), MTNT_E_REFUSED);
    assert_says(f->err.message, "1 session is connected to it (billing)");
    PQclear(PQexec(connection, "SELECT 1"));
    assert_int_equal(PQstatus(connection), CONNECTION_OK);
    PQfinish(connection);
    untouched(f, dump);
    assert_code(f, delete_it(f), 0);
}

static void at_work_in_the_schema(fleet *f)
{
    PGconn *connection;
    char *dump, sql[200];

    begin(f);
    dump = fleet_dump_model(f, 0);
    connection = application(f);
    snprintf(sql, sizeof(sql), "BEGIN; INSERT INTO %s.precious VALUES (3)", f->tenants[0].schema);
    PQclear(PQexec(connection, sql));
    assert_code(f, delete_it(f), MTNT_E_REFUSED);
    assert_says(f->err.message, "1 session is at work in it (billing)");
    PQclear(PQexec(connection, "ROLLBACK"));
    untouched(f, dump);
    /* Idle, it is in nobody's way, and finds nothing afterwards. */
    assert_code(f, delete_it(f), 0);
    snprintf(sql, sizeof(sql), "INSERT INTO %s.precious VALUES (3)", f->tenants[0].schema);
    PQclear(PQexec(connection, sql));
    assert_says(PQerrorMessage(connection), "does not exist");
    PQfinish(connection);
}

static void prepared_by_others(fleet *f)
{
    PGconn *connection;
    char *dump;

    begin(f);
    dump = fleet_dump_model(f, 0);
    connection = application(f);
    PQclear(PQexec(connection, "BEGIN; INSERT INTO precious VALUES (3); PREPARE TRANSACTION 'billing-7'"));
    PQfinish(connection);
    assert_code(f, delete_it(f), MTNT_E_REFUSED);
    assert_says(f->err.message, "billing-7");
    assert_text(fleet_ask_model(f, 0, "ROLLBACK PREPARED 'billing-7'"), "");
    untouched(f, dump);
    assert_code(f, delete_it(f), 0);
}

static sqlite3 *open_file(fleet *f, const char *sql)
{
    char path[600];
    sqlite3 *db = NULL;

    snprintf(path, sizeof(path), "%s/t1.db", f->folder);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void use_short_waits(fleet *f)
{
    mtnt_controller_options options = MTNT_CONTROLLER_OPTIONS_INIT;

    options.lock_timeout_ms = 300;
    mtnt_coordinator_free(f->coordinator);
    f->coordinator = NULL;
    mtnt_controller_close(f->controller);
    f->controller = NULL;
    assert_int_equal(mtnt_controller_open(&f->controller, f->controller_dsn, &options, &f->err), 0);
}

/* In the middle of a transaction it is waited for; in between it cannot be seen, and cannot write after it. */
static void file_with_a_journal(fleet *f)
{
    char *dump;
    sqlite3 *db;

    begin(f);
    use_short_waits(f);
    dump = fleet_dump_model(f, 0);
    db = open_file(f, "BEGIN IMMEDIATE; INSERT INTO precious VALUES (3)");
    assert_code(f, delete_it(f), MTNT_E_BUSY);
    assert_says(f->err.message, "an application is at work in");
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    untouched(f, dump);
    assert_code(f, delete_it(f), 0);
    assert_int_not_equal(sqlite3_exec(db, "INSERT INTO precious VALUES (4)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_extended_errcode(db), SQLITE_READONLY_DBMOVED);
    sqlite3_close(db);
    assert_code(f, put_back(f), 0);
    assert_text(fleet_ask_model(f, 0, "SELECT a FROM precious ORDER BY a"), "1;2");
}

static void file_with_a_log(fleet *f)
{
    static const char *const endings[] = {"-wal", "-shm", "-journal"};
    sqlite3 *db;
    char path[600];

    fleet_add(f, "a", MTNT_WRITES_MODEL);
    fleet_must_perform(f, 0);
    add_delete(f, 3600 * 1000);
    use_short_waits(f);
    db = open_file(f, "PRAGMA journal_mode = WAL; INSERT INTO precious VALUES (3)");
    assert_code(f, delete_it(f), MTNT_E_BUSY);
    assert_says(f->err.message, "has it open with a write-ahead log");
    assert_true(fleet_model_exists(f, 0));
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal"), "0");
    /* It goes without cleaning up: what it has written stands in the log only. */
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_close(db);
    snprintf(path, sizeof(path), "%s/t1.db-wal", f->folder);
    assert_int_equal(access(path, F_OK), 0);
    assert_code(f, delete_it(f), 0);
    gone(f);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/t1.db%s", f->folder, endings[i]);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    assert_code(f, put_back(f), 0);
    assert_text(fleet_ask_model(f, 0, "SELECT a FROM precious ORDER BY a"), "1;2;3");
    assert_text(fleet_ask_model(f, 0, "PRAGMA journal_mode"), "wal");
}

static void symbolic_link(fleet *f)
{
    char from[600], to[600];

    begin(f);
    snprintf(from, sizeof(from), "%s/t1.db", f->folder);
    snprintf(to, sizeof(to), "%s/real.db", f->folder);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(symlink(to, from), 0);
    assert_code(f, delete_it(f), MTNT_E_REFUSED);
    assert_says(f->err.message, "symbolic link");
    assert_int_equal(access(to, F_OK), 0);
}

/* Another schema's view rests on it: it would go too. */
static void depended_on(fleet *f)
{
    char sql[300];

    begin(f);
    snprintf(sql, sizeof(sql), "CREATE VIEW public.report AS SELECT a FROM %s.precious", f->tenants[0].schema);
    assert_text(fleet_ask_model(f, 0, sql), "");
    assert_code(f, delete_it(f), 0);
    fleet_ask_controller(f, "UPDATE mtnt_removal SET remove_after_ms = 1");
    assert_code(f, fleet_recover(f, 0), MTNT_E_REFUSED);
    assert_says(f->err.message, "report");
    assert_int_equal(fleet_tombstones(f), 1);
    assert_text(fleet_ask_database(f, f->tenants[0].database, "DROP VIEW public.report"), "");
    assert_code(f, fleet_recover(f, 0), 0);
    assert_int_equal(fleet_tombstones(f), 0);
}

/* ---- the tenant afterwards ---- */

struct seen {
    int count;
    mtnt_tenant_info info;
};

static int see(void *data, const mtnt_tenant_info *info, mtnt_error *err)
{
    struct seen *s = data;

    (void)err;
    s->count++;
    s->info = *info;
    return 0;
}

static void looked_up(fleet *f)
{
    const mtnt_model *models[] = {f->tenants[0].model};
    struct seen s = {0};

    begin(f);
    assert_code(f, mtnt_controller_look_up(f->controller, f->chain, models, 1, see, &s, &f->err), 0);
    assert_false(s.info.gone);
    assert_code(f, delete_it(f), 0);
    assert_code(f, mtnt_controller_look_up(f->controller, f->chain, models, 1, see, &s, &f->err), 0);
    assert_true(s.info.gone);
    assert_true(s.info.current);
    assert_false(s.info.removal_due);
    assert_true(s.info.remove_after_ms > s.info.updated_ms);
    assert_true(s.info.removed_ms == 0);
    fleet_ask_controller(f, "UPDATE mtnt_removal SET remove_after_ms = 1");
    assert_code(f, mtnt_controller_tenants(f->controller, f->chain, see, &s, &f->err), 0);
    assert_int_equal(s.count, 3);
    assert_true(s.info.removal_due);
    assert_code(f, fleet_recover(f, 0), 0);
    assert_code(f, mtnt_controller_tenants(f->controller, f->chain, see, &s, &f->err), 0);
    assert_false(s.info.removal_due);
    assert_true(s.info.removed_ms > 1);
}

static void rename_chain(fleet *f, const char *name)
{
    fleet_new_chain(f);
    assert_int_equal(mtnt_chain_set_name(f->chain, name, &f->err), 0);
}

static void make_shop(fleet *f)
{
    rename_chain(f, "shop");
    fleet_add_body(f, "create", MTNT_WRITES_MODEL,
                   (body){.flags = MTNT_OPERATION_CREATES_MODEL, .model_up = "CREATE TABLE precious (a INTEGER)"});
    fleet_add(f, "ready", MTNT_WRITES_CONTROLLER);
}

/* A chain of its own takes tenants away; whoever comes back gets a new model, and may go again. */
static void comes_back(fleet *f)
{
    for (int round = 0; round < 2; round++) {
        make_shop(f);
        fleet_must_perform(f, 0);
        assert_true(f->outcome.created_model);
        assert_text(fleet_known(f, 0), "idle|2|ok");
        assert_true(fleet_model_exists(f, 0));

        rename_chain(f, "farewell");
        add_delete(f, 3600 * 1000);
        assert_code(f, delete_it(f), 0);
        assert_int_equal(f->outcome.executed, 1);
        assert_false(fleet_model_exists(f, 0));

        /* Until it is gone for good the id is taken, and the text says by what. */
        make_shop(f);
        assert_code(f, fleet_perform(f, 0, NULL), MTNT_E_NOT_FOUND);
        assert_says(f->err.message, "of chain farewell");
        assert_says(f->err.message, "puts it back");

        rename_chain(f, "farewell");
        add_delete(f, 3600 * 1000);
        fleet_ask_controller(f, "UPDATE mtnt_removal SET remove_after_ms = 1");
        assert_code(f, fleet_recover(f, 0), 0);
        assert_true(f->outcome.removed_model);
        fleet_ask_controller(f, "DELETE FROM notes");
    }
    assert_text(fleet_ask_controller(f, "SELECT count(*) FROM mtnt_removal WHERE removed_ms IS NOT NULL"), "2");
}

static void comes_back_in_a_run(fleet *f)
{
    fleet_report r;

    make_shop(f);
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    rename_chain(f, "farewell");
    add_delete(f, 0);
    assert_code(f, delete_it(f), 0);
    assert_int_equal(fleet_tombstones(f), 0);
    fleet_ask_controller(f, "DELETE FROM notes");
    make_shop(f);
    assert_code(f, fleet_run(f, 2, NULL, &r), 0);
    assert_int_equal(r.counts.migrated, 1);
    assert_true(fleet_model_exists(f, 0));
    assert_text(fleet_notes(f, 0), "ready");
    assert_text(fleet_known(f, 0), "idle|2|ok");
}

int main(void)
{
    const pair_test tests[] = {
        {"put_away", put_away, ON_ALL, 1, false},
        {"run_over_it", run_over_it, ON_ALL, 1, false},
        {"back_again", back_again, ON_ALL, 1, false},
        {"all_the_way_back", all_the_way_back, ON_ALL, 1, false},
        {"not_asked_for", not_asked_for, ON_ALL, 1, false},
        {"with_a_writer", with_a_writer, ON_ALL, 1, false},
        {"with_the_controller", with_the_controller, ON_ALL, 1, false},
        {"controller_fails", controller_fails, ON_ALL, 1, false},
        {"kept_until_then", kept_until_then, ON_ALL, 1, false},
        {"at_once", at_once, ON_ALL, 1, false},
        {"at_once_in_a_run", at_once_in_a_run, ON_ALL, 3, false},
        {"foreign_at_the_name", foreign_at_the_name, ON_ALL, 1, false},
        {"journal_at_the_name", journal_at_the_name, ON_FILE, 1, false},
        {"other_uuid", other_uuid, ON_ALL, 1, false},
        {"unknown_uuid", unknown_uuid, ON_ALL, 1, false},
        {"other_controller", other_controller, ON_ALL, 1, false},
        {"other_tenant", other_tenant, ON_ALL, 1, false},
        {"no_mark", no_mark, ON_ALL, 1, false},
        {"never_met", never_met, ON_ALL, 1, false},
        {"nothing_there", nothing_there, ON_ALL, 1, true},
        {"foreign_tombstone", foreign_tombstone, ON_ALL, 1, false},
        {"connected", connected, ON_DATABASE, 1, false},
        {"at_work_in_the_schema", at_work_in_the_schema, ON_SCHEMA, 1, false},
        {"prepared_by_others", prepared_by_others, ON_DATABASE, 1, false},
        {"file_with_a_journal", file_with_a_journal, ON_FILE, 1, false},
        {"file_with_a_log", file_with_a_log, ON_FILE, 1, false},
        {"symbolic_link", symbolic_link, ON_FILE, 1, false},
        {"depended_on", depended_on, ON_SCHEMA, 1, false},
        {"looked_up", looked_up, ON_ALL, 1, false},
        {"comes_back", comes_back, ON_ALL, 1, true},
        {"comes_back_in_a_run", comes_back_in_a_run, ON_ALL, 1, true},
    };

    return run_pair_tests("removal", tests, sizeof(tests) / sizeof(*tests));
}
