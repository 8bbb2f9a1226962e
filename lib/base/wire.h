/* Messages between two processes of the same program: written into a buffer, read in place. Both are the same build, so that a struct without pointers goes
 * as it is. What does not fit what is read makes the reader bad, for good, and gives zeros: it is looked at once, at the end. */
#ifndef MTNT_BASE_WIRE_H
#define MTNT_BASE_WIRE_H

#include "base/text.h"

void mtnt__wire_int(mtnt__buffer *message, int64_t value);
void mtnt__wire_text(mtnt__buffer *message, const char *text); /* NULL stays NULL */
void mtnt__wire_bytes(mtnt__buffer *message, const void *bytes, size_t size);
/* NULL-terminated; NULL = an empty one. */
void mtnt__wire_list(mtnt__buffer *message, const char *const *list);
void mtnt__wire_error(mtnt__buffer *message, const mtnt_error *error);

typedef struct mtnt__wire {
    const char *at, *end;
    bool bad;
} mtnt__wire;

int64_t mtnt__wire_take_int(mtnt__wire *from);
/* Within the message; NULL. */
const char *mtnt__wire_take_text(mtnt__wire *from);
/* Cut where it is too long; "" for NULL. */
void mtnt__wire_take_copy(mtnt__wire *from, char *target, size_t size);
void mtnt__wire_take_bytes(mtnt__wire *from, void *ret_bytes, size_t size);
/* malloc'ed, with texts within the message; NULL without memory, or bad. */
const char **mtnt__wire_take_list(mtnt__wire *from);
void mtnt__wire_take_error(mtnt__wire *from, mtnt_error *ret_error);

#endif
