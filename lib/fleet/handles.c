#include "fleet/handles.h"

#include <stdlib.h>

#include "base/later.h"

int mtnt__handles_init(mtnt__handles *handles, const char *dsn, const mtnt_controller_options *options, size_t most,
                       mtnt_error *err)
{
    int rc;

    *handles = (mtnt__handles){.dsn = dsn, .options = *options, .most = most};
    rc = mtnt__later_init(&handles->freed, err);
    if (rc != 0)
        return rc;
    if (pthread_mutex_init(&handles->mutex, NULL) != 0) {
        pthread_cond_destroy(&handles->freed);
        return mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
    }
    handles->idle = calloc(most, sizeof(mtnt_controller *));
    if (handles->idle != NULL)
        return 0;
    pthread_mutex_destroy(&handles->mutex);
    pthread_cond_destroy(&handles->freed);
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

void mtnt__handles_release(mtnt__handles *handles)
{
    if (handles->idle == NULL)
        return;
    for (size_t i = 0; i < handles->idle_count; i++)
        mtnt_controller_close(handles->idle[i]);
    free(handles->idle);
    pthread_mutex_destroy(&handles->mutex);
    pthread_cond_destroy(&handles->freed);
    *handles = (mtnt__handles){0};
}

/* The mutex is held. */
static int wait_for_one(mtnt__handles *handles, mtnt__deadline_ms deadline, mtnt_error *err)
{
    struct timespec until = mtnt__later(mtnt__deadline_left(mtnt__system_default(), deadline));

    while (!handles->ended && handles->idle_count == 0 && handles->open_count == handles->most)
        if (pthread_cond_timedwait(&handles->freed, &handles->mutex, &until) != 0)
            break;
    if (handles->ended)
        return mtnt_error_set(err, MTNT_E_CANCELLED, "cancelled");
    if (handles->idle_count > 0 || handles->open_count < handles->most)
        return 0;
    mtnt_error_set(err, MTNT_E_DEADLINE, "all %zu connections to the controller were in use for too long",
                   handles->most);
    if (err != NULL)
        err->retryable = true;
    return MTNT_E_DEADLINE;
}

int mtnt__handles_take(mtnt__handles *handles, mtnt__deadline_ms deadline, mtnt_controller **ret_controller,
                       mtnt_error *err)
{
    mtnt_controller *controller = NULL;
    int rc;

    pthread_mutex_lock(&handles->mutex);
    rc = wait_for_one(handles, deadline, err);
    if (rc == 0 && handles->idle_count > 0)
        controller = handles->idle[--handles->idle_count];
    else if (rc == 0)
        handles->open_count++;
    pthread_mutex_unlock(&handles->mutex);
    if (rc == 0 && controller == NULL) {
        rc = mtnt_controller_open(&controller, handles->dsn, &handles->options, err);
        if (rc != 0) {
            pthread_mutex_lock(&handles->mutex);
            handles->open_count--;
            pthread_cond_signal(&handles->freed);
            pthread_mutex_unlock(&handles->mutex);
        }
    }
    if (rc == 0)
        *ret_controller = controller;
    return rc;
}

void mtnt__handles_give(mtnt__handles *handles, mtnt_controller *controller)
{
    pthread_mutex_lock(&handles->mutex);
    handles->idle[handles->idle_count++] = controller;
    pthread_cond_signal(&handles->freed);
    pthread_mutex_unlock(&handles->mutex);
}

void mtnt__handles_end(mtnt__handles *handles)
{
    pthread_mutex_lock(&handles->mutex);
    handles->ended = true;
    pthread_cond_broadcast(&handles->freed);
    pthread_mutex_unlock(&handles->mutex);
}
