/* --isolate: tenants in processes of their own, which are this program again. */
#ifndef MTNT_COMMAND_ISOLATE_H
#define MTNT_COMMAND_ISOLATE_H

#include "work.h"

/* The command is the supervisor: it reads tenants, claims, reports, and runs no operation. Each of its workers has a child, which is the same program, started anew
 * (/proc/self/exe) with the same arguments and environment, so that a binary of one's own builds the same chain; MTNT_ISOLATED_BY tells it what it is for. DSNs go
 * by the socket alone. What a crash leaves, and what is done about it, is in lib/coordinate/apart.h. */

/* With --isolate: starts the first child, before this process has loaded a plugin. A plugin that crashes when it is loaded is found that way, and whatever is in
 * the way of starting children. 0, or an exit code after it has been said. Without --isolate nothing. */
int mtnt__isolate_begin(mtnt__work *work);
/* For the executor; NULL = without. Valid as long as the work. */
const mtnt_isolation *mtnt__isolate_of(const mtnt__work *work);
void mtnt__isolate_free(mtnt__isolate *isolate);

#endif
