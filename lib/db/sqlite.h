/* The SQLite backend from the inside. */
#ifndef MTNT_DB_SQLITE_H
#define MTNT_DB_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>

#include "db/backend.h"

#define MTNT__CONTROLLER_SCHEMA "controller"
#define MTNT__MODEL_SCHEMA "model"

#define MTNT__SQLITE_SWITCHES 6
#define MTNT__SQLITE_KEPT 8

typedef struct mtnt__sqlite_kept {
    char *sql;
    sqlite3_stmt *statement;
} mtnt__sqlite_kept;

typedef struct mtnt__sqlite {
    sqlite3 *raw;            /* NULL = not connected */
    pthread_mutex_t mutex;   /* held where another thread may look at raw (cancel), and where raw changes */
    char *path;              /* of main; never one that SQLite would read as a URI */
    char *controller_path;   /* of the attached controller in a pair; NULL = no pair */
    const char *main_schema; /* "main", "controller" or "model"; static */
    bool read_only, create, building, exclusive;

    mtnt__call call; /* the last call; its deadline and flag also hold while an operation uses the raw handle */
    int64_t waiting_since_ms; /* start of the present wait for a lock */

    bool guarded;          /* statements are an operation's: see sqlite_guard.c */
    bool vacuuming;        /* the statement is a VACUUM that stands alone: its own ATTACH and BEGIN pass */
    bool settings_touched; /* an operation has changed a setting of the connection */
    int switches[MTNT__SQLITE_SWITCHES]; /* those that sqlite3_db_config knows, as they were after opening */
    bool written;                        /* an operation may have written in this transaction */
    bool
        marked; /* an operation has left marks in the connection that cannot all be taken back: settings, or it had the raw handle */
    char denial[256];      /* why the guard refused, "" = it did not */
    char denied_name[128]; /* the table in question, when it may exist on the other side too; "" = none */

    bool foreign_keys_saved, foreign_keys;

    mtnt__sqlite_kept kept[MTNT__SQLITE_KEPT]; /* the library's own statements, compiled; the oldest gives way */
    size_t kept_next;
} mtnt__sqlite;

/* Takes the circumstances of a call over; `guarded` is what the call says. */
void mtnt__sqlite_enter(mtnt__sqlite *s, const mtnt__call *call);
/* Back to the state between calls, where only an operation with the raw handle can be at work. */
void mtnt__sqlite_leave(mtnt__sqlite *s);

/* sqlite_wait.c: waits that end with the deadline and with a cancel. */
void mtnt__sqlite_install_waits(mtnt__sqlite *s);

/* sqlite_error.c: fills err from the connection's last error, `code` being what the call returned. */
int mtnt__sqlite_fail(mtnt__sqlite *s, int code, mtnt_error *err);
const char *mtnt__sqlite_code_name(int code);

/* sqlite_guard.c */
void mtnt__sqlite_install_guard(mtnt__sqlite *s);
int mtnt__sqlite_denied(mtnt__sqlite *s, mtnt_error *err);
int mtnt__sqlite_reset_settings(mtnt__sqlite *s, mtnt_error *err);

/* sqlite_open.c */
int mtnt__sqlite_connect(void *state, mtnt__call *call, mtnt_error *err);
/* lstat: NOT_FOUND, IO; *ret_empty: zero bytes long. */
int mtnt__sqlite_look(const char *path, bool *ret_empty, mtnt_error *err);
int mtnt__sqlite_refuse_wal(const char *path, mtnt_error *err);

/* sqlite_statement.c */
int mtnt__sqlite_query(void *state, mtnt__call *call, const char *sql, const mtnt_value *values, mtnt_row_fn each,
                       void *data, int64_t *ret_changes, mtnt_error *err);
int mtnt__sqlite_script(void *state, mtnt__call *call, const mtnt__sql *sql, mtnt_error *err);
/* Before the connection is closed. */
void mtnt__sqlite_forget_kept(mtnt__sqlite *s);
/* Statements of our own, unguarded. */
int mtnt__sqlite_exec(mtnt__sqlite *s, const char *sql, mtnt_error *err);
/* First column of the first row; `ret_text` has MTNT__SQLITE_VALUE bytes, "" without a row. */
#define MTNT__SQLITE_VALUE 64
int mtnt__sqlite_value(mtnt__sqlite *s, const char *sql, char *ret_text, mtnt_error *err);

/* sqlite_snapshot.c, sqlite_restore.c, sqlite_digest.c */
int mtnt__sqlite_snapshot(void *state, mtnt__call *call, const char *path, char *ret_digest, mtnt_error *err);
int mtnt__sqlite_restore(void *state, mtnt__call *call, const char *path, const mtnt__restore_terms *terms,
                         bool *ret_changed, mtnt_error *err);
int mtnt__sqlite_digest(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err);
int mtnt__sqlite_digest_inside(void *state, mtnt__call *call, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err);
/* Of what the connection sees as main, within the transaction that is open on it. */
int mtnt__sqlite_digest_of(mtnt__sqlite *s, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err);
/* A connection of its own to a file that is there; closed by _close_own, NULL is fine. */
int mtnt__sqlite_open_own(mtnt__sqlite **ret_own, const char *path, bool read_only, mtnt__call *call, mtnt_error *err);
void mtnt__sqlite_close_own(mtnt__sqlite *own);
/* All pages of the connection's main into a file that is empty and private. The call's deadline and cancel end it. */
int mtnt__sqlite_copy(mtnt__sqlite *source, const mtnt__call *call, const char *target, mtnt_error *err);
/* What a failing backup says: `code` is its own, of no connection. */
int mtnt__sqlite_backup_fail(int code, const char *path, mtnt_error *err);

/* sqlite_transaction.c */
int mtnt__sqlite_begin(void *state, mtnt__call *call, mtnt_error *err);
bool mtnt__sqlite_in_transaction(const void *state);
int mtnt__sqlite_commit(void *state, mtnt__call *call, mtnt_error *err);
int mtnt__sqlite_check(void *state, mtnt__call *call, mtnt_error *err);
int mtnt__sqlite_rollback(void *state, mtnt__call *call);

#endif
