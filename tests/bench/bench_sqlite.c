/* SQLite tenants: mtnt-model against a bare loop on sqlite3 that does the same durable work on the same number of threads. */
#include <sqlite3.h>
#include <string.h>

#include "bench_sqlite.h"

static const char *folder_of(const bench_options *options, bench_contender contender)
{
    return bench_text("%s/fleet-%d", options->folder, (int)contender);
}

static bench_cost run(const bench_options *options, bench_contender contender)
{
    const char *folder = folder_of(options, contender);
    bench_cost cost = {0};

    bench_sqlite_fleet(options, folder);
    if (contender == BENCH_MTNT)
        return bench_migrate(options, folder);
    cost.cpu_s = -bench_cpu();
    cost.wall_s = bench_sqlite_bare(options, folder, contender == BENCH_RECORDS);
    cost.cpu_s += bench_cpu();
    return cost;
}

static void check(const bench_options *options)
{
    bench_sqlite_check(options, folder_of(options, BENCH_RECORDS), folder_of(options, BENCH_MTNT));
}

static void clear(const bench_options *options, bench_contender contender)
{
    bench_remove_folder(folder_of(options, contender));
}

int main(int argc, char **argv)
{
    static const bench_race race = {
        .name = "sqlite", .unit = "tenants", .target = 0.9, .trial = 1000, .run = run, .check = check, .clear = clear};
    bench_options options = {.tenants = 1000, .workers = 8, .rounds = 5};

    /* As the command does: the memory counter is a lock that all threads would meet. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    bench_parse(&options, argc, argv);
    bench_make_folder(options.folder);
    if (options.only == NULL)
        bench_race_run(&options, &race);
    else
        run(&options, strcmp(options.only, "bare") == 0 ? BENCH_RECORDS : BENCH_MTNT);
    bench_remove_folder(options.folder);
    return 0;
}
