/* The controller: the control plane's own database, with the fleet's index in it. */
#ifndef MTNT_CONTROLLER_H
#define MTNT_CONTROLLER_H

#include "mtnt/chain.h"

MTNT_BEGIN_DECLS

/* One thread at a time. Coordinators and executors made with it use connections of their own beside it. */
typedef struct mtnt_controller mtnt_controller;

/* Times in ms; zero = the default given here. Zero the struct first, or use the _INIT. */
typedef struct mtnt_controller_options {
    uint32_t version;             /* MTNT_CONTROLLER_OPTIONS_VERSION */
    bool read_only;               /* never creates or changes anything: for status, pending, executed, plan, doctor */
    int64_t connect_timeout_ms;   /* 10 s */
    int64_t lock_timeout_ms;      /* 10 s: how long a statement waits for a lock, on both sides */
    int64_t statement_timeout_ms; /* none */
} mtnt_controller_options;
#define MTNT_CONTROLLER_OPTIONS_VERSION 1
#define MTNT_CONTROLLER_OPTIONS_INIT                    \
    {                                                   \
        MTNT_CONTROLLER_OPTIONS_VERSION, false, 0, 0, 0 \
    }

/* A PostgreSQL controller may be reached through pgbouncer in transaction mode: nothing is kept in a session between transactions. Its pool needs two
 * connections more than migrations write the controller at a time, because the heartbeat and the bookkeeping go through it as well; and a
 * setting that an operation makes without LOCAL stays in the pooler's session, for whoever gets that next. Models, too, but none can
 * be made through it (REFUSED, when it is not there).
 *
 * Opens the controller and makes or upgrades its tables under a database lock (not when read_only). A SQLite file that is not there is
 * made, unless read_only (NOT_FOUND). NEWER when the tables come from a newer version; REFUSED when the settings cannot keep a
 * promise (fsync = off). Blocks. The caller frees it with _close, after everything that uses it. */
MTNT_API int mtnt_controller_open(mtnt_controller **ret_controller, const char *dsn,
                                  const mtnt_controller_options *options, mtnt_error *err);
MTNT_API void mtnt_controller_close(mtnt_controller *controller);
/* 32 hex digits, written into every model; NULL when read_only met a controller without tables. Borrowed. */
MTNT_API const char *mtnt_controller_id(const mtnt_controller *controller);
MTNT_API const char *mtnt_controller_shown(const mtnt_controller *controller); /* the DSN without a password */
/* For queries of the caller's own, outside transactions. */
MTNT_API mtnt_db *mtnt_controller_db(mtnt_controller *controller);

/* ---- what the controller knows of tenants: read without opening a model ---- */

/* One tenant as the controller has it. Texts are borrowed during the callback; NULL = not known. Times: ms since 1970, 0 = none. */
typedef struct mtnt_tenant_info {
    const char *tenant;
    bool known;        /* the controller has met it */
    bool current;      /* everything enabled in the chain is applied */
    int64_t version;   /* order of the last applied operation; 0 = none */
    size_t pending;    /* operations to run (all of them, when not known) */
    const char *state; /* "idle", "executing", "in_doubt", "blocked", "diverged", "rollback_failed" */
    const char *error; /* the last failure, NULL when the last migration succeeded */
    const char *error_operation;
    const char *error_state; /* SQLSTATE … */
    const char *migration;   /* the last one */
    int64_t updated_ms;
    bool gone;               /* a migration has put its model away, and nobody has put it back: it is not lost */
    bool removal_due;        /* it may be removed for good now */
    int64_t remove_after_ms; /* … when it may be */
    int64_t removed_ms;      /* … when it was; 0 = it is there yet, and can be put back */
    const char *digest;      /* of the set of operations that are applied; "" = none is. Never NULL */
} mtnt_tenant_info;
typedef int (*mtnt_tenant_info_fn)(void *data, const mtnt_tenant_info *info, mtnt_error *err);

/* One operation of one tenant. */
typedef struct mtnt_operation_info {
    int64_t order;
    const char *name;
    mtnt_status status; /* NONE: never met */
    bool applied;       /* COMPLETED */
    bool in_chain;      /* false: recorded, and the chain lacks it */
    bool disabled;
    int64_t started_ms, finished_ms;
    const char *error;
} mtnt_operation_info;
typedef int (*mtnt_operation_info_fn)(void *data, const mtnt_operation_info *info, mtnt_error *err);

/* Every tenant that the controller knows for the chain, by id. */
MTNT_API int mtnt_controller_tenants(mtnt_controller *controller, const mtnt_chain *chain, mtnt_tenant_info_fn each,
                                     void *data, mtnt_error *err);
/* The tenants given, in that order (known = false for strangers): one query for up to a thousand. */
MTNT_API int mtnt_controller_look_up(mtnt_controller *controller, const mtnt_chain *chain,
                                     const mtnt_model *const *models, size_t count, mtnt_tenant_info_fn each,
                                     void *data, mtnt_error *err);
/* All operations of the chain, and recorded ones that it lacks, for one tenant, by order. */
MTNT_API int mtnt_controller_operations(mtnt_controller *controller, const mtnt_chain *chain, const char *tenant,
                                        mtnt_operation_info_fn each, void *data, mtnt_error *err);

MTNT_END_DECLS

#endif
