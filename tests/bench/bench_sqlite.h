/* Fleets of SQLite tenants for the benchmarks. */
#ifndef MTNT_BENCH_SQLITE_H
#define MTNT_BENCH_SQLITE_H

#include "bench.h"

/* Makes `folder` with the tenants and the files of the command. */
void bench_sqlite_fleet(const bench_options *options, const char *folder);
/* A bare loop of the operations, with the records of a migration or without: seconds. */
double bench_sqlite_bare(const bench_options *options, const char *folder, bool records);
/* How many tenants of both fleets did not end with the same tables and rows; the first of them is told. */
int bench_sqlite_differing(const bench_options *options, const char *bare, const char *mtnt);
/* Both fleets ended with the same tables and rows. */
void bench_sqlite_check(const bench_options *options, const char *bare, const char *mtnt);

#endif
