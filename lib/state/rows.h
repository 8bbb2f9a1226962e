/* Batches of rows for one statement. PostgreSQL gets them as one JSON parameter, $1, in one round trip; SQLite, where a round trip costs nothing
 * and JSON does, runs the prepared statement once for each row, with the columns as $1 … and what follows after them. */
#ifndef MTNT_STATE_ROWS_H
#define MTNT_STATE_ROWS_H

#include "mtnt/db.h"

/* Texts in cells are borrowed until the run. */
typedef struct mtnt__rows {
    const char *const *columns; /* names in the JSON */
    size_t column_count;
    mtnt_value *cells; /* row after row */
    size_t count, size;
} mtnt__rows;

#define MTNT__ROWS(names)                                     \
    {                                                         \
        (names), sizeof(names) / sizeof(*(names)), NULL, 0, 0 \
    }
void mtnt__rows_release(mtnt__rows *rows);
/* The cells of a new row, to be filled in; valid until the next call. NULL = out of memory. */
mtnt_value *mtnt__rows_add(mtnt__rows *rows);

/* `more` (ends with MTNT_TYPE_END, at most 6; NULL = none) follows the JSON, or the columns. No rows: nothing is run. */
int mtnt__rows_run(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql, const mtnt__rows *rows,
                   const mtnt_value *more);

/* The same without rows, by mtnt__db_run_later. */
int mtnt__rows_run_later(mtnt_db *db, mtnt_error *err, const char *sql, const mtnt__rows *rows, const mtnt_value *more);

/* A JSON array of texts as $1, `more` after it: questions about a list of tenants, on both backends. */
int mtnt__texts_run(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql,
                    const char *const *texts, size_t count, const mtnt_value *more);

#endif
