/* Sorts more than fits into memory: runs of a MiB, each sorted by itself, and merged as they are read. */
#ifndef MTNT_BASE_SORTER_H
#define MTNT_BASE_SORTER_H

#include "base/spill.h"

typedef struct mtnt__sorter mtnt__sorter;

/* `what` as for a spill; it is kept, not copied. NOMEM. */
int mtnt__sorter_new(mtnt__sorter **ret_sorter, const char *what, mtnt_error *err);
void mtnt__sorter_free(mtnt__sorter *sorter);

/* Of any bytes, at most UINT32_MAX of them. IO, NOMEM. */
int mtnt__sorter_add(mtnt__sorter *sorter, const void *bytes, size_t length, mtnt_error *err);
/* Once, after the last one was added; what is costly is done here. IO, NOMEM. */
int mtnt__sorter_sort(mtnt__sorter *sorter, mtnt_error *err);
/* In the order of memcmp, a shorter one before those that it begins; equal ones all come. In place until the next call; *ret_bytes = NULL at the end.
 * IO, NOMEM. */
int mtnt__sorter_next(mtnt__sorter *sorter, const void **ret_bytes, size_t *ret_length, mtnt_error *err);

#endif
