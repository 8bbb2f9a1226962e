#include "base/text.h"

#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool mtnt__text_copy(char *target, size_t size, const char *source)
{
    size_t length = strlen(source), end = length;

    if (size == 0)
        return false;
    if (length >= size) {
        end = size - 1;
        while (end > 0 && ((unsigned char)source[end] & 0xc0u) == 0x80u)
            end--;
    }
    memmove(target, source, end);
    target[end] = '\0';
    return end == length;
}

bool mtnt__text_equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool mtnt__parse_int(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_value)
{
    bool negative = *text == '-';
    int64_t value = 0;

    if (negative)
        text++;
    if (*text == '\0')
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        /* Downwards, because INT64_MIN has no positive counterpart. */
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, *text - '0', &value))
            return false;
    }
    if (!negative && __builtin_sub_overflow((int64_t)0, value, &value))
        return false;
    if (value < minimum || value > maximum)
        return false;
    *ret_value = value;
    return true;
}

bool mtnt__parse_real(const char *text, double *ret_value)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *end;
    double value;

    if (!plain)
        return false;
    value = strtod_l(text, &end, plain);
    freelocale(plain);
    if (end == text || *end != '\0' || strspn(text, " \t\n\v\f\r") > 0)
        return false;
    *ret_value = value;
    return true;
}

static void format_real(double value, int digits, char ret_text[MTNT__REAL_SIZE])
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before;

    if (!plain) {
        snprintf(ret_text, MTNT__REAL_SIZE, "%.*g", digits, value);
        return;
    }
    before = uselocale(plain);
    snprintf(ret_text, MTNT__REAL_SIZE, "%.*g", digits, value);
    uselocale(before);
    freelocale(plain);
}

void mtnt__format_real(double value, char ret_text[MTNT__REAL_SIZE])
{
    format_real(value, 17, ret_text);
}

/* Not ==: -0.0 is another text than 0.0. */
static bool same_bits(double a, double b)
{
    uint64_t of_a, of_b;

    memcpy(&of_a, &a, sizeof(of_a));
    memcpy(&of_b, &b, sizeof(of_b));
    return of_a == of_b;
}

void mtnt__format_real_short(double value, char ret_text[MTNT__REAL_SIZE])
{
    double back;

    for (int digits = 15; digits <= 17; digits++) {
        format_real(value, digits, ret_text);
        if (digits == 17 || (mtnt__parse_real(ret_text, &back) && same_bits(back, value)))
            return;
    }
}

bool mtnt__parse_duration_ms(const char *text, int64_t *ret_ms)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", 24 * 60 * 60 * 1000}};
    size_t digits = strspn(text, "0123456789");
    char number[24];
    int64_t value, ms;

    if (digits == 0 || digits >= sizeof(number))
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (!mtnt__parse_int(number, 0, INT64_MAX, &value))
        return false;
    if (text[digits] == '\0' && value == 0) {
        *ret_ms = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(text + digits, units[i].name) == 0 && !__builtin_mul_overflow(value, units[i].ms, &ms)) {
            *ret_ms = ms;
            return true;
        }
    }
    return false;
}

#define NEAREST_MAX 64 /* longer words are not compared */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;

    return ab < c ? ab : c;
}

/* Edits between two words, a swap of neighbours counting as one. Both are shorter than NEAREST_MAX. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NEAREST_MAX + 1], a_length = strlen(a), b_length = strlen(b);
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b_length; j++)
        last[j] = before[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *oldest = before;

        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            row[j] = least(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        before = last;
        last = row;
        row = oldest;
    }
    return last[b_length];
}

const char *mtnt__text_nearest(const char *word, const char *const *names)
{
    size_t length = strlen(word), best = length < 3 ? 2 : length / 3 + 2; /* one more than what is still near */
    const char *nearest = NULL;

    if (length >= NEAREST_MAX)
        return NULL;
    for (; *names; names++) {
        size_t edits = strlen(*names) < NEAREST_MAX ? distance(word, *names) : best;

        if (edits < best && edits < length) {
            best = edits;
            nearest = *names;
        }
    }
    return nearest;
}

void mtnt__buffer_release(mtnt__buffer *buffer)
{
    free(buffer->bytes);
    memset(buffer, 0, sizeof(*buffer));
}

void mtnt__buffer_clear(mtnt__buffer *buffer)
{
    buffer->length = 0;
    if (buffer->bytes)
        buffer->bytes[0] = '\0';
}

/* Room for `more` bytes and a NUL. */
static bool reserve(mtnt__buffer *buffer, size_t more)
{
    size_t needed, size = buffer->size ? buffer->size : 64;
    char *bytes;

    if (buffer->failed)
        return false;
    if (__builtin_add_overflow(buffer->length, more, &needed) || needed > SIZE_MAX / 4) {
        buffer->failed = true;
        return false;
    }
    needed++;
    if (needed <= buffer->size)
        return true;
    while (size < needed)
        size *= 2;
    bytes = realloc(buffer->bytes, size);
    if (!bytes) {
        buffer->failed = true;
        return false;
    }
    buffer->bytes = bytes;
    buffer->size = size;
    return true;
}

void mtnt__buffer_add(mtnt__buffer *buffer, const char *bytes, size_t length)
{
    if (!reserve(buffer, length))
        return;
    if (length)
        memcpy(buffer->bytes + buffer->length, bytes, length);
    buffer->length += length;
    buffer->bytes[buffer->length] = '\0';
}

void mtnt__buffer_add_text(mtnt__buffer *buffer, const char *text)
{
    mtnt__buffer_add(buffer, text, strlen(text));
}

void mtnt__buffer_add_format(mtnt__buffer *buffer, const char *format, ...)
{
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0) {
        buffer->failed = true;
        return;
    }
    if (!reserve(buffer, (size_t)length))
        return;
    va_start(arguments, format);
    vsnprintf(buffer->bytes + buffer->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buffer->length += (size_t)length;
}

const char *mtnt__buffer_text(const mtnt__buffer *buffer)
{
    return buffer->bytes ? buffer->bytes : "";
}

char *mtnt__buffer_take(mtnt__buffer *buffer)
{
    char *text;

    if (!reserve(buffer, 0)) {
        mtnt__buffer_release(buffer);
        return NULL;
    }
    text = buffer->bytes;
    text[buffer->length] = '\0';
    memset(buffer, 0, sizeof(*buffer));
    return text;
}
