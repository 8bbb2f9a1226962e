/* How a heartbeat renews leases in the controller: on a connection of its own, made at the first beat.
 *
 * A SQLite controller has one write lock. While a migration of this process holds it (both databases in one transaction: for as long as its
 * operations take), a beat waits at the gate, as the next in line; nobody else can write meanwhile, so nobody can take a lease over. While another
 * process holds it the beat ends without it, and that is no failure for the same reason: who cannot write cannot take over. */
#include <pthread.h>
#include <stdlib.h>

#include "coordinate/attempt.h"
#include "coordinate/heartbeat.h"

#define SHORTEST_BEAT_MS 1000

struct pulse {
    const mtnt_controller *controller;
    const char *chain;
    mtnt__gate *gate; /* NULL = the controller is no SQLite file */
    int64_t beat_ms, lease_ms;
    pthread_mutex_t mutex; /* over the two that follow, where another thread may look */
    mtnt_db *db;
    bool hurried;
};

static int open_once(struct pulse *pulse, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(pulse->controller, NULL);
    int64_t longest_ms = pulse->beat_ms * 3 / 4;
    mtnt_db *db = NULL;
    int rc;

    if (pulse->db != NULL)
        return 0;
    options.mark =
        pulse->controller->handle; /* as the bookkeeping's: stopped in a beat, it is in a takeover's way as well */
    if (options.lock_timeout_ms <= 0 || options.lock_timeout_ms > longest_ms)
        options.lock_timeout_ms = longest_ms;
    rc = mtnt__db_open(&db, pulse->controller->dsn, &options, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&pulse->mutex);
    pulse->db = db;
    if (pulse->hurried)
        mtnt_db_cancel(db);
    pthread_mutex_unlock(&pulse->mutex);
    return 0;
}

static mtnt__beat renew(void *data, mtnt__renewal *renewals, size_t count, mtnt_error *err)
{
    struct pulse *pulse = data;
    const mtnt_controller *controller = pulse->controller;
    int rc;

    mtnt__gate_enter_first(pulse->gate);
    rc = open_once(pulse, err);
    if (rc == 0) {
        mtnt__db_set_deadline(pulse->db, mtnt__deadline_in(controller->system, pulse->beat_ms));
        rc = mtnt__store_renew(pulse->db, pulse->chain, controller->owner, renewals, count, pulse->lease_ms, err);
        if (rc != 0)
            mtnt__db_disconnect(pulse->db);
    }
    mtnt__gate_leave(pulse->gate);
    if (rc == 0)
        return MTNT__BEAT_OK;
    return rc == MTNT_E_BUSY && controller->backend == MTNT_SQLITE ? MTNT__BEAT_HELD_UP : MTNT__BEAT_FAILED;
}

static void hurry(void *data)
{
    struct pulse *pulse = data;

    pthread_mutex_lock(&pulse->mutex);
    pulse->hurried = true;
    if (pulse->db != NULL)
        mtnt_db_cancel(pulse->db);
    pthread_mutex_unlock(&pulse->mutex);
}

static void free_pulse(void *data)
{
    struct pulse *pulse = data;

    mtnt__db_close(pulse->db);
    pthread_mutex_destroy(&pulse->mutex);
    free(pulse);
}

int mtnt__heartbeat_open(mtnt__heartbeat **ret_heartbeat, const mtnt_controller *controller, const char *chain,
                         mtnt__gate *gate, const mtnt_migration_options *options, mtnt_error *err)
{
    struct pulse *pulse = calloc(1, sizeof(*pulse));
    mtnt__heartbeat *heartbeat = NULL;
    mtnt__pulse how = {.system = controller->system,
                       .interval_ms = mtnt__heartbeat_ms(options),
                       .retries = mtnt__heartbeat_retries(options),
                       .beat = renew,
                       .hurry = hurry,
                       .free = free_pulse,
                       .data = pulse};
    int rc;

    if (pulse == NULL || pthread_mutex_init(&pulse->mutex, NULL) != 0) {
        free(pulse);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    pulse->controller = controller;
    pulse->chain = chain;
    pulse->gate = controller->backend == MTNT_SQLITE ? gate : NULL;
    pulse->beat_ms = how.interval_ms < SHORTEST_BEAT_MS ? SHORTEST_BEAT_MS : how.interval_ms;
    pulse->lease_ms = mtnt__lease_ms(options);
    rc = mtnt__heartbeat_new(&heartbeat, &how, err);
    if (rc == 0)
        rc = mtnt__heartbeat_start(heartbeat, err);
    if (rc != 0)
        mtnt__heartbeat_free(heartbeat);
    else
        *ret_heartbeat = heartbeat;
    return rc;
}
