/* The database layer as the rest of the library sees it: open, transactions, durability, names. mtnt/db.h is the part that
 * operations see. A connection may carry two handles (views), one for each side, when both sides share one transaction. */
#ifndef MTNT_DB_DATABASE_H
#define MTNT_DB_DATABASE_H

#include "base/system.h"
#include "mtnt/db.h"

/* DSNs: "sqlite:PATH" or a libpq URI ("postgresql://…", "postgres://…"). */
int mtnt__dsn_backend(const char *dsn, mtnt_backend *ret_backend, mtnt_error *err); /* INVALID, text redacted */
const char *mtnt__dsn_sqlite_path(const char *dsn); /* borrowed from dsn; NULL if not SQLite */
/* The DSN as it may be shown: no password (userinfo, password=, sslpassword= …). Cut to size. The only place that does it. */
#define MTNT__DSN_SHOWN_SIZE 256
void mtnt__dsn_redact(const char *dsn, char ret_text[MTNT__DSN_SHOWN_SIZE]);
bool mtnt__dsn_same_database(const char *a,
                             const char *b); /* same host, port, database after libpq's defaults; same file */
/* PostgreSQL: database name in the DSN (libpq's defaults applied), and the DSN with another one. malloc'ed; NULL = out of memory or bad. */
char *mtnt__dsn_database(const char *dsn);
char *mtnt__dsn_with_database(const char *dsn, const char *database);
/* host:port (or socket folder) of a PostgreSQL DSN: the key of per-server limits. malloc'ed */
char *mtnt__dsn_server(const char *dsn);
/* Several hosts, and whichever answers first, a standby too, is taken: target_session_attrs is not said. */
bool mtnt__dsn_takes_standbys(const char *dsn);

/* Which side of a migration a handle is on. */
typedef enum mtnt__side { MTNT__SIDE_ALONE = 0, MTNT__SIDE_CONTROLLER, MTNT__SIDE_MODEL } mtnt__side;

typedef struct mtnt__db_options {
    const mtnt__system *system;   /* NULL = the default */
    int64_t connect_timeout_ms;   /* 0 = 10 s */
    int64_t lock_timeout_ms;      /* SQLite busy timeout, PostgreSQL lock_timeout; 0 = 10 s (never infinite) */
    int64_t statement_timeout_ms; /* one statement; 0 = none */
    const char *schema;           /* PostgreSQL: the only one on search_path; NULL = the role's own. Copied */
    const char *mark; /* PostgreSQL: application_name is "mtnt <mark>" during our transactions. Copied; NULL = none */
    bool read_only;   /* PG: READ ONLY transactions; SQLite: query_only (and no write lock at begin) */
    bool
        steady; /* with read_only: a transaction sees one snapshot, that of its first query (PG: REPEATABLE READ; SQLite always does) */
    bool create; /* SQLite: make the file when it is not there (else NOT_FOUND, and a zero-length file is CORRUPT) */
    /* SQLite: a provisional file that nobody else sees and that a crash throws away: no journal, synced once by each
     * COMMIT. */
    bool building;
    /* SQLite: nobody else reads or writes the file from the first look at it until the handle disconnects, and this handle does not write either.
     * What stands in a write-ahead log is brought into the file, and the log is emptied, but left where it is. BUSY while others
     * use it: with a write-ahead log everybody who has it open, else those who are in a transaction. A handle that another process has on
     * the file by its old name cannot write once it has a new one. */
    bool exclusive;
    /* SQLite: the schema name of the only file is then "controller" or "model", as in a pair ("main" works everywhere);
     * ALONE = "main". Not looked at for a pair. */
    mtnt__side side;
} mtnt__db_options;

/* Parses the DSN and makes a handle that connects at its first use (or at _connect). Errors: INVALID, NOMEM. */
int mtnt__db_open(mtnt_db **ret_db, const char *dsn, const mtnt__db_options *options, mtnt_error *err);
int mtnt__db_connect(mtnt_db *db, mtnt_error *err);

/* Two handles on one connection and one transaction: SQLite/SQLite (one connection, main is the model, the controller attached;
 * schema names `model` and `controller`; each handle may touch its own side only, and an unqualified name means its own side or
 * is refused) or PostgreSQL schema in the controller's own database (search_path follows the handle). options apply to both,
 * options->schema to the model. SQLite refuses (REFUSED, saying what to do) unless both files are in rollback-journal mode.
 * begin/commit/rollback through either handle are one and the same. Each is closed by itself; the last one disconnects. */
int mtnt__db_open_pair(mtnt_db **ret_controller, mtnt_db **ret_model, const char *controller_dsn, const char *model_dsn,
                       const mtnt__db_options *options, mtnt_error *err);

/* Rolls back what is open and disconnects; NULL is fine. Never fails, allocates nothing. */
void mtnt__db_close(mtnt_db *db);
/* Makes the connection of a handle (or pair) fit for another migration, under its mark and with its schema: what operations have left in the session is
 * gone. False: only a new connection will do, because an operation has had the raw handle, because a cancel may still be on its way, or because the
 * backend keeps more than can be taken back. When the other side is gone, the next transaction connects anew. */
bool mtnt__db_renew(mtnt_db *db, const char *mark, const char *schema);
bool mtnt__db_is_read_only(const mtnt_db *db);
/* It has tried to connect, and there is no connection: it could not be made, or was lost or given up since. NULL: false. */
bool mtnt__db_lost(const mtnt_db *db);
/* Rolls back and disconnects; the handle stays and connects anew at its next use. NULL is fine. */
void mtnt__db_disconnect(mtnt_db *db);

/* Every call on the handle ends by then (DEADLINE); 0 = none. Rollback and close use a fresh short deadline of their own. */
void mtnt__db_set_deadline(mtnt_db *db, mtnt__deadline_ms deadline);
/* Forgets an earlier mtnt_db_cancel: for rollback and for the next tenant. */
void mtnt__db_uncancel(mtnt_db *db);

/* Transactions. begin: SQLite BEGIN IMMEDIATE (plain BEGIN when read_only) with foreign keys off, set before it; PostgreSQL BEGIN
 * READ WRITE/READ ONLY (REFUSED when it would write and the server has fsync = off) with SET LOCAL lock_timeout, statement_timeout, search_path, synchronous_commit = on in one round trip. */
int mtnt__db_begin(mtnt_db *db, mtnt_error *err);
/* The same holding a lock on `key` (not 0) until the transaction's end, in the same round trip: PostgreSQL an advisory one, per database; SQLite
 * has its one write lock anyway. BUSY after the lock timeout. */
int mtnt__db_begin_locked(mtnt_db *db, int64_t key, mtnt_error *err);
bool mtnt__db_in_transaction(const mtnt_db *db);
/* Outside a transaction, before a commit that hardens what somebody else has written: an fsync that failed is not made good by a later one, so
 * what stands in a write-ahead log is written again, into the file, as far as readers let it. Nothing to do elsewhere. */
int mtnt__db_checkpoint(mtnt_db *db, mtnt_error *err);
/* SQLite: foreign_key_check of the handle's side(s) before COMMIT when the file has foreign keys (DATABASE, naming table, row and
 * parent). 0: durable. IN_DOUBT: the answer was lost, or an I/O error came back after commit was sent: ask the register on a new
 * connection. Any other code: it did not commit, and the transaction has been rolled back. */
int mtnt__db_commit(mtnt_db *db, mtnt_error *err);
/* What a commit would refuse, in the transaction that is open, which stays open: deferred constraints (PostgreSQL; they are immediate from here on), foreign
 * keys (SQLite). Statements that were put off run. 0: it would have gone through, as far as that can be told. Errors: as for a query. */
int mtnt__db_check(mtnt_db *db, mtnt_error *err);
/* Never fails for the caller: a connection that cannot roll back is closed (which rolls back). */
void mtnt__db_rollback(mtnt_db *db);

/* PostgreSQL two-phase. prepare: ends the transaction on this connection; IN_DOUBT as for commit; REFUSED when the server has
 * max_prepared_transactions = 0 (naming the setting and the way out), BUSY (retryable) when its slots are used up.
 * finish: COMMIT PREPARED or ROLLBACK PREPARED, alone in its message; NOT_FOUND: no such gid (42704); BUSY: 55000 "is busy". */
int mtnt__db_prepare(mtnt_db *db, const char *gid, mtnt_error *err);
int mtnt__db_finish_prepared(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
/* The same in two halves. In between the connection refuses everything but _collect, _disconnect and _close; closing it leaves open what has
 * happened. _collect has the deadline of the handle, and no cancel stops it. */
int mtnt__db_send_finish(mtnt_db *db, const char *gid, bool commit, mtnt_error *err);
int mtnt__db_collect_finish(mtnt_db *db, bool commit, mtnt_error *err);

/* For an operation outside transactions: until _together, each statement of the public calls commits by itself, those of a script too. PostgreSQL: what a
 * transaction gets with SET LOCAL is the session's then, so a pooler in transaction mode is of no use; _together disconnects. An invalid
 * index that an interrupted CREATE INDEX CONCURRENTLY has left is dropped before the same statement runs, and when it fails.
 * Errors: as for a query. */
int mtnt__db_stand_alone(mtnt_db *db, mtnt_error *err);
void mtnt__db_stand_together(mtnt_db *db); /* never fails; a handle that does not stand alone is fine */

/* Bookkeeping statements: like the public calls, but `{schema}` in sql stands for the quoted schema of the handle's side ("main",
 * "model", "controller", or the PostgreSQL schema), so that a search_path that an operation has changed does not matter. */
int mtnt__db_run(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql, const mtnt_value *values);
/* The same without rows, in the transaction that is open, and it may be put off: on PostgreSQL it goes with the next message of the transaction,
 * COMMIT and PREPARE above all, whose failure may then be its own. _changes does not know of it. */
int mtnt__db_run_later(mtnt_db *db, mtnt_error *err, const char *sql, const mtnt_value *values);
/* Several statements without parameters, `{schema}` expanded, one round trip: the tables of schemas/. */
int mtnt__db_run_script(mtnt_db *db, mtnt_error *err, const char *sql);
/* Between two operations: what one left in the session (search_path, settings) must not reach the next. Cheap. */
int mtnt__db_operation_boundary(mtnt_db *db, mtnt_error *err);
/* How many rows the last _exec or _run changed. */
int64_t mtnt__db_changes(const mtnt_db *db);

/* Which database this is, for telling a copy apart: PostgreSQL the cluster's system identifier and the database's oid (where the role may not read the
 * former, the oid alone), SQLite the file's inode and its time of birth. A physical copy of a whole cluster has the same. Outside a transaction. */
#define MTNT__HOME_SIZE 80
int mtnt__db_home(mtnt_db *db, const char *dsn, char ret_home[MTNT__HOME_SIZE], mtnt_error *err);

/* PostgreSQL: ends (pg_terminate_backend) the sessions of the same role in the handle's own database that are in a transaction under this mark, but
 * for its own; says how many. Inside or outside a transaction. */
int mtnt__postgres_end_sessions(mtnt_db *db, const char *mark, int *ret_ended, mtnt_error *err);

/* What the database can promise, read back from it. */
typedef struct mtnt__db_facts {
    mtnt_backend backend;
    bool
        durable; /* as a decider: PG fsync = on (and synchronous_commit is set by us); SQLite WAL + FULL or rollback journal + EXTRA */
    bool wal;                      /* SQLite in WAL mode */
    int max_prepared_transactions; /* PostgreSQL */
    int prepared_in_use;
    int version;      /* 150018, 3040001 */
    bool standby;     /* PostgreSQL: in recovery, not writable */
    char detail[160]; /* "wal, synchronous=full" / "fsync=off" */
} mtnt__db_facts;
int mtnt__db_facts_read(mtnt_db *db, mtnt__db_facts *ret_facts, mtnt_error *err);

/* Who copies a PostgreSQL server's log; all zero for SQLite. */
typedef struct mtnt__db_standbys {
    int connected;
    int synchronous;   /* of those: commits wait for them */
    int unseen;        /* of those: this role may not see what they are */
    bool waits;        /* synchronous_standby_names is set: each commit waits for one of them */
    bool not_readable; /* this role may not even count them */
} mtnt__db_standbys;
int mtnt__db_standbys_read(mtnt_db *db, mtnt__db_standbys *ret_standbys, mtnt_error *err);
/* Facts and standbys of the server of `dsn`, through its maintenance database: for a database that is yet to be made. */
int mtnt__postgres_server_read(const char *dsn, const mtnt__db_options *options, mtnt__db_facts *ret_facts,
                               mtnt__db_standbys *ret_standbys, mtnt_error *err);

/* Whether the model is there, without changing anything. SQLite: lstat (a zero-length file is CORRUPT, a folder IO);
 * PostgreSQL: the database, or with `schema` the schema in it. Errors: CONNECT, IO, CORRUPT, NOMEM. */
int mtnt__db_exists(const char *dsn, const mtnt__db_options *options, bool *ret_exists, mtnt_error *err);

/* Snapshots: of the whole SQLite file, of the PostgreSQL database, or of the handle's schema in it. They open connections of their own, with the
 * deadline and the cancel of the handle, so that what is open on the handle is not part of them. The digest is one of the content (definitions and
 * rows, our own tables left out), not of its layout: VACUUM does not change it. It costs reading everything.
 *
 * _snapshot writes what is committed to a new file: under a temporary name beside it, synced, renamed. It can be opened and migrated like
 * any model (SQLite), or given to pg_restore (PostgreSQL: custom format, by the programs pg_dump and pg_restore of PATH, which get
 * the password by the environment). ret_digest NULL = not wanted. SQLite lets writers in between steps, unless the handle itself holds them off.
 * Errors: EXISTS (never over a file), IO (no room, no folder), NOT_FOUND (no such program), REFUSED (pg_dump older than the server), OPERATION (the
 * program failed), CONNECT, BUSY, DEADLINE, CANCELLED, NOMEM. Nothing is left under `path` then, nor beside it. A crash may leave the temporary
 * `<path>.tmp-…`. */
#define MTNT__DIGEST_SIZE 65
int mtnt__db_snapshot(mtnt_db *db, const char *path, char *ret_digest, mtnt_error *err);
int mtnt__db_digest(mtnt_db *db, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err);
/* The digest of what the transaction that is open on the handle sees, its own changes included; nobody else changes rows until it ends: SQLite's write
 * lock does that (begin), on PostgreSQL every table there is gets locked (SHARE ROW EXCLUSIVE: readers go on). INVALID: there is no transaction. */
int mtnt__db_digest_inside(mtnt_db *db, char ret_digest[MTNT__DIGEST_SIZE], mtnt_error *err);
/* What the model has to look like for a restore: its digest as it was saved (nothing is to be done then), or as it was after the last write of our
 * own, or as it is when what we were about to commit was committed; "" or NULL = not known. */
typedef struct mtnt__restore_terms {
    const char *saved, *left, *next;
} mtnt__restore_terms;
/* Puts the content of the snapshot back into the live database, in one transaction, our own tables apart, which stay as they are now. Whether somebody
 * else has written is looked at under the lock that writers need. *ret_changed: false = it was as saved. Not within a transaction. SQLite: readers see the
 * old or the new content and their connections stay good. PostgreSQL: programs pg_restore and psql; ACCESS EXCLUSIVE on every table meanwhile.
 * REFUSED: the model is as neither of the terms says, nothing was changed; and the errors of _snapshot. */
int mtnt__db_restore(mtnt_db *db, const char *path, const mtnt__restore_terms *terms, bool *ret_changed,
                     mtnt_error *err);
/* The terms survive the process in a note beside the snapshot, `<path>.state`: made with it when a digest was asked for (left = saved then), replaced
 * as a whole. NOT_FOUND, CORRUPT, IO, NOMEM. */
int mtnt__db_note_write(const char *path, const mtnt__restore_terms *terms, mtnt_error *err);
typedef struct mtnt__note {
    char saved[MTNT__DIGEST_SIZE], left[MTNT__DIGEST_SIZE], next[MTNT__DIGEST_SIZE];
} mtnt__note;
int mtnt__db_note_read(const char *path, mtnt__note *ret_note, mtnt_error *err);
/* Whether the model was left so by us; what is not known is like nothing. */
bool mtnt__restore_allowed(const mtnt__restore_terms *terms, const char *digest);

/* PostgreSQL databases by name, on the server of `dsn`, through its maintenance database (postgres, else template1).
 * create: EXISTS; drop: a missing one is fine; rename: EXISTS / NOT_FOUND, BUSY when sessions are connected. */
int mtnt__postgres_create_database(const char *dsn, const char *name, const mtnt__db_options *options, mtnt_error *err);
int mtnt__postgres_drop_database(const char *dsn, const char *name, const mtnt__db_options *options, mtnt_error *err);
/* Templates: databases that nobody connects to any more (ALLOW_CONNECTIONS false). copy: a new database with the content of another; NOT_FOUND: there is
 * no such template; EXISTS; BUSY: somebody is connected to it. is_sealed: NOT_FOUND likewise. drop_others: of those that begin with `prefix`, all but `keep`;
 * what cannot be dropped is left. */
int mtnt__postgres_copy_database(const char *dsn, const char *name, const char *from, const mtnt__db_options *options,
                                 mtnt_error *err);
int mtnt__postgres_seal_database(const char *dsn, const char *name, const mtnt__db_options *options, mtnt_error *err);
int mtnt__postgres_is_sealed(const char *dsn, const char *name, const mtnt__db_options *options, bool *ret_sealed,
                             mtnt_error *err);
int mtnt__postgres_drop_others(const char *dsn, const char *prefix, const char *keep, const mtnt__db_options *options,
                               mtnt_error *err);
/* The same in a transaction that is left open, *ret_db: until it ends nobody can connect to the database. `oid` (0 = any): NOT_FOUND unless it is
 * that very database. */
int mtnt__postgres_rename_begin(mtnt_db **ret_db, const char *dsn, const char *from, const char *to, int64_t oid,
                                const mtnt__db_options *options, mtnt_error *err);
int mtnt__postgres_rename_database(const char *dsn, const char *from, const char *to, const mtnt__db_options *options,
                                   mtnt_error *err);

#endif
