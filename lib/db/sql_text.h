/* SQL as text: where statements begin, what stands in quotes, names to be filled in. No database is needed. */
#ifndef MTNT_DB_SQL_TEXT_H
#define MTNT_DB_SQL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/sql_scan.h"
#include "mtnt/db.h"

/* A stretch of the expanded text that does not stand in the source like that. */
typedef struct mtnt__sql_piece {
    size_t start, length;               /* in the expanded text */
    size_t source_start, source_length; /* what it replaces */
} mtnt__sql_piece;

/* A script made ready for a database. Zero it before use. */
typedef struct mtnt__sql {
    char *text;
    size_t length;
    mtnt__sql_piece *pieces; /* in order */
    size_t piece_count, piece_size;
    size_t *statements; /* where each statement starts in `text`; empty ones (";;") are none */
    size_t statement_count, statement_size;
} mtnt__sql;

/* Expands names and finds the statements. Errors: CONFIG (unknown name, unended quote) and control_code (transaction control;
 * 0 = not looked for), both with their position; NOMEM. */
int mtnt__sql_init(mtnt__sql *ret_sql, const mtnt_script *script, mtnt_backend backend, int control_code,
                   mtnt_error *err);
void mtnt__sql_release(mtnt__sql *sql);

/* Offset in the source of the script for one in the expanded text. */
size_t mtnt__sql_source_offset(const mtnt__sql *sql, size_t offset);

/* Puts file, line, column and the line of SQL into err, for an offset in the source. */
void mtnt__sql_locate(const mtnt_script *script, size_t offset, mtnt_error *err);

/* For SQL that is not a script. INVALID unless it is one statement, which neither begins nor ends a transaction (nor attaches a
 * database). */
int mtnt__sql_check_single(const char *sql, mtnt_backend backend, mtnt_error *err);

/* PostgreSQL: nothing but plain data definition, which runs no code of the user's, so that no setting of the session can be another one
 * after it. */
bool mtnt__sql_is_plain_definition(const mtnt__sql *sql);

/* `text` quoted for `backend`, with a blank on either side so that it joins no neighbour. */
void mtnt__sql_add_literal(mtnt__buffer *buffer, mtnt_backend backend, const char *text);
void mtnt__sql_add_identifier(mtnt__buffer *buffer, const char *text);

#endif
