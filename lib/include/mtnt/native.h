/* The raw handles, for operations that need more than the contract of mtnt/db.h.
 *
 * The handle is borrowed: never close it, never begin or end a transaction on it, and leave no statement, cursor, temporary
 * table or LISTEN behind (PREPARE TRANSACTION refuses those). Valid until the body that asked returns. In the super-journal and
 * single-transaction modes both sides share one raw handle: use the schema names `model` and `controller` there (SQLite), or
 * qualified names (PostgreSQL).
 */
#ifndef MTNT_NATIVE_H
#define MTNT_NATIVE_H

#include <libpq-fe.h>
#include <sqlite3.h>

#include "mtnt/db.h"

MTNT_BEGIN_DECLS

/* NULL when the handle is of the other backend, or not connected. Connects when the handle has not been used before. */
MTNT_API sqlite3 *mtnt_db_sqlite(mtnt_db *db);
MTNT_API PGconn *mtnt_db_postgres(mtnt_db *db);

MTNT_END_DECLS

#endif
