/* What a backend implements. database.c dispatches, keeps the views of a connection, and classifies errors; the fake of the
 * tests is a backend too (mtnt__db_new_with). */
#ifndef MTNT_DB_BACKEND_H
#define MTNT_DB_BACKEND_H

#include "db/database.h"

typedef struct mtnt__backend mtnt__backend;

#endif
