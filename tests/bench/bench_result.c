/* A figure beside its baseline: one line of JSON for each, from which bench.sh makes its table. */
#include <errno.h>
#include <string.h>

#include "bench.h"

static void write_list(FILE *file, const char *name, const double *values, int count)
{
    int i;

    fprintf(file, ", \"%s\": [", name);
    for (i = 0; i < count; i++)
        fprintf(file, "%s%.4f", i > 0 ? ", " : "", values[i]);
    fputs("]", file);
}

void bench_result(const bench_options *options, const bench_figure *figure)
{
    int count = figure->count > 0 ? figure->count : options->rounds;
    double value = bench_median(figure->values, count), base = bench_median(figure->baseline_values, count);
    double ratio = figure->less_is_better ? value / base : base / value;
    bool reached = figure->less_is_better ? value <= figure->target : ratio >= figure->target;
    FILE *file = options->json != NULL ? fopen(options->json, "ae") : NULL;

    if (options->json != NULL && file == NULL)
        bench_die("%s: %s", options->json, strerror(errno));
    if (file == NULL)
        return;
    fprintf(file,
            "{\"figure\": \"%s\", \"of\": \"%s\", \"what\": \"%s\", \"value\": %.4f, \"baseline\": \"%s\", "
            "\"baseline_value\": %.4f, \"ratio\": %.4f",
            figure->name, figure->of, figure->what, value, figure->baseline, base, ratio);
    if (figure->target > 0)
        fprintf(file, ", \"target\": %.2f, \"reached\": %s", figure->target, reached ? "true" : "false");
    if (figure->workers > 0)
        fprintf(file, ", \"workers\": %d, \"baseline_workers\": %d", figure->workers, figure->baseline_workers);
    write_list(file, "values", figure->values, count);
    write_list(file, "baseline_values", figure->baseline_values, count);
    fputs("}\n", file);
    if (fclose(file) != 0)
        bench_die("%s: %s", options->json, strerror(errno));
}
