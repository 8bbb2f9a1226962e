/* Bounded text, growing text, numbers without the locale. */
#ifndef MTNT_BASE_TEXT_H
#define MTNT_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtnt/error.h"

/* Copies, cutting between UTF-8 characters; always NUL-terminated. true = it fitted. */
bool mtnt__text_copy(char *target, size_t size, const char *source);
bool mtnt__text_equal(const char *a, const char *b); /* both may be NULL */

/* Whole text must be a decimal number in range; no spaces, no '+'. */
bool mtnt__parse_int(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_value);

/* Whole text must be a number; '.' is the decimal point whatever the locale. */
bool mtnt__parse_real(const char *text, double *ret_value);
/* Enough digits to read the same number back ("0.10000000000000001", "1e+300", "nan", "-inf"), '.' whatever the locale. */
#define MTNT__REAL_SIZE 32
void mtnt__format_real(double value, char ret_text[MTNT__REAL_SIZE]);
/* The same with as few digits as that takes ("0.1"). */
void mtnt__format_real_short(double value, char ret_text[MTNT__REAL_SIZE]);

/* `text` as a duration in ms: "5s", "200ms", "1h", "2m", "1d", "0"; false when it is none. */
bool mtnt__parse_duration_ms(const char *text, int64_t *ret_ms);

/* The nearest of `names` (NULL-terminated) to `word` for "did you mean", or NULL when none is near. */
const char *mtnt__text_nearest(const char *word, const char *const *names);

/* Growing text. Zero it before use. Once an allocation fails `failed` stays set and further calls do nothing, so that a
 * caller checks once at the end. Text is always NUL-terminated (mtnt__buffer_text never returns NULL). */
typedef struct mtnt__buffer {
    char *bytes;
    size_t length, size;
    bool failed;
} mtnt__buffer;
void mtnt__buffer_release(mtnt__buffer *buffer);
void mtnt__buffer_clear(mtnt__buffer *buffer);
void mtnt__buffer_add(mtnt__buffer *buffer, const char *bytes, size_t length);
void mtnt__buffer_add_text(mtnt__buffer *buffer, const char *text);
void mtnt__buffer_add_format(mtnt__buffer *buffer, const char *format, ...) MTNT_PRINTF(2, 3);
const char *mtnt__buffer_text(const mtnt__buffer *buffer);
/* Hands the text over (free()); NULL when an allocation failed. */
char *mtnt__buffer_take(mtnt__buffer *buffer);

#endif
