#include "base/wire.h"

#include <stdlib.h>
#include <string.h>

void mtnt__wire_bytes(mtnt__buffer *message, const void *bytes, size_t size)
{
    mtnt__buffer_add(message, bytes, size);
}

void mtnt__wire_int(mtnt__buffer *message, int64_t value)
{
    mtnt__wire_bytes(message, &value, sizeof(value));
}

/* Its length with the NUL; 0 = NULL. */
void mtnt__wire_text(mtnt__buffer *message, const char *text)
{
    size_t size = text == NULL ? 0 : strlen(text) + 1;

    mtnt__wire_int(message, (int64_t)size);
    if (size > 0)
        mtnt__wire_bytes(message, text, size);
}

void mtnt__wire_list(mtnt__buffer *message, const char *const *list)
{
    size_t count = 0;

    while (list != NULL && list[count] != NULL)
        count++;
    mtnt__wire_int(message, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        mtnt__wire_text(message, list[i]);
}

void mtnt__wire_error(mtnt__buffer *message, const mtnt_error *error)
{
    mtnt__wire_int(message, error->code);
    mtnt__wire_int(message, error->retryable);
    mtnt__wire_int(message, error->line);
    mtnt__wire_int(message, error->column);
    mtnt__wire_text(message, error->state);
    mtnt__wire_text(message, error->file);
    mtnt__wire_text(message, error->statement);
    mtnt__wire_text(message, error->message);
}

void mtnt__wire_take_bytes(mtnt__wire *from, void *ret_bytes, size_t size)
{
    if (from->bad || (size_t)(from->end - from->at) < size) {
        from->bad = true;
        memset(ret_bytes, 0, size);
        return;
    }
    memcpy(ret_bytes, from->at, size);
    from->at += size;
}

int64_t mtnt__wire_take_int(mtnt__wire *from)
{
    int64_t value;

    mtnt__wire_take_bytes(from, &value, sizeof(value));
    return value;
}

const char *mtnt__wire_take_text(mtnt__wire *from)
{
    int64_t size = mtnt__wire_take_int(from);
    const char *text = from->at;

    if (from->bad || size == 0)
        return NULL;
    if (size < 0 || size > from->end - from->at || memchr(text, '\0', (size_t)size) != text + size - 1) {
        from->bad = true;
        return NULL;
    }
    from->at += size;
    return text;
}

void mtnt__wire_take_copy(mtnt__wire *from, char *target, size_t size)
{
    const char *text = mtnt__wire_take_text(from);

    mtnt__text_copy(target, size, text == NULL ? "" : text);
}

const char **mtnt__wire_take_list(mtnt__wire *from)
{
    int64_t count = mtnt__wire_take_int(from);
    const char **list;

    /* Each is a length at least. */
    if (count < 0 || count > (from->end - from->at) / (int64_t)sizeof(int64_t))
        from->bad = true;
    if (from->bad || (list = calloc((size_t)count + 1, sizeof(*list))) == NULL)
        return NULL;
    for (int64_t i = 0; i < count; i++)
        if ((list[i] = mtnt__wire_take_text(from)) == NULL)
            from->bad = true;
    return list;
}

void mtnt__wire_take_error(mtnt__wire *from, mtnt_error *ret_error)
{
    mtnt_error error = MTNT_ERROR_INIT;

    error.code = (int)mtnt__wire_take_int(from);
    error.retryable = mtnt__wire_take_int(from) != 0;
    error.line = (uint32_t)mtnt__wire_take_int(from);
    error.column = (uint32_t)mtnt__wire_take_int(from);
    mtnt__wire_take_copy(from, error.state, sizeof(error.state));
    mtnt__wire_take_copy(from, error.file, sizeof(error.file));
    mtnt__wire_take_copy(from, error.statement, sizeof(error.statement));
    mtnt__wire_take_copy(from, error.message, sizeof(error.message));
    *ret_error = error;
}
