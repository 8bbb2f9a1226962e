#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "encode.h"
#include "import_files.h"
#include "quote.h"

enum { FORMATS_MAX = 16 };

/* One format that knows files of the folder. */
typedef struct candidate {
    char name[32];
    size_t migrations;
    bool fits;
    mtnt_error why_not;
} candidate;

/* How many tenants bear a tool's table. */
typedef struct history {
    char format[32], table[64];
    int64_t tenants;
} history;

typedef struct importing {
    mtnt__work *work;
    const char *folder;
    char *migrations; /* as seen from here */
    candidate candidates[FORMATS_MAX];
    size_t candidate_count;
    const candidate *chosen;
    history histories[FORMATS_MAX];
    size_t history_count;
    bool borne; /* the model at hand bears some tool's table */
    int64_t found, bare, unread;
    mtnt_error unread_why; /* of the first */
    mtnt__import_tenant *tenants;
    size_t count, size;
    char *model; /* the default's */
} importing;

static int out_of_memory(const importing *all)
{
    return mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
}

/* ---- the folder ---- */

static void note_format(void *data, const char *format, size_t migrations, const mtnt_error *why_not)
{
    importing *all = data;
    candidate *one;

    if (all->candidate_count == FORMATS_MAX)
        return;
    one = &all->candidates[all->candidate_count++];
    *one = (candidate){.migrations = migrations, .fits = why_not == NULL};
    snprintf(one->name, sizeof one->name, "%s", format);
    if (why_not != NULL)
        one->why_not = *why_not;
}

static int look_into(importing *all, const char *dir)
{
    mtnt_error err = MTNT_ERROR_INIT;

    all->candidate_count = 0;
    if (mtnt_discover_formats(dir, note_format, all, &err) != 0)
        return mtnt__work_fail_error(all->work, &err);
    return 0;
}

static int find_folder(importing *all)
{
    static const char *const usual[] = {"migrations",
                                        "db/migrations",
                                        "db/migrate",
                                        "sql/migrations",
                                        "database/migrations",
                                        "src/main/resources/db/migration",
                                        "schema",
                                        "sql",
                                        "."};
    const char *asked = all->work->settings.from_dir;
    struct stat status;
    int exit_code;

    for (size_t i = 0; asked == NULL && i < sizeof usual / sizeof usual[0]; i++) {
        if (stat(usual[i], &status) != 0 || !S_ISDIR(status.st_mode))
            continue;
        exit_code = look_into(all, usual[i]);
        if (exit_code != 0)
            return exit_code;
        if (all->candidate_count > 0)
            return (all->migrations = strdup(usual[i])) == NULL ? out_of_memory(all) : 0;
    }
    if (asked == NULL)
        return mtnt__work_fail(
            all->work, MTNT__EXIT_USAGE,
            "no folder of migrations is found here (migrations, db/migrations and the like): name it "
            "with --from-dir DIR");
    exit_code = look_into(all, asked);
    if (exit_code != 0)
        return exit_code;
    if (all->candidate_count == 0)
        return mtnt__work_fail(all->work, MTNT__EXIT_CONFIG, "there are no migrations of a known tool in %s", asked);
    return (all->migrations = strdup(asked)) == NULL ? out_of_memory(all) : 0;
}

/* ---- whose it is ---- */

static int refuse_misfit(const importing *all, const candidate *one)
{
    mtnt__work_fail(all->work, MTNT__EXIT_CONFIG,
                    "%s looks like a folder of %s, and cannot be read as one:", all->migrations, one->name);
    (void)mtnt__work_fail_error(all->work, &one->why_not);
    return MTNT__EXIT_CONFIG;
}

static int take_asked(importing *all, const char *asked)
{
    for (size_t i = 0; i < all->candidate_count; i++)
        if (strcmp(all->candidates[i].name, asked) == 0) {
            all->chosen = &all->candidates[i];
            return all->chosen->fits ? 0 : refuse_misfit(all, all->chosen);
        }
    return mtnt__work_fail(all->work, MTNT__EXIT_USAGE, "--from-format: there are no files of format %s in %s", asked,
                           all->migrations);
}

static bool is_borne(const importing *all, const char *format)
{
    for (size_t i = 0; i < all->history_count; i++)
        if (strcmp(all->histories[i].format, format) == 0)
            return true;
    return false;
}

static int refuse_many(const importing *all, size_t fits)
{
    char *names = NULL;
    size_t length, said = 0;
    FILE *out = open_memstream(&names, &length);

    if (out == NULL)
        return out_of_memory(all);
    for (size_t i = 0; i < all->candidate_count; i++)
        if (all->candidates[i].fits) {
            fprintf(out, "%s%s", said == 0 ? "" : said + 1 == fits ? " or " : ", ", all->candidates[i].name);
            said++;
        }
    if (fclose(out) == 0)
        mtnt__work_fail(
            all->work, MTNT__EXIT_USAGE,
            "the files of %s could be %s's, and the tenants' tables do not tell: say whose with --from-format",
            all->migrations, names);
    free(names);
    return MTNT__EXIT_USAGE;
}

/* What the files leave open, the tables of the tenants may tell. */
static int choose(importing *all)
{
    const char *asked = all->work->settings.from_format;
    size_t fits = 0, borne = 0;
    const candidate *of_tables = NULL;

    if (asked != NULL)
        return take_asked(all, asked);
    for (size_t i = 0; i < all->candidate_count; i++) {
        candidate *one = &all->candidates[i];

        if (!one->fits)
            continue;
        fits++;
        all->chosen = one;
        if (is_borne(all, one->name)) {
            borne++;
            of_tables = one;
        }
    }
    if (fits > 1 && borne == 1)
        all->chosen = of_tables;
    else if (fits > 1)
        return refuse_many(all, fits);
    return fits > 0 ? 0 : refuse_misfit(all, &all->candidates[0]);
}

/* ---- tenants ---- */

static void note_history(void *data, const char *format, const char *table)
{
    importing *all = data;
    size_t i = 0;

    all->borne = true;
    while (i < all->history_count && strcmp(all->histories[i].table, table) != 0)
        i++;
    if (i == FORMATS_MAX)
        return;
    if (i == all->history_count) {
        all->history_count++;
        snprintf(all->histories[i].format, sizeof all->histories[i].format, "%s", format);
        snprintf(all->histories[i].table, sizeof all->histories[i].table, "%s", table);
    }
    all->histories[i].tenants++;
}

static void look_at(importing *all, const mtnt_model *model)
{
    mtnt_error err = MTNT_ERROR_INIT;

    all->found++;
    all->borne = false;
    if (mtnt_discover_histories(model, note_history, all, &err) != 0) {
        if (all->unread++ == 0)
            all->unread_why = err;
        return;
    }
    all->bare += !all->borne;
}

static int add_tenant(importing *all, const char *id, const char *dsn, mtnt_error *err)
{
    if (all->count == all->size) {
        size_t size = all->size * 2 + 64;
        mtnt__import_tenant *bigger = reallocarray(all->tenants, size, sizeof *bigger);

        if (bigger == NULL)
            return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
        all->tenants = bigger;
        all->size = size;
    }
    all->tenants[all->count] = (mtnt__import_tenant){strdup(id), dsn == NULL ? NULL : strdup(dsn)};
    return all->tenants[all->count++].id == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;
}

/* {id} stands for ids of such bytes only. */
static bool is_plain(const char *id)
{
    return *id != '.' && id[strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] == '\0';
}

/* "postgresql:///{id}?host=…", from the place of one of them: the database is the first part of its path. */
static char *pattern_of(const char *dsn, const char *database)
{
    static const char head[] = "postgresql:///";
    char *pattern = NULL;

    if (strncmp(dsn, head, sizeof head - 1) != 0 || strncmp(dsn + sizeof head - 1, database, strlen(database)) != 0)
        return NULL;
    return asprintf(&pattern, "%s{id}%s", head, dsn + sizeof head - 1 + strlen(database)) < 0 ? NULL : pattern;
}

static int note_place(void *data, const char *name, const char *dsn, mtnt_error *err)
{
    importing *all = data;
    bool schema = all->work->settings.schema_like != NULL;
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_model *model = NULL;
    int rc;

    options.id = name;
    options.dsn = dsn;
    options.schema = schema ? name : NULL;
    rc = mtnt_model_new(&model, &options, err);
    if (rc != 0)
        return rc;
    look_at(all, model);
    mtnt_model_free(model);
    if (all->model == NULL)
        all->model = schema ? strdup(dsn) : is_plain(name) ? pattern_of(dsn, name) : NULL;
    return add_tenant(all, name, schema || (is_plain(name) && all->model != NULL) ? NULL : dsn, err);
}

static int count_name(void *data, const char *name, const char *dsn, mtnt_error *err)
{
    FILE *out = data;

    (void)dsn;
    (void)err;
    if (ftell(out) > 0)
        fputs(", ", out);
    fputs(name, out);
    return ftell(out) > 200 ? MTNT_E_CANCELLED : 0;
}

/* Neither was said: what there is helps to say it. */
static int ask_which(const importing *all)
{
    const char *server = all->work->settings.server;
    char *names = NULL;
    size_t length;
    FILE *out = open_memstream(&names, &length);
    mtnt_error err = MTNT_ERROR_INIT;
    int rc = out == NULL ? MTNT_E_NOMEM : mtnt_discover_databases(server, "%", count_name, out, &err);

    if (out != NULL)
        fclose(out);
    if (rc != 0 && rc != MTNT_E_CANCELLED)
        rc = mtnt__work_fail_error(all->work, &err);
    else
        rc = mtnt__work_fail(
            all->work, MTNT__EXIT_USAGE,
            "--server: say which are the tenants, --database-like PATTERN or --schema-like PATTERN; its "
            "databases are %s%s",
            names, rc == 0 ? "" : " …");
    free(names);
    return rc;
}

static int find_on_server(importing *all)
{
    const mtnt__settings *settings = &all->work->settings;
    bool schema = settings->schema_like != NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    int rc;

    if (!schema && settings->database_like == NULL)
        return ask_which(all);
    rc = schema ? mtnt_discover_schemas(settings->server, settings->schema_like, note_place, all, &err)
                : mtnt_discover_databases(settings->server, settings->database_like, note_place, all, &err);
    if (rc != 0)
        return mtnt__work_fail_error(all->work, &err);
    if (all->found == 0)
        return mtnt__work_fail(all->work, MTNT__EXIT_CONFIG, "no %s of that server is like %s",
                               schema ? "schema" : "database",
                               schema ? settings->schema_like : settings->database_like);
    return 0;
}

static int find_files(importing *all)
{
    const char *glob = all->work->settings.glob;
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;
    int rc = mtnt_tenants_glob(&source, glob, "./mtnt.yaml", &err);

    while (rc == 0 && (rc = source.next(source.data, &model, &err)) == 0 && model != NULL) {
        look_at(all, model);
        mtnt_model_free(model);
    }
    mtnt_tenant_source_close(&source);
    if (rc != 0)
        return mtnt__work_fail_error(all->work, &err);
    return all->found > 0 ? 0 : mtnt__work_fail(all->work, MTNT__EXIT_CONFIG, "no file is like %s", glob);
}

static int find_tenants(importing *all)
{
    const mtnt__settings *settings = &all->work->settings;

    if (settings->server != NULL)
        return find_on_server(all);
    return settings->glob != NULL ? find_files(all) : 0;
}

/* ---- what is asked ---- */

static bool has_control(const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return true;
    return false;
}

static int check(const importing *all)
{
    const mtnt__settings *settings = &all->work->settings;

    if (settings->server != NULL && settings->glob != NULL)
        return mtnt__work_fail(all->work, MTNT__EXIT_USAGE, "tenants are files (--glob) or on a server (--server)");
    if ((settings->database_like != NULL || settings->schema_like != NULL) && settings->server == NULL)
        return mtnt__work_fail(all->work, MTNT__EXIT_USAGE, "--database-like and --schema-like need --server");
    if (settings->database_like != NULL && settings->schema_like != NULL)
        return mtnt__work_fail(all->work, MTNT__EXIT_USAGE,
                               "tenants are databases or schemas: one of --database-like, "
                               "--schema-like");
    /* From the environment it may have one. */
    if ((settings->controller != NULL && mtnt__words_has_password(settings->controller)) ||
        (settings->server != NULL && mtnt__words_has_password(settings->server)))
        return mtnt__work_fail(all->work, MTNT__EXIT_USAGE,
                               "a password is in a DSN, and none is written into a file: use "
                               "PGPASSFILE or PGSERVICE");
    if (has_control(settings->database_like) || has_control(settings->schema_like) || has_control(settings->glob) ||
        has_control(settings->name))
        return mtnt__work_fail(all->work, MTNT__EXIT_USAGE, "patterns and names have no control characters");
    return 0;
}

static int make_folder(const importing *all)
{
    if (mkdir(all->folder, 0777) == 0 || errno == EEXIST)
        return 0;
    return mtnt__work_fail(all->work, MTNT__EXIT_CONFIG, "cannot make the folder %s: %s", all->folder,
                           strerrordesc_np(errno));
}

/* ---- what comes of it ---- */

static char *chain_name(const importing *all)
{
    char *path = all->work->settings.name == NULL ? realpath(all->folder, NULL) : NULL, *name;

    name = path == NULL ? NULL : strdup(basename(path));
    free(path);
    if (all->work->settings.name != NULL)
        return strdup(all->work->settings.name);
    if (name != NULL && (!is_plain(name) || *name == '\0' || strlen(name) > 60 || strcmp(name, "/") == 0)) {
        free(name);
        return strdup("fleet");
    }
    return name;
}

/* What a list could be instead, where the controller is on that server. */
static char *query_of(const mtnt__settings *settings)
{
    bool schema = settings->schema_like != NULL;
    const char *like = schema ? settings->schema_like : settings->database_like;
    char *query = NULL;
    size_t length;
    FILE *out;

    if (settings->server == NULL || (out = open_memstream(&query, &length)) == NULL)
        return NULL;
    fputs(schema ? "SELECT nspname AS id, nspname AS schema FROM pg_namespace WHERE nspname LIKE '"
                 : "SELECT datname AS id FROM pg_database WHERE datallowconn AND datname LIKE '",
          out);
    for (; *like != '\0'; like++)
        fprintf(out, *like == '\'' ? "''" : "%c", *like);
    fputc('\'', out);
    return fclose(out) == 0 ? query : NULL;
}

static char *controller_of(const importing *all)
{
    const char *asked = all->work->settings.controller;
    char *path, *dsn = NULL;

    if (asked == NULL)
        return strdup("sqlite:controller.db");
    if (strncmp(asked, "sqlite:", 7) != 0)
        return strdup(asked);
    path = mtnt__import_path(all->folder, asked + 7);
    if (path == NULL || asprintf(&dsn, "sqlite:%s", path) < 0)
        dsn = NULL;
    free(path);
    return dsn;
}

static int write_files(const importing *all)
{
    const mtnt__settings *settings = &all->work->settings;
    char *name = chain_name(all), *query = query_of(settings), *controller = controller_of(all);
    char *migrations = mtnt__import_path(all->folder, all->migrations);
    char *glob = settings->glob == NULL ? NULL : mtnt__import_path(all->folder, settings->glob);
    const mtnt__import import = {.folder = all->folder,
                                 .controller = controller,
                                 .name = name,
                                 .migrations = migrations,
                                 .format = all->chosen->name,
                                 .glob = glob,
                                 .model = all->model,
                                 .query = query,
                                 .schemas = settings->schema_like != NULL,
                                 .tenants = all->tenants,
                                 .count = all->count};
    int exit_code;

    if (name == NULL || migrations == NULL || controller == NULL || (settings->glob != NULL && glob == NULL))
        exit_code = out_of_memory(all);
    else
        exit_code = mtnt__import_write(all->work, &import);
    free(name);
    free(query);
    free(controller);
    free(migrations);
    free(glob);
    return exit_code;
}

static void put_tenants(const importing *all)
{
    FILE *out = all->work->screen.out;
    const char *between = ": ";

    fprintf(out, "%" PRId64 " tenant%s", all->found, all->found == 1 ? "" : "s");
    for (size_t i = 0; i < all->history_count; i++, between = ", ")
        fprintf(out, "%s%" PRId64 " with %s (%s)", between, all->histories[i].tenants, all->histories[i].table,
                all->histories[i].format);
    if (all->bare > 0) {
        fprintf(out, "%s%" PRId64 " without a tool's table", between, all->bare);
        between = ", ";
    }
    if (all->unread > 0)
        fprintf(out, "%s%" PRId64 " that could not be read", between, all->unread);
    fputc('\n', out);
    if (all->unread > 0)
        mtnt__work_note(all->work, "%s", all->unread_why.message);
}

static void put_next(const importing *all)
{
    FILE *out = all->work->screen.out;
    char *folder = mtnt__quote_word(all->folder);

    fputs("next:\n", out);
    if (folder != NULL && strcmp(all->folder, ".") != 0)
        fprintf(out, "    cd %s\n", folder);
    if (all->found == 0)
        fputs("    (name the tenants in tenants.yaml)\n", out);
    fputs("    mtnt-model validate\n", out);
    if (strcmp(all->chosen->name, "native") != 0)
        fprintf(out, "    mtnt-model baseline     # records what %s has applied, runs nothing\n", all->chosen->name);
    fputs("    mtnt-model plan\n    mtnt-model migrate\n", out);
    free(folder);
}

static void put_text(const importing *all)
{
    FILE *out = all->work->screen.out;

    fprintf(out, "%s: %zu migration%s in ", all->chosen->name, all->chosen->migrations,
            all->chosen->migrations == 1 ? "" : "s");
    mtnt__words_put(out, all->migrations);
    fputc('\n', out);
    if (all->found > 0)
        put_tenants(all);
    fputs("mtnt.yaml, tenants.yaml and chain.yaml are written\n", out);
    put_next(all);
}

static void put_json(const importing *all)
{
    json_t *histories = json_array();

    for (size_t i = 0; i < all->history_count; i++)
        json_array_append_new(histories,
                              json_pack("{ss ss sI}", "format", all->histories[i].format, "table",
                                        all->histories[i].table, "tenants", (json_int_t)all->histories[i].tenants));
    mtnt__encode_put(all->work->screen.out,
                     json_pack("{ss so sI sI so sI sI s[sss]}", "format", all->chosen->name, "migrations_dir",
                               mtnt__encode_text(all->migrations), "migrations", (json_int_t)all->chosen->migrations,
                               "tenants", (json_int_t)all->found, "histories", histories, "without_history",
                               (json_int_t)all->bare, "unreadable", (json_int_t)all->unread, "written", "mtnt.yaml",
                               "tenants.yaml", "chain.yaml"),
                     all->work->settings.format == MTNT__FORMAT_JSONL);
}

static void release(importing *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->tenants[i].id);
        free(all->tenants[i].dsn);
    }
    free(all->tenants);
    free(all->migrations);
    free(all->model);
    free(all);
}

int mtnt__command_import_project(mtnt__work *work)
{
    const mtnt_project none = {.heartbeat_retries = 0};
    importing *all = calloc(1, sizeof *all);
    int exit_code;

    /* There is no project yet. */
    mtnt__options_project(&work->settings, &none);
    if (all == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    all->work = work;
    all->folder = work->settings.argument == NULL ? "." : work->settings.argument;
    exit_code = check(all);
    if (exit_code == 0)
        exit_code = mtnt__import_check(work, all->folder);
    if (exit_code == 0)
        exit_code = find_folder(all);
    if (exit_code == 0)
        exit_code = find_tenants(all);
    if (exit_code == 0)
        exit_code = choose(all);
    if (exit_code == 0)
        exit_code = make_folder(all);
    if (exit_code == 0)
        exit_code = write_files(all);
    if (exit_code == 0 && work->settings.format == MTNT__FORMAT_TEXT)
        put_text(all);
    else if (exit_code == 0)
        put_json(all);
    release(all);
    return exit_code;
}
