/* Model descriptions, written: a document that goes out as it comes in. */
#ifndef MTNT_COORDINATE_DESCRIBE_H
#define MTNT_COORDINATE_DESCRIBE_H

#include "base/text.h"
#include "db/database.h"
#include "mtnt/description.h"

typedef struct mtnt__describer {
    mtnt_description_sink sink;
    void *data;
    mtnt__buffer text; /* not given to the sink yet */
    bool any;          /* there was a table */
} mtnt__describer;

/* ---- text ---- */

/* In double quotes. REFUSED when it is no UTF-8 or has a NUL in it. */
int mtnt__describe_text(mtnt__describer *describer, const char *text, size_t length, mtnt_error *err);
int mtnt__describe_blob(mtnt__describer *describer, const void *bytes, size_t length, mtnt_error *err);
void mtnt__describe_real(mtnt__describer *describer, double value);
/* A number as PostgreSQL writes it; fixed: without the zeros at the end of its fraction. */
void mtnt__describe_number(mtnt__describer *describer, const char *text, bool fixed);
/* Gives what there is to the sink: all of it, or only when it is much. NOMEM. */
int mtnt__describe_flush(mtnt__describer *describer, bool all, mtnt_error *err);

/* ---- tables ---- */

/* In the transaction that is open on db. key NULL: all rows, of the model; else those of the controller whose key is `tenant`. NOT_FOUND: no such
 * table, or no such key in it. */
int mtnt__describe_table(mtnt__describer *describer, mtnt_db *db, const char *name, const char *key, const char *tenant,
                         mtnt_error *err);
/* All tables of the model. REFUSED: one of them cannot be described. */
int mtnt__describe_tables(mtnt__describer *describer, mtnt_db *db, bool whole_database, mtnt_error *err);
int mtnt__describe_sequences(mtnt__describer *describer, mtnt_db *db, mtnt_error *err);

#endif
