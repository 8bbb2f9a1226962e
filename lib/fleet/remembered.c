#include "fleet/remembered.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain.h"

#define SHARDS 16
#define SHARDED_FROM 4096 /* fewer are one shard, whose oldest is the oldest of all */
#define FIRST_BUCKETS 64

struct entry {
    struct entry *next;          /* in its bucket */
    struct entry *older, *newer; /* by last use */
    uint64_t hash;
    int64_t until_ms;
    char key[MTNT__CHECKSUM_SIZE];
    char id[];
};

struct shard {
    pthread_mutex_t mutex;
    struct entry **buckets;
    size_t bucket_count, count, most;
    struct entry *oldest, *newest;
    uint64_t stamp;
    int64_t hits;
};

struct mtnt__remembered {
    const mtnt__system *system;
    int64_t ttl_ms;
    uint64_t seed; /* so that nobody can choose ids that fall together */
    size_t shard_count;
    struct shard shards[SHARDS];
};

static uint64_t hash_of(const mtnt__remembered *remembered, const char *id)
{
    uint64_t hash = remembered->seed ^ UINT64_C(0xcbf29ce484222325);

    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
    hash ^= hash >> 32;
    hash *= UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ (hash >> 29);
}

static struct shard *shard_of(mtnt__remembered *remembered, uint64_t hash)
{
    return remembered->shards + (hash >> 56) % remembered->shard_count;
}

static struct entry **bucket_of(struct shard *shard, uint64_t hash)
{
    return shard->buckets + (hash & (shard->bucket_count - 1));
}

/* ---- one shard, its mutex held ---- */

static struct entry *find(struct shard *shard, uint64_t hash, const char *id)
{
    struct entry *entry = shard->buckets == NULL ? NULL : *bucket_of(shard, hash);

    while (entry != NULL && (entry->hash != hash || strcmp(entry->id, id) != 0))
        entry = entry->next;
    return entry;
}

static void unlist(struct shard *shard, struct entry *entry)
{
    *(entry->older == NULL ? &shard->oldest : &entry->older->newer) = entry->newer;
    *(entry->newer == NULL ? &shard->newest : &entry->newer->older) = entry->older;
}

static void list_newest(struct shard *shard, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = shard->newest;
    *(shard->newest == NULL ? &shard->oldest : &shard->newest->newer) = entry;
    shard->newest = entry;
}

static void drop(struct shard *shard, struct entry *entry)
{
    struct entry **link = bucket_of(shard, entry->hash);

    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    unlist(shard, entry);
    shard->count--;
    free(entry);
}

/* Without memory the buckets get longer. */
static void grow(struct shard *shard)
{
    size_t count = shard->bucket_count == 0 ? FIRST_BUCKETS : shard->bucket_count * 2;
    struct entry **buckets;

    if (shard->count < shard->bucket_count)
        return;
    buckets = calloc(count, sizeof(struct entry *));
    if (buckets == NULL)
        return;
    free(shard->buckets);
    shard->buckets = buckets;
    shard->bucket_count = count;
    for (struct entry *entry = shard->oldest; entry != NULL; entry = entry->newer) {
        entry->next = *bucket_of(shard, entry->hash);
        *bucket_of(shard, entry->hash) = entry;
    }
}

static void insert(struct shard *shard, struct entry *entry)
{
    if (shard->count >= shard->most)
        drop(shard, shard->oldest);
    entry->next = *bucket_of(shard, entry->hash);
    *bucket_of(shard, entry->hash) = entry;
    list_newest(shard, entry);
    shard->count++;
}

static void clear(struct shard *shard)
{
    for (struct entry *entry = shard->oldest, *newer; entry != NULL; entry = newer) {
        newer = entry->newer;
        free(entry);
    }
    shard->oldest = shard->newest = NULL;
    shard->count = 0;
    if (shard->buckets != NULL)
        memset(shard->buckets, 0, shard->bucket_count * sizeof(struct entry *));
}

/* ---- all of them ---- */

int mtnt__remembered_new(mtnt__remembered **ret_remembered, size_t most, int64_t ttl_ms, const mtnt__system *system,
                         mtnt_error *err)
{
    mtnt__remembered *remembered = calloc(1, sizeof(*remembered));
    size_t shards = most >= SHARDED_FROM ? SHARDS : 1;

    if (remembered == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    remembered->system = system;
    remembered->ttl_ms = ttl_ms;
    if (system->random(system->data, &remembered->seed, sizeof(remembered->seed)) != 0) {
        free(remembered);
        return mtnt_error_set(err, MTNT_E_IO, "no random numbers to be had");
    }
    for (; remembered->shard_count < shards; remembered->shard_count++) {
        struct shard *shard = remembered->shards + remembered->shard_count;

        shard->most = (most + shards - 1) / shards;
        if (pthread_mutex_init(&shard->mutex, NULL) != 0) {
            mtnt__remembered_free(remembered);
            return mtnt_error_set(err, MTNT_E_NOMEM, "no mutex to be had");
        }
    }
    *ret_remembered = remembered;
    return 0;
}

void mtnt__remembered_free(mtnt__remembered *remembered)
{
    if (remembered == NULL)
        return;
    for (size_t i = 0; i < remembered->shard_count; i++) {
        clear(remembered->shards + i);
        free(remembered->shards[i].buckets);
        pthread_mutex_destroy(&remembered->shards[i].mutex);
    }
    free(remembered);
}

static int64_t now_ms(const mtnt__remembered *remembered)
{
    return remembered->ttl_ms == 0 ? 0 : remembered->system->boot_ms(remembered->system->data);
}

bool mtnt__remembered_has(mtnt__remembered *remembered, const mtnt_model *model)
{
    uint64_t hash = hash_of(remembered, mtnt_model_id(model));
    struct shard *shard = shard_of(remembered, hash);
    int64_t now = now_ms(remembered);
    struct entry *entry;
    bool has;

    pthread_mutex_lock(&shard->mutex);
    entry = find(shard, hash, mtnt_model_id(model));
    has = entry != NULL && (remembered->ttl_ms == 0 || now < entry->until_ms) &&
          strcmp(entry->key, mtnt__model_key(model)) == 0;
    if (has) {
        shard->hits++;
        if (entry != shard->newest) {
            unlist(shard, entry);
            list_newest(shard, entry);
        }
    }
    pthread_mutex_unlock(&shard->mutex);
    return has;
}

uint64_t mtnt__remembered_stamp(mtnt__remembered *remembered, const char *tenant)
{
    struct shard *shard = shard_of(remembered, hash_of(remembered, tenant));
    uint64_t stamp;

    pthread_mutex_lock(&shard->mutex);
    stamp = shard->stamp;
    pthread_mutex_unlock(&shard->mutex);
    return stamp;
}

static struct entry *new_entry(const mtnt__remembered *remembered, const mtnt_model *model, uint64_t hash)
{
    const char *id = mtnt_model_id(model);
    size_t size = strlen(id) + 1;
    struct entry *entry = malloc(sizeof(*entry) + size);

    if (entry == NULL)
        return NULL;
    *entry = (struct entry){.hash = hash, .until_ms = now_ms(remembered) + remembered->ttl_ms};
    memcpy(entry->key, mtnt__model_key(model), sizeof(entry->key));
    memcpy(entry->id, id, size);
    return entry;
}

void mtnt__remembered_add(mtnt__remembered *remembered, const mtnt_model *model, uint64_t stamp)
{
    uint64_t hash = hash_of(remembered, mtnt_model_id(model));
    struct shard *shard = shard_of(remembered, hash);
    struct entry *entry = new_entry(remembered, model, hash), *before;

    if (entry == NULL)
        return;
    pthread_mutex_lock(&shard->mutex);
    grow(shard);
    before = find(shard, hash, entry->id);
    if (shard->stamp == stamp && shard->bucket_count > 0) {
        if (before != NULL)
            drop(shard, before);
        insert(shard, entry);
        entry = NULL;
    }
    pthread_mutex_unlock(&shard->mutex);
    free(entry);
}

static void forget_in(struct shard *shard, uint64_t hash, const char *tenant)
{
    struct entry *entry;

    pthread_mutex_lock(&shard->mutex);
    shard->stamp++;
    entry = tenant == NULL ? NULL : find(shard, hash, tenant);
    if (tenant == NULL)
        clear(shard);
    else if (entry != NULL)
        drop(shard, entry);
    pthread_mutex_unlock(&shard->mutex);
}

void mtnt__remembered_forget(mtnt__remembered *remembered, const char *tenant)
{
    uint64_t hash = tenant == NULL ? 0 : hash_of(remembered, tenant);

    if (tenant != NULL) {
        forget_in(shard_of(remembered, hash), hash, tenant);
        return;
    }
    for (size_t i = 0; i < remembered->shard_count; i++)
        forget_in(remembered->shards + i, 0, NULL);
}

int64_t mtnt__remembered_hits(mtnt__remembered *remembered)
{
    int64_t hits = 0;

    for (size_t i = 0; i < remembered->shard_count; i++) {
        pthread_mutex_lock(&remembered->shards[i].mutex);
        hits += remembered->shards[i].hits;
        pthread_mutex_unlock(&remembered->shards[i].mutex);
    }
    return hits;
}
