/* What a service pays for each request: mtnt_ensure_current of tenants that are remembered, beside the least that could be done for it, a look
 * into a hash table under a mutex. One thread, then as many as there are workers. */
#include <pthread.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "mtnt.h"

#define LOOKS 2000000 /* by all threads together */

struct bare_entry {
    struct bare_entry *next;
    char id[32];
};

struct bench {
    const bench_options *options;
    int threads, looks;
    mtnt_model **models;
    mtnt_ensure *ensure;
    pthread_mutex_t mutex;
    struct bare_entry **buckets, *entries;
    size_t mask;
};

/* ---- bare ---- */

static uint64_t hash_of(const char *id)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (; *id != '\0'; id++)
        hash = (hash ^ (unsigned char)*id) * UINT64_C(0x100000001b3);
    return hash ^ (hash >> 32);
}

static void fill_bare(struct bench *bench)
{
    size_t size = 1;

    while (size < (size_t)bench->options->tenants)
        size *= 2;
    bench->mask = size - 1;
    bench->buckets = calloc(size, sizeof(*bench->buckets));
    bench->entries = calloc((size_t)bench->options->tenants, sizeof(*bench->entries));
    if (bench->buckets == NULL || bench->entries == NULL || pthread_mutex_init(&bench->mutex, NULL) != 0)
        bench_die("out of memory");
    for (int i = 0; i < bench->options->tenants; i++) {
        struct bare_entry *entry = bench->entries + i, **bucket;

        strcpy(entry->id, mtnt_model_id(bench->models[i]));
        bucket = bench->buckets + (hash_of(entry->id) & bench->mask);
        entry->next = *bucket;
        *bucket = entry;
    }
}

static bool bare_has(struct bench *bench, const char *id)
{
    uint64_t hash = hash_of(id);
    struct bare_entry *entry;

    pthread_mutex_lock(&bench->mutex);
    for (entry = bench->buckets[hash & bench->mask]; entry != NULL && strcmp(entry->id, id) != 0; entry = entry->next)
        ;
    pthread_mutex_unlock(&bench->mutex);
    return entry != NULL;
}

/* ---- both ---- */

static size_t next_of(const struct bench *bench, size_t at)
{
    return (at + 7919) % (size_t)bench->options->tenants; /* not one after another in memory */
}

static void look_bare(void *data, int index)
{
    struct bench *bench = data;
    size_t at = (size_t)(index * 31 % bench->options->tenants);

    for (int i = 0; i < bench->looks / bench->threads; i++, at = next_of(bench, at))
        if (!bare_has(bench, mtnt_model_id(bench->models[at])))
            bench_die("a tenant is missing");
}

static void look_ensure(void *data, int index)
{
    struct bench *bench = data;
    size_t at = (size_t)(index * 31 % bench->options->tenants);

    for (int i = 0; i < bench->looks / bench->threads; i++, at = next_of(bench, at))
        if (mtnt_ensure_current(bench->ensure, bench->models[at], NULL) != 0)
            bench_die("a tenant is not current");
}

static double nanoseconds(struct bench *bench, void (*look)(void *data, int index))
{
    double began = bench_now();

    bench_parallel(bench->threads, bench->threads, look, bench);
    return (bench_now() - began) * 1e9 / bench->looks;
}

/* ---- the tenants: rows of the controller that say so; no model is opened ---- */

static void make_models(struct bench *bench)
{
    mtnt_error err = MTNT_ERROR_INIT;

    bench->models = calloc((size_t)bench->options->tenants, sizeof(mtnt_model *));
    for (int i = 0; i < bench->options->tenants; i++) {
        mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
        char id[32];

        snprintf(id, sizeof(id), "tenant-%06d", i);
        options.id = id;
        options.dsn = bench_text("sqlite:%s/%s.db", bench->options->folder, id);
        if (bench->models == NULL || mtnt_model_new(bench->models + i, &options, &err) != 0)
            bench_die("%s", err.message);
    }
}

static int nothing(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)context;
    (void)model;
    (void)err;
    return 0;
}

static void remember_all(struct bench *bench)
{
    mtnt_ensure_counts counts;
    mtnt_error err = MTNT_ERROR_INIT;

    for (int i = 0; i < bench->options->tenants; i++)
        if (mtnt_ensure_current(bench->ensure, bench->models[i], &err) != 0)
            bench_die("%s", err.message);
    mtnt_ensure_count(bench->ensure, &counts);
    if (counts.calls != bench->options->tenants || counts.failed != 0)
        bench_die("not all are current");
}

static void report(const bench_options *options, int threads, const double *bare, const double *ensure)
{
    printf("  %-10d%20.0f ns/ask%19.0f ns/ask\n", threads, bench_median(bare, options->rounds),
           bench_median(ensure, options->rounds));
    bench_result(options,
                 &(bench_figure){.name = "ensure",
                                 .of = bench_text("%d remembered tenants, %d threads", options->tenants, threads),
                                 .what = "ns an ask",
                                 .baseline = "bare hash table",
                                 .values = ensure,
                                 .baseline_values = bare});
}

int main(int argc, char **argv)
{
    static const mtnt_operation_class operation = {MTNT_OPERATION_CLASS_INIT, .name = "nothing", .execute = nothing};
    bench_options options = {.tenants = 300, .workers = 8, .rounds = 5};
    struct bench bench = {.options = &options};
    double bare[64], ensure[64];
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_chain *chain = NULL;
    int threads[2];

    bench_parse(&options, argc, argv);
    bench_make_folder(options.folder);
    bench.looks = options.tenants < 100 ? LOOKS / 1000 : LOOKS;
    threads[0] = 1;
    threads[1] = options.workers;
    make_models(&bench);
    fill_bare(&bench);
    if (mtnt_chain_new(&chain, "bench", &err) != 0 || mtnt_chain_add(chain, &operation, 1, NULL, &err) != 0 ||
        mtnt_ensure_new(&bench.ensure, bench_text("sqlite:%s/controller.db", options.folder), chain, NULL, &err) != 0)
        bench_die("%s", err.message);
    for (int i = 0; i < options.tenants; i++) {
        sqlite3 *db = NULL;

        if (sqlite3_open(bench_text("%s/tenant-%06d.db", options.folder, i), &db) != SQLITE_OK ||
            sqlite3_exec(db, "CREATE TABLE account(name TEXT)", NULL, NULL, NULL) != SQLITE_OK)
            bench_die("%s", sqlite3_errmsg(db));
        sqlite3_close(db);
    }
    remember_all(&bench);
    printf("ensure: %d remembered tenants\n  %-10s%26s%26s\n", options.tenants, "threads", "bare hash table",
           "mtnt_ensure_current");
    for (int i = 0; i < 2; i++) {
        bench.threads = threads[i];
        for (int round = 0; round < options.rounds; round++) {
            bare[round] = nanoseconds(&bench, look_bare);
            ensure[round] = nanoseconds(&bench, look_ensure);
        }
        report(&options, threads[i], bare, ensure);
    }
    puts("");
    mtnt_ensure_free(bench.ensure);
    mtnt_chain_free(chain);
    for (int i = 0; i < options.tenants; i++)
        mtnt_model_free(bench.models[i]);
    free(bench.models);
    free(bench.buckets);
    free(bench.entries);
    bench_remove_folder(options.folder);
    return 0;
}
