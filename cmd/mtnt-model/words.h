/* Words and numbers as people type them; texts as a terminal may show them. */
#ifndef MTNT_COMMAND_WORDS_H
#define MTNT_COMMAND_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The whole text is a decimal number between the two; the locale has no say. */
bool mtnt__words_int(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_value);

/* "200ms", "5s", "2m", "1h", or a bare "0". */
bool mtnt__words_duration_ms(const char *text, int64_t *ret_ms);

/* The name that was probably meant, or NULL when none is near. `names` ends with NULL. */
const char *mtnt__words_nearest(const char *word, const char *const *names);

/* Whether a DSN carries a password: in a URI's user part, or as a parameter. */
bool mtnt__words_has_password(const char *dsn);

/* What stands at text[0] and may be shown: its length in bytes, and its width in columns. 0 bytes = it must
 * be escaped (control characters, bytes that are no UTF-8, marks that reorder the line). */
size_t mtnt__words_glyph(const char *text, int *ret_width);

/* `text` on one line, with whatever a terminal might obey written as \x1b or \u{202e}. Untrusted text goes
 * through here (or through a JSON encoder) wherever it is shown. */
void mtnt__words_put(FILE *out, const char *text);
void mtnt__words_put_bytes(FILE *out, const char *text, size_t length);

/* Columns that mtnt__words_put takes for the first `length` bytes. */
int mtnt__words_width(const char *text, size_t length);

/* "61 ms", "4.2 s", "3 min 04 s", "2 h 05 min". */
#define MTNT__WORDS_DURATION_SIZE 32
void mtnt__words_duration(char ret_text[MTNT__WORDS_DURATION_SIZE], int64_t ms);

/* RFC 3339 in UTC, with milliseconds. */
#define MTNT__WORDS_TIME_SIZE 32
void mtnt__words_time(char ret_text[MTNT__WORDS_TIME_SIZE], int64_t wall_ms);

#endif
