#include "coordinate/slots.h"

#include <stdlib.h>
#include <string.h>

#define RESERVE_DIVISOR 8

size_t mtnt__slots_capacity(size_t maximum)
{
    size_t reserve = maximum / RESERVE_DIVISOR + 1;

    return maximum > reserve ? maximum - reserve : 1;
}

int mtnt__slots_init(mtnt__slots *slots, mtnt_error *err)
{
    *slots = (mtnt__slots){.count = 0};
    if (pthread_mutex_init(&slots->mutex, NULL) != 0)
        return mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
    if (pthread_cond_init(&slots->freed, NULL) != 0) {
        pthread_mutex_destroy(&slots->mutex);
        return mtnt_error_set(err, MTNT_E_NOMEM, "no condition variable to be had");
    }
    return 0;
}

void mtnt__slots_release(mtnt__slots *slots)
{
    for (size_t i = 0; i < slots->count; i++)
        free(slots->servers[i].server);
    free(slots->servers);
    pthread_cond_destroy(&slots->freed);
    pthread_mutex_destroy(&slots->mutex);
}

/* An index, because the table may move while a waiter sleeps. */
static size_t find(mtnt__slots *slots, const char *server)
{
    size_t i = 0;

    while (i < slots->count && strcmp(slots->servers[i].server, server) != 0)
        i++;
    return i;
}

static int add(mtnt__slots *slots, const char *server, mtnt_error *err)
{
    struct mtnt__slots_server *servers = realloc(slots->servers, (slots->count + 1) * sizeof(*servers));
    char *copy = strdup(server);

    if (servers != NULL)
        slots->servers = servers;
    if (servers == NULL || copy == NULL) {
        free(copy);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    servers[slots->count++] = (struct mtnt__slots_server){.server = copy};
    return 0;
}

size_t mtnt__slots_maximum(mtnt__slots *slots, const char *server)
{
    size_t index, maximum = 0;

    if (slots == NULL)
        return 0;
    pthread_mutex_lock(&slots->mutex);
    index = find(slots, server);
    if (index < slots->count)
        maximum = slots->servers[index].maximum;
    pthread_mutex_unlock(&slots->mutex);
    return maximum;
}

/* Without memory for it the next one asks again. */
void mtnt__slots_note_maximum(mtnt__slots *slots, const char *server, size_t maximum)
{
    size_t index;

    if (slots == NULL)
        return;
    pthread_mutex_lock(&slots->mutex);
    index = find(slots, server);
    if (index < slots->count || add(slots, server, NULL) == 0)
        slots->servers[index].maximum = maximum;
    pthread_mutex_unlock(&slots->mutex);
}

int mtnt__slots_enter(mtnt__slots *slots, const char *server, size_t capacity, mtnt_error *err)
{
    size_t index;
    int rc = 0;

    if (slots == NULL)
        return 0;
    if (slots->ask != NULL)
        return slots->ask(slots->ask_data, server, capacity, err);
    pthread_mutex_lock(&slots->mutex);
    index = find(slots, server);
    if (index == slots->count)
        rc = add(slots, server, err);
    while (rc == 0 && slots->servers[index].used >= capacity)
        pthread_cond_wait(&slots->freed, &slots->mutex);
    if (rc == 0)
        slots->servers[index].used++;
    pthread_mutex_unlock(&slots->mutex);
    return rc;
}

void mtnt__slots_leave(mtnt__slots *slots, const char *server)
{
    size_t index;

    if (slots == NULL)
        return;
    if (slots->ask != NULL) {
        (void)slots->ask(slots->ask_data, server, 0, NULL);
        return;
    }
    pthread_mutex_lock(&slots->mutex);
    index = find(slots, server);
    if (index < slots->count && slots->servers[index].used > 0)
        slots->servers[index].used--;
    pthread_cond_broadcast(&slots->freed);
    pthread_mutex_unlock(&slots->mutex);
}
