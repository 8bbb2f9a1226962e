/* A coordinator performs a chain on one tenant: all of it or nothing. */
#ifndef MTNT_COORDINATOR_H
#define MTNT_COORDINATOR_H

#include "mtnt/controller.h"

MTNT_BEGIN_DECLS

/* Belongs to one thread at a time; only mtnt_coordinator_cancel may be called from another. */
typedef struct mtnt_coordinator mtnt_coordinator;

typedef enum mtnt_atomicity { MTNT_ATOMICITY_CHAIN = 0, MTNT_ATOMICITY_OPERATION } mtnt_atomicity;
/* SAGA: operations that write controller and model commit one side after the other, without prepared transactions; see MTNT_OPERATION_SAGA. */
typedef enum mtnt_mode { MTNT_MODE_AUTO = 0, MTNT_MODE_SAGA } mtnt_mode;
/* BASELINE: nothing is run; see mtnt_coordinator_baseline. */
typedef enum mtnt_direction { MTNT_FORWARD = 0, MTNT_BACKWARD, MTNT_BASELINE } mtnt_direction;
/* Whether the fingerprint of the model's schema is recorded with what commits, for mtnt_verify_models. AUTO: on SQLite, where it is cheap; ALWAYS: on PostgreSQL,
 * too, where the server reads its catalogue for it (a few ms, no round trip). NEVER: one that is there is removed, since it would not hold any more. */
typedef enum mtnt_fingerprint {
    MTNT_FINGERPRINT_AUTO = 0,
    MTNT_FINGERPRINT_ALWAYS,
    MTNT_FINGERPRINT_NEVER
} mtnt_fingerprint;
typedef enum mtnt_on_failure { MTNT_ON_FAILURE_ROLLBACK = 0, MTNT_ON_FAILURE_KEEP } mtnt_on_failure;

/* Runs before setup, or after execute, of each operation; not 0 fails the operation. Same thread. */
typedef int (*mtnt_hook_fn)(void *data, const mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err);

/* How models that bear another controller's identity are taken over. Zero it first, or use the _INIT. Texts are borrowed during the call, or for as
 * long as the executor is that has it in its options. */
typedef struct mtnt_adoption {
    uint32_t version;         /* MTNT_ADOPTION_VERSION */
    const char *who, *reason; /* for the audit row, up to 255 bytes each; who: required; reason: NULL = none */
    /* DSN of the controller that the models bear. Each model is taken over only when nothing of its tenant is unfinished there, which is looked at
     * under the model's lock. NULL: it is not asked (it is gone), and all that is known of it is what the model's own server shows. */
    const char *from;
    bool as_renamed; /* the model may bear another tenant's id: it is this tenant's from now on */
    bool only_look;  /* mtnt_coordinator_adopt: say what would be done, and change nothing */
} mtnt_adoption;
#define MTNT_ADOPTION_VERSION 1
#define MTNT_ADOPTION_INIT                                     \
    {                                                          \
        MTNT_ADOPTION_VERSION, NULL, NULL, NULL, false, false, \
    }

/* Zero it first, or use the _INIT. Times in ms; 0 = the default given here. */
typedef struct mtnt_migration_options {
    uint32_t version;           /* MTNT_MIGRATION_OPTIONS_VERSION */
    mtnt_atomicity atomicity;   /* CHAIN: all pending operations commit together. OPERATION: each by itself */
    mtnt_on_failure on_failure; /* with OPERATION: go back to the starting version, or keep what was done */
    const char *to;  /* the last operation to apply; rewind: the last one that stays. NULL = the end / nothing stays */
    int64_t steps;   /* at most so many operations; 0 = no limit. `do` and `undo` are 1 */
    const char *run; /* rewind: only operations that this run (its number) applied; NULL = any */
    bool allow_out_of_order;      /* run operations that come before one that is applied */
    int64_t deadline_ms;          /* one tenant's whole attempt: 1 h, or what the chain's lane says */
    int64_t operation_timeout_ms; /* one operation: none, or what the chain's lane says */
    int64_t unlock_deadline_ms;   /* rollback and bookkeeping after a failure: 2 min, always a fresh one */
    int64_t heartbeat_ms;         /* how often leases are renewed: 10 s */
    int heartbeat_retries;        /* so many failed renewals in a row are borne, at most 1000: 1; negative = none */
    mtnt_hook_fn before_each, after_each;
    void *hook_data;
    /* A folder, made when it is not there: before the first change of each tenant its model, as it is committed then, is saved to
     * BACKUP/<tenant>/<UTC time>-v<version>-<migration>.db (SQLite: a database that can be opened and migrated) or .dump (PostgreSQL: for
     * pg_restore; needs pg_dump in PATH, of the server's version or later). Never over a file, and never removed. None for a model that is made by
     * this migration or is empty, nor when only the controller is written. A tenant whose backup fails fails, unchanged. In a tenant's
     * folder name bytes other than [A-Za-z0-9._-] are written %XX. NULL = no backups. */
    const char *backup;
    bool
        allow_delete; /* an operation that deletes the model may run; without it REFUSED, before anything of its migration */
    mtnt_mode mode; /* how to commit: chosen from what operations write, or as a saga */
    /* baseline: a script that has been changed since another tool applied it (Flyway and sqitch keep checksums) is taken as applied all the same; without
     * it HISTORY. */
    bool accept_checksums;
    /* The tables in which other tools note what they have applied follow what is applied or taken back here, in the same transaction, for every folder of
     * the chain that comes from another tool, and not only for those of which the chain file says `keep_in_step: true`. */
    bool keep_in_step;
    /* For an executor: every tenant's model is taken over from another controller, and no operation runs; see mtnt_coordinator_adopt. Borrowed, NULL = no.
     * atomicity, to, steps, run and mode are without meaning then. INVALID: going backward, or with mtnt_ensure. */
    const mtnt_adoption *adoption;
    mtnt_fingerprint fingerprint;
    /* A rehearsal: everything is really done that a migration does before its decision (setup, execute and verify of each operation, our own records, what
     * a COMMIT would check; PREPARE TRANSACTION where there are two databases to be kept in step; a model to be created is, under its provisional
     * name), and then rolled back. It is a migration with a claim, which ends as aborted, and recovery settles one that is killed. Operations that a rollback
     * would not undo are passed over (mtnt_rehearsal_obstacle), and those after them run as if these did nothing. Everything runs in one transaction, as
     * with MTNT_ATOMICITY_CHAIN; no backups are made, and nothing is copied from a template. What the controller says of the tenant stays as it was. Forward only. */
    bool rehearse;
    /* Asked first, under the lock of the tenant's model: `version` and `digest` are where the model stands (as in mtnt_tenant_info), read from itself. Not 0: the migration
     * fails by that code, unchanged. On the thread that migrates: on several at once. NULL = none. */
    int (*expect)(void *data, const mtnt_model *model, int64_t version, const char *digest, mtnt_error *err);
    void *expect_data;
} mtnt_migration_options;
#define MTNT_MIGRATION_OPTIONS_VERSION 1
#define MTNT_MIGRATION_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        MTNT_MIGRATION_OPTIONS_VERSION, MTNT_ATOMICITY_CHAIN, MTNT_ON_FAILURE_ROLLBACK, NULL, 0, NULL, false, 0, 0, 0, \
            0, 0, NULL, NULL, NULL, NULL, false, MTNT_MODE_AUTO, false, false, NULL, MTNT_FINGERPRINT_AUTO, false,     \
            NULL, NULL                                                                                                 \
    }

/* Borrows controller, model and chain until _free. INVALID, NOT_FOUND (options->to), NOMEM. Does not touch a database. */
MTNT_API int mtnt_coordinator_new(mtnt_coordinator **ret_coordinator, mtnt_controller *controller,
                                  const mtnt_model *model, const mtnt_chain *chain,
                                  const mtnt_migration_options *options, mtnt_error *err);
MTNT_API void mtnt_coordinator_free(mtnt_coordinator *coordinator);
MTNT_API size_t mtnt_coordinator_len(const mtnt_coordinator *coordinator);

/* Brings the tenant forward / takes it back; blocks. A thread that renews the lease runs meanwhile, and is joined before it returns; it inherits the
 * caller's signal mask. 0: both databases have all of it (also when nothing was to be done).
 * IN_DOUBT: the answer to a commit was lost, or it could not be recorded; mtnt_coordinator_recover tells. LEASE (retryable): the lease was lost, because another process
 * has taken the tenant over or the controller was out of reach for too long; the running body was cancelled. HISTORY, REFUSED, FOREIGN,
 * NEWER, BUSY (another process has the tenant's lease): nothing was changed. LEASE and any other code: the operation that failed is in err, and both databases are
 * as before (with OPERATION + KEEP: as after the last operation that succeeded). */
MTNT_API int mtnt_coordinator_perform(mtnt_coordinator *coordinator, mtnt_error *err);
MTNT_API int mtnt_coordinator_rewind(mtnt_coordinator *coordinator, mtnt_error *err);

/* Takes over what another tool has applied to the tenant's model, and runs no operation: the tables of the tools whose folders the chain has (`migrations:` of a
 * chain file) are read under the model's write lock, compared with the folders, and what they say is recorded as applied, in the model and in the
 * controller, by a migration like any other. The tables are left alone. options->to: everything up to that operation is taken as applied of which no table
 * tells (a table that is there has to agree). What is recorded already stays as it is, and what a table has besides is added, so it may be called again.
 * 0: recorded, or there was nothing to record; mtnt_outcome.note says why. HISTORY: a table has what the folder lacks, a script was changed since, or
 * operations come before an applied one that are not applied (allow_out_of_order records them as they are). REFUSED: a table says that something has failed or was
 * left half done, it is another tool's, or the model is not empty and no table tells. INVALID: no operation of the chain comes from another tool, and `to` is
 * not given. Else as _perform. */
MTNT_API int mtnt_coordinator_baseline(mtnt_coordinator *coordinator, mtnt_error *err);

/* Settles an interrupted migration of this tenant by the decision register; idempotent. Only a saga's runs operations: their rollbacks. 0: settled,
 * or there was none. BUSY: its worker is alive. BLOCKED: a rollback keeps failing, and a person has to settle it (`resolve`). perform and rewind do it first by themselves. */
MTNT_API int mtnt_coordinator_recover(mtnt_coordinator *coordinator, mtnt_error *err);

/* ---- another controller's models ---- */

/* What a model said before it was taken over, or says. */
typedef struct mtnt_adopted {
    char from[33];    /* the id of the controller that it bears */
    char tenant[256]; /* the tenant that it is, by itself */
    bool ours;       /* it bears this controller's already: nothing was done, but that the controller's rows are true */
    int64_t version; /* of the chain's operations applied to it, the order of the last … */
    size_t operations; /* … and their number */
} mtnt_adopted;

/* Takes the model over from the controller that it bears: in one transaction under the model's lock it becomes this controller's; what it says of applied
 * operations stays, and fills this controller's rows, with an audit row (mtnt_audit: "controller ID" to "controller ID"). The other controller is refused by
 * the model from then on. What operations have written into the other controller's database stays there, and operations that wrote that alone count as
 * not applied. Runs no operation; blocks; a crash leaves all of it or nothing, once it is recovered (mtnt_coordinator_recover, or the next perform).
 * REFUSED: something of the tenant is unfinished at the other controller (a prepared transaction that the model's server shows, or a state of adoption->from),
 * no controller has written the model, or its name is that of one put away or unfinished; FOREIGN: the model is another tenant's (as_renamed), not the one
 * that this controller has known for the tenant, or of another controller than adoption->from; HISTORY: the chain lacks operations that it has; NEWER; BUSY:
 * somebody works on it; INVALID; errors of mtnt/db.h. Nothing was changed with any of these; IN_DOUBT as for perform. ret_adopted is filled as far as it came. */
MTNT_API int mtnt_coordinator_adopt(mtnt_coordinator *coordinator, const mtnt_adoption *adoption,
                                    mtnt_adopted *ret_adopted, mtnt_error *err);

/* ---- a person's word ---- */

typedef enum mtnt_word {
    MTNT_WORD_COMMITTED = 1, /* both databases hold all of it */
    MTNT_WORD_ABORTED,       /* neither holds any of it */
    MTNT_WORD_RETRY          /* of rollback_failed: the reason is gone, the rollbacks may be tried again */
} mtnt_word;

/* Zero it first, or use the _INIT. Texts are borrowed during the call. */
typedef struct mtnt_resolution {
    uint32_t version; /* MTNT_RESOLUTION_VERSION */
    mtnt_word word;
    const char *who, *reason; /* for the audit row; who: required; reason: NULL = none */
    bool only_look;           /* say what would be done, and change nothing */
} mtnt_resolution;
#define MTNT_RESOLUTION_VERSION 1
#define MTNT_RESOLUTION_INIT                                     \
    {                                                            \
        MTNT_RESOLUTION_VERSION, (mtnt_word)0, NULL, NULL, false \
    }

/* What it came to, or would. */
typedef struct mtnt_resolved {
    char migration[33], from[20], to[20]; /* states of the migration */
    char decision[8];   /* what its register said before: "commit", "abort", "" = nothing, or it could not be asked */
    bool asked;         /* the register could be asked, or need not be (rollback_failed) */
    bool against;       /* the word is another one than the register's, which stays as it is */
    bool finished;      /* a prepared transaction was finished, or rolled back, accordingly */
    bool located;       /* the model was read: the controller's row says where it stands */
    int64_t at_version; /* … which is here */
} mtnt_resolved;

/* Ends a migration that only a person can end (in_doubt, blocked, diverged, rollback_failed), by the word of one: writes the decision where the register
 * has none, finishes a prepared transaction that is left accordingly, reads anew where the model stands, and moves the state with an audit row in one
 * transaction. Runs no operation. Blocks. REFUSED: the tenant is in none of these states, the word is not for its state, or an in_doubt one's
 * register says otherwise (recovery completes it then); BUSY: its worker is alive, or somebody else moved it meanwhile; INVALID; errors of mtnt/db.h.
 * ret_resolved is filled as far as it came. */
MTNT_API int mtnt_coordinator_resolve(mtnt_coordinator *coordinator, const mtnt_resolution *resolution,
                                      mtnt_resolved *ret_resolved, mtnt_error *err);

/* ---- what interrupted migrations leave ---- */

typedef enum mtnt_leftover {
    MTNT_LEFTOVER_COMMITTED = 1, /* a prepared transaction was committed, as its register says */
    MTNT_LEFTOVER_ROLLED_BACK,   /* … was rolled back */
    MTNT_LEFTOVER_REMOVED,       /* a provisional file or database of an aborted migration was removed */
    MTNT_LEFTOVER_AT_WORK,       /* a prepared transaction whose worker's lease holds: it was left alone */
    MTNT_LEFTOVER_UNKNOWN,    /* a prepared transaction with our name and without a claim: reported, never resolved */
    MTNT_LEFTOVER_NOT_SETTLED /* it could not be settled now, or a server not be asked: err says why */
} mtnt_leftover;
/* Called for each, with the gid, or the name of the file, database or server. err: NULL = none. Borrowed during the call. */
typedef void (*mtnt_leftover_fn)(void *data, const char *name, mtnt_leftover what, const mtnt_error *err);

typedef struct mtnt_sweep {
    int64_t committed, rolled_back, removed, at_work, unknown, not_settled;
    int64_t old;       /* of at_work, unknown and not_settled: prepared more than 30 s ago, and holding locks since */
    int64_t collected; /* rows of decision registers that nobody needs any more */
} mtnt_sweep;

/* Finishes the prepared transactions that interrupted migrations of this controller have left on its own server and on those of the models
 * given, each as its decision register says, and removes provisional models of aborted migrations there and in the folders of SQLite
 * models: a PREPARE, or a CREATE, may arrive long after its migration was given up. The tenants' states are not touched: see
 * mtnt_coordinator_recover. Takes no lease, and may run beside everything, at any time. models may be NULL when count is 0;
 * each may be NULL. Blocks. 0, or the first error of the controller itself; what became of the rest is in *ret_sweep. */
MTNT_API int mtnt_sweep_leftovers(mtnt_controller *controller, const mtnt_model *const *models, size_t count,
                                  mtnt_leftover_fn each, void *data, mtnt_sweep *ret_sweep, mtnt_error *err);

/* Stops the running body as soon as possible; the migration is rolled back. Any thread. */
MTNT_API void mtnt_coordinator_cancel(mtnt_coordinator *coordinator);

/* ---- rehearsals ---- */

/* Why an operation cannot be rehearsed: static text for people ("runs outside a transaction" …), or NULL when it can be. */
MTNT_API const char *mtnt_rehearsal_obstacle(const mtnt_entry_info *entry, mtnt_mode mode);

/* A table lock that a rehearsal has held on a PostgreSQL side, on what was there before it: as the server says, the strongest of each table. */
typedef struct mtnt_held_lock {
    bool on_controller;
    char table[136]; /* with its schema, unless that is `public` or the model's own */
    char mode[32];   /* "ACCESS EXCLUSIVE" … */
} mtnt_held_lock;

/* How the last perform or rewind went. Borrowed until the next call. */
typedef struct mtnt_outcome {
    const char *tenant, *migration; /* migration: NULL when none was begun */
    const char *
        mode; /* "single", "single transaction", "super-journal", "two-phase", "provisional", "tombstone", "saga", "adoption"; NULL = none */
    size_t executed, rolled_back; /* operations whose effects are / that were taken back again */
    int64_t from_version, to_version;
    bool created_model;
    bool cloned_model;               /* … as a copy of a sealed template: no body of an operation was called */
    bool removed_model;              /* its tombstone, whose time had come, is gone for good */
    bool recovered;                  /* an interrupted migration was settled first … */
    bool recovered_committed;        /* … and turned out to be committed */
    int64_t started_ms, finished_ms; /* wall clock */
    const char *failed_operation;    /* NULL = none, or not an operation's failure */
    int64_t failed_order;
    const char *note;         /* what should be known of a tenant that did not fail; NULL = nothing */
    const char *failed_phase; /* "setup", "before hook", "execute", "after hook", "verify", "commit", "backup" */
    const char *adopted_from; /* the id of the controller that the model was taken over from; NULL = it was not */
    /* A rehearsal: executed and to_version are what would have been. */
    bool rehearsed;              /* it went through */
    size_t skipped;              /* operations that were passed over */
    const mtnt_held_lock *locks; /* as far as it came */
    size_t lock_count;
} mtnt_outcome;
MTNT_API void mtnt_coordinator_outcome(const mtnt_coordinator *coordinator, mtnt_outcome *ret_outcome);

/* ---- before any migration ---- */

/* How a tenant's migration would commit that writes what `writes` says (MTNT_WRITES_…; creates: it makes the
 * model), in the words of mtnt_event.guarantee. Static text; touches no database. */
MTNT_API const char *mtnt_coordinator_guarantee(const char *controller_dsn, const mtnt_model *model, uint32_t writes,
                                                bool creates);

/* What the whole chain on one tenant would rest on. */
typedef struct mtnt_examination {
    const char *mode, *guarantee;     /* static texts, as in mtnt_outcome and mtnt_event */
    const char *decider;              /* "controller" or "model": whose commit decides */
    bool model_exists;                /* false: the chain creates it */
    char controller[192], model[192]; /* engine, version, settings; "" = not reached */
    /* What the guarantee does not reach, or what could not be seen: one for each database that is written, "" = none. A server's standby
     * that is asynchronous, say: after a failover to it what was acknowledged may be gone. */
    char controller_warning[320], model_warning[320];
} mtnt_examination;
/* Opens both databases and changes nothing; the controller may be read_only. Blocks. 0: the guarantee
 * holds. REFUSED: it does not (max_prepared_transactions = 0 where two databases are written, fsync = off, WAL where one transaction is to span
 * two files, a hot standby), and err says what to do; CONNECT, CORRUPT, NOT_FOUND (no model, and the chain does
 * not create it), IO. *ret_examination is filled as far as it came, on failure too. */
MTNT_API int mtnt_coordinator_examine(mtnt_controller *controller, const mtnt_model *model, const mtnt_chain *chain,
                                      mtnt_examination *ret_examination, mtnt_error *err);
/* The same for `count` operations of the chain, by index (mtnt_chain_get), and the mode that is asked for. indices NULL: all that are not
 * disabled. INVALID: an index that is none. Of a saga it says what each of its units rests on, but not which units there are. */
MTNT_API int mtnt_coordinator_examine_operations(mtnt_controller *controller, const mtnt_model *model,
                                                 const mtnt_chain *chain, const size_t *indices, size_t count,
                                                 mtnt_mode mode, mtnt_examination *ret_examination, mtnt_error *err);

MTNT_END_DECLS

#endif
