/* Model descriptions: the data of one tenant as a YAML document, written from its databases and read by the operation `import`.
 *
 *     description: 1                         # version of the format
 *     tenant: globex
 *     chain: crm
 *     applied: [contacts, plan]              # what the model had applied; `import` asks for the same
 *     tables:                                # the tables' rows in pieces; a table may have several
 *       - side: controller                   # of the controller; without it: of the model
 *         table: customers
 *         columns: ["id", "name"]
 *         rows:
 *           - row: ["globex", "Globex GmbH"]
 *       - table: contacts
 *         columns: ["id", "name", "photo"]
 *         counters:
 *           - {column: "id", next: 3}        # what an AUTOINCREMENT or a sequence gives next
 *         rows:
 *           - row: [1, "Ann", !!binary "AAECAw=="]
 *           - row: [2, "Bob", null]
 *
 * Texts are quoted; numbers (also .nan, .inf, -.inf), true, false and null are not. What stands before `tables` has to come first. The schema is
 * not described: the chain makes it. */
#ifndef MTNT_DESCRIPTION_H
#define MTNT_DESCRIPTION_H

#include "mtnt/controller.h"

MTNT_BEGIN_DECLS

/* ---- reading ---- */

/* An open description that has been checked. One thread at a time. */
typedef struct mtnt_description mtnt_description;

typedef enum mtnt_described_type {
    MTNT_DESCRIBED_NULL = 0,
    MTNT_DESCRIBED_BOOL, /* "true" or "false" */
    MTNT_DESCRIBED_NUMBER, /* as it is written: "-1", "12345.670", "1e300"; ".nan", ".inf" and "-.inf" are "NaN", "Infinity" and "-Infinity" */
    MTNT_DESCRIBED_TEXT,
    MTNT_DESCRIBED_BLOB
} mtnt_described_type;

/* `bytes` has a NUL behind it, which `length` does not count. */
typedef struct mtnt_described_value {
    mtnt_described_type type;
    const char *bytes;
    size_t length;
    uint32_t line, column;
} mtnt_described_value;

/* What a column's AUTOINCREMENT or sequence, or a sequence of that name, gives next. */
typedef struct mtnt_described_counter {
    const char *name;
    int64_t next;
    uint32_t line, column;
} mtnt_described_counter;

/* One piece of a table, valid inside the callback only. */
typedef struct mtnt_described_rows {
    bool on_controller;
    const char *table;
    const char *const *columns;
    size_t column_count;
    const mtnt_described_value *values; /* row by row, row_count * column_count */
    size_t row_count;
    const mtnt_described_counter *counters;
    size_t counter_count;
    uint32_t line, column;
} mtnt_described_rows;
/* A return that is not 0 ends the reading with that code (fill err). */
typedef int (*mtnt_described_fn)(void *data, const mtnt_described_rows *rows, mtnt_error *err);

/* Reads the file once, from the beginning to the end, and checks all of it; holds one piece at a time. *ret_description is the caller's, freed
 * with _close. CONFIG, "the model description is not valid: …", with file, line and column: no YAML, unknown, missing, repeated or mistyped keys, rows of
 * another length than `columns`; NEWER: a later version of the format; NOT_FOUND, IO (also for what is no plain file), NOMEM. Blocks on the file
 * system. */
MTNT_API int mtnt_description_open(mtnt_description **ret_description, const char *path, mtnt_error *err);
MTNT_API void mtnt_description_close(mtnt_description *description);

/* Borrowed, valid as long as the description. */
MTNT_API const char *mtnt_description_tenant(const mtnt_description *description);
MTNT_API const char *mtnt_description_chain(const mtnt_description *description);
MTNT_API const char *const *mtnt_description_applied(const mtnt_description *description); /* NULL-terminated */
/* Sequences that belong to no column, from 0. false = no more. */
MTNT_API bool mtnt_description_sequence(const mtnt_description *description, size_t index,
                                        mtnt_described_counter *ret_counter);
/* Each table once, in the order of the file; NULL = no more. */
MTNT_API const char *mtnt_description_table(const mtnt_description *description, size_t index, bool *ret_on_controller,
                                            uint32_t *ret_line);

/* Gives the pieces in the order of the file, which is read again, a piece at a time. Errors: those of _open, and the callback's. Blocks on the file system. */
MTNT_API int mtnt_description_read(mtnt_description *description, mtnt_described_fn each, void *data, mtnt_error *err);

/* ---- writing ---- */

/* A table of the controller with rows of tenants: those whose `key` is the tenant's id are its own. */
typedef struct mtnt_described_table {
    const char *table, *key;
    bool replace; /* import: rows that the tenant has there already are replaced; else they are refused */
} mtnt_described_table;

/* Takes the next bytes of the document. A return that is not 0 ends the writing with that code (fill err). */
typedef int (*mtnt_description_sink)(void *data, const char *bytes, size_t length, mtnt_error *err);

/* Writes the description of a tenant as it is at one moment, both databases by a read-only transaction that sees one snapshot; holds one row at a time.
 * `tables` of the controller come first, in the order given, then all tables of the model by name, without our own; rows by primary key, or by all
 * columns where there is none; generated columns and views are left out. The same databases give the same bytes. A SQLite model in rollback-journal mode
 * cannot be written meanwhile. Uses connections of its own.
 * REFUSED: the model has what cannot be described (virtual tables, tables outside of its schema, a text with a NUL or that is no UTF-8); BUSY: a migration
 * is at work, or came between (retryable), or has been interrupted; NOT_FOUND: no such model, or the controller does not know the tenant; and those of
 * mtnt/db.h. What has been given to `sink` by then is to be thrown away. Blocks. */
MTNT_API int mtnt_description_write(mtnt_controller *controller, const mtnt_chain *chain, const mtnt_model *model,
                                    const mtnt_described_table *tables, size_t table_count, mtnt_description_sink sink,
                                    void *data, mtnt_error *err);

MTNT_END_DECLS

#endif
