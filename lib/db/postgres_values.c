/* Parameters to the server, rows from it: as text, but for binary parameters. */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "db/postgres.h"

#define TYPE_BOOL 16
#define TYPE_BYTEA 17
#define MAX_PARAMETERS 65535
#define NUMBER_SIZE 32

/* ---- parameters ---- */

static size_t room_for(const mtnt_value *value)
{
    switch (value->type) {
    case MTNT_TYPE_INT:
    case MTNT_TYPE_REAL: return NUMBER_SIZE;
    case MTNT_TYPE_TEXT: return value->length + 1;
    default: return 0;
    }
}

/* Texts get the NUL that libpq wants; numbers stay untyped, so that the server infers the type from where they stand. */
static char *put_value(mtnt__parameters *p, int i, const mtnt_value *value, char *room)
{
    switch (value->type) {
    case MTNT_TYPE_INT: snprintf(room, NUMBER_SIZE, "%lld", (long long)value->integer); break;
    case MTNT_TYPE_REAL: mtnt__format_real(value->real, room); break;
    case MTNT_TYPE_TEXT:
        memcpy(room, value->bytes, value->length);
        room[value->length] = '\0';
        break;
    case MTNT_TYPE_BLOB:
        p->values[i] = value->bytes;
        p->lengths[i] = (int)value->length;
        p->formats[i] = 1;
        p->types[i] = TYPE_BYTEA;
        return room;
    default: return room;
    }
    p->values[i] = room;
    return room + room_for(value);
}

static int measure(const mtnt_value *values, int *ret_count, size_t *ret_size, mtnt_error *err)
{
    size_t size = 0;
    int count = 0;

    for (; values && values[count].type != MTNT_TYPE_END; count++) {
        const mtnt_value *value = &values[count];

        if (count == MAX_PARAMETERS)
            return mtnt_error_set(err, MTNT_E_INVALID, "more than %d parameters", MAX_PARAMETERS);
        if (value->type == MTNT_TYPE_TEXT && memchr(value->bytes, '\0', value->length))
            return mtnt_error_set(err, MTNT_E_INVALID, "$%d: PostgreSQL has no text with a NUL in it", count + 1);
        if (value->length > INT32_MAX)
            return mtnt_error_set(err, MTNT_E_INVALID, "$%d is too long", count + 1);
        size += room_for(value);
    }
    *ret_count = count;
    *ret_size = size;
    return MTNT_OK;
}

int mtnt__postgres_parameters(mtnt__parameters *ret_parameters, const mtnt_value *values, mtnt_error *err)
{
    mtnt__parameters p = {0};
    size_t size = 0, count;
    char *room;
    int rc = measure(values, &p.count, &size, err);

    if (rc != 0)
        return rc;
    count = (size_t)p.count;
    p.memory = calloc(1, count * (sizeof(char *) + 2 * sizeof(int) + sizeof(Oid)) + size + 1);
    if (!p.memory)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    p.values = p.memory;
    p.lengths = (int *)(void *)(p.values + count);
    p.formats = p.lengths + count;
    p.types = (Oid *)(void *)(p.formats + count);
    room = (char *)(p.types + count);
    for (int i = 0; i < p.count; i++)
        room = put_value(&p, i, &values[i], room);
    *ret_parameters = p;
    return MTNT_OK;
}

void mtnt__postgres_parameters_release(mtnt__parameters *parameters)
{
    free(parameters->memory);
    memset(parameters, 0, sizeof(*parameters));
}

/* ---- rows ---- */

/* The row of a callback, with the bytes that it has asked for. */
typedef struct source {
    PGresult *result;
    bool failed; /* memory ran out for some */
    struct decoded {
        unsigned char *bytes;
        size_t length;
    } * decoded; /* one a column; NULL until the first is needed */
} source;

static source *source_of(const mtnt_row *row)
{
    return row->source;
}

static const char *row_name(const mtnt_row *row, int column)
{
    return PQfname(source_of(row)->result, column);
}

static bool row_is_null(const mtnt_row *row, int column)
{
    return PQgetisnull(source_of(row)->result, 0, column) != 0;
}

static const char *row_text(const mtnt_row *row, int column)
{
    return PQgetvalue(source_of(row)->result, 0, column);
}

static int64_t row_integer(const mtnt_row *row, int column)
{
    const char *text = row_text(row, column);

    if (PQftype(source_of(row)->result, column) == TYPE_BOOL)
        return text[0] == 't';
    return mtnt__number_of_text(text);
}

static double row_real(const mtnt_row *row, int column)
{
    const char *text = row_text(row, column);
    double real;

    if (PQftype(source_of(row)->result, column) == TYPE_BOOL)
        return text[0] == 't';
    return mtnt__parse_real(text, &real) ? real : 0;
}

static const void *row_blob(const mtnt_row *row, int column, size_t *ret_length)
{
    source *from = source_of(row);

    if (PQftype(from->result, column) != TYPE_BYTEA) {
        *ret_length = (size_t)PQgetlength(from->result, 0, column);
        return row_text(row, column);
    }
    if (!from->decoded)
        from->decoded = calloc((size_t)row->columns, sizeof(*from->decoded));
    if (!from->decoded) {
        from->failed = true;
        return NULL;
    }
    if (!from->decoded[column].bytes)
        from->decoded[column].bytes =
            PQunescapeBytea((const unsigned char *)row_text(row, column), &from->decoded[column].length);
    from->failed = from->failed || !from->decoded[column].bytes;
    *ret_length = from->decoded[column].bytes ? from->decoded[column].length : 0;
    return from->decoded[column].bytes;
}

int mtnt__postgres_give_row(PGresult *result, mtnt_row_fn each, void *data, mtnt_error *err)
{
    static const mtnt__row_class row_class = {row_name, row_is_null, row_text, row_integer, row_real, row_blob};
    source from = {.result = result};
    mtnt_row row = {&row_class, &from, PQnfields(result)};
    int rc = each(data, &row, err);

    for (int i = 0; from.decoded && i < row.columns; i++)
        PQfreemem(from.decoded[i].bytes);
    free(from.decoded);
    if (rc == 0 && from.failed)
        rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    return rc;
}
