/* What the benchmarks share: the work of a tenant, a pool, children with their costs, medians, results. They are programs of their
 * own: whatever goes wrong ends them. */
#ifndef MTNT_BENCH_H
#define MTNT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* 5 tables, 3 indexes, 2 inserts of 100 rows: the same SQL for both engines and both contenders. */
#define BENCH_OPERATIONS 10
extern const char *const bench_operations[BENCH_OPERATIONS];
/* The tables of it. */
#define BENCH_TABLES 5
extern const char *const bench_tables[BENCH_TABLES];

/* A file of schemas/ for that schema. */
void bench_expand(FILE *out, const char *tables, const char *schema);
/* What a migration has to leave in the model beside the operations' effects: the command's own tables (`tables`, from schemas/) with a row
 * for each operation, identity and decision. Lives as long as the program. */
const char *bench_records(const char *tables, const char *schema);

/* Who runs in a race: a bare loop of the operations alone, a bare loop that does the same durable work (operations and records), and the command. */
typedef enum bench_contender { BENCH_BARE, BENCH_RECORDS, BENCH_MTNT, BENCH_CONTENDERS } bench_contender;
#define BENCH_MOST_BEST 8

typedef struct bench_options {
    int tenants, workers, rounds;
    int best[BENCH_MOST_BEST],
        best_count; /* races: each contender at its best of these numbers of workers; none = all with `workers` */
    int each[BENCH_CONTENDERS]; /* races: the workers of each; 0 = `workers` */
    const char *folder;         /* scratch, emptied and removed at the end */
    const char *mtnt;           /* the command */
    const char *json;           /* results are added to it, a JSON object a line; NULL = none */
    const char *server;         /* PostgreSQL, "host=… port=…" */
    const char *controller;     /* DSN; NULL = SQLite in the folder */
    const char *source;         /* noop: "query", "list" or "glob" */
    int few;                    /* noop: of how many tenants the memory is the measure */
    bool kill;                  /* processes: also with one of four killed */
    bool schemas;               /* postgres: a schema for each tenant, and not a database */
    double growth;              /* noop: it must not be more than so many times that; 0 = only told */
    const char *
        only; /* "bare" or "mtnt": one contender, once, no comparison: to be looked at with strace; pairs: those whose name begins so */
} bench_options;
void bench_parse(bench_options *options, int argc, char **argv);

void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* Text that lives as long as the program; on the main thread only. */
const char *bench_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

double bench_now(void); /* seconds */
double bench_cpu(void); /* seconds that this process has used */
double bench_median(const double *values, int count);

/* Runs one(data, 0 … count-1), each once, on that many threads. */
void bench_parallel(int workers, int count, void (*one)(void *data, int index), void *data);

typedef struct bench_cost {
    double wall_s, cpu_s;
    long rss_kib;
    int status; /* exit status */
} bench_cost;
/* Starts a program, its output going to a file; its end, and the time since `begun`. */
pid_t bench_start(const char *folder, const char *output, const char *const *arguments);
bench_cost bench_wait(pid_t pid, double begun);
/* Both. */
bench_cost bench_run(const char *folder, const char *output, const char *const *arguments);
/* `mtnt-model migrate` in a folder with its mtnt.yaml; anything but success ends the benchmark with its output. */
bench_cost bench_migrate(const bench_options *options, const char *folder);

void bench_make_folder(const char *folder);
void bench_remove_folder(const char *folder); /* what bench_make_folder made, and nothing above it */
void bench_write(const char *path, const char *text);
void bench_write_project(const bench_options *options, const char *folder, const char *controller, const char *tenants);
/* "host=… port=…" as the part of a URI behind the question mark. */
const char *bench_server_query(const char *server);
void bench_settle(void); /* what has been prepared gets to the disk before anything is measured */

/* Runs it in a process of its own, which has to succeed. */
bench_cost bench_aside(void (*one)(void *data), void *data);

/* A figure beside its baseline, of the same rounds. */
typedef struct bench_figure {
    const char *name, *of, *what; /* "sqlite", "1000 tenants", "s" */
    const char *baseline;         /* "same durable work" */
    const double *values, *baseline_values;
    int count;           /* 0 = the rounds */
    bool less_is_better; /* the target is of the value; otherwise both are times, and it is of the ratio of the rates */
    double target;       /* 0 = none */
    int workers, baseline_workers; /* 0 = not told */
} bench_figure;
/* Adds it to the file of results, where there is one. */
void bench_result(const bench_options *options, const bench_figure *figure);

/* The contenders in turn, `rounds` times, after each was tried with every number of workers of --best: prints a table and writes JSON. */
typedef struct bench_race {
    const char *name, *unit;
    double target; /* least rate of mtnt / rate of bare, with the records and without */
    int trial;     /* as many tenants at most where the best number of workers is looked for */
    /* Makes the contender's fleet and tells what options->workers of it cost; the fleet stays. */
    bench_cost (*run)(const bench_options *options, bench_contender contender);
    void (*check)(const bench_options *options); /* BENCH_RECORDS and BENCH_MTNT have left the same */
    void (*clear)(const bench_options *options, bench_contender contender);
} bench_race;
void bench_race_run(const bench_options *options, const bench_race *race);

#endif
