#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HUNDRED "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "

const char *const bench_operations[BENCH_OPERATIONS] = {
    "CREATE TABLE customers(id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT)",
    "CREATE TABLE products(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL)",
    "CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, placed TEXT)",
    "CREATE TABLE lines(id INTEGER PRIMARY KEY, booking INTEGER NOT NULL, product INTEGER NOT NULL)",
    "CREATE TABLE notes(id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, body TEXT)",
    "CREATE INDEX customers_by_name ON customers(name)",
    "CREATE INDEX orders_by_customer ON orders(customer)",
    "CREATE INDEX lines_by_booking ON lines(booking, product)",
    "INSERT INTO customers(id, name, city) " HUNDRED "SELECT i, 'customer ' || i, 'city ' || i % 7 FROM n",
    "INSERT INTO products(id, name, price) " HUNDRED "SELECT i, 'product ' || i, i * 10 FROM n",
};

const char *const bench_tables[BENCH_TABLES] = {"customers", "products", "orders", "lines", "notes"};

void bench_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

/* Texts live as long as the program, and are no leak. */
static struct kept {
    struct kept *next;
    char *text;
} * kept_texts;

const char *bench_text(const char *format, ...)
{
    struct kept *kept = malloc(sizeof(*kept));
    va_list arguments;

    va_start(arguments, format);
    if (kept == NULL || vasprintf(&kept->text, format, arguments) < 0)
        bench_die("out of memory");
    va_end(arguments);
    kept->next = kept_texts;
    kept_texts = kept;
    return kept->text;
}

static int number(const char *text, int least, int most)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value < least || value > most)
        bench_die("%s is no number from %d to %d", text, least, most);
    return (int)value;
}

/* "1,2,4"; how many. */
static int numbers(char *text, int *ret_numbers, int most)
{
    char *rest = text, *word;
    int count = 0;

    while ((word = strtok_r(rest, ",", &rest)) != NULL) {
        if (count == most)
            bench_die("more than %d numbers", most);
        ret_numbers[count++] = number(word, 1, 256);
    }
    return count;
}

/* What comes last wins. */
static void set_workers(bench_options *options, const char *option, char *value)
{
    options->best_count = 0;
    memset(options->each, 0, sizeof(options->each));
    if (strcmp(option, "--best") == 0)
        options->best_count = numbers(value, options->best, BENCH_MOST_BEST);
    else if (strcmp(option, "--workers") == 0)
        options->workers = number(value, 1, 256);
    else if (numbers(value, options->each, BENCH_CONTENDERS) != BENCH_CONTENDERS)
        bench_die("--each takes %d numbers", BENCH_CONTENDERS);
}

void bench_parse(bench_options *options, int argc, char **argv)
{
    int i;

    for (i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--tenants") == 0)
            options->tenants = number(argv[i + 1], 1, 10000000);
        else if (strcmp(argv[i], "--workers") == 0 || strcmp(argv[i], "--best") == 0 || strcmp(argv[i], "--each") == 0)
            set_workers(options, argv[i], argv[i + 1]);
        else if (strcmp(argv[i], "--rounds") == 0)
            options->rounds = number(argv[i + 1], 1, 64);
        else if (strcmp(argv[i], "--folder") == 0)
            options->folder = argv[i + 1];
        else if (strcmp(argv[i], "--mtnt") == 0)
            options->mtnt = argv[i + 1];
        else if (strcmp(argv[i], "--json") == 0)
            options->json = argv[i + 1];
        else if (strcmp(argv[i], "--server") == 0)
            options->server = argv[i + 1];
        else if (strcmp(argv[i], "--controller") == 0)
            options->controller = argv[i + 1];
        else if (strcmp(argv[i], "--source") == 0)
            options->source = argv[i + 1];
        else if (strcmp(argv[i], "--few") == 0)
            options->few = number(argv[i + 1], 1, 10000000);
        else if (strcmp(argv[i], "--growth") == 0)
            options->growth = strtod(argv[i + 1], NULL);
        else if (strcmp(argv[i], "--kill") == 0)
            options->kill = strcmp(argv[i + 1], "yes") == 0;
        else if (strcmp(argv[i], "--schemas") == 0)
            options->schemas = strcmp(argv[i + 1], "yes") == 0;
        else if (strcmp(argv[i], "--only") == 0)
            options->only = argv[i + 1];
        else
            bench_die("unknown option %s", argv[i]);
    }
    if (i != argc)
        bench_die("option %s has no value", argv[argc - 1]);
    if (options->folder == NULL || options->mtnt == NULL)
        bench_die("--folder and --mtnt are needed");
}

double bench_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int ascending(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

double bench_median(const double *values, int count)
{
    double sorted[64];

    memcpy(sorted, values, sizeof(*values) * (size_t)count);
    qsort(sorted, (size_t)count, sizeof(*sorted), ascending);
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* ---- threads and programs ---- */

struct pool {
    atomic_int next;
    int count;
    void (*one)(void *data, int index);
    void *data;
};

static void *work(void *data)
{
    struct pool *pool = data;
    int index;

    while ((index = atomic_fetch_add(&pool->next, 1)) < pool->count)
        pool->one(pool->data, index);
    return NULL;
}

void bench_parallel(int workers, int count, void (*one)(void *data, int index), void *data)
{
    struct pool pool = {.count = count, .one = one, .data = data};
    pthread_t threads[256];
    int i;

    for (i = 0; i < workers; i++)
        if (pthread_create(&threads[i], NULL, work, &pool) != 0)
            bench_die("no thread to be had");
    for (i = 0; i < workers; i++)
        pthread_join(threads[i], NULL);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

double bench_cpu(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

bench_cost bench_wait(pid_t pid, double begun)
{
    bench_cost cost = {0};
    struct rusage usage;
    int status;

    while (wait4(pid, &status, 0, &usage) < 0)
        if (errno != EINTR)
            bench_die("wait4: %s", strerror(errno));
    cost.wall_s = bench_now() - begun;
    cost.cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    cost.rss_kib = usage.ru_maxrss;
    cost.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return cost;
}

pid_t bench_start(const char *folder, const char *output, const char *const *arguments)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int rc;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    posix_spawn_file_actions_addchdir_np(&actions, folder);
    rc = posix_spawnp(&pid, arguments[0], &actions, NULL, (char *const *)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        bench_die("%s: %s", arguments[0], strerror(rc));
    return pid;
}

bench_cost bench_run(const char *folder, const char *output, const char *const *arguments)
{
    double begun = bench_now();

    return bench_wait(bench_start(folder, output, arguments), begun);
}

bench_cost bench_aside(void (*one)(void *data), void *data)
{
    double begun = bench_now();
    bench_cost cost;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        one(data);
        _exit(0);
    }
    if (pid < 0)
        bench_die("fork: %s", strerror(errno));
    cost = bench_wait(pid, begun);
    if (cost.status != 0)
        exit(1); /* it has said why */
    return cost;
}

bench_cost bench_migrate(const bench_options *options, const char *folder)
{
    const char *workers = bench_text("%d", options->workers), *output = bench_text("%s/output", folder);
    const char *arguments[] = {options->mtnt, "migrate", "--workers", workers, NULL};
    bench_cost cost = bench_run(folder, output, arguments);
    char line[512];
    FILE *file;

    if (cost.status == 0)
        return cost;
    file = fopen(output, "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL)
        fputs(line, stderr);
    bench_die("%s migrate: exit status %d", options->mtnt, cost.status);
}

/* ---- files ---- */

void bench_make_folder(const char *folder)
{
    if (mkdir(folder, 0700) != 0)
        bench_die("%s: %s", folder, strerror(errno));
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

void bench_remove_folder(const char *folder)
{
    if (nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) != 0)
        bench_die("%s: %s", folder, strerror(errno));
}

void bench_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
        bench_die("%s: %s", path, strerror(errno));
}

void bench_write_project(const bench_options *options, const char *folder, const char *controller, const char *tenants)
{
    FILE *file = fopen(bench_text("%s/chain.yaml", folder), "we");
    int i;

    if (file == NULL)
        bench_die("%s/chain.yaml: %s", folder, strerror(errno));
    fputs("chain: bench\noperations:\n", file);
    for (i = 0; i < BENCH_OPERATIONS; i++)
        fprintf(file, "  - name: operation_%d\n    sql:\n      model: {up: \"%s\"}\n", i + 1, bench_operations[i]);
    if (fclose(file) != 0)
        bench_die("%s/chain.yaml: %s", folder, strerror(errno));
    bench_write(bench_text("%s/mtnt.yaml", folder),
                bench_text("controller: %s\ntenants: tenants.yaml\nchain: chain.yaml\nworkers: %d\n", controller,
                           options->workers));
    bench_write(bench_text("%s/tenants.yaml", folder), tenants);
}

const char *bench_server_query(const char *server)
{
    char *copy = strdup(server), *rest = copy, *word;
    const char *query = "";

    while ((word = strtok_r(rest, " ", &rest)) != NULL)
        if (strncmp(word, "dbname=", 7) != 0)
            query = bench_text("%s%s%s", query, *query != '\0' ? "&" : "?", word);
    free(copy);
    return query;
}

void bench_settle(void)
{
    if (getenv("MTNT_BENCH_SMOKE") == NULL) /* its times are of no use, and the machine has others to write for */
        sync();
}

/* ---- results ---- */

void bench_expand(FILE *out, const char *tables, const char *schema)
{
    const char *mark;

    for (; (mark = strstr(tables, "{schema}")) != NULL; tables = mark + strlen("{schema}"))
        fprintf(out, "%.*s%s", (int)(mark - tables), tables, schema);
    fputs(tables, out);
}

const char *bench_records(const char *tables, const char *schema)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    bench_expand(out, tables, schema);
    fprintf(
        out,
        "; INSERT INTO %s.mtnt_meta (key, value) VALUES ('model_uuid', '%032d'), ('tenant', 'tenant-000000'), ('controller', '%032d');"
        " INSERT INTO %s.mtnt_applied VALUES ",
        schema, 1, 2, schema);
    for (int i = 0; i < BENCH_OPERATIONS; i++)
        fprintf(out, "%s('bench', 'operation-%d', %d, '%064d', 1700000000000, 1700000000001, '%032d', 1)",
                i == 0 ? "" : ", ", i, i + 1, i, 3);
    fprintf(out, "; INSERT INTO %s.mtnt_decision (migration, outcome) VALUES ('%032d', 'commit')", schema, 3);
    fclose(out);
    return text;
}
