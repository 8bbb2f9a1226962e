/* Many processes on one controller on PostgreSQL, which share a fleet of SQLite tenants: how much longer they take than one alone that has as many
 * workers as all of them together; and what it costs when one of four is killed. */
#include <libpq-fe.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_sqlite.h"
#include "coordinate/heartbeat.h"

#define DATABASE "bench_processes"
#define MOST 8

/* How long the tenants of a process that nobody sees any more are left alone: the command's default. */
static const double lease_s = (MTNT__HEARTBEAT_MS * (MTNT__HEARTBEAT_RETRIES + 2) + MTNT__LEASE_MARGIN_MS) / 1000.0;

static void new_controller(const bench_options *options)
{
    PGconn *connection = PQconnectdb(bench_text("%s options='-c client_min_messages=warning'", options->server));
    PGresult *dropped = PQexec(connection, "DROP DATABASE IF EXISTS " DATABASE " WITH (FORCE)");
    PGresult *made = PQexec(connection, "CREATE DATABASE " DATABASE);

    if (PQresultStatus(dropped) != PGRES_COMMAND_OK || PQresultStatus(made) != PGRES_COMMAND_OK)
        bench_die("%s", PQerrorMessage(connection));
    PQclear(dropped);
    PQclear(made);
    PQfinish(connection);
}

/* Of a summary: "… 23 migrated, …". */
static int migrated_by(const char *output)
{
    FILE *file = fopen(output, "re");
    char line[1024];
    int total, migrated = -1;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "%d tenants: %d migrated", &total, &migrated) == 2)
            break;
    if (file != NULL)
        fclose(file);
    return migrated;
}

struct team {
    const bench_options *options;
    const char *folder;
    int count;
    double kill_after_s; /* the first of them; 0 = not at all */
    bool killed;         /* it was: it had not ended before */
};

static const char *output_of(const struct team *team, int index)
{
    return bench_text("%s/output-%d", team->folder, index);
}

static void check_team(struct team *team, const bench_cost *costs)
{
    int migrated = 0, i;

    for (i = 0; i < team->count; i++) {
        if (i == 0 && team->kill_after_s > 0 && costs[i].status == 128 + SIGKILL) {
            team->killed = true;
            continue;
        }
        if (costs[i].status != 0)
            bench_die("process %d of %d: exit status %d, see %s", i, team->count, costs[i].status, output_of(team, i));
        migrated += migrated_by(output_of(team, i));
    }
    if (team->killed ? migrated > team->options->tenants : migrated != team->options->tenants)
        bench_die("%d processes say that they have migrated %d of %d tenants", team->count, migrated,
                  team->options->tenants);
}

/* Seconds, until the last of them has ended. */
static double run_team(struct team *team, double *ret_cpu_s)
{
    int workers = team->options->workers / team->count;
    const char *each = bench_text("%d", workers > 0 ? workers : 1);
    const char *arguments[] = {team->options->mtnt, "migrate", "--workers", each, NULL};
    bench_cost costs[MOST];
    double begun, taken;
    pid_t pids[MOST];
    int i;

    new_controller(team->options);
    bench_sqlite_fleet(team->options, team->folder);
    begun = bench_now();
    for (i = 0; i < team->count; i++)
        pids[i] = bench_start(team->folder, output_of(team, i), arguments);
    if (team->kill_after_s > 0) {
        usleep((useconds_t)(team->kill_after_s * 1e6));
        kill(pids[0], SIGKILL);
    }
    *ret_cpu_s = 0;
    for (i = 0; i < team->count; i++) {
        costs[i] = bench_wait(pids[i], begun);
        *ret_cpu_s += costs[i].cpu_s;
    }
    taken = bench_now() - begun;
    check_team(team, costs);
    return taken;
}

static void check_states(const bench_options *options, const char *bare, const char *folder)
{
    bench_sqlite_check(options, bare, folder);
    bench_remove_folder(folder);
}

/* What the death of one process cost, in each round. */
struct death {
    double lost[64];   /* tenants that did not end as the others */
    double cost_s[64]; /* longer than with all of them alive */
    int times;
};

static void die_once(const bench_options *options, const char *bare, int round, double alive_s, double *ret_taken_s,
                     struct death *death)
{
    const char *folder = bench_text("%s/killed-%d", options->folder, round);
    struct team team = {.options = options, .folder = folder, .count = 4, .kill_after_s = alive_s / 2};
    double cpu_s;

    *ret_taken_s = run_team(&team, &cpu_s);
    death->times += team.killed;
    death->cost_s[round] = *ret_taken_s - alive_s;
    death->lost[round] = bench_sqlite_differing(options, bare, folder);
    bench_remove_folder(folder);
}

static void tell(const bench_options *options, const char *of, const double *values, const double *baseline,
                 const char *name, double target)
{
    printf("  %-34s%10.3f s%10.0f/s%8.2f of the rate of %s\n", of, bench_median(values, options->rounds),
           options->tenants / bench_median(values, options->rounds),
           bench_median(baseline, options->rounds) / bench_median(values, options->rounds), name);
    bench_result(options, &(bench_figure){.name = "processes",
                                          .of = bench_text("%d tenants, %s", options->tenants, of),
                                          .what = "clock, s",
                                          .baseline = name,
                                          .values = values,
                                          .baseline_values = baseline,
                                          .target = target});
}

static double most_of(const double *values, int count)
{
    double most = values[0];
    int i;

    for (i = 1; i < count; i++)
        if (values[i] > most)
            most = values[i];
    return most;
}

static void tell_death(const bench_options *options, const struct death *death)
{
    double lease[64], tenants[64], most_s = most_of(death->cost_s, options->rounds);
    double most_lost = most_of(death->lost, options->rounds);
    int i;

    for (i = 0; i < options->rounds; i++) {
        lease[i] = lease_s;
        tenants[i] = options->tenants;
    }
    printf(
        "  one of four killed at half the time, %d of %d times before it had ended: tenants lost: %.0f; it cost %.3f s "
        "(median), %.3f s at most, %s than one lease (%.0f s)\n",
        death->times, options->rounds, most_lost, bench_median(death->cost_s, options->rounds), most_s,
        most_s < lease_s ? "less" : "MORE", lease_s);
    bench_result(options,
                 &(bench_figure){.name = "processes",
                                 .of = bench_text("%d tenants, what a killed one of 4 costs", options->tenants),
                                 .what = "clock, s",
                                 .baseline = "one lease",
                                 .values = death->cost_s,
                                 .baseline_values = lease,
                                 .less_is_better = true,
                                 .target = lease_s});
    bench_result(options, &(bench_figure){.name = "processes",
                                          .of = bench_text("%d tenants, lost by a killed one of 4", options->tenants),
                                          .what = "tenants",
                                          .baseline = "tenants",
                                          .values = death->lost,
                                          .baseline_values = tenants,
                                          .less_is_better = true});
    if (most_lost > 0)
        bench_die("%.0f tenants were lost", most_lost);
}

int main(int argc, char **argv)
{
    static const int counts[] = {1, 2, 4, 8};
    bench_options options = {.tenants = 1000, .workers = 8, .rounds = 5};
    double bare_s[64], team_s[4][64], killed_s[64], cpu_s;
    struct death death = {.times = 0};
    int i, n;

    bench_parse(&options, argc, argv);
    if (options.server == NULL)
        bench_die("--server is needed");
    bench_make_folder(options.folder);
    options.controller = bench_text("postgresql:///" DATABASE "%s", bench_server_query(options.server));
    for (i = 0; i < options.rounds; i++) {
        const char *bare = bench_text("%s/bare-%d", options.folder, i);

        bench_sqlite_fleet(&options, bare);
        bare_s[i] = bench_sqlite_bare(&options, bare, true);
        for (n = 0; n < 4; n++) {
            const char *folder = bench_text("%s/team-%d-%d", options.folder, i, counts[n]);
            struct team team = {.options = &options, .folder = folder, .count = counts[n]};

            team_s[n][i] = run_team(&team, &cpu_s);
            check_states(&options, bare, folder);
        }
        if (options.kill)
            die_once(&options, bare, i, team_s[2][i], &killed_s[i], &death);
        bench_remove_folder(bare);
    }
    printf(
        "processes: %d SQLite tenants × %d operations, one controller on PostgreSQL, %d workers in all; median of %d\n",
        options.tenants, BENCH_OPERATIONS, options.workers, options.rounds);
    tell(&options, "1 process", team_s[0], bare_s, "the same durable work", 0);
    for (n = 1; n < 4; n++)
        tell(&options, bench_text("%d processes", counts[n]), team_s[n], team_s[0], "1 process", 0);
    if (options.kill) {
        tell(&options, "4 processes, one of them killed", killed_s, team_s[2], "4 processes", 0);
        tell_death(&options, &death);
    }
    puts("  each tenant was migrated once; end states of the fleets are equal\n");
    bench_remove_folder(options.folder);
    return 0;
}
