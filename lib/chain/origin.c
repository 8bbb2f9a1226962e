#include "chain/origin.h"

#include <stdlib.h>
#include <string.h>

/* The texts of a copy are its own. */
static const char **texts(mtnt__origin *origin, size_t index)
{
    const char **all[] = {&origin->table,  &origin->version,  &origin->name,  &origin->id,
                          &origin->script, &origin->checksum, &origin->detail};

    return index < sizeof(all) / sizeof(*all) ? all[index] : NULL;
}

void mtnt__origin_free(mtnt__origin *origin)
{
    const char **text;

    for (size_t i = 0; origin && (text = texts(origin, i)); i++)
        free((void *)(uintptr_t)*text);
    free(origin);
}

static mtnt__origin *copy(const mtnt__origin *origin)
{
    mtnt__origin *made = malloc(sizeof(*made));
    bool failed = false;
    const char **text;

    if (!made)
        return NULL;
    *made = *origin;
    for (size_t i = 0; (text = texts(made, i)); i++)
        if (*text) {
            *text = strdup(*text);
            failed = failed || !*text;
        }
    if (!failed)
        return made;
    mtnt__origin_free(made);
    return NULL;
}

int mtnt__origin_set(mtnt_chain *chain, const char *operation, const mtnt__origin *origin, mtnt_error *err)
{
    ptrdiff_t index = mtnt_chain_find(chain, operation);
    mtnt__origin *made = index < 0 ? NULL : copy(origin);
    mtnt_chain *lane;

    if (!made)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    chain->entries[index].origin = made;
    lane = chain->entries[index].lane < chain->lane_count ? chain->lanes[chain->entries[index].lane] : NULL;
    index = lane ? mtnt_chain_find(lane, operation) : -1;
    if (index >= 0)
        lane->entries[index].origin = made;
    return 0;
}

bool mtnt__origin_any(const mtnt_chain *chain)
{
    const mtnt_chain *whole = chain->whole ? chain->whole : chain;

    for (size_t i = 0; i < whole->count; i++)
        if (whole->entries[i].origin)
            return true;
    return false;
}
