/* Which locks a transaction has, for a rehearsal. */
#ifndef MTNT_STATE_LOCKS_H
#define MTNT_STATE_LOCKS_H

#include "db/database.h"

/* PostgreSQL, inside a transaction: a row for each table that it has locked more than for reading, and has not made itself: schema, table, mode ("ACCESS
 * EXCLUSIVE" …: the strongest). Our own tables are left out. On SQLite there are none. */
int mtnt__locks_held(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err);

#endif
