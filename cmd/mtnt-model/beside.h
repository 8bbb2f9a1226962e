/* Lanes that run at the same time: one executor for all of them, a report for each, and one line of progress. */
#ifndef MTNT_COMMAND_BESIDE_H
#define MTNT_COMMAND_BESIDE_H

#include "work.h"

typedef struct mtnt__beside_lane {
    const char *name; /* both of work->chain */
    const mtnt_chain *chain;
} mtnt__beside_lane;

/* Migrates forward, in the lanes given, with work->chain the whole chain. Everything has been said, and for json printed. Returns an exit code. */
int mtnt__beside_migrate(mtnt__work *work, const mtnt__beside_lane *lanes, size_t count);

#endif
