/* Who stands in a recovery's way although its lease is over: a worker that was stopped, or cut off with its sessions left behind. Ending it is safe
 * at any point, as a crash is. Who is not known to be that worker is left alone. */
#ifndef MTNT_COORDINATE_BLOCKERS_H
#define MTNT_COORDINATE_BLOCKERS_H

#include "db/database.h"

typedef struct mtnt__blockers {
    const char *mark;      /* of its sessions on PostgreSQL: see mtnt__db_options; NULL = nobody is ended */
    const char *owners[2]; /* as claims name them ("<process>#…"), for files; NULL or "" = not known */
} mtnt__blockers;

/* After `dsn` was found locked, with the error of that in *err. 0: somebody was ended, so that trying again is worth it. Else as it was: err's code, with
 * the reason why nobody was. */
int mtnt__blockers_end(const mtnt__blockers *blockers, const char *dsn, const mtnt__db_options *options,
                       mtnt_error *err);
/* A lock that was not had in time, as opposed to a lease that somebody holds. */
bool mtnt__blockers_met(int rc, const mtnt_error *err);

#endif
