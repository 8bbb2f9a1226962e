/* The tokens of SQL, as far as quotes, names and the beginnings of statements need them. */
#ifndef MTNT_BASE_SQL_SCAN_H
#define MTNT_BASE_SQL_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"
#include "mtnt/db.h"

typedef enum mtnt__sql_token_kind {
    MTNT__SQL_END,
    MTNT__SQL_WORD,
    MTNT__SQL_SEMICOLON,
    MTNT__SQL_OPEN,
    MTNT__SQL_CLOSE,
    MTNT__SQL_LITERAL_NAME,    /* :'name' */
    MTNT__SQL_IDENTIFIER_NAME, /* :"name" */
    MTNT__SQL_OTHER,           /* strings, quoted identifiers, numbers, operators */
    MTNT__SQL_UNENDED          /* a quote or comment without its end; from there to the end of the text */
} mtnt__sql_token_kind;

typedef struct mtnt__sql_token {
    mtnt__sql_token_kind kind;
    size_t start, length;
} mtnt__sql_token;

/* The walk over a text, token by token; comments and blanks are passed over. */
typedef struct mtnt__sql_walk {
    const char *text;
    mtnt_backend backend;
    size_t at;

    /* the statement that the last token belongs to */
    size_t statement_start;
    bool starts;         /* the last token is its first */
    const char *control; /* it begins or ends a transaction or attaches a database: its name; set once that is known */

    /* inside */
    bool ended; /* the last token is the semicolon that ends it */
    int words;  /* how many tokens it has */
    int parentheses;
    int bodies;    /* PostgreSQL: depth of BEGIN ATOMIC and CASE */
    int shape;     /* what its first words are so far */
    int before[2]; /* the last two tokens */
} mtnt__sql_walk;

void mtnt__sql_walk_init(mtnt__sql_walk *walk, const char *text, mtnt_backend backend);
mtnt__sql_token mtnt__sql_walk_next(mtnt__sql_walk *walk);

#endif
