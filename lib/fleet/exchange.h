/* How tasks ended is written, and what they ask for is claimed, in one commit for many. */
#ifndef MTNT_FLEET_EXCHANGE_H
#define MTNT_FLEET_EXCHANGE_H

#include "fleet/dispatch.h"

/* When it is worth a commit; claimed tasks go to the pool. */
void mtnt__exchange(mtnt__dispatch *d);
/* No worker has it any more; its end is to be written. */
void mtnt__exchange_queue_end(mtnt__dispatch *d, mtnt__task *task);

/* Draining: claims that no worker has begun are given back, and no new ones asked for. */
void mtnt__exchange_take_back(mtnt__dispatch *d);
void mtnt__exchange_drop_wanting(mtnt__dispatch *d);

#endif
