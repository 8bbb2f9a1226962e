/* Races: the bare loops and the command by turns, each with as many workers as suit it best. */
#include "bench.h"

static const char *const titles[BENCH_CONTENDERS] = {"operations alone", "same durable work", "mtnt-model"};

#define TRIALS 2

struct times {
    double wall_s[BENCH_CONTENDERS][64], cpu_s[BENCH_CONTENDERS][64];
    long mtnt_rss_kib;
    int workers[BENCH_CONTENDERS];
};

static bench_cost run_once(const bench_options *options, const bench_race *race, bench_contender contender, int workers)
{
    bench_options own = *options;

    own.workers = workers;
    return race->run(&own, contender);
}

/* Of two trials with each number the better counts: what disturbs makes slower, never faster. */
static int best_workers(const bench_options *options, const bench_race *race, bench_contender contender)
{
    double least = 0;
    int best = 0, trial, i;

    for (trial = 0; trial < TRIALS; trial++)
        for (i = 0; i < options->best_count; i++) {
            double wall_s = run_once(options, race, contender, options->best[i]).wall_s;

            race->clear(options, contender);
            if (best == 0 || wall_s < least) {
                least = wall_s;
                best = options->best[i];
            }
        }
    return best;
}

static void choose_workers(const bench_options *options, const bench_race *race, struct times *times)
{
    bench_options trial = *options;
    int i;

    if (trial.tenants > race->trial)
        trial.tenants = race->trial;
    for (i = 0; i < BENCH_CONTENDERS; i++)
        if (options->best_count > 0)
            times->workers[i] = best_workers(&trial, race, (bench_contender)i);
        else
            times->workers[i] = options->each[i] > 0 ? options->each[i] : options->workers;
}

static void one_round(const bench_options *options, const bench_race *race, struct times *times, int round)
{
    int i;

    for (i = 0; i < BENCH_CONTENDERS; i++) {
        bench_cost cost = run_once(options, race, (bench_contender)i, times->workers[i]);

        times->wall_s[i][round] = cost.wall_s;
        times->cpu_s[i][round] = cost.cpu_s;
        if (i == BENCH_MTNT && cost.rss_kib > times->mtnt_rss_kib)
            times->mtnt_rss_kib = cost.rss_kib;
        if (i == BENCH_BARE)
            race->clear(options, BENCH_BARE);
    }
    race->check(options);
    race->clear(options, BENCH_RECORDS);
    race->clear(options, BENCH_MTNT);
}

/* ---- results ---- */

static void print_numbers(const bench_options *options, const struct times *times)
{
    int i, round;

    printf("  %-8s", "round");
    for (i = 0; i < BENCH_CONTENDERS; i++)
        printf("%18s", titles[i]);
    printf("\n  %-8s", options->best_count > 0 ? "best of" : "workers");
    for (i = 0; i < BENCH_CONTENDERS; i++)
        printf("%10d workers", times->workers[i]);
    for (round = 0; round < options->rounds; round++) {
        printf("\n  %-8d", round + 1);
        for (i = 0; i < BENCH_CONTENDERS; i++)
            printf("%16.3f s", times->wall_s[i][round]);
    }
    printf("\n  %-8s", "median");
    for (i = 0; i < BENCH_CONTENDERS; i++)
        printf("%16.3f s", bench_median(times->wall_s[i], options->rounds));
    printf("\n  %-8s", "rate");
    for (i = 0; i < BENCH_CONTENDERS; i++)
        printf("%16.0f/s", options->tenants / bench_median(times->wall_s[i], options->rounds));
    printf("\n  %-8s", "CPU");
    for (i = 0; i < BENCH_CONTENDERS; i++)
        printf("%16.2f s", bench_median(times->cpu_s[i], options->rounds));
    putchar('\n');
}

static void tell(const bench_options *options, const bench_race *race, const struct times *times,
                 bench_contender baseline)
{
    double base = bench_median(times->wall_s[baseline], options->rounds),
           mtnt = bench_median(times->wall_s[BENCH_MTNT], options->rounds);

    printf("  mtnt-model runs at %.2f of the rate of %s%s (target %.2f: %s)\n", base / mtnt,
           baseline == BENCH_RECORDS ? "the " : "", titles[baseline], race->target,
           base / mtnt >= race->target ? "reached" : "missed");
    bench_result(options, &(bench_figure){.name = race->name,
                                          .of = bench_text("%d %s, %d workers beside %d", options->tenants, race->unit,
                                                           times->workers[BENCH_MTNT], times->workers[baseline]),
                                          .what = "clock, s",
                                          .baseline = titles[baseline],
                                          .values = times->wall_s[BENCH_MTNT],
                                          .baseline_values = times->wall_s[baseline],
                                          .target = race->target,
                                          .workers = times->workers[BENCH_MTNT],
                                          .baseline_workers = times->workers[baseline]});
}

void bench_race_run(const bench_options *options, const bench_race *race)
{
    struct times times = {.mtnt_rss_kib = 0};
    int i;

    choose_workers(options, race, &times);
    for (i = 0; i < options->rounds; i++)
        one_round(options, race, &times, i);
    printf("%s: %d %s × %d operations", race->name, options->tenants, race->unit, BENCH_OPERATIONS);
    for (i = 0; i < options->best_count; i++)
        printf("%s%d", i == 0 ? ", each at its best of " : ", ", options->best[i]);
    puts(options->best_count > 0 ? " workers" : "");
    print_numbers(options, &times);
    tell(options, race, &times, BENCH_RECORDS);
    tell(options, race, &times, BENCH_BARE);
    printf("  %.1f MiB; end states of the fleets are equal\n\n", (double)times.mtnt_rss_kib / 1024);
}
