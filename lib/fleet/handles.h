/* Controller handles that many threads use in turn, one at a time each: opened at need, kept, at most so many. */
#ifndef MTNT_FLEET_HANDLES_H
#define MTNT_FLEET_HANDLES_H

#include <pthread.h>

#include "state/store.h"

typedef struct mtnt__handles {
    const char *dsn; /* borrowed */
    mtnt_controller_options options;
    size_t most;
    pthread_mutex_t mutex;
    pthread_cond_t freed;
    mtnt_controller **idle; /* room for `most` */
    size_t idle_count, open_count;
    bool ended;
} mtnt__handles;

int mtnt__handles_init(mtnt__handles *handles, const char *dsn, const mtnt_controller_options *options, size_t most,
                       mtnt_error *err);
/* All have been given back. */
void mtnt__handles_release(mtnt__handles *handles);
/* The one that was used last, or a new one; waits when all are in use. Errors: those of mtnt_controller_open; DEADLINE (retryable); CANCELLED
 * after _end. */
int mtnt__handles_take(mtnt__handles *handles, mtnt__deadline_ms deadline, mtnt_controller **ret_controller,
                       mtnt_error *err);
void mtnt__handles_give(mtnt__handles *handles, mtnt_controller *controller);
/* Nobody gets one any more, nor waits for one. */
void mtnt__handles_end(mtnt__handles *handles);

#endif
