/* Connections that a worker keeps from one tenant to the next, because making one costs more than a small migration: to the controller, to the
 * controller's database as a tenant's too (a schema each), and to a database in which the next tenant may be another schema. What an
 * operation has left in a session is gone before the next one sees it; where that cannot be had, the connection is not kept. */
#ifndef MTNT_COORDINATE_SESSIONS_H
#define MTNT_COORDINATE_SESSIONS_H

#include "db/database.h"

typedef enum mtnt__session_use {
    MTNT__SESSION_CONTROLLER = 1, /* operations write there */
    MTNT__SESSION_DECIDER,        /* only the register is written there: no operation ever sees it */
    MTNT__SESSION_PAIR,
    MTNT__SESSION_MODEL /* of a tenant that is a schema */
} mtnt__session_use;

typedef struct mtnt__session {
    mtnt__session_use use;
    bool read_only;
    char *dsn;
    mtnt_db *db, *model; /* model: of a pair */
} mtnt__session;

#define MTNT__SESSIONS_MAX 4
typedef struct mtnt__sessions {
    mtnt__session items[MTNT__SESSIONS_MAX]; /* the oldest first */
    size_t count;
} mtnt__sessions;

/* One that was kept, fit for this migration; false: there is none. It is the caller's then. */
bool mtnt__sessions_take(mtnt__sessions *sessions, mtnt__session_use use, const char *dsn, bool read_only,
                         const char *mark, const char *schema, mtnt__session *ret_session);
/* Takes the handles over (dsn is copied). Their transaction has ended well, and nobody else knows them any more. */
void mtnt__sessions_keep(mtnt__sessions *sessions, mtnt__session session);
void mtnt__sessions_release(mtnt__sessions *sessions);

#endif
