/* Operations: the named, ordered steps of a chain. An operation class is constant and shared by all tenants and threads; an
 * mtnt_operation is one entry of a chain at work in one migration, with state of its own. */
#ifndef MTNT_OPERATION_H
#define MTNT_OPERATION_H

#include "mtnt/scope.h"

MTNT_BEGIN_DECLS

typedef struct mtnt_operation mtnt_operation;

/* What the operation writes. Declared, because the way to commit follows from it; enforced: the other side is read-only. */
enum { MTNT_WRITES_NOTHING = 0, MTNT_WRITES_MODEL = 1, MTNT_WRITES_CONTROLLER = 2 };

enum {
    /* Runs outside a transaction, each statement by itself (CREATE INDEX CONCURRENTLY, VACUUM, effects outside): its migration becomes a
     * saga. A rollback must be right for not started, half done and done: mtnt_context_progress tells which. In a model that its own migration
     * creates no saga is needed: nobody sees it before it is whole. */
    MTNT_OPERATION_NO_TRANSACTION = 1u << 0,
    /* Has effects outside the two databases, which survive their rollback: its rollback is called after a failure too, outside
     * any transaction, with read-only handles. Implied by MTNT_WRITES_NOTHING with a rollback. */
    MTNT_OPERATION_EXTERNAL = 1u << 1,
    /* Creates the model when it is not there; must be the first operation of its chain. Its rollback deletes what it created. */
    MTNT_OPERATION_CREATES_MODEL = 1u << 2,
    /* Takes the model away when its migration commits (mtnt_scope_remove_model); must be the last operation of its chain. Runs
     * only with mtnt_migration_options.allow_delete, and together with operations that do not write the model, or alone. */
    MTNT_OPERATION_DELETES_MODEL = 1u << 3,
    /* Commits by itself, apart from the operations before and after it (`mode: saga`): its migration becomes a saga. One that writes controller and
     * model is then two transactions, the controller's first; see MTNT_OPERATION_BY_SIDE. */
    MTNT_OPERATION_SAGA = 1u << 4,
    /* Goes forward only: when it fails it stays failed and is run again by the next migration; what was committed before it is final. */
    MTNT_OPERATION_RETRIABLE = 1u << 5,
    /* execute and rollback look at mtnt_context_writes, and do only what that side needs: they may be called once for each side. */
    MTNT_OPERATION_BY_SIDE = 1u << 6,
    /* Saves the model in execute and restores it in rollback (mtnt_scope_snapshot), under the name "v<order>-<operation>" and into the folder that the
     * entry's config is (a `const char *`). Operations after it in a saga that write the model alone need no rollback; each of them reads the whole model
     * twice, to tell what it has written from what others have. */
    MTNT_OPERATION_SNAPSHOT = 1u << 7,
    /* Its order is its place among the operations around it, and may become another one when one is added before it: what has been applied is known by
     * its name. For folders of other tools, whose versions are no numbers. */
    MTNT_OPERATION_BY_PLACE = 1u << 8,
    /* Runs again when its checksum is another one than that with which it was applied (a view, a function). It is no part of the order: what
     * comes before it may come later. Going back takes it back first, whenever anything else is taken back, so that it runs again afterwards. */
    MTNT_OPERATION_REPEATABLE = 1u << 9,
    /* With CREATES_MODEL: a new model may be a copy of a sealed one to which the chain's operations have been done, instead of having them done to it;
     * see mtnt_create_model_options.snapshot. Every enabled operation of the chain has to have the next flag then. */
    MTNT_OPERATION_CLONES = 1u << 10,
    /* Does the same to every model, and nothing anywhere else: it looks neither at the tenant, its vars and labels nor at the controller, the time or
     * chance. Its entry needs a checksum that changes with what it does (mtnt_entry.checksum): copies are told apart by it. */
    MTNT_OPERATION_SAME_FOR_ALL = 1u << 11
};

typedef enum mtnt_status {
    MTNT_STATUS_NONE = 0, /* not known for this tenant */
    MTNT_STATUS_PENDING,
    MTNT_STATUS_STARTED,
    MTNT_STATUS_COMPLETED,
    MTNT_STATUS_FAILED,
    MTNT_STATUS_ROLLED_BACK
} mtnt_status;
/* "PENDING" …; "" for NONE. */
MTNT_API const char *mtnt_status_name(mtnt_status status);

/* How much of an operation a rollback finds. */
typedef enum mtnt_progress {
    MTNT_PROGRESS_DONE = 0, /* all of it: also every operation that ran inside a transaction */
    MTNT_PROGRESS_IN_DOUBT, /* it was begun, outside a transaction, and where it stopped is not known: nothing, a part or all of it is there */
    MTNT_PROGRESS_NOT_STARTED /* its body was not called */
} mtnt_progress;

/* All callbacks run on the thread that performs the migration, return 0 or a code, and fill err on failure. Setup and execute are
 * interleaved: setup 1, execute 1, setup 2, execute 2. Without setup or execute: MTNT_E_NOT_IMPLEMENTED when it runs — a class
 * needs at least one of the two; without rollback: nothing to undo; without verify: nothing to check.
 * execute and rollback are also up and down: the same rollback compensates a failure and takes an applied operation back. It
 * is not called for effects that died with the database transaction. */
typedef struct mtnt_operation_class {
    uint32_t version;  /* MTNT_OPERATION_CLASS_INIT sets it */
    const char *name;  /* default name of entries of this class; [A-Za-z0-9._-] recommended */
    size_t state_size; /* zeroed state for each migration; one thread only */
    uint32_t writes;   /* MTNT_WRITES_… */
    uint32_t flags;    /* MTNT_OPERATION_… */
    int (*setup)(mtnt_operation *operation, mtnt_scope *scope, mtnt_error *err);
    int (*execute)(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err);
    int (*rollback)(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err);
    /* After execute, in the transaction. */
    int (*verify)(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err);
    /* Frees what setup and execute put into the state; called once for each migration in which the operation began. */
    void (*teardown)(mtnt_operation *operation);
    /* Optional, for NO_TRANSACTION: looks how far an interrupted execute (or rollback) has come, before rollback is called. Sets *ret_progress; the
     * handles are those that rollback gets. */
    int (*probe)(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_progress *ret_progress,
                 mtnt_error *err);
} mtnt_operation_class;
#define MTNT_OPERATION_CLASS_VERSION 1
#define MTNT_OPERATION_CLASS_INIT .version = MTNT_OPERATION_CLASS_VERSION

/* For use inside callbacks. Borrowed; valid during the callback. */
MTNT_API void *mtnt_operation_state(mtnt_operation *operation);              /* NULL when state_size is 0 */
MTNT_API const void *mtnt_operation_config(const mtnt_operation *operation); /* what the chain entry was added with */
MTNT_API const char *mtnt_operation_name(const mtnt_operation *operation);
MTNT_API int64_t mtnt_operation_order(const mtnt_operation *operation);
/* What an earlier migration left: FAILED or STARTED of an attempt that did not finish, ROLLED_BACK, or NONE. */
MTNT_API mtnt_status mtnt_operation_previous_status(const mtnt_operation *operation);

MTNT_END_DECLS

#endif
