/* Operations in processes of their own: one that crashes, calls exit() or never returns costs its tenant, not the run. The library starts no process:
 * whoever has an executor does, and says here how. `mtnt-model --isolate` is made of it.
 *
 * Each of the executor's workers talks to one process, which performs one tenant at a time, and is used for the next one. The executor keeps everything else: the
 * source, claims and their leases, waves, budgets, retries, events. A process that is gone in the middle of a tenant is that tenant's failure, with an
 * error that says which operation it was in and how it ended; another process settles at once what it has left, by the decision register, so that both
 * databases hold all of the migration or none of it. It is not tried again: another run may. */
#ifndef MTNT_ISOLATE_H
#define MTNT_ISOLATE_H

#include "mtnt/chain.h"

MTNT_BEGIN_DECLS

/* Whole messages between two processes, in order. One thread sends and one receives at a time. */
typedef struct mtnt_channel {
    /* 0, or CONNECT: the other one is gone. The message is borrowed during the call. */
    int (*send)(void *data, const void *message, size_t size, mtnt_error *err);
    /* Waits for at most wait_ms (negative: as long as it takes). 0: *ret_message is malloc'ed, and freed by who asked. DEADLINE: nothing has come yet.
     * CONNECT: the other one is gone, and everything that it had sent before has been received. NOMEM. */
    int (*receive)(void *data, int64_t wait_ms, void **ret_message, size_t *ret_size, mtnt_error *err);
    void *data;
} mtnt_channel;

#define MTNT_ISOLATION_HOW_SIZE 256

/* How the executor gets processes. Called on its worker threads, on several at once. */
typedef struct mtnt_isolation {
    /* Starts a process that calls mtnt_isolated_serve, with the other end of the channel, and with the same chain. */
    int (*start)(void *data, mtnt_channel *ret_channel, mtnt_error *err);
    /* The process is not needed any more, has gone, or is to be (kill: at once, whatever it does). Returns when it is gone, and the channel with it. ret_how:
     * how it ended, after "its process ": "was ended by signal 11 (Segmentation fault)". */
    void (*end)(void *data, mtnt_channel *channel, bool kill, char ret_how[MTNT_ISOLATION_HOW_SIZE]);
    void *data;
} mtnt_isolation;

/* In such a process: performs what the executor asks for, until that says that there is no more (0), or is gone (CONNECT): what was at work is
 * cancelled then, and a process that has nothing else to do should end at once. Databases, options and tenants come by the channel. chain: the same as the executor's (REFUSED
 * otherwise); with lanes, the whole. Operations run on the calling thread; another one receives meanwhile. INVALID: the other end is none of ours. */
MTNT_API int mtnt_isolated_serve(const mtnt_chain *chain, const mtnt_channel *channel, mtnt_error *err);

MTNT_END_DECLS

#endif
