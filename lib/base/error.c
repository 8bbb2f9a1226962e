#include "mtnt/error.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define CUT_MARK "\xe2\x80\xa6" /* … */

/* Where a text has to end so that no UTF-8 character is split: at most `limit`. */
static size_t character_boundary(const char *text, size_t limit)
{
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0u) == 0x80u)
        limit--;
    return limit;
}

/* The text does not fit into MTNT_ERROR_MESSAGE_SIZE: its end becomes the mark. */
static void mark_cut(char *text)
{
    size_t end = character_boundary(text, MTNT_ERROR_MESSAGE_SIZE - sizeof(CUT_MARK));

    memcpy(text + end, CUT_MARK, sizeof(CUT_MARK));
}

static void format_message(char *ret_text, const char *format, va_list arguments) MTNT_PRINTF(2, 0);
static void format_message(char *ret_text, const char *format, va_list arguments)
{
    int length = vsnprintf(ret_text, MTNT_ERROR_MESSAGE_SIZE, format, arguments);

    if (length < 0)
        ret_text[0] = '\0';
    else if ((size_t)length >= MTNT_ERROR_MESSAGE_SIZE)
        mark_cut(ret_text);
}

/* first + separator + second, cut. `ret_text` is neither of them. */
static void join(char *ret_text, const char *first, const char *separator, const char *second)
{
    const char *parts[] = {first, separator, second};
    size_t at = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t length = strlen(parts[i]), room = MTNT_ERROR_MESSAGE_SIZE - 1 - at;

        memcpy(ret_text + at, parts[i], length <= room ? length : room);
        if (length > room) {
            mark_cut(ret_text);
            return;
        }
        at += length;
    }
    ret_text[at] = '\0';
}

void mtnt_error_clear(mtnt_error *err)
{
    if (err)
        memset(err, 0, sizeof(*err));
}

int mtnt_error_setv(mtnt_error *err, int code, const char *format, va_list arguments)
{
    char message[MTNT_ERROR_MESSAGE_SIZE];

    if (!err)
        return code;
    format_message(message, format, arguments); /* before the clearing: arguments may point into err */
    mtnt_error_clear(err);
    err->code = code;
    memcpy(err->message, message, strlen(message) + 1);
    return code;
}

int mtnt_error_set(mtnt_error *err, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    mtnt_error_setv(err, code, format, arguments);
    va_end(arguments);
    return code;
}

int mtnt_error_wrap(mtnt_error *err, const char *format, ...)
{
    char circumstance[MTNT_ERROR_MESSAGE_SIZE], message[MTNT_ERROR_MESSAGE_SIZE];
    va_list arguments;

    if (!err)
        return MTNT_E_INVALID;
    va_start(arguments, format);
    format_message(circumstance, format, arguments);
    va_end(arguments);
    join(message, circumstance, ": ", err->message);
    memcpy(err->message, message, strlen(message) + 1);
    return err->code;
}

void mtnt_error_keep(mtnt_error *err, const mtnt_error *other)
{
    char message[MTNT_ERROR_MESSAGE_SIZE];

    if (!err || !other || err == other || other->code == MTNT_OK)
        return;
    if (err->code == MTNT_OK) {
        *err = *other;
        return;
    }
    join(message, other->message, ": ", err->message);
    memcpy(err->message, message, strlen(message) + 1);
}

int mtnt_error_at(mtnt_error *err, const char *file, uint32_t line, uint32_t column)
{
    if (!err)
        return MTNT_E_INVALID;
    if (file)
        mtnt__text_copy(err->file, sizeof(err->file), file);
    if (line)
        err->line = line;
    if (column)
        err->column = column;
    return err->code;
}

const char *mtnt_code_name(int code)
{
    switch (code) {
    case MTNT_OK: return "MTNT_OK";
    case MTNT_E_INVALID: return "MTNT_E_INVALID";
    case MTNT_E_NOMEM: return "MTNT_E_NOMEM";
    case MTNT_E_CONFIG: return "MTNT_E_CONFIG";
    case MTNT_E_IO: return "MTNT_E_IO";
    case MTNT_E_NOT_FOUND: return "MTNT_E_NOT_FOUND";
    case MTNT_E_EXISTS: return "MTNT_E_EXISTS";
    case MTNT_E_CONNECT: return "MTNT_E_CONNECT";
    case MTNT_E_DATABASE: return "MTNT_E_DATABASE";
    case MTNT_E_CORRUPT: return "MTNT_E_CORRUPT";
    case MTNT_E_BUSY: return "MTNT_E_BUSY";
    case MTNT_E_DEADLINE: return "MTNT_E_DEADLINE";
    case MTNT_E_CANCELLED: return "MTNT_E_CANCELLED";
    case MTNT_E_IN_DOUBT: return "MTNT_E_IN_DOUBT";
    case MTNT_E_HISTORY: return "MTNT_E_HISTORY";
    case MTNT_E_REFUSED: return "MTNT_E_REFUSED";
    case MTNT_E_NEWER: return "MTNT_E_NEWER";
    case MTNT_E_FOREIGN: return "MTNT_E_FOREIGN";
    case MTNT_E_OPERATION: return "MTNT_E_OPERATION";
    case MTNT_E_NOT_IMPLEMENTED: return "MTNT_E_NOT_IMPLEMENTED";
    case MTNT_E_BLOCKED: return "MTNT_E_BLOCKED";
    case MTNT_E_LEASE: return "MTNT_E_LEASE";
    default: return "MTNT_E_UNKNOWN";
    }
}
