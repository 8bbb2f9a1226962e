/* A SQLite controller is of one host: its locks, and what is known of processes, are of one kernel. Which host that is stands in mtnt_meta. */
#ifndef MTNT_STATE_HOST_H
#define MTNT_STATE_HOST_H

#include "state/store.h"

/* In a transaction that is open. REFUSED: another host has worked with this file of late. take: from now on it is ours; else it is only looked at.
 * PostgreSQL controllers are everybody's: 0. */
int mtnt__host_check(mtnt_controller *controller, bool take, mtnt_error *err);
/* The same by another connection, after a lease was renewed: it still is ours. */
int mtnt__host_refresh(mtnt_db *db, const char *owner, mtnt_error *err);

#endif
