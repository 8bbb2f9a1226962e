/* A command for each lane of the chain, one after the other, or at the same time: a lane is a chain of its own for it. */
#ifndef MTNT_COMMAND_LANES_H
#define MTNT_COMMAND_LANES_H

#include "work.h"

typedef enum mtnt__lanes_order {
    MTNT__LANES_WHOLE = 0, /* the command looks at the chain as a whole */
    MTNT__LANES_FORWARD,   /* the first lane first */
    MTNT__LANES_BACKWARD,  /* the last one first */
    MTNT__LANES_ONE,       /* it is about one lane: which, is to be said */
} mtnt__lanes_order;

/* Calls `run` with work->chain as each lane that --lane names, or all; once, as it is, where the chain has none. --to is what it comes to in that
 * lane, and lanes that it leaves alone are left out. Goes on after failures of single tenants. `migrates`: it is a migration forward, in which
 * lanes that are beside others run at the same time as these, without `run`. Returns an exit code. */
int mtnt__lanes_each(mtnt__work *work, mtnt__lanes_order order, bool migrates, int (*run)(mtnt__work *work));

/* Whether --lane names lanes that there are; loads the chain. 0 or an exit code. */
int mtnt__lanes_check(mtnt__work *work);

/* jsonl: which lane's events follow, or begin. */
void mtnt__lanes_put_event(const mtnt__work *work);

/* What two lanes come to together: what stops everything outranks a failure, and that outranks what is pending. */
int mtnt__lanes_worse(const mtnt__work *work, int one, int other);

/* "crm · lane slow", for headers; without a lane the chain's name. */
void mtnt__lanes_put_chain(mtnt__work *work);

#endif
