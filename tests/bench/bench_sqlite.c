/* SQLite tenants: mtnt-model against a bare loop on sqlite3 that does the same durable work on the same number of threads. */
#include <sqlite3.h>
#include <string.h>

#include "bench_sqlite.h"

int main(int argc, char **argv)
{
    bench_options options = {.tenants = 1000, .workers = 8, .rounds = 5};
    bench_race race = {.name = "sqlite", .unit = "tenants", .target = 0.7};
    int i;

    /* As the command does: the memory counter is a lock that all threads would meet. */
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    bench_parse(&options, argc, argv);
    bench_make_folder(options.folder);
    for (i = 0; i < options.rounds && options.only == NULL; i++) {
        const char *bare = bench_text("%s/bare-%d", options.folder, i);
        const char *mtnt = bench_text("%s/mtnt-%d", options.folder, i);
        bench_cost cost;

        bench_sqlite_fleet(&options, bare);
        race.bare_cpu_s[i] = -bench_cpu();
        race.bare_s[i] = bench_sqlite_bare(&options, bare, false);
        race.bare_cpu_s[i] += bench_cpu();
        bench_remove_folder(bare);
        bench_sqlite_fleet(&options, bare);
        race.records_cpu_s[i] = -bench_cpu();
        race.records_s[i] = bench_sqlite_bare(&options, bare, true);
        race.records_cpu_s[i] += bench_cpu();
        bench_sqlite_fleet(&options, mtnt);
        cost = bench_migrate(&options, mtnt);
        race.mtnt_s[i] = cost.wall_s;
        race.mtnt_cpu_s[i] = cost.cpu_s;
        if (cost.rss_kib > race.mtnt_rss_kib)
            race.mtnt_rss_kib = cost.rss_kib;
        bench_sqlite_check(&options, bare, mtnt);
        bench_remove_folder(bare);
        bench_remove_folder(mtnt);
    }
    if (options.only != NULL) {
        bench_sqlite_fleet(&options, bench_text("%s/fleet", options.folder));
        if (strcmp(options.only, "bare") == 0)
            bench_sqlite_bare(&options, bench_text("%s/fleet", options.folder), true);
        else
            bench_migrate(&options, bench_text("%s/fleet", options.folder));
    } else {
        bench_report(&options, &race);
    }
    bench_remove_folder(options.folder);
    return 0;
}
