#include "coordinate/gate.h"

int mtnt__gate_init(mtnt__gate *gate, mtnt_error *err)
{
    *gate = (mtnt__gate){.next = 0};
    if (pthread_mutex_init(&gate->mutex, NULL) != 0)
        return mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
    if (pthread_cond_init(&gate->moved, NULL) != 0) {
        pthread_mutex_destroy(&gate->mutex);
        return mtnt_error_set(err, MTNT_E_NOMEM, "no condition variable to be had");
    }
    return 0;
}

void mtnt__gate_release(mtnt__gate *gate)
{
    pthread_cond_destroy(&gate->moved);
    pthread_mutex_destroy(&gate->mutex);
}

void mtnt__gate_enter(mtnt__gate *gate)
{
    uint64_t ticket;

    if (gate == NULL)
        return;
    if (gate->ask != NULL) {
        gate->ask(gate->ask_data, true);
        return;
    }
    pthread_mutex_lock(&gate->mutex);
    ticket = gate->next++;
    while (gate->inside || gate->first > 0 || ticket != gate->serving)
        pthread_cond_wait(&gate->moved, &gate->mutex);
    gate->serving++;
    gate->inside = true;
    pthread_mutex_unlock(&gate->mutex);
}

void mtnt__gate_enter_first(mtnt__gate *gate)
{
    if (gate == NULL)
        return;
    if (gate->ask != NULL) {
        gate->ask(gate->ask_data, true);
        return;
    }
    pthread_mutex_lock(&gate->mutex);
    gate->first++;
    while (gate->inside)
        pthread_cond_wait(&gate->moved, &gate->mutex);
    gate->first--;
    gate->inside = true;
    pthread_mutex_unlock(&gate->mutex);
}

void mtnt__gate_leave(mtnt__gate *gate)
{
    if (gate == NULL)
        return;
    if (gate->ask != NULL) {
        gate->ask(gate->ask_data, false);
        return;
    }
    pthread_mutex_lock(&gate->mutex);
    gate->inside = false;
    pthread_cond_broadcast(&gate->moved);
    pthread_mutex_unlock(&gate->mutex);
}
