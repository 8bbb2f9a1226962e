#include "state/locks.h"

#include "schemas.h"

int mtnt__locks_held(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err)
{
    if (mtnt_db_backend(db) != MTNT_POSTGRES)
        return 0;
    return mtnt__db_run(db, each, data, err, mtnt__sql_queries_postgres_locks_held, NULL);
}
