/* Databases: one contract over SQLite and PostgreSQL.
 *
 * An mtnt_db is a handle on one side (controller or model) of a migration, or on a database that was opened by itself. It
 * belongs to one thread at a time; only mtnt_db_cancel may be called from another. Every call here may block on disk or
 * network, at most until the handle's deadline. Statements run in whatever transaction the coordinator holds open;
 * operations never begin or end one themselves (a BEGIN, COMMIT or ROLLBACK in an operation's SQL is refused).
 * Parameters are written $1, $2 … on both backends. Texts are UTF-8.
 */
#ifndef MTNT_DB_H
#define MTNT_DB_H

#include <stddef.h>

#include "mtnt/error.h"

MTNT_BEGIN_DECLS

typedef struct mtnt_db mtnt_db;

typedef enum mtnt_backend { MTNT_SQLITE = 1, MTNT_POSTGRES = 2 } mtnt_backend;

typedef enum mtnt_type {
    MTNT_TYPE_END = 0,
    MTNT_TYPE_NULL,
    MTNT_TYPE_INT,
    MTNT_TYPE_REAL,
    MTNT_TYPE_TEXT,
    MTNT_TYPE_BLOB
} mtnt_type;

/* A parameter. `bytes` is borrowed until the call returns; `length` counts bytes without a NUL. */
typedef struct mtnt_value {
    mtnt_type type;
    int64_t integer;
    double real;
    const void *bytes;
    size_t length;
} mtnt_value;

/* What to pass: MTNT_TEXT(NULL) is the SQL NULL. */
MTNT_API mtnt_value mtnt_value_text(const char *text);
MTNT_API mtnt_value mtnt_value_int(int64_t integer);
MTNT_API mtnt_value mtnt_value_real(double real);
MTNT_API mtnt_value mtnt_value_blob(const void *bytes, size_t length);
MTNT_API mtnt_value mtnt_value_null(void);
MTNT_API mtnt_value mtnt_value_end(void);
#define MTNT_TEXT(text) mtnt_value_text(text)
#define MTNT_INT(integer) mtnt_value_int(integer)
#define MTNT_REAL(real) mtnt_value_real(real)
#define MTNT_BLOB(bytes, length) mtnt_value_blob((bytes), (length))
#define MTNT_NULL() mtnt_value_null()

/* One row of a result, valid inside the callback only. Columns count from 0; a column out of range reads as NULL. */
typedef struct mtnt_row mtnt_row;
MTNT_API int mtnt_row_columns(const mtnt_row *row);
MTNT_API const char *mtnt_row_name(const mtnt_row *row, int column);
MTNT_API bool mtnt_row_is_null(const mtnt_row *row, int column);
MTNT_API const char *mtnt_row_text(const mtnt_row *row, int column); /* NULL for the SQL NULL */
MTNT_API int64_t mtnt_row_int(const mtnt_row *row, int column);      /* 0 for NULL or no number */
MTNT_API double mtnt_row_real(const mtnt_row *row, int column);
MTNT_API const void *mtnt_row_blob(const mtnt_row *row, int column, size_t *ret_length); /* decoded bytes */

/* Called for each row. A return that is not 0 ends the query with that code (fill err). May not use the same mtnt_db. */
typedef int (*mtnt_row_fn)(void *data, const mtnt_row *row, mtnt_error *err);

/* One statement with parameters; `values` ends with MTNT_TYPE_END, NULL = none. _exec ignores rows.
 * Errors: DATABASE (constraint, syntax …; `state` is set), BUSY (lock not had in time), CONNECT (connection lost),
 * DEADLINE, CANCELLED, CORRUPT, IO, NOMEM, INVALID (too few or many parameters, more than one statement, read-only side). */
MTNT_API int mtnt_db_exec_values(mtnt_db *db, mtnt_error *err, const char *sql, const mtnt_value *values);
MTNT_API int mtnt_db_query_values(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql,
                                  const mtnt_value *values);

/* The first column of the first row; untouched and MTNT_E_NOT_FOUND when there is no row.
 * _text allocates *ret_text (NULL for the SQL NULL); free it with mtnt_free. */
MTNT_API int mtnt_db_query_int_values(mtnt_db *db, int64_t *ret_integer, mtnt_error *err, const char *sql,
                                      const mtnt_value *values);
MTNT_API int mtnt_db_query_text_values(mtnt_db *db, char **ret_text, mtnt_error *err, const char *sql,
                                       const mtnt_value *values);

/* Frees what the library allocated for the caller. NULL is fine. */
MTNT_API void mtnt_free(void *memory);

/* The same with the parameters in the call: mtnt_db_exec(db, err, "DELETE FROM t WHERE id = $1", MTNT_INT(7)) */
#ifndef __cplusplus
#define MTNT__VALUES(...) ((const mtnt_value[]){__VA_ARGS__})
#define MTNT__EXEC(db, err, sql, ...) mtnt_db_exec_values((db), (err), (sql), MTNT__VALUES(__VA_ARGS__))
#define MTNT__QUERY(db, each, data, err, sql, ...) \
    mtnt_db_query_values((db), (each), (data), (err), (sql), MTNT__VALUES(__VA_ARGS__))
#define MTNT__QUERY_INT(db, ret, err, sql, ...) \
    mtnt_db_query_int_values((db), (ret), (err), (sql), MTNT__VALUES(__VA_ARGS__))
#define MTNT__QUERY_TEXT(db, ret, err, sql, ...) \
    mtnt_db_query_text_values((db), (ret), (err), (sql), MTNT__VALUES(__VA_ARGS__))
#define mtnt_db_exec(db, err, ...) MTNT__EXEC(db, err, __VA_ARGS__, mtnt_value_end())
#define mtnt_db_query(db, each, data, err, ...) MTNT__QUERY(db, each, data, err, __VA_ARGS__, mtnt_value_end())
#define mtnt_db_query_int(db, ret, err, ...) MTNT__QUERY_INT(db, ret, err, __VA_ARGS__, mtnt_value_end())
#define mtnt_db_query_text(db, ret, err, ...) MTNT__QUERY_TEXT(db, ret, err, __VA_ARGS__, mtnt_value_end())
#endif

/* Resolves NAME of :'name' and :"name" in a script: a borrowed text, or NULL for an unknown name (an error at its place). */
typedef const char *(*mtnt_variable_fn)(void *data, const char *name);

/* SQL text with its place of origin. :'name' becomes a quoted literal and :"name" a quoted identifier, as in psql, outside
 * of strings, comments, dollar quotes and quoted identifiers; nothing is ever pasted in raw. `::` casts stay. */
typedef struct mtnt_script {
    const char *sql;           /* any number of statements, triggers and comments included */
    const char *file;          /* where it stands, for errors; NULL = unknown */
    uint32_t line, column;     /* position of its first character there, from 1; 0 = unknown */
    mtnt_variable_fn variable; /* NULL = no names are known */
    void *variable_data;
    /* Outside a transaction: a statement that finds something missing (table, column, index, function, schema) is passed over. For a rollback that
     * does not know how much there is to take back. */
    bool pass_over_missing;
} mtnt_script;

/* Runs all statements in order, within the transaction that is open. Rows are ignored. On failure `err` says the file, line
 * and column of the statement or token, and the later statements have not run. Errors: those of mtnt_db_exec_values, CONFIG for an
 * unknown :'name' or an unterminated quote, INVALID for transaction control in the script. */
MTNT_API int mtnt_db_script(mtnt_db *db, const mtnt_script *script, mtnt_error *err);

/* Runs a script of one statement, as mtnt_db_script does, and gives its rows to `each`. Errors: those of mtnt_db_script, INVALID for
 * more than one statement, and the callback's. */
MTNT_API int mtnt_db_query_script(mtnt_db *db, const mtnt_script *script, mtnt_row_fn each, void *data,
                                  mtnt_error *err);

/* Checks a script without a database: quotes end, every :'name' is known (when `variable` is set), no transaction control
 * (BEGIN, START, COMMIT, END, ROLLBACK except TO, ABORT, PREPARE TRANSACTION, ROLLBACK PREPARED, COMMIT PREPARED; ATTACH and
 * DETACH on SQLite). CONFIG with the position otherwise. Any thread, does not block. */
MTNT_API int mtnt_script_check(const mtnt_script *script, mtnt_backend backend, mtnt_error *err);

MTNT_API mtnt_backend mtnt_db_backend(const mtnt_db *db);

/* Interrupts the statement that runs on the handle, from any thread; it ends with MTNT_E_CANCELLED, and so does every later one
 * until the coordinator begins anew. Does not wait. */
MTNT_API void mtnt_db_cancel(mtnt_db *db);

MTNT_END_DECLS

#ifdef __cplusplus
template <class... Values> inline int mtnt_db_exec(mtnt_db *db, mtnt_error *err, const char *sql, Values... parameters)
{
    const mtnt_value values[] = {parameters..., mtnt_value_end()};
    return mtnt_db_exec_values(db, err, sql, values);
}
template <class... Values>
inline int mtnt_db_query(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql,
                         Values... parameters)
{
    const mtnt_value values[] = {parameters..., mtnt_value_end()};
    return mtnt_db_query_values(db, each, data, err, sql, values);
}
template <class... Values>
inline int mtnt_db_query_int(mtnt_db *db, int64_t *ret_integer, mtnt_error *err, const char *sql, Values... parameters)
{
    const mtnt_value values[] = {parameters..., mtnt_value_end()};
    return mtnt_db_query_int_values(db, ret_integer, err, sql, values);
}
template <class... Values>
inline int mtnt_db_query_text(mtnt_db *db, char **ret_text, mtnt_error *err, const char *sql, Values... parameters)
{
    const mtnt_value values[] = {parameters..., mtnt_value_end()};
    return mtnt_db_query_text_values(db, ret_text, err, sql, values);
}
#endif

#endif
