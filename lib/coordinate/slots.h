/* Prepared transactions are few: max_prepared_transactions of a server, shared by everybody. How many of them this process uses at once. */
#ifndef MTNT_COORDINATE_SLOTS_H
#define MTNT_COORDINATE_SLOTS_H

#include <pthread.h>
#include <stddef.h>

#include "mtnt/error.h"

typedef struct mtnt__slots {
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    struct mtnt__slots_server {
        char *server; /* as mtnt__dsn_server names it */
        size_t used;
        size_t maximum; /* 0 = not known */
    } * servers;
    size_t count;
    /* Whoever counts them is another process: it is asked for one, or (capacity 0) told that one is free. NULL = they are counted here. */
    int (*ask)(void *data, const char *server, size_t capacity, mtnt_error *err);
    void *ask_data;
} mtnt__slots;

int mtnt__slots_init(mtnt__slots *slots, mtnt_error *err);
void mtnt__slots_release(mtnt__slots *slots);
/* Waits until fewer than `capacity` slots of the server are used, and takes one. Whoever has one is about to finish: the wait is short. NULL:
 * nothing to wait for. NOMEM. */
int mtnt__slots_enter(mtnt__slots *slots, const char *server, size_t capacity, mtnt_error *err);
void mtnt__slots_leave(mtnt__slots *slots, const char *server);
/* max_prepared_transactions of a server that was asked before; 0 = not known. It changes only when the server is started again. */
size_t mtnt__slots_maximum(mtnt__slots *slots, const char *server);
void mtnt__slots_note_maximum(mtnt__slots *slots, const char *server, size_t maximum);

/* What of max_prepared_transactions may be used: a reserve stays for recoveries and for others. */
size_t mtnt__slots_capacity(size_t maximum);

#endif
