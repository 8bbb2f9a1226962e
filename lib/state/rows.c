#include "state/rows.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "db/database.h"

#define MAX_MORE 6
#define MAX_COLUMNS 16

static int no_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

void mtnt__rows_release(mtnt__rows *rows)
{
    free(rows->cells);
    rows->cells = NULL;
    rows->count = rows->size = 0;
}

mtnt_value *mtnt__rows_add(mtnt__rows *rows)
{
    size_t size = rows->size == 0 ? 32 : rows->size * 2;
    mtnt_value *cells;

    if (rows->count == rows->size) {
        cells = realloc(rows->cells, size * rows->column_count * sizeof(*cells));
        if (cells == NULL)
            return NULL;
        rows->cells = cells;
        rows->size = size;
    }
    return rows->cells + rows->count++ * rows->column_count;
}

/* Bytes that are no UTF-8 become '?': an error text may hold anything. */
static json_t *json_text(const char *bytes, size_t length)
{
    json_t *json = json_stringn(bytes, length);
    char *copy;

    if (json != NULL)
        return json;
    copy = malloc(length + 1);
    if (copy == NULL)
        return NULL;
    for (size_t i = 0; i < length; i++)
        copy[i] = (char)((unsigned char)bytes[i] >= 0x80 ? '?' : bytes[i]);
    json = json_stringn(copy, length);
    free(copy);
    return json;
}

static json_t *json_cell(const mtnt_value *value)
{
    if (value->type == MTNT_TYPE_INT)
        return json_integer(value->integer);
    if (value->type == MTNT_TYPE_TEXT)
        return json_text(value->bytes, value->length);
    return json_null();
}

static json_t *json_row(const mtnt__rows *rows, size_t row)
{
    json_t *object = json_object();

    for (size_t i = 0; object != NULL && i < rows->column_count; i++)
        if (json_object_set_new_nocheck(object, rows->columns[i],
                                        json_cell(rows->cells + row * rows->column_count + i)) != 0) {
            json_decref(object);
            return NULL;
        }
    return object;
}

static json_t *json_rows(const mtnt__rows *rows)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < rows->count; i++)
        if (json_array_append_new(array, json_row(rows, i)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

static size_t append(mtnt_value *values, size_t count, const mtnt_value *more)
{
    for (size_t i = 0; more != NULL && more->type != MTNT_TYPE_END && i < MAX_MORE; i++)
        values[count++] = *more++;
    values[count] = mtnt_value_end();
    return count;
}

static int run_json(mtnt_db *db, bool later, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql,
                    json_t *json, const mtnt_value *more)
{
    mtnt_value values[MAX_MORE + 2];
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);
    int rc;

    json_decref(json);
    if (text == NULL)
        return no_memory(err);
    values[0] = mtnt_value_text(text);
    append(values, 1, more);
    rc = later ? mtnt__db_run_later(db, err, sql, values) : mtnt__db_run(db, each, data, err, sql, values);
    free(text);
    return rc;
}

static int run_each(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql, const mtnt__rows *rows,
                    const mtnt_value *more)
{
    mtnt_value values[MAX_COLUMNS + MAX_MORE + 1];
    int rc = 0;

    for (size_t i = 0; i < rows->count && rc == 0; i++) {
        memcpy(values, rows->cells + i * rows->column_count, rows->column_count * sizeof(*values));
        append(values, rows->column_count, more);
        rc = mtnt__db_run(db, each, data, err, sql, values);
    }
    return rc;
}

static int run(mtnt_db *db, bool later, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql,
               const mtnt__rows *rows, const mtnt_value *more)
{
    if (rows->count == 0)
        return 0;
    if (rows->column_count > MAX_COLUMNS)
        return mtnt_error_set(err, MTNT_E_INVALID, "%zu columns in a batch", rows->column_count);
    return mtnt_db_backend(db) == MTNT_SQLITE ? run_each(db, each, data, err, sql, rows, more)
                                              : run_json(db, later, each, data, err, sql, json_rows(rows), more);
}

int mtnt__rows_run(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql, const mtnt__rows *rows,
                   const mtnt_value *more)
{
    return run(db, false, each, data, err, sql, rows, more);
}

int mtnt__rows_run_later(mtnt_db *db, mtnt_error *err, const char *sql, const mtnt__rows *rows, const mtnt_value *more)
{
    return run(db, true, NULL, NULL, err, sql, rows, more);
}

int mtnt__texts_run(mtnt_db *db, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql,
                    const char *const *texts, size_t count, const mtnt_value *more)
{
    json_t *array = json_array();

    for (size_t i = 0; array != NULL && i < count; i++)
        if (json_array_append_new(array, json_text(texts[i], strlen(texts[i]))) != 0) {
            json_decref(array);
            array = NULL;
        }
    return run_json(db, false, each, data, err, sql, array, more);
}
