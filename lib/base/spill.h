/* Bytes that need not fit into memory: the last quarter of a MiB is held, what was before it lies in a temporary file without a name, of this
 * user alone. There is no file as long as everything fits. */
#ifndef MTNT_BASE_SPILL_H
#define MTNT_BASE_SPILL_H

#include <stdint.h>

#include "base/text.h"

/* Zero it, and set `what` for messages: "the temporary file of <what>: …". One thread at a time. */
typedef struct mtnt__spill {
    const char *what;
    mtnt__buffer tail;
    uint64_t written; /* to the file; the tail begins there */
    int file;         /* + 1; 0 = none yet */
} mtnt__spill;
void mtnt__spill_release(mtnt__spill *spill);

uint64_t mtnt__spill_size(const mtnt__spill *spill);
/* Blocks on the disk under TMPDIR (or /tmp). IO, NOMEM. */
int mtnt__spill_add(mtnt__spill *spill, const void *bytes, size_t length, mtnt_error *err);
/* Up to `length` bytes from there; *ret_got is less at the end only. IO. */
int mtnt__spill_read(const mtnt__spill *spill, uint64_t offset, void *bytes, size_t length, size_t *ret_got,
                     mtnt_error *err);

/* Reads forward, a block at a time. Zero it, set `spill`, `at`, `end` and `block` (bytes held; at least 1). */
typedef struct mtnt__spill_reader {
    const mtnt__spill *spill;
    uint64_t at, end; /* of what has not been taken */
    size_t block;
    mtnt__buffer held;
    size_t taken; /* of what is held */
} mtnt__spill_reader;
void mtnt__spill_reader_release(mtnt__spill_reader *reader);
/* The next `length` bytes, in place until the next call. IO: there are fewer; NOMEM. */
int mtnt__spill_take(mtnt__spill_reader *reader, size_t length, const char **ret_bytes, mtnt_error *err);

#endif
