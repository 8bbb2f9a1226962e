/* A fleet of one pair of databases, and the bare program's part of the race. */
#ifndef MTNT_BENCH_PAIRS_H
#define MTNT_BENCH_PAIRS_H

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

#include "bench.h"

#define PAIR_OPERATIONS 4
/* What each does to the model, in both dialects. */
extern const char *const pair_operations[PAIR_OPERATIONS];
/* … and to the controller: followed by the tenant and the operation's number. */
#define PAIR_DIRECTORY "INSERT INTO directory(tenant, step) VALUES"
#define TARGET 0.8
#define MOST_DATABASES 100 /* because making one takes as long as migrating some */

typedef enum model_kind { MODEL_FILE, MODEL_NEW_FILE, MODEL_DATABASE, MODEL_SCHEMA } model_kind;

struct pair {
    const char *name;
    bool postgres_controller;
    model_kind model;
};
extern const struct pair pairs[];
extern const size_t pair_count;
/* Both databases have a row in their registers: the prepared one, too. */
bool has_two_rows(const struct pair *pair);

struct fleet {
    const bench_options *options;
    const struct pair *pair;
    const char *name, *folder, *server;
    int count;
};
struct fleet fleet_of(const bench_options *options, const struct pair *pair, const char *name);
/* The file, database or schema. */
const char *model_name(const struct fleet *fleet, int tenant, char name[512]);
const char *controller_database(const struct fleet *fleet, char name[64]);

void run_sqlite(sqlite3 *db, const char *sql);
sqlite3 *open_sqlite(const char *path);
void run_postgres(PGconn *connection, const char *sql);
PGconn *open_postgres(const struct fleet *fleet, const char *database);

struct cost {
    double seconds;
    long fsyncs, messages;
};
/* Of this process so far: fsyncs, and messages sent to servers. */
struct cost count_calls(void);

/* The least that the protocol asks for: claims and ends in batches, operations, records, register, commits. */
void perform_bare(const struct fleet *fleet);

#endif
