/* Opening a file as a database, and being sure of what was opened. No descriptor but SQLite's own is ever opened on it: closing
 * one would drop the locks that this process holds. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "db/sqlite.h"

/* One database of the connection, on its way from a path to a checked schema. */
typedef struct opening {
    mtnt__sqlite *s;
    const char *schema, *path;
    mtnt_error *err;
} opening;

static int status_of(const char *path, struct stat *ret_status)
{
    if (lstat(path, ret_status) != 0)
        return -1;
    return S_ISLNK(ret_status->st_mode) ? stat(path, ret_status) : 0;
}

int mtnt__sqlite_look(const char *path, bool *ret_empty, mtnt_error *err)
{
    struct stat status;
    char reason[128];
    int number;

    if (status_of(path, &status) != 0) {
        number = errno;
        if (number == ENOENT || number == ENOTDIR)
            return mtnt_error_set(err, MTNT_E_NOT_FOUND, "there is no file %s", path);
        return mtnt_error_set(err, MTNT_E_IO, "%s: %s", path, strerror_r(number, reason, sizeof(reason)));
    }
    if (S_ISDIR(status.st_mode))
        return mtnt_error_set(err, MTNT_E_IO, "%s is a folder, not a database file", path);
    if (!S_ISREG(status.st_mode))
        return mtnt_error_set(err, MTNT_E_IO, "%s is not a file", path);
    *ret_empty = status.st_size == 0;
    return MTNT_OK;
}

/* The journal is made beside the file: without a writable folder the first write would fail, less clearly. */
static int check_folder(const opening *o)
{
    char *folder, reason[128];
    const char *slash = strrchr(o->path, '/');
    int rc = MTNT_OK, number;

    if (!slash)
        folder = strdup(".");
    else
        folder = slash == o->path ? strdup("/") : strndup(o->path, (size_t)(slash - o->path));
    if (!folder)
        return mtnt_error_set(o->err, MTNT_E_NOMEM, "out of memory");
    if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) != 0) {
        number = errno;
        rc = mtnt_error_set(o->err, number == ENOENT ? MTNT_E_NOT_FOUND : MTNT_E_IO, "the folder %s: %s", folder,
                            number == ENOENT ? "there is none" : strerror_r(number, reason, sizeof(reason)));
    }
    free(folder);
    return rc;
}

/* *ret_new: there is nothing in it yet. */
static int check_file(const opening *o, bool *ret_new)
{
    bool empty = false;
    int rc = mtnt__sqlite_look(o->path, &empty, o->err);

    *ret_new = rc == MTNT_E_NOT_FOUND || empty;
    if (rc == MTNT_E_NOT_FOUND && o->s->create)
        rc = MTNT_OK;
    else if (rc == 0 && empty && !o->s->create)
        rc = mtnt_error_set(o->err, MTNT_E_CORRUPT, "%s is empty: it is no database", o->path);
    if (rc == 0 && !o->s->read_only)
        rc = check_folder(o);
    return rc;
}

static int open_main(const opening *o)
{
    mtnt__sqlite *s = o->s;
    int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | (s->create ? SQLITE_OPEN_CREATE : 0);
    sqlite3 *raw = NULL;
    int code = sqlite3_open_v2(o->path, &raw, flags, NULL);

    if (code != SQLITE_OK) {
        code = mtnt_error_set(o->err, code == SQLITE_NOMEM ? MTNT_E_NOMEM : MTNT_E_CONNECT, "%s: %s", o->path,
                              raw ? sqlite3_errmsg(raw) : sqlite3_errstr(code));
        sqlite3_close_v2(raw);
        return code;
    }
    sqlite3_extended_result_codes(raw, 1);
    sqlite3_db_config(raw, SQLITE_DBCONFIG_MAINDBNAME, s->main_schema);
    pthread_mutex_lock(&s->mutex);
    s->raw = raw;
    pthread_mutex_unlock(&s->mutex);
    return MTNT_OK;
}

static int attach_controller(const opening *o)
{
    mtnt__sqlite *s = o->s;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(s->raw, "ATTACH ?1 AS controller", -1, &statement, NULL), rc = MTNT_OK;

    if (code == SQLITE_OK)
        code = sqlite3_bind_text(statement, 1, o->path, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code != SQLITE_DONE)
        rc = mtnt__sqlite_fail(s, code, o->err);
    sqlite3_finalize(statement);
    return rc;
}

/* "PRAGMA <schema>.<name>" as text. */
static int pragma(const opening *o, const char *name, char *ret_text)
{
    char sql[128];

    snprintf(sql, sizeof(sql), "PRAGMA \"%s\".%s", o->schema, name);
    return mtnt__sqlite_value(o->s, sql, ret_text, o->err);
}

static int pragma_number(const opening *o, const char *name, int64_t *ret_number)
{
    char text[MTNT__SQLITE_VALUE];
    int rc = pragma(o, name, text);

    if (rc == 0)
        *ret_number = mtnt__number_of_text(text);
    return rc;
}

/* Without a write-ahead log all pages have to be in the file. SQLite itself overlooks a last page that is cut. Called within a
 * read transaction, so that nobody can make the file shorter in between. */
static int check_size(const opening *o, bool wal)
{
    int64_t pages, page_size;
    struct stat status;
    char log[4200];
    int rc;

    snprintf(log, sizeof(log), "%s-wal", o->path);
    if (wal && stat(log, &status) == 0 && status.st_size > 0)
        return MTNT_OK;
    rc = pragma_number(o, "page_count", &pages);
    if (rc == 0)
        rc = pragma_number(o, "page_size", &page_size);
    if (rc != 0)
        return rc;
    if (stat(o->path, &status) != 0)
        return mtnt_error_set(o->err, MTNT_E_IO, "%s has gone while it was opened", o->path);
    if ((int64_t)status.st_size < pages * page_size)
        return mtnt_error_set(o->err, MTNT_E_CORRUPT, "%s is truncated: it has %lld bytes of %lld", o->path,
                              (long long)status.st_size, (long long)(pages * page_size));
    return MTNT_OK;
}

static int check_content(const opening *o, char mode[MTNT__SQLITE_VALUE])
{
    char version[MTNT__SQLITE_VALUE];
    int rc = mtnt__sqlite_exec(o->s, "BEGIN", o->err), end;

    if (rc != 0)
        return rc;
    rc = pragma(o, "schema_version", version); /* reads the first page, rolls a hot journal back */
    if (rc == 0)
        rc = pragma(o, "journal_mode", mode);
    if (rc == 0)
        rc = check_size(o, strcmp(mode, "wal") == 0);
    end = mtnt__sqlite_exec(o->s, "COMMIT", rc == 0 ? o->err : NULL);
    if (rc == MTNT_E_CORRUPT)
        mtnt_error_wrap(o->err, "%s", o->path);
    return rc == 0 ? end : rc;
}

static int set_pragma(const opening *o, const char *name, const char *value, const char *expected)
{
    char assignment[64], text[MTNT__SQLITE_VALUE];
    int rc;

    snprintf(assignment, sizeof(assignment), "%s = %s", name, value);
    rc = pragma(o, assignment, text);
    if (rc == 0)
        rc = pragma(o, name, text);
    if (rc == 0 && strcmp(text, expected) != 0)
        rc = mtnt_error_set(o->err, MTNT_E_REFUSED, "%s: PRAGMA %s stays %s where %s is needed", o->path, name, text,
                            expected);
    return rc;
}

/* What a commit of this file is worth. */
static int set_durability(const opening *o, const char *mode)
{
    int rc = MTNT_OK;

    if (o->s->read_only)
        return MTNT_OK;
    if (o->s->building) {
        /* Rollback needs no journal on disk, because a crash throws the file away; NORMAL syncs the file once for each COMMIT. */
        rc = set_pragma(o, "journal_mode", "MEMORY", "memory");
        return rc != 0 ? rc : set_pragma(o, "synchronous", "NORMAL", "1");
    }
    if (strcmp(mode, "wal") != 0 && strcmp(mode, "delete") != 0)
        rc = set_pragma(o, "journal_mode", "DELETE", "delete");
    /* EXTRA is FULL with a write-ahead log, and stays right when somebody takes the file out of that mode meanwhile. */
    return rc != 0 ? rc : set_pragma(o, "synchronous", "EXTRA", "3");
}

/* A commit over two files is atomic by a super-journal, which a write-ahead log has none of. */
int mtnt__sqlite_refuse_wal(const char *path, mtnt_error *err)
{
    return mtnt_error_set(
        err, MTNT_E_REFUSED,
        "%s is in WAL mode, and controller and model commit together only when both files have a rollback "
        "journal. Close the application's connections and run PRAGMA journal_mode=DELETE on it, or use a "
        "PostgreSQL controller",
        path);
}

static int check_pair(const opening *o, bool wal)
{
    const char *name;

    if (!o->s->controller_path)
        return MTNT_OK;
    if (wal)
        return mtnt__sqlite_refuse_wal(o->path, o->err);
    name = sqlite3_db_filename(o->s->raw, o->schema);
    if (!name || name[0] != '/')
        return mtnt_error_set(o->err, MTNT_E_REFUSED, "%s has no absolute path, which its journal needs", o->path);
    return MTNT_OK;
}

/* No shared memory is used then, and closing must not delete a log by a name that the file has no more. */
static int take_alone(const opening *o)
{
    int rc = mtnt__sqlite_exec(o->s, "PRAGMA locking_mode = EXCLUSIVE", o->err);

    if (rc == 0)
        sqlite3_db_config(o->s->raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return rc;
}

static int empty_log(const opening *o)
{
    char busy[MTNT__SQLITE_VALUE];
    int rc = pragma(o, "wal_checkpoint(TRUNCATE)", busy);

    if (rc == 0 && strcmp(busy, "0") != 0)
        rc = mtnt_error_set(o->err, MTNT_E_BUSY, "%s: its write-ahead log is in use", o->path);
    return rc;
}

static int settle(const opening *o, bool new)
{
    char mode[MTNT__SQLITE_VALUE] = "";
    int rc = new ? pragma(o, "journal_mode", mode) : check_content(o, mode);

    if (rc == 0 && !o->s->read_only && sqlite3_db_readonly(o->s->raw, o->schema) == 1)
        rc = mtnt_error_set(o->err, MTNT_E_IO, "%s cannot be written", o->path);
    if (rc == 0)
        rc = check_pair(o, strcmp(mode, "wal") == 0);
    if (rc == 0)
        rc = set_durability(o, mode);
    if (rc == 0 && o->s->exclusive && strcmp(mode, "wal") == 0)
        rc = empty_log(o);
    return rc;
}

int mtnt__sqlite_connect(void *state, mtnt__call *call, mtnt_error *err)
{
    mtnt__sqlite *s = state;
    opening main = {s, s->main_schema, s->path, err},
            controller = {s, MTNT__CONTROLLER_SCHEMA, s->controller_path, err};
    bool new = false, new_controller = false;
    int rc;

    mtnt__sqlite_enter(s, call);
    rc = check_file(&main, &new);
    if (rc == 0 && s->controller_path)
        rc = check_file(&controller, &new_controller);
    if (rc == 0)
        rc = open_main(&main);
    if (rc != 0)
        goto out;
    mtnt__sqlite_install_waits(s);
    if (s->exclusive)
        rc = take_alone(&main);
    if (rc == 0)
        rc = settle(&main, new);
    if (rc == 0 && s->controller_path)
        rc = attach_controller(&controller);
    if (rc == 0 && s->controller_path)
        rc = settle(&controller, new_controller);
    if (rc == 0 && s->read_only)
        rc = mtnt__sqlite_exec(s, "PRAGMA query_only = 1", err);
    if (rc == 0)
        mtnt__sqlite_install_guard(s);
out:
    mtnt__sqlite_leave(s);
    return rc;
}
