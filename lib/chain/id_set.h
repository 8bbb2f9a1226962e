/* Ids of a fleet that have been met: 8 to 22 bytes a tenant, so that a source may have millions. The ids
 * themselves stay where they are. */
#ifndef MTNT_CHAIN_ID_SET_H
#define MTNT_CHAIN_ID_SET_H

#include <stddef.h>

#include "mtnt/error.h"

/* Whether the id that was added with `where` is this one; *ret_same. Called for nearly no id but the same. */
typedef int (*mtnt__id_same_fn)(void *data, uint32_t where, const char *id, bool *ret_same, mtnt_error *err);

/* Zero it, set `same` and `data`. A slot holds 32 bits of the id's hash and its `where`. */
typedef struct mtnt__id_set {
    uint64_t *slots;
    size_t size, count;
    mtnt__id_same_fn same;
    void *data;
} mtnt__id_set;
void mtnt__id_set_release(mtnt__id_set *set);

/* `where` (below UINT32_MAX) is what `same` finds the id by. EXISTS: the set has it, added with *ret_earlier.
 * NOMEM, and what `same` returns. */
int mtnt__id_set_add(mtnt__id_set *set, const char *id, uint32_t where, uint32_t *ret_earlier, mtnt_error *err);
/* NOT_FOUND when the set lacks it; err is then left alone. */
int mtnt__id_set_find(const mtnt__id_set *set, const char *id, uint32_t *ret_where, mtnt_error *err);

#endif
