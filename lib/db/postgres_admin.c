/* Databases on a server, by name; sessions; whether a database or file is there, and which one it is. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "db/handle.h"
#include "db/postgres.h"
#include "db/sqlite.h"

/* A handle on the maintenance database of the server of `dsn`. */
static int open_on(const char *dsn, const char *database, const mtnt__db_options *options, mtnt_db **ret_db,
                   mtnt_error *err)
{
    mtnt__db_options plain = options ? *options : (mtnt__db_options){0};
    char *other = mtnt__dsn_with_database(dsn, database);
    mtnt_db *db;
    int rc;

    plain.schema = NULL;
    plain.read_only = false;
    if (!other)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    rc = mtnt__db_open(&db, other, &plain, err);
    free(other);
    if (rc != 0)
        return rc;
    rc = mtnt__db_connect(db, err);
    if (rc != 0)
        mtnt__db_close(db);
    else
        *ret_db = db;
    return rc;
}

static int open_maintenance(const char *dsn, const mtnt__db_options *options, mtnt_db **ret_db, mtnt_error *err)
{
    mtnt_error second = MTNT_ERROR_INIT;
    mtnt_backend backend;
    int rc = mtnt__dsn_backend(dsn, &backend, err);

    if (rc != 0)
        return rc;
    if (backend != MTNT_POSTGRES)
        return mtnt_error_set(err, MTNT_E_INVALID, "not a PostgreSQL server");
    rc = open_on(dsn, "postgres", options, ret_db, err);
    if (rc == 0 || (rc != MTNT_E_NOT_FOUND && rc != MTNT_E_CONNECT) || (err && err->retryable))
        return rc;
    if (open_on(dsn, "template1", options, ret_db, &second) == 0)
        return MTNT_OK;
    return rc;
}

static int check_name(const char *name, mtnt_error *err)
{
    if (!name || !*name || strlen(name) > MTNT__POSTGRES_NAME_MAX)
        return mtnt_error_set(err, MTNT_E_INVALID, "the name of a PostgreSQL database has 1 to %d bytes: %s",
                              MTNT__POSTGRES_NAME_MAX, name ? name : "");
    return MTNT_OK;
}

/* The words of a statement; those at odd places are names, to be quoted. */
static int run_on_server(const char *dsn, const char *const *words, const mtnt__db_options *options, mtnt_error *err)
{
    mtnt__buffer sql = {0};
    mtnt_db *db = NULL;
    int rc = open_maintenance(dsn, options, &db, err);

    if (rc != 0)
        return rc;
    for (int i = 0; words[i]; i++) {
        if (i % 2 == 0)
            mtnt__buffer_add_text(&sql, words[i]);
        else
            mtnt__sql_add_identifier(&sql, words[i]);
    }
    rc = sql.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : mtnt__db_command(db, sql.bytes, err);
    mtnt__buffer_release(&sql);
    mtnt__db_close(db);
    return rc;
}

static int as_code(int rc, mtnt_error *err, const char *state, int code)
{
    if (rc == 0 || !err || strcmp(err->state, state) != 0)
        return rc;
    err->code = code;
    return code;
}

int mtnt__postgres_create_database(const char *dsn, const char *name, const mtnt__db_options *options, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT, *e = err ? err : &own;
    int rc = check_name(name, e);

    if (rc == 0)
        rc = run_on_server(dsn, (const char *const[]){"CREATE DATABASE", name, NULL}, options, e);
    return as_code(rc, e, "42P04", MTNT_E_EXISTS);
}

int mtnt__postgres_copy_database(const char *dsn, const char *name, const char *from, const mtnt__db_options *options,
                                 mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT, *e = err ? err : &own;
    int rc = check_name(name, e);

    if (rc == 0)
        rc = check_name(from, e);
    if (rc == 0)
        rc = run_on_server(dsn, (const char *const[]){"CREATE DATABASE", name, "TEMPLATE", from, NULL}, options, e);
    rc = as_code(rc, e, "42P04", MTNT_E_EXISTS);
    rc = as_code(rc, e, "3D000", MTNT_E_NOT_FOUND);
    return as_code(rc, e, "55006", MTNT_E_BUSY);
}

int mtnt__postgres_seal_database(const char *dsn, const char *name, const mtnt__db_options *options, mtnt_error *err)
{
    return run_on_server(dsn, (const char *const[]){"ALTER DATABASE", name, "ALLOW_CONNECTIONS false", NULL}, options,
                         err);
}

int mtnt__postgres_drop_database(const char *dsn, const char *name, const mtnt__db_options *options, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT, *e = err ? err : &own;
    int rc = check_name(name, e);

    if (rc == 0)
        rc = run_on_server(dsn, (const char *const[]){"DROP DATABASE IF EXISTS", name, NULL}, options, e);
    return rc;
}

static int found(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)row;
    (void)err;
    *(bool *)data = true;
    return MTNT_OK;
}

static int take_sealed(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int *)data = mtnt__text_equal(mtnt_row_text(row, 0), "f");
    return MTNT_OK;
}

int mtnt__postgres_is_sealed(const char *dsn, const char *name, const mtnt__db_options *options, bool *ret_sealed,
                             mtnt_error *err)
{
    mtnt_db *db = NULL;
    int sealed = -1, rc = open_maintenance(dsn, options, &db, err);

    if (rc != 0)
        return rc;
    rc = mtnt__db_run(db, take_sealed, &sealed, err,
                      "SELECT datallowconn FROM pg_catalog.pg_database WHERE datname = $1",
                      (const mtnt_value[]){MTNT_TEXT(name), mtnt_value_end()});
    mtnt__db_close(db);
    if (rc == 0 && sealed < 0)
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "there is no such database %s", name);
    if (rc == 0)
        *ret_sealed = sealed == 1;
    return rc;
}

static int add_line(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__buffer *lines = data;

    mtnt__buffer_add_text(lines, mtnt_row_text(row, 0));
    mtnt__buffer_add_text(lines, "\n");
    return lines->failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : MTNT_OK;
}

int mtnt__postgres_drop_others(const char *dsn, const char *prefix, const char *keep, const mtnt__db_options *options,
                               mtnt_error *err)
{
    mtnt__buffer names = {0};
    char *text, *rest, *name;
    mtnt_db *db = NULL;
    int rc = open_maintenance(dsn, options, &db, err);

    if (rc != 0)
        return rc;
    rc = mtnt__db_run(
        db, add_line, &names, err,
        "SELECT datname::text FROM pg_catalog.pg_database WHERE starts_with(datname::text, $1) AND datname <> $2",
        (const mtnt_value[]){MTNT_TEXT(prefix), MTNT_TEXT(keep), mtnt_value_end()});
    mtnt__db_close(db);
    text = rest = mtnt__buffer_take(&names);
    while (rc == 0 && text && (name = strtok_r(rest, "\n", &rest)) != NULL)
        (void)mtnt__postgres_drop_database(dsn, name, options, NULL);
    free(text);
    return rc;
}

static int check_oid(mtnt_db *db, const char *name, int64_t oid, mtnt_error *err)
{
    bool found_it = false;
    int rc = mtnt__db_run(
        db, found, &found_it, err,
        "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1 AND ($2::bigint = 0 OR oid = $2::bigint::oid)",
        (const mtnt_value[]){MTNT_TEXT(name), MTNT_INT(oid), mtnt_value_end()});

    if (rc == 0 && !found_it)
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "there is no such database %s", name);
    return rc;
}

static int rename_in(mtnt_db *db, const char *from, const char *to, mtnt_error *err)
{
    mtnt__buffer sql = {0};
    int rc;

    mtnt__buffer_add_text(&sql, "ALTER DATABASE ");
    mtnt__sql_add_identifier(&sql, from);
    mtnt__buffer_add_text(&sql, " RENAME TO ");
    mtnt__sql_add_identifier(&sql, to);
    rc = sql.failed ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory")
                    : mtnt__db_run(db, NULL, NULL, err, sql.bytes, NULL);
    mtnt__buffer_release(&sql);
    rc = as_code(rc, err, "42P04", MTNT_E_EXISTS);
    return as_code(rc, err, "3D000", MTNT_E_NOT_FOUND);
}

/* The rename takes the lock; that it was the right one is looked at under it. */
int mtnt__postgres_rename_begin(mtnt_db **ret_db, const char *dsn, const char *from, const char *to, int64_t oid,
                                const mtnt__db_options *options, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT, *e = err ? err : &own;
    mtnt_db *db = NULL;
    int rc = check_name(from, e);

    if (rc == 0)
        rc = check_name(to, e);
    if (rc == 0)
        rc = open_maintenance(dsn, options, &db, e);
    if (rc != 0)
        return rc;
    rc = mtnt__db_begin(db, e);
    if (rc == 0)
        rc = rename_in(db, from, to, e);
    if (rc == 0)
        rc = check_oid(db, to, oid, e);
    if (rc != 0)
        mtnt__db_close(db);
    else
        *ret_db = db;
    return rc;
}

int mtnt__postgres_rename_database(const char *dsn, const char *from, const char *to, const mtnt__db_options *options,
                                   mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT, *e = err ? err : &own;
    int rc = check_name(from, e);

    if (rc == 0)
        rc = check_name(to, e);
    if (rc == 0)
        rc = run_on_server(dsn, (const char *const[]){"ALTER DATABASE", from, "RENAME TO", to, NULL}, options, e);
    rc = as_code(rc, e, "42P04", MTNT_E_EXISTS);
    return as_code(rc, e, "3D000", MTNT_E_NOT_FOUND);
}

int mtnt__postgres_server_read(const char *dsn, const mtnt__db_options *options, mtnt__db_facts *ret_facts,
                               mtnt__db_standbys *ret_standbys, mtnt_error *err)
{
    mtnt_db *db = NULL;
    int rc = open_maintenance(dsn, options, &db, err);

    if (rc != 0)
        return rc;
    rc = mtnt__db_facts_read(db, ret_facts, err);
    if (rc == 0)
        rc = mtnt__db_standbys_read(db, ret_standbys, err);
    mtnt__db_close(db);
    return rc;
}

/* ---- sessions ---- */

static int count_true(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    *(int *)data += mtnt__text_equal(mtnt_row_text(row, 0), "t");
    return MTNT_OK;
}

int mtnt__postgres_end_sessions(mtnt_db *db, const char *mark, int *ret_ended, mtnt_error *err)
{
    int ended = 0;
    int rc =
        mtnt__db_run(db, count_true, &ended, err,
                     "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity "
                     "WHERE application_name = '" MTNT__POSTGRES_MARK "' || $1 AND pid <> pg_catalog.pg_backend_pid() "
                     "AND datname = current_database() AND usename = current_user",
                     (const mtnt_value[]){mtnt_value_text(mark), mtnt_value_end()});

    if (rc == 0)
        *ret_ended = ended;
    return rc;
}

/* ---- identity ---- */

static int take_text(void *data, const mtnt_row *row, mtnt_error *err)
{
    (void)err;
    mtnt__text_copy(data, MTNT__HOME_SIZE, mtnt_row_text(row, 0));
    return MTNT_OK;
}

static int postgres_home(mtnt_db *db, char *ret_home, mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    int rc = mtnt__db_run(
        db, take_text, ret_home, &own,
        "SELECT 'postgresql:' || (SELECT system_identifier FROM pg_catalog.pg_control_system()) || ':' || oid "
        "FROM pg_catalog.pg_database WHERE datname = current_database()",
        NULL);

    if (rc != 0 && strcmp(own.state, "42501") == 0) {
        mtnt_error_clear(&own);
        rc = mtnt__db_run(db, take_text, ret_home, &own,
                          "SELECT 'postgresql:' || oid FROM pg_catalog.pg_database WHERE datname = current_database()",
                          NULL);
    }
    if (rc != 0 && err)
        *err = own;
    return rc;
}

/* Devices have other numbers after a restart, and on some file systems after every mount. */
static int sqlite_home(const char *path, char *ret_home, mtnt_error *err)
{
    struct statx file;

    if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &file) != 0)
        return mtnt_error_set(err, MTNT_E_IO, "cannot look at %s", path);
    if ((file.stx_mask & STATX_BTIME) == 0)
        file.stx_btime = (struct statx_timestamp){.tv_sec = 0};
    snprintf(ret_home, MTNT__HOME_SIZE, "sqlite:%llu:%lld.%09u", (unsigned long long)file.stx_ino,
             (long long)file.stx_btime.tv_sec, (unsigned)file.stx_btime.tv_nsec);
    return MTNT_OK;
}

int mtnt__db_home(mtnt_db *db, const char *dsn, char ret_home[MTNT__HOME_SIZE], mtnt_error *err)
{
    const char *path = mtnt__dsn_sqlite_path(dsn);

    return path != NULL ? sqlite_home(path, ret_home, err) : postgres_home(db, ret_home, err);
}

/* ---- existence ---- */

static int sqlite_exists(const char *path, bool *ret_exists, mtnt_error *err)
{
    bool empty = false;
    int rc = mtnt__sqlite_look(path, &empty, err);

    if (rc == 0 && empty)
        return mtnt_error_set(err, MTNT_E_CORRUPT, "%s is empty: it is no database", path);
    if (rc == 0 || rc == MTNT_E_NOT_FOUND)
        *ret_exists = rc == 0;
    return rc == MTNT_E_NOT_FOUND ? MTNT_OK : rc;
}

static int schema_exists(mtnt_db *db, const char *schema, bool *ret_exists, mtnt_error *err)
{
    bool exists = false;
    int rc = mtnt__db_run(db, found, &exists, err, "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
                          (const mtnt_value[]){MTNT_TEXT(schema), mtnt_value_end()});

    if (rc == 0)
        *ret_exists = exists;
    return rc;
}

int mtnt__db_exists(const char *dsn, const mtnt__db_options *options, bool *ret_exists, mtnt_error *err)
{
    mtnt__db_options plain = options ? *options : (mtnt__db_options){0};
    const char *schema = plain.schema;
    mtnt_error own = MTNT_ERROR_INIT, *e = err ? err : &own;
    mtnt_backend backend;
    mtnt_db *db;
    int rc = mtnt__dsn_backend(dsn, &backend, e);

    if (rc != 0)
        return rc;
    if (backend == MTNT_SQLITE)
        return sqlite_exists(mtnt__dsn_sqlite_path(dsn), ret_exists, e);
    plain.schema = NULL;
    rc = mtnt__db_open(&db, dsn, &plain, e);
    if (rc != 0)
        return rc;
    rc = mtnt__db_connect(db, e);
    if (rc == 0 && schema)
        rc = schema_exists(db, schema, ret_exists, e);
    else if (rc == 0 || rc == MTNT_E_NOT_FOUND)
        *ret_exists = rc == 0;
    mtnt__db_close(db);
    /* A pooler remembers for a while that it was not there, and keeps the new one open when it is to be renamed. */
    if (rc == MTNT_E_NOT_FOUND && mtnt__text_equal(e->state, "08P01"))
        return mtnt_error_set(
            e, MTNT_E_REFUSED,
            "this model is not there, and its address leads through a pooler (pgbouncer), through which none can be "
            "made: give the server's own address. Nothing was changed");
    if (rc == MTNT_E_NOT_FOUND) {
        mtnt_error_clear(e);
        rc = MTNT_OK;
    }
    return rc;
}
