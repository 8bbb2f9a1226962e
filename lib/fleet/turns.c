#include "fleet/turns.h"

#include <search.h>
#include <string.h>

static int compare(const void *one, const void *other)
{
    return strcmp(one, other);
}

int mtnt__turns_init(mtnt__turns *turns, mtnt_error *err)
{
    turns->taken = NULL;
    if (pthread_mutex_init(&turns->mutex, NULL) != 0)
        return mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
    return 0;
}

void mtnt__turns_release(mtnt__turns *turns)
{
    pthread_mutex_destroy(&turns->mutex);
}

bool mtnt__turns_take(mtnt__turns *turns, const char *tenant)
{
    const char *const *node;
    bool mine;

    pthread_mutex_lock(&turns->mutex);
    node = tsearch(tenant, &turns->taken, compare);
    mine = node != NULL && *node == tenant;
    pthread_mutex_unlock(&turns->mutex);
    return mine;
}

void mtnt__turns_give(mtnt__turns *turns, const char *tenant)
{
    pthread_mutex_lock(&turns->mutex);
    tdelete(tenant, &turns->taken, compare);
    pthread_mutex_unlock(&turns->mutex);
}
