/* The heartbeat: while migrations are at work, one thread renews all leases of a handle (an executor's run, or one call of a coordinator), in one
 * statement on a connection of its own, every heartbeat_ms. It is for liveness only: the register is the fence, and nothing that a
 * heartbeat does or fails to do can make two databases disagree.
 *
 * A lease is lost when its row did not come back (somebody has taken the tenant over), or when more than heartbeat_retries beats in a row have
 * failed for it; one that succeeds makes up for those before. Its holder is told once, and it is not renewed any more.
 *
 * Length of a lease: heartbeat_ms * (heartbeat_retries + 2) + MTNT__LEASE_MARGIN_MS. A beat that was the last to succeed began at t. The
 * following ones begin at t + heartbeat_ms, t + 2 * heartbeat_ms …, and take heartbeat_ms at most; so by t + heartbeat_ms *
 * (heartbeat_retries + 2) a lease has been renewed or its migration cancelled, and the margin is for the body to stop in. */
#ifndef MTNT_COORDINATE_HEARTBEAT_H
#define MTNT_COORDINATE_HEARTBEAT_H

#include "base/system.h"
#include "coordinate/gate.h"
#include "mtnt/coordinator.h"
#include "state/store.h"

#define MTNT__HEARTBEAT_MS 10000
#define MTNT__HEARTBEAT_RETRIES 1
#define MTNT__LEASE_MARGIN_MS 10000

int64_t mtnt__heartbeat_ms(const mtnt_migration_options *options);
int mtnt__heartbeat_retries(const mtnt_migration_options *options);
int64_t mtnt__lease_ms(const mtnt_migration_options *options);

typedef enum mtnt__loss {
    MTNT__LOSS_NONE = 0,
    MTNT__LOSS_TAKEN,    /* its row is not ours any more */
    MTNT__LOSS_UNRENEWED /* it could not be renewed for too long */
} mtnt__loss;

/* Part of what holds it. Set the first four, then _add; the rest is the heartbeat's. */
typedef struct mtnt__lease mtnt__lease;
struct mtnt__lease {
    const char *tenant, *migration; /* borrowed until _remove */
    int64_t epoch;
    /* Called by the heartbeat's thread, without a lock of it, at most once between _add and _remove. `why` is the error of the last beat. */
    void (*lost)(void *data, mtnt__loss loss, const char *why);
    void *data;

    mtnt__lease *previous, *next;
    uint64_t serial;
    int failures;
    mtnt__loss loss;
    bool held, told, telling;
};

typedef enum mtnt__beat {
    MTNT__BEAT_OK = 0, /* `kept` of every renewal is set */
    MTNT__BEAT_FAILED,
    MTNT__BEAT_HELD_UP /* nobody could have taken the leases meanwhile: no failure, and no success either */
} mtnt__beat;

/* How leases are renewed. Tests put their own here. */
typedef struct mtnt__pulse {
    const mtnt__system *system;
    int64_t interval_ms;
    int retries;
    mtnt__beat (*beat)(void *data, mtnt__renewal *renewals, size_t count, mtnt_error *err);
    void (*hurry)(void *data); /* any thread: a beat in flight is to end; NULL = cannot */
    void (*free)(void *data);  /* NULL = nothing to do */
    void *data;
} mtnt__pulse;

typedef struct mtnt__heartbeat mtnt__heartbeat;

/* Takes pulse->data over, on failure too. No thread yet: _tick beats. NOMEM. */
int mtnt__heartbeat_new(mtnt__heartbeat **ret_heartbeat, const mtnt__pulse *pulse, mtnt_error *err);
/* From now on a thread of its own does. NOMEM: no thread to be had. */
int mtnt__heartbeat_start(mtnt__heartbeat *heartbeat, mtnt_error *err);
/* The one of a handle, started: a connection is made at the first beat, so that short runs pay for a thread alone. Borrows controller, chain and gate;
 * leases are of the controller's call at hand. The gate has to be that of everybody in this handle who writes a SQLite controller for long. */
int mtnt__heartbeat_open(mtnt__heartbeat **ret_heartbeat, const mtnt_controller *controller, const char *chain,
                         mtnt__gate *gate, const mtnt_migration_options *options, mtnt_error *err);
/* Ends a beat in flight, which is no failure, and joins. NULL is fine. */
void mtnt__heartbeat_free(mtnt__heartbeat *heartbeat);

/* Any thread; allocates nothing. The first beat for it comes within the interval. */
void mtnt__heartbeat_add(mtnt__heartbeat *heartbeat, mtnt__lease *lease);
/* Any thread but `lost`; afterwards the lease is the caller's again, and its `lost` neither runs nor will. One that is not held is fine. */
void mtnt__heartbeat_remove(mtnt__heartbeat *heartbeat, mtnt__lease *lease);
/* Beats when it is time. Returns the ms until the next one; -1 = there is nothing to renew. For the thread, and for tests without one. */
int64_t mtnt__heartbeat_tick(mtnt__heartbeat *heartbeat);

#endif
