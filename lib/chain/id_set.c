#include "chain/id_set.h"

#include <stdlib.h>

#define FIRST_SIZE 64 /* a power of two, as every size */

/* FNV-1a, with its upper half folded in. */
static uint32_t hash_of(const char *id)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (const unsigned char *at = (const unsigned char *)id; *at; at++)
        hash = (hash ^ *at) * 0x100000001b3u;
    return (uint32_t)(hash ^ hash >> 32);
}

/* where + 1 in the lower half: an empty slot is 0. */
static uint64_t slot_of(uint32_t hash, uint32_t where)
{
    return (uint64_t)hash << 32 | (where + 1);
}

static size_t free_place(const uint64_t *slots, size_t size, uint32_t hash)
{
    size_t place = hash & (size - 1);

    while (slots[place])
        place = (place + 1) & (size - 1);
    return place;
}

static int grow(mtnt__id_set *set, mtnt_error *err)
{
    size_t size = set->size ? set->size * 2 : FIRST_SIZE;
    uint64_t *slots = calloc(size, sizeof(*slots));

    if (!slots)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < set->size; i++) {
        if (set->slots[i])
            slots[free_place(slots, size, (uint32_t)(set->slots[i] >> 32))] = set->slots[i];
    }
    free(set->slots);
    set->slots = slots;
    set->size = size;
    return 0;
}

void mtnt__id_set_release(mtnt__id_set *set)
{
    free(set->slots);
    set->slots = NULL;
    set->size = set->count = 0;
}

int mtnt__id_set_find(const mtnt__id_set *set, const char *id, uint32_t *ret_where, mtnt_error *err)
{
    uint32_t hash = hash_of(id);
    int rc;

    if (set->size == 0)
        return MTNT_E_NOT_FOUND;
    for (size_t place = hash & (set->size - 1); set->slots[place]; place = (place + 1) & (set->size - 1)) {
        uint32_t where = (uint32_t)set->slots[place] - 1;
        bool same = false;

        if (set->slots[place] >> 32 != hash)
            continue;
        rc = set->same(set->data, where, id, &same, err);
        if (rc)
            return rc;
        if (same) {
            *ret_where = where;
            return 0;
        }
    }
    return MTNT_E_NOT_FOUND;
}

int mtnt__id_set_add(mtnt__id_set *set, const char *id, uint32_t where, uint32_t *ret_earlier, mtnt_error *err)
{
    uint32_t hash = hash_of(id);
    int rc = mtnt__id_set_find(set, id, ret_earlier, err);

    if (rc == 0)
        return mtnt_error_set(err, MTNT_E_EXISTS, "`%s` is there already", id);
    if (rc != MTNT_E_NOT_FOUND)
        return rc;
    if (set->count >= set->size / 4 * 3 && (rc = grow(set, err)))
        return rc;
    set->slots[free_place(set->slots, set->size, hash)] = slot_of(hash, where);
    set->count++;
    return 0;
}
