/* The embedded statement of that name for the backend of a handle. */
#ifndef MTNT_STATE_QUERIES_H
#define MTNT_STATE_QUERIES_H

#include "mtnt/db.h"
#include "schemas.h"

#define MTNT__QUERY_FOR(db, name) \
    (mtnt_db_backend(db) == MTNT_SQLITE ? mtnt__sql_queries_sqlite_##name : mtnt__sql_queries_postgres_##name)

#endif
