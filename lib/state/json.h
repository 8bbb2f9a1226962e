/* Batches of rows go to the databases as one JSON parameter: one statement, one round trip, the same on both backends. */
#ifndef MTNT_STATE_JSON_H
#define MTNT_STATE_JSON_H

#include <jansson.h>

#include "mtnt/db.h"

/* The text as JSON, NULL as null; bytes that are no UTF-8 become '?'. NULL = out of memory. */
json_t *mtnt__json_text(const char *text);

/* Sets key to value (stolen, NULL = out of memory). false once anything failed. */
bool mtnt__json_set(json_t *object, const char *key, json_t *value);

/* Runs one bookkeeping statement with `rows` as $1 and up to three further values; consumes nothing. `each` may be NULL. */
int mtnt__json_run(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql, const json_t *rows, const mtnt_value *more);

#endif
