#include "coordinate/heartbeat.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/later.h"
#include "base/text.h"

#define SLICE_MS 1000 /* a wait by the monotonic clock does not notice that the machine was suspended */

struct mtnt__heartbeat {
    mtnt__pulse pulse;
    pthread_mutex_t mutex; /* over all that follows */
    pthread_cond_t moved;
    pthread_t thread;
    bool joinable, stopping;
    mtnt__lease *first, *last; /* in order of their serials */
    uint64_t serial;
    size_t live; /* those that are still renewed */
    int64_t due_ms;
};

int64_t mtnt__heartbeat_ms(const mtnt_migration_options *options)
{
    return options->heartbeat_ms > 0 ? options->heartbeat_ms : MTNT__HEARTBEAT_MS;
}

int mtnt__heartbeat_retries(const mtnt_migration_options *options)
{
    if (options->heartbeat_retries < 0)
        return 0;
    return options->heartbeat_retries > 0 ? options->heartbeat_retries : MTNT__HEARTBEAT_RETRIES;
}

int64_t mtnt__lease_ms(const mtnt_migration_options *options)
{
    return mtnt__heartbeat_ms(options) * (mtnt__heartbeat_retries(options) + 2) + MTNT__LEASE_MARGIN_MS;
}

/* ---- the list ---- */

static int64_t now_ms(const mtnt__heartbeat *heartbeat)
{
    return heartbeat->pulse.system->boot_ms(heartbeat->pulse.system->data);
}

void mtnt__heartbeat_add(mtnt__heartbeat *heartbeat, mtnt__lease *lease)
{
    pthread_mutex_lock(&heartbeat->mutex);
    lease->previous = heartbeat->last;
    lease->next = NULL;
    lease->serial = ++heartbeat->serial;
    lease->failures = 0;
    lease->loss = MTNT__LOSS_NONE;
    lease->held = true;
    lease->told = lease->telling = false;
    if (heartbeat->last != NULL)
        heartbeat->last->next = lease;
    else
        heartbeat->first = lease;
    heartbeat->last = lease;
    if (heartbeat->live++ == 0) {
        heartbeat->due_ms = now_ms(heartbeat) + heartbeat->pulse.interval_ms;
        pthread_cond_broadcast(&heartbeat->moved);
    }
    pthread_mutex_unlock(&heartbeat->mutex);
}

void mtnt__heartbeat_remove(mtnt__heartbeat *heartbeat, mtnt__lease *lease)
{
    pthread_mutex_lock(&heartbeat->mutex);
    while (lease->telling)
        pthread_cond_wait(&heartbeat->moved, &heartbeat->mutex);
    if (lease->held) {
        *(lease->previous != NULL ? &lease->previous->next : &heartbeat->first) = lease->next;
        *(lease->next != NULL ? &lease->next->previous : &heartbeat->last) = lease->previous;
        lease->held = false;
        heartbeat->live -= lease->loss == MTNT__LOSS_NONE;
    }
    pthread_mutex_unlock(&heartbeat->mutex);
}

/* ---- one beat; the mutex is held wherever no statement and no callback runs ---- */

/* What a beat is about: copies, because leases come and go while it is under way. */
struct round {
    mtnt__renewal *renewals;
    uint64_t *serials;
    char *texts;
    size_t count;
};

static void release_round(struct round *round)
{
    free(round->renewals);
    free(round->serials);
    free(round->texts);
}

static bool gather(const mtnt__heartbeat *heartbeat, struct round *ret_round)
{
    size_t bytes = 1;
    char *text;

    for (const mtnt__lease *lease = heartbeat->first; lease != NULL; lease = lease->next)
        bytes += strlen(lease->tenant) + 1;
    ret_round->renewals = calloc(heartbeat->live + 1, sizeof(*ret_round->renewals));
    ret_round->serials = calloc(heartbeat->live + 1, sizeof(*ret_round->serials));
    text = ret_round->texts = malloc(bytes);
    if (ret_round->renewals == NULL || ret_round->serials == NULL || text == NULL)
        return false;
    for (const mtnt__lease *lease = heartbeat->first; lease != NULL; lease = lease->next) {
        mtnt__renewal *renewal = ret_round->renewals + ret_round->count;
        size_t length = strlen(lease->tenant) + 1;

        if (lease->loss != MTNT__LOSS_NONE)
            continue;
        ret_round->serials[ret_round->count++] = lease->serial;
        renewal->tenant = memcpy(text, lease->tenant, length);
        text += length;
        mtnt__text_copy(renewal->migration, sizeof(renewal->migration), lease->migration);
        renewal->epoch = lease->epoch;
    }
    return true;
}

static void judge_one(mtnt__heartbeat *heartbeat, mtnt__lease *lease, mtnt__beat beat, bool kept)
{
    if (beat == MTNT__BEAT_OK)
        lease->failures = 0;
    else
        lease->failures++;
    if (beat == MTNT__BEAT_OK && !kept)
        lease->loss = MTNT__LOSS_TAKEN;
    else if (lease->failures > heartbeat->pulse.retries)
        lease->loss = MTNT__LOSS_UNRENEWED;
    heartbeat->live -= lease->loss != MTNT__LOSS_NONE;
}

/* Leases that have come since are not meant, and those that have gone need not be told. */
static void judge(mtnt__heartbeat *heartbeat, const struct round *round, mtnt__beat beat)
{
    size_t at = 0;

    if (heartbeat->stopping || beat == MTNT__BEAT_HELD_UP)
        return;
    for (mtnt__lease *lease = heartbeat->first; lease != NULL; lease = lease->next) {
        while (at < round->count && round->serials[at] < lease->serial)
            at++;
        if (at < round->count && round->serials[at] == lease->serial)
            judge_one(heartbeat, lease, beat, round->renewals[at].kept);
    }
}

static mtnt__lease *next_to_tell(const mtnt__heartbeat *heartbeat)
{
    for (mtnt__lease *lease = heartbeat->first; lease != NULL; lease = lease->next)
        if (lease->loss != MTNT__LOSS_NONE && !lease->told)
            return lease;
    return NULL;
}

/* One after another: a cancel may have to reach a server that does not answer, and _remove of the others must not wait for that. */
static void tell(mtnt__heartbeat *heartbeat, const char *why)
{
    for (mtnt__lease *lease = next_to_tell(heartbeat); lease != NULL; lease = next_to_tell(heartbeat)) {
        lease->told = lease->telling = true;
        pthread_mutex_unlock(&heartbeat->mutex);
        lease->lost(lease->data, lease->loss, why);
        pthread_mutex_lock(&heartbeat->mutex);
        lease->telling = false;
        pthread_cond_broadcast(&heartbeat->moved);
    }
}

static void beat_once(mtnt__heartbeat *heartbeat)
{
    mtnt_error error = MTNT_ERROR_INIT;
    struct round round = {.count = 0};
    mtnt__beat beat = MTNT__BEAT_FAILED;
    bool gathered = gather(heartbeat, &round);

    heartbeat->due_ms = now_ms(heartbeat) + heartbeat->pulse.interval_ms;
    pthread_mutex_unlock(&heartbeat->mutex);
    if (gathered)
        beat = heartbeat->pulse.beat(heartbeat->pulse.data, round.renewals, round.count, &error);
    else
        mtnt_error_set(&error, MTNT_E_NOMEM, "out of memory");
    pthread_mutex_lock(&heartbeat->mutex);
    judge(heartbeat, &round, beat);
    release_round(&round);
    tell(heartbeat, error.message);
}

static int64_t tick(mtnt__heartbeat *heartbeat)
{
    int64_t left;

    if (heartbeat->live > 0 && now_ms(heartbeat) >= heartbeat->due_ms)
        beat_once(heartbeat);
    if (heartbeat->live == 0)
        return -1;
    left = heartbeat->due_ms - now_ms(heartbeat);
    return left > 0 ? left : 0;
}

int64_t mtnt__heartbeat_tick(mtnt__heartbeat *heartbeat)
{
    int64_t left;

    pthread_mutex_lock(&heartbeat->mutex);
    left = tick(heartbeat);
    pthread_mutex_unlock(&heartbeat->mutex);
    return left;
}

/* ---- the thread ---- */

static void wait_for(mtnt__heartbeat *heartbeat, int64_t ms)
{
    struct timespec until = mtnt__later(ms > SLICE_MS ? SLICE_MS : ms);

    pthread_cond_timedwait(&heartbeat->moved, &heartbeat->mutex, &until);
}

static void *run(void *data)
{
    mtnt__heartbeat *heartbeat = data;

    pthread_mutex_lock(&heartbeat->mutex);
    while (!heartbeat->stopping) {
        int64_t left = tick(heartbeat);

        if (heartbeat->stopping)
            break;
        if (left < 0)
            pthread_cond_wait(&heartbeat->moved, &heartbeat->mutex);
        else if (left > 0)
            wait_for(heartbeat, left);
    }
    pthread_mutex_unlock(&heartbeat->mutex);
    return NULL;
}

static int init_sync(mtnt__heartbeat *heartbeat)
{
    int rc = mtnt__later_init(&heartbeat->moved, NULL);

    if (rc != 0)
        return rc;
    rc = pthread_mutex_init(&heartbeat->mutex, NULL);
    if (rc != 0)
        pthread_cond_destroy(&heartbeat->moved);
    return rc;
}

int mtnt__heartbeat_new(mtnt__heartbeat **ret_heartbeat, const mtnt__pulse *pulse, mtnt_error *err)
{
    mtnt__heartbeat *heartbeat = calloc(1, sizeof(*heartbeat));

    if (heartbeat == NULL || init_sync(heartbeat) != 0) {
        free(heartbeat);
        if (pulse->free != NULL)
            pulse->free(pulse->data);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    heartbeat->pulse = *pulse;
    *ret_heartbeat = heartbeat;
    return 0;
}

int mtnt__heartbeat_start(mtnt__heartbeat *heartbeat, mtnt_error *err)
{
    if (pthread_create(&heartbeat->thread, NULL, run, heartbeat) != 0)
        return mtnt_error_set(err, MTNT_E_NOMEM, "no thread could be started to renew leases");
    heartbeat->joinable = true;
    return 0;
}

void mtnt__heartbeat_free(mtnt__heartbeat *heartbeat)
{
    if (heartbeat == NULL)
        return;
    pthread_mutex_lock(&heartbeat->mutex);
    heartbeat->stopping = true;
    pthread_cond_broadcast(&heartbeat->moved);
    pthread_mutex_unlock(&heartbeat->mutex);
    if (heartbeat->pulse.hurry != NULL)
        heartbeat->pulse.hurry(heartbeat->pulse.data);
    if (heartbeat->joinable)
        pthread_join(heartbeat->thread, NULL);
    if (heartbeat->pulse.free != NULL)
        heartbeat->pulse.free(heartbeat->pulse.data);
    pthread_cond_destroy(&heartbeat->moved);
    pthread_mutex_destroy(&heartbeat->mutex);
    free(heartbeat);
}
