/* What a model's schema is made of, as lines in an order that says nothing: for its fingerprint, and for comparing it with another. */
#ifndef MTNT_STATE_CATALOGUE_H
#define MTNT_STATE_CATALOGUE_H

#include "chain/chain.h"

/* One line a definition: "kind name", a tab, and its text, which may have line breaks. Sorted by bytes. Left out are our own tables, those in which
 * other tools keep their books, and what is no definition: owners, rights, comments, statistics, storage settings. The order of columns does not
 * count, nor does the name of the schema that a tenant has for itself. SQLite: the texts of sqlite_schema by their tokens, and tables taken apart,
 * so that a column is the same whether CREATE or ALTER has made it. */
typedef struct mtnt__catalogue {
    char **lines;
    size_t count, size;
} mtnt__catalogue;
void mtnt__catalogue_release(mtnt__catalogue *catalogue);
/* Takes `line` (malloc'ed) over, NULL = out of memory, and on failure frees it. */
int mtnt__catalogue_add(mtnt__catalogue *catalogue, char *line, mtnt_error *err);
void mtnt__catalogue_sort(mtnt__catalogue *catalogue);

/* Reads it inside the transaction that is open on `db`; its search_path is another one then (PostgreSQL, until the transaction's end). schema: the model's
 * own, NULL = it has the whole database. */
int mtnt__catalogue_read(mtnt_db *db, const char *schema, mtnt__catalogue *ret_catalogue, mtnt_error *err);
/* The statement that reads it is given to `each`, a definition a row: a line (PostgreSQL), or type, name, table and text as SQLite has them. */
int mtnt__catalogue_query(mtnt_db *db, const char *schema, mtnt_row_fn each, void *data, mtnt_error *err);
/* What a row of sqlite_schema comes to. Needs no database. */
int mtnt__catalogue_add_sqlite(mtnt__catalogue *catalogue, const char *type, const char *name, const char *table,
                               const char *sql, mtnt_error *err);
/* The digest of equal catalogues is equal. */
int mtnt__catalogue_digest(const mtnt__catalogue *catalogue, char ret_digest[MTNT__CHECKSUM_SIZE], mtnt_error *err);

/* What one has to be given to become the other, for people: "- index t.a on t(a)", "+ column t.b text"; of a definition that has changed both, and where it
 * has several lines only those that differ. Each gets a line without its break, the tab still in it; `sign` is '-', '+' or ' '. At most `most` lines; returns how many
 * there are in all. NULL `each`: only counts. Needs memory for long texts; without it they are shown whole. */
typedef void (*mtnt__diff_line_fn)(void *data, char sign, const char *text, size_t length);
size_t mtnt__catalogue_diff(const mtnt__catalogue *from, const mtnt__catalogue *to, size_t most,
                            mtnt__diff_line_fn each, void *data);

#endif
