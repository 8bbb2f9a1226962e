/* On access: a control plane asks for a tenant before it uses its model, and gets it at the end of the chain. A tenant that is known to be there
 * costs a look into a hash table; a stale one is migrated once, however many ask. */
#ifndef MTNT_ENSURE_H
#define MTNT_ENSURE_H

#include "mtnt/coordinator.h"

MTNT_BEGIN_DECLS

/* For one controller and one chain as they are now: a service that gets another chain makes another one. Any number of threads at a time, but
 * for _new and _free. */
typedef struct mtnt_ensure mtnt_ensure;

/* Zero it first, or use the _INIT. Times in ms; 0 = the default given here. Texts in migration are borrowed until _free. */
typedef struct mtnt_ensure_options {
    uint32_t version; /* MTNT_ENSURE_OPTIONS_VERSION */
    mtnt_controller_options controller;
    mtnt_migration_options migration; /* not steps and run; hooks run on whichever thread migrates, several at a time */
    int migrations;      /* at the same time, at most 1024: 4. Each has a connection to the controller, which is kept */
    size_t remembered;   /* current tenants that are remembered, the last used: 100,000, of some 200 bytes each */
    int64_t remember_ms; /* how long: until _forget. For fleets that others take back (`rewind`) or restore */
    int64_t wait_ms;     /* how long a call waits for what somebody else does: 60 s */
} mtnt_ensure_options;
#define MTNT_ENSURE_OPTIONS_VERSION 1
#define MTNT_ENSURE_OPTIONS_INIT                                                                           \
    {                                                                                                      \
        MTNT_ENSURE_OPTIONS_VERSION, MTNT_CONTROLLER_OPTIONS_INIT, MTNT_MIGRATION_OPTIONS_INIT, 0, 0, 0, 0 \
    }

/* Opens the controller at once: errors of mtnt_controller_open, INVALID, NOT_FOUND (migration.to), NOMEM. Borrows the chain until _free; dsn is
 * copied. Blocks. */
MTNT_API int mtnt_ensure_new(mtnt_ensure **ret_ensure, const char *controller_dsn, const mtnt_chain *chain,
                             const mtnt_ensure_options *options, mtnt_error *err);
/* When no call is under way any more. NULL is fine. */
MTNT_API void mtnt_ensure_free(mtnt_ensure *ensure);

/* 0: the tenant's model stands at the end of the chain (or at migration.to, or beyond). Remembered tenants are answered from memory, without a
 * database; others by one query to the controller; who is behind is migrated, by the first who asks, on that caller's thread, for as long as
 * migration.deadline_ms allows. Whoever asks for the same tenant meanwhile waits for that one migration and gets its result, errors too. A
 * failure is not remembered: the next call tries again. When another process is migrating the tenant, its end is waited for, and then looked at.
 * DEADLINE (retryable): somebody else's migration, or the others' use of all connections, took longer than wait_ms; a migration that was begun
 * goes on. CANCELLED: see _cancel. Others: those of mtnt_coordinator_perform, with the same meaning.
 * The model is borrowed during the call. What is remembered is its id together with the place that its DSN names: at another place it is asked for
 * anew. Nothing notices by itself that another process has taken the tenant back, or that its database was restored: see remember_ms and _forget. */
MTNT_API int mtnt_ensure_current(mtnt_ensure *ensure, const mtnt_model *model, mtnt_error *err);

/* The controller is asked again at the next call for this tenant; NULL = for each. What is found by a question that was asked before is not
 * remembered. Does not block. */
MTNT_API void mtnt_ensure_forget(mtnt_ensure *ensure, const char *tenant);

/* For the end of a service: running migrations are cancelled and rolled back, their callers and those who wait get CANCELLED, and so does every
 * later call for a tenant that is not remembered. Does not wait for them. */
MTNT_API void mtnt_ensure_cancel(mtnt_ensure *ensure);

/* Since _new. calls = remembered + shared + each of those that asked the controller. */
typedef struct mtnt_ensure_counts {
    int64_t calls;
    int64_t remembered; /* answered from memory */
    int64_t shared;     /* … with the result of another call */
    int64_t current;    /* … by the controller: nothing to do */
    int64_t migrated;   /* … by migrating */
    int64_t failed;
} mtnt_ensure_counts;
MTNT_API void mtnt_ensure_count(mtnt_ensure *ensure, mtnt_ensure_counts *ret_counts);

MTNT_END_DECLS

#endif
