/* New tenants, of 10 operations each: a bare loop in C that makes each by running them, mtnt-model that does the same (provisional mode: under another
 * name until the controller has decided), and mtnt-model with `create_model: {snapshot: true}`, whose template is there already, as it is for
 * everybody who comes after the first two. End states are compared. */
#include "bench_clones.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mtnt.h"

static const char *write_chain(const char *folder, bool snapshot)
{
    const char *path = bench_text("%s/chain.yaml", folder);
    FILE *file = fopen(path, "we");

    if (file == NULL)
        bench_die("%s cannot be written", path);
    fprintf(file, "chain: bench\noperations:\n  - {name: make, create_model: {snapshot: %s}}\n",
            snapshot ? "true" : "false");
    for (int i = 0; i < BENCH_OPERATIONS; i++)
        fprintf(file, "  - name: operation_%d\n    sql:\n      model: {up: \"%s\"}\n", i + 1, bench_operations[i]);
    fclose(file);
    return path;
}

/* Two more tenants, in different seconds. */
static void make_template(const bench_options *options, const clones_backend *backend, const char *folder)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_chain *chain = NULL;
    mtnt_ensure *ensure = NULL;

    if (mtnt_chain_new(&chain, "bench", &err) != 0 ||
        mtnt_chain_load_yaml(chain, bench_text("%s/chain.yaml", folder), &err) != 0 ||
        mtnt_ensure_new(&ensure, backend->controller(options, folder), chain, NULL, &err) != 0)
        bench_die("%s", err.message);
    for (int i = 0; i < 2; i++) {
        mtnt_model_options tenant = MTNT_MODEL_OPTIONS_INIT;
        mtnt_model *model = NULL;

        if (i == 1)
            usleep(1100000);
        tenant.id = i == 0 ? "first" : "second";
        tenant.dsn = backend->dsn(options, bench_text("%s_made", backend->name), i);
        if (mtnt_model_new(&model, &tenant, &err) != 0 || mtnt_ensure_current(ensure, model, &err) != 0)
            bench_die("%s", err.message);
        mtnt_model_free(model);
    }
    mtnt_ensure_free(ensure);
    mtnt_chain_free(chain);
}

static const char *write_files(const bench_options *options, const clones_backend *backend, const char *prefix,
                               bool snapshot)
{
    const char *folder = bench_text("%s/%s", options->folder, prefix);
    size_t length = 0;
    char *tenants = NULL;
    FILE *list = open_memstream(&tenants, &length);

    bench_make_folder(folder);
    fputs("tenants:\n", list);
    for (int i = 0; i < backend->tenants; i++)
        fprintf(list, "  - {id: tenant-%06d, model: \"%s\"}\n", i, backend->dsn(options, prefix, i));
    fclose(list);
    bench_write_project(options, folder, backend->controller(options, folder), tenants);
    free(tenants);
    write_chain(folder, snapshot);
    return folder;
}

/* Every one of them was made so, or the figure is of something else. */
static void check_output(const char *folder, const char *expected)
{
    FILE *file = fopen(bench_text("%s/output", folder), "re");
    char line[1024];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL)
        found = strstr(line, expected) != NULL;
    if (file == NULL || !found)
        bench_die("the output does not say `%s`", expected);
    fclose(file);
}

static double run_mtnt(const bench_options *options, const clones_backend *backend, const char *prefix, bool snapshot)
{
    const char *folder = write_files(options, backend, prefix, snapshot);
    bench_cost cost;

    if (snapshot)
        make_template(options, backend, folder);
    bench_settle();
    cost = bench_migrate(options, folder);
    check_output(folder, snapshot ? bench_text("%d migrated (%d as copies)", backend->tenants, backend->tenants)
                                  : bench_text("%d migrated, 0 already", backend->tenants));
    return cost.wall_s;
}

struct loop {
    const bench_options *options;
    const clones_backend *backend;
    const char *prefix;
};

static void make_bare(void *data, int index)
{
    const struct loop *loop = data;

    loop->backend->make(loop->options, loop->prefix, index);
}

static double run_bare(const bench_options *options, const clones_backend *backend, const char *prefix)
{
    struct loop loop = {options, backend, prefix};
    double begun;

    bench_settle();
    begun = bench_now();
    bench_parallel(options->workers, backend->tenants, make_bare, &loop);
    return bench_now() - begun;
}

static void check_equal(const bench_options *options, const clones_backend *backend, const char *const *prefixes)
{
    for (int i = 0; i < backend->tenants; i++) {
        char *expected = backend->end_state(options, prefixes[0], i);

        for (int k = 1; k < 3; k++) {
            char *found = backend->end_state(options, prefixes[k], i);

            if (strcmp(expected, found) != 0)
                bench_die("%s tenant %d differs:\n%s\n---\n%s", prefixes[k], i, expected, found);
            free(found);
        }
        free(expected);
    }
}

static void report(const bench_options *options, const clones_backend *backend, double seconds[3][CLONES_ROUNDS])
{
    static const char *const ways[] = {"bare loop that runs the operations", "mtnt-model, by running the chain",
                                       "mtnt-model, as copies"};
    double bare = bench_median(seconds[0], options->rounds);

    printf("clones: %d new %s × %d operations, %d workers, median of %d\n", backend->tenants, backend->unit,
           BENCH_OPERATIONS, options->workers, options->rounds);
    for (int k = 0; k < 3; k++) {
        double median = bench_median(seconds[k], options->rounds);

        printf("  %-38s%10.0f/s   %.2f\n", ways[k], backend->tenants / median, bare / median);
        if (k > 0)
            bench_result(options, &(bench_figure){.name = "clones",
                                                  .of = bench_text("%d new %s", backend->tenants, backend->unit),
                                                  .what = k == 1 ? "s, by running the chain" : "s, as copies",
                                                  .baseline = "bare loop that runs the operations",
                                                  .values = seconds[k],
                                                  .baseline_values = seconds[0],
                                                  .target = k == 1 ? 0 : 1});
    }
    puts("");
}

static void race(const bench_options *options, const clones_backend *backend)
{
    const char *const prefixes[] = {bench_text("%s_bare", backend->name), bench_text("%s_run", backend->name),
                                    bench_text("%s_copied", backend->name)};
    double seconds[3][CLONES_ROUNDS];

    for (int round = 0; round < options->rounds; round++) {
        backend->begin(options);
        seconds[0][round] = run_bare(options, backend, prefixes[0]);
        seconds[1][round] = run_mtnt(options, backend, prefixes[1], false);
        seconds[2][round] = run_mtnt(options, backend, prefixes[2], true);
        check_equal(options, backend, prefixes);
        for (int k = 0; k < 3; k++)
            backend->remove(options, prefixes[k], backend->tenants);
        backend->remove(options, bench_text("%s_made", backend->name), 2);
        bench_remove_folder(bench_text("%s/%s", options->folder, prefixes[1]));
        bench_remove_folder(bench_text("%s/%s", options->folder, prefixes[2]));
        backend->end(options);
    }
    report(options, backend, seconds);
}

int main(int argc, char **argv)
{
    bench_options options = {.tenants = 1000, .workers = 8, .rounds = 5};

    bench_parse(&options, argc, argv);
    if (options.server == NULL)
        bench_die("--server is needed");
    clones_sqlite.tenants = options.tenants;
    clones_postgres.tenants = options.tenants / 10 > 2 ? options.tenants / 10 : 3;
    bench_make_folder(options.folder);
    if (options.only == NULL || strcmp(options.only, "sqlite") == 0)
        race(&options, &clones_sqlite);
    if (options.only == NULL || strcmp(options.only, "postgres") == 0)
        race(&options, &clones_postgres);
    bench_remove_folder(options.folder);
    return 0;
}
