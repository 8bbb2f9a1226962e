/* Tenants that other processes hold just now, or whose model another lane of this one has yet to make. They are put aside, and looked at again until they have been ended there, or may be taken over: no
 * failure, and none is forgotten. */
#ifndef MTNT_FLEET_ELSEWHERE_H
#define MTNT_FLEET_ELSEWHERE_H

#include "fleet/dispatch.h"

/* Takes a reference. `asked`: the migration for which a claim was asked for in vain, "" = none. `error`: what held up a recovery of ours, NULL =
 * none. Without memory the tenant fails. */
void mtnt__elsewhere_add(mtnt__dispatch *d, mtnt_model *model, const char *asked, const mtnt_error *error);
/* Whether somebody else has it, and is not to be disturbed. */
bool mtnt__elsewhere_has(const mtnt__dispatch *d, const mtnt__known *known);
/* When it is time: a batch of them, if there is room. Those that are free go the way of tenants from the source. */
void mtnt__elsewhere_look(mtnt__dispatch *d);
/* Before what is done is looked at: a failure under a claim that is another's by now (this process was stopped, or cut off, for longer than its lease)
 * is no failure of the tenant, whoever has it sees to it. */
void mtnt__elsewhere_check(mtnt__dispatch *d);
/* Draining: nobody waits for them any more. */
void mtnt__elsewhere_drop(mtnt__dispatch *d);
void mtnt__elsewhere_release(mtnt__dispatch *d);

#endif
