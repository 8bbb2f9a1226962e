/* Another try for tenants that failed by what may pass: they rest, and no worker waits for them. */
#ifndef MTNT_FLEET_AGAIN_H
#define MTNT_FLEET_AGAIN_H

#include "fleet/dispatch.h"

/* A task that is DONE, or could not be recovered, is to be tried again; says so, and notes it in the task. false: it is over. */
bool mtnt__again_wanted(mtnt__dispatch *d, mtnt__task *task);
/* Its end is written, or none is due: it rests. */
void mtnt__again_rest(mtnt__dispatch *d, mtnt__task *task);
/* Those that have rested are looked up in the controller, and held as new ones are. */
void mtnt__again_wake(mtnt__dispatch *d);
/* Draining: they are over, with what their last try came to. */
void mtnt__again_drop(mtnt__dispatch *d);

#endif
