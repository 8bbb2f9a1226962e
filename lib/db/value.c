#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/backend.h"

/* ---- parameters ---- */

mtnt_value mtnt_value_text(const char *text)
{
    if (!text)
        return mtnt_value_null();
    return (mtnt_value){.type = MTNT_TYPE_TEXT, .bytes = text, .length = strlen(text)};
}

mtnt_value mtnt_value_int(int64_t integer)
{
    return (mtnt_value){.type = MTNT_TYPE_INT, .integer = integer};
}

mtnt_value mtnt_value_real(double real)
{
    return (mtnt_value){.type = MTNT_TYPE_REAL, .real = real};
}

mtnt_value mtnt_value_blob(const void *bytes, size_t length)
{
    if (!bytes && length > 0)
        return mtnt_value_null();
    return (mtnt_value){.type = MTNT_TYPE_BLOB, .bytes = bytes ? bytes : "", .length = length};
}

mtnt_value mtnt_value_null(void)
{
    return (mtnt_value){.type = MTNT_TYPE_NULL};
}

mtnt_value mtnt_value_end(void)
{
    return (mtnt_value){.type = MTNT_TYPE_END};
}

void mtnt_free(void *memory)
{
    free(memory);
}

/* ---- rows ---- */

static bool has_value(const mtnt_row *row, int column)
{
    return column >= 0 && column < row->columns && !row->row_class->is_null(row, column);
}

int mtnt_row_columns(const mtnt_row *row)
{
    return row->columns;
}

const char *mtnt_row_name(const mtnt_row *row, int column)
{
    return column >= 0 && column < row->columns ? row->row_class->name(row, column) : NULL;
}

bool mtnt_row_is_null(const mtnt_row *row, int column)
{
    return !has_value(row, column);
}

const char *mtnt_row_text(const mtnt_row *row, int column)
{
    return has_value(row, column) ? row->row_class->text(row, column) : NULL;
}

int64_t mtnt_row_int(const mtnt_row *row, int column)
{
    return has_value(row, column) ? row->row_class->integer(row, column) : 0;
}

double mtnt_row_real(const mtnt_row *row, int column)
{
    return has_value(row, column) ? row->row_class->real(row, column) : 0;
}

const void *mtnt_row_blob(const mtnt_row *row, int column, size_t *ret_length)
{
    size_t length = 0;
    const void *bytes = has_value(row, column) ? row->row_class->blob(row, column, &length) : NULL;

    if (ret_length)
        *ret_length = length;
    return bytes;
}

/* ---- numbers, alike on every backend ---- */

int64_t mtnt__number_of_real(double real)
{
    if (real != real)
        return 0;
    if (real >= 9223372036854775808.0)
        return INT64_MAX;
    if (real <= -9223372036854775808.0)
        return INT64_MIN;
    return (int64_t)real;
}

int64_t mtnt__number_of_text(const char *text)
{
    int64_t integer;
    double real;

    if (mtnt__parse_int(text, INT64_MIN, INT64_MAX, &integer))
        return integer;
    return mtnt__parse_real(text, &real) ? mtnt__number_of_real(real) : 0;
}
