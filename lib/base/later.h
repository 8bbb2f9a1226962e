/* Condition variables that are waited for with a limit, by a clock that nobody sets. */
#ifndef MTNT_BASE_LATER_H
#define MTNT_BASE_LATER_H

#include <pthread.h>
#include <time.h>

#include "mtnt/error.h"

/* NOMEM. */
int mtnt__later_init(pthread_cond_t *condition, mtnt_error *err);
/* So many ms from now, for pthread_cond_timedwait on one of these. */
struct timespec mtnt__later(int64_t ms);

#endif
