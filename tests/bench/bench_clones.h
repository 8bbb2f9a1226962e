/* New tenants: what the two halves of the benchmark share. */
#ifndef MTNT_BENCH_CLONES_H
#define MTNT_BENCH_CLONES_H

#include <stdbool.h>

#include "bench.h"

#define CLONES_ROUNDS 64

/* One backend's part. Tenants are numbered; `prefix` tells fleets apart. */
typedef struct clones_backend {
    const char *name, *unit;
    int tenants;
    const char *(*dsn)(const bench_options *options, const char *prefix, int tenant); /* for tenants.yaml */
    const char *(*controller)(const bench_options *options, const char *folder);
    void (*begin)(const bench_options *options);                                /* of a round */
    void (*make)(const bench_options *options, const char *prefix, int tenant); /* bare: any thread */
    char *(*end_state)(const bench_options *options, const char *prefix, int tenant);
    void (*remove)(const bench_options *options, const char *prefix, int tenants);
    void (*end)(const bench_options *options);
} clones_backend;
extern clones_backend clones_sqlite, clones_postgres;

#endif
