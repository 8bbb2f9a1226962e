/* One at a time, in order of arrival: the write lock of a SQLite controller, waited for inside this process without polling the file. */
#ifndef MTNT_COORDINATE_GATE_H
#define MTNT_COORDINATE_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/system.h"

typedef struct mtnt__gate {
    pthread_mutex_t mutex;
    pthread_cond_t moved;
    uint64_t next, serving; /* tickets: given out, called */
    size_t first;           /* who waits before all tickets */
    bool inside;
    /* Whoever keeps the gate is another process: it is asked, and nothing above is used. NULL = it is here. */
    void (*ask)(void *data, bool enter);
    void *ask_data;
} mtnt__gate;

int mtnt__gate_init(mtnt__gate *gate, mtnt_error *err);
void mtnt__gate_release(mtnt__gate *gate);
/* Waits for its turn; every enter is followed by one leave, from the same or another thread. NULL: no gate, returns at once. */
void mtnt__gate_enter(mtnt__gate *gate);
/* The same, before everybody who waits. While it waits the gate is held by one and the same holder, or passes to another that came first. */
void mtnt__gate_enter_first(mtnt__gate *gate);
void mtnt__gate_leave(mtnt__gate *gate);

#endif
