#include "coordinate/janitor.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define OLD_MS 30000
#define GID_PREFIX (sizeof("mtnt:12345678:") - 1)
#define PROVISIONAL_FILE ".mtnt-new-"
#define PROVISIONAL_DATABASE "mtnt_new_"
#define ID_LENGTH (MTNT__ID_SIZE - 1)

/* Something of ours on a server or in a folder. */
struct leftover {
    char *name;     /* gid, database, or path */
    char *database; /* of a gid: where it has to be finished */
    int64_t age_ms;
};

struct leftovers {
    struct leftover *items;
    size_t count, size;
};

struct janitor {
    mtnt_controller *controller;
    const mtnt_model *const *models;
    size_t count;
    mtnt__gate *gate;
    bool even_at_work;
    mtnt_leftover_fn each;
    void *data;
    mtnt_sweep *sweep;
};

static int no_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void release(struct leftovers *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].name);
        free(list->items[i].database);
    }
    free(list->items);
    *list = (struct leftovers){0};
}

static int add(struct leftovers *list, const char *name, const char *database, int64_t age_ms, mtnt_error *err)
{
    size_t size = list->size == 0 ? 16 : list->size * 2;
    struct leftover *item;

    if (list->count == list->size) {
        struct leftover *items = realloc(list->items, size * sizeof(*items));

        if (items == NULL)
            return no_memory(err);
        list->items = items;
        list->size = size;
    }
    item = list->items + list->count;
    *item = (struct leftover){strdup(name), database == NULL ? NULL : strdup(database), age_ms};
    if (item->name == NULL || (database != NULL && item->database == NULL)) {
        free(item->name);
        free(item->database);
        return no_memory(err);
    }
    list->count++;
    return 0;
}

static bool contains(const struct leftovers *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, name) == 0)
            return true;
    return false;
}

static void report(struct janitor *j, const struct leftover *item, mtnt_leftover what, const mtnt_error *err)
{
    int64_t *const counts[] = {
        [MTNT_LEFTOVER_COMMITTED] = &j->sweep->committed, [MTNT_LEFTOVER_ROLLED_BACK] = &j->sweep->rolled_back,
        [MTNT_LEFTOVER_REMOVED] = &j->sweep->removed,     [MTNT_LEFTOVER_AT_WORK] = &j->sweep->at_work,
        [MTNT_LEFTOVER_UNKNOWN] = &j->sweep->unknown,     [MTNT_LEFTOVER_NOT_SETTLED] = &j->sweep->not_settled};

    *counts[what] += 1;
    if (what >= MTNT_LEFTOVER_AT_WORK && item->age_ms > OLD_MS)
        j->sweep->old++;
    if (j->each != NULL)
        j->each(j->data, item->name, what, err);
}

/* The id that a name ends with, or NULL. */
static const char *id_at_end(const char *name)
{
    size_t length = strlen(name);

    if (length < ID_LENGTH || strspn(name + length - ID_LENGTH, "0123456789abcdef") != ID_LENGTH)
        return NULL;
    return name + length - ID_LENGTH;
}

/* ---- prepared transactions ---- */

static const mtnt_model *find_model(const struct janitor *j, const mtnt__found_claim *found)
{
    for (size_t i = 0; i < j->count; i++)
        if (j->models[i] != NULL && strcmp(mtnt_model_id(j->models[i]), found->tenant) == 0 &&
            strcmp(mtnt__model_key(j->models[i]), found->claim.placed) == 0)
            return j->models[i];
    return NULL;
}

/* A model that nobody has named, where the controller decides: all that is asked of it is the database that the gid is in. */
static int make_stand_in(const struct janitor *j, const char *dsn, const struct leftover *item,
                         const mtnt__found_claim *found, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    char *there = NULL;
    int rc;

    (void)j;
    if (strcmp(found->claim.decider, "controller") != 0)
        return mtnt_error_set(
            err, MTNT_E_NOT_FOUND,
            "its tenant %s is not among those given, and its model decides: name it, where it was then", found->tenant);
    there = mtnt__dsn_with_database(dsn, item->database);
    if (there == NULL)
        return no_memory(err);
    options.id = found->tenant;
    options.dsn = there;
    rc = mtnt_model_new(ret_model, &options, err);
    free(there);
    return rc;
}

static bool is_at_work(const struct janitor *j, const mtnt__found_claim *found)
{
    return !j->even_at_work && found->known.known && !mtnt__migration_state_ended(found->state) &&
           !mtnt__known_takeable(j->controller, &found->known, 0);
}

static int settle(struct janitor *j, const char *dsn, const struct leftover *item, const mtnt__found_claim *found,
                  mtnt_leftover *ret_what, mtnt_error *err)
{
    const mtnt_model *model = find_model(j, found);
    mtnt_model *stand_in = NULL;
    mtnt__migration_event event = MTNT__EVENT_ABORT;
    mtnt__settlement settlement = {.controller = j->controller,
                                   .migration = id_at_end(item->name),
                                   .mode = MTNT__MODE_TWO_PHASE,
                                   .decider = found->claim.decider,
                                   .home = found->claim.home,
                                   .gate = j->gate};
    int rc = model != NULL ? 0 : make_stand_in(j, dsn, item, found, &stand_in, err);

    settlement.model = model != NULL ? model : stand_in;
    if (rc == 0)
        rc = mtnt__settle(&settlement, &event, err);
    if (rc == 0 && event == MTNT__EVENT_DISAGREE)
        rc = err == NULL ? MTNT_E_BLOCKED : err->code;
    if (rc == 0)
        *ret_what = event == MTNT__EVENT_COMMIT ? MTNT_LEFTOVER_COMMITTED : MTNT_LEFTOVER_ROLLED_BACK;
    mtnt_model_free(stand_in);
    return rc;
}

static int sweep_gid(struct janitor *j, const char *dsn, const struct leftover *item, mtnt_error *err)
{
    const char *key = id_at_end(item->name);
    mtnt_leftover what = MTNT_LEFTOVER_NOT_SETTLED;
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__found_claim found = {.state = MTNT__STATE_NONE};
    int rc = key == NULL ? 0 : mtnt__store_find(j->controller, key, &found, err);

    if (rc != 0)
        return rc;
    if (found.claim.migration[0] == '\0') {
        report(j, item, MTNT_LEFTOVER_UNKNOWN, NULL);
    } else if (is_at_work(j, &found)) {
        report(j, item, MTNT_LEFTOVER_AT_WORK, NULL);
    } else {
        rc = settle(j, dsn, item, &found, &what, &own);
        report(j, item, what, rc == 0 ? NULL : &own);
    }
    return 0;
}

/* ---- provisional models ---- */

/* Whose migration has ended as aborted: nothing else is ever removed. */
static bool is_abandoned(struct janitor *j, const char *name, mtnt__found_claim *ret_found, mtnt_error *err)
{
    const char *key = id_at_end(name);

    return key != NULL && mtnt__store_find(j->controller, key, ret_found, err) == 0 &&
           ret_found->claim.migration[0] != '\0' && ret_found->state == MTNT__STATE_ABORTED;
}

static void sweep_database(struct janitor *j, const char *dsn, const struct leftover *item)
{
    mtnt__db_options options = mtnt__side_options(j->controller, NULL);
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt__found_claim found;
    int rc;

    if (!is_abandoned(j, item->name, &found, &own))
        return;
    rc = mtnt__postgres_drop_database(dsn, item->name, &options, &own);
    report(j, item, rc == 0 ? MTNT_LEFTOVER_REMOVED : MTNT_LEFTOVER_NOT_SETTLED, rc == 0 ? NULL : &own);
}

static void sweep_file(struct janitor *j, const struct leftover *item)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    size_t length = strlen(item->name) - ID_LENGTH - strlen(PROVISIONAL_FILE);
    mtnt_error own = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;
    char *dsn = NULL;
    mtnt__found_claim found;
    int rc;

    if (!is_abandoned(j, item->name, &found, &own))
        return;
    dsn = malloc(length + sizeof("sqlite:"));
    if (dsn == NULL)
        return;
    snprintf(dsn, length + sizeof("sqlite:"), "sqlite:%s", item->name);
    options.id = found.tenant;
    options.dsn = dsn;
    rc = mtnt_model_new(&model, &options, &own);
    if (rc == 0)
        rc = mtnt__provision_remove(j->controller, model, id_at_end(item->name), &own);
    report(j, item, rc == 0 ? MTNT_LEFTOVER_REMOVED : MTNT_LEFTOVER_NOT_SETTLED, rc == 0 ? NULL : &own);
    mtnt_model_free(model);
    free(dsn);
}

static bool is_provisional_file(const char *name)
{
    size_t length = strlen(name), mark = strlen(PROVISIONAL_FILE);

    return id_at_end(name) != NULL && length > ID_LENGTH + mark &&
           strncmp(name + length - ID_LENGTH - mark, PROVISIONAL_FILE, mark) == 0;
}

static int list_folder(const char *path, struct leftovers *files, mtnt_error *err)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    char *name = NULL;
    int rc = 0;

    while (folder != NULL && rc == 0 && (entry = readdir(folder)) != NULL)
        if (is_provisional_file(entry->d_name)) {
            size_t size = strlen(path) + strlen(entry->d_name) + 2;

            name = malloc(size);
            if (name == NULL) {
                rc = no_memory(err);
                break;
            }
            snprintf(name, size, "%s/%s", path, entry->d_name);
            rc = add(files, name, NULL, 0, err);
            free(name);
        }
    if (folder != NULL)
        closedir(folder);
    return rc;
}

static int sweep_folders(struct janitor *j, mtnt_error *err)
{
    struct leftovers folders = {0}, files = {0};
    int rc = 0;

    for (size_t i = 0; i < j->count && rc == 0; i++) {
        const char *path = j->models[i] == NULL ? NULL : mtnt__dsn_sqlite_path(mtnt__model_dsn(j->models[i]));
        const char *slash = path == NULL ? NULL : strrchr(path, '/');
        char *folder;

        if (path == NULL)
            continue;
        folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
        if (folder == NULL)
            rc = no_memory(err);
        else if (!contains(&folders, folder))
            rc = add(&folders, folder, NULL, 0, err);
        free(folder);
    }
    for (size_t i = 0; i < folders.count && rc == 0; i++)
        rc = list_folder(folders.items[i].name, &files, err);
    for (size_t i = 0; i < files.count && rc == 0; i++)
        sweep_file(j, files.items + i);
    release(&folders);
    release(&files);
    return rc;
}

/* ---- servers ---- */

struct listing {
    struct leftovers *gids, *databases;
};

static int read_leftover(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct listing *listing = data;
    const char *name = mtnt_row_text(row, 0), *database = mtnt_row_text(row, 1);

    if (name == NULL)
        return 0;
    return add(database == NULL ? listing->databases : listing->gids, name, database, mtnt_row_int(row, 2), err);
}

/* One question for all databases of the server. */
static int list_server(const struct janitor *j, const char *dsn, struct listing *listing, mtnt_error *err)
{
    mtnt__db_options options = mtnt__side_options(j->controller, NULL);
    char prefix[GID_PREFIX + 1];
    mtnt_value values[] = {mtnt_value_end(), mtnt_value_end()};
    mtnt_db *db = NULL;
    int rc;

    options.read_only = true;
    snprintf(prefix, sizeof(prefix), "mtnt:%.8s:", j->controller->id);
    values[0] = mtnt_value_text(prefix); /* measured here: its text has to be there */
    rc = mtnt__db_open(&db, dsn, &options, err);
    if (rc == 0)
        rc = mtnt__db_run(
            db, read_leftover, listing, err,
            "SELECT gid, database::text, (extract(epoch FROM clock_timestamp() - prepared) * 1000)::bigint "
            "FROM pg_catalog.pg_prepared_xacts WHERE starts_with(gid, $1) UNION ALL "
            "SELECT datname::text, NULL, 0 FROM pg_catalog.pg_database WHERE datname ~ '^" PROVISIONAL_DATABASE
            "[0-9a-f]{32}$'",
            values);
    mtnt__db_close(db);
    return rc;
}

static int sweep_server(struct janitor *j, const char *server, const char *dsn, mtnt_error *err)
{
    struct leftovers gids = {0}, databases = {0};
    struct listing listing = {&gids, &databases};
    mtnt_error own = MTNT_ERROR_INIT;
    struct leftover named = {.name = (char *)(uintptr_t)server};
    char *other = NULL;
    int rc = list_server(j, dsn, &listing, &own);

    /* The database of the first model on it may not be there. */
    if (rc == MTNT_E_NOT_FOUND && (other = mtnt__dsn_with_database(dsn, "postgres")) != NULL) {
        mtnt_error_clear(&own);
        rc = list_server(j, other, &listing, &own);
    }
    free(other);
    if (rc != 0) {
        report(j, &named, MTNT_LEFTOVER_NOT_SETTLED, &own);
        rc = 0;
    }
    for (size_t i = 0; i < gids.count && rc == 0; i++)
        rc = sweep_gid(j, dsn, gids.items + i, err);
    for (size_t i = 0; i < databases.count && rc == 0; i++)
        sweep_database(j, dsn, databases.items + i);
    release(&gids);
    release(&databases);
    return rc;
}

/* name is the server, database the first DSN that is on it. */
static int add_server(struct leftovers *servers, const char *dsn, mtnt_error *err)
{
    char *server;
    int rc = 0;

    if (mtnt__dsn_sqlite_path(dsn) != NULL)
        return 0;
    server = mtnt__dsn_server(dsn);
    if (server == NULL)
        return no_memory(err);
    if (!contains(servers, server))
        rc = add(servers, server, dsn, 0, err);
    free(server);
    return rc;
}

int mtnt__janitor(mtnt_controller *controller, const mtnt_model *const *models, size_t count, mtnt__gate *gate,
                  bool even_at_work, mtnt_leftover_fn each, void *data, mtnt_sweep *ret_sweep, mtnt_error *err)
{
    struct janitor j = {controller, models, count, gate, even_at_work, each, data, ret_sweep};
    struct leftovers servers = {0};
    int rc = add_server(&servers, controller->dsn, err);

    *ret_sweep = (mtnt_sweep){0};
    for (size_t i = 0; i < count && rc == 0; i++)
        if (models[i] != NULL)
            rc = add_server(&servers, mtnt__model_dsn(models[i]), err);
    for (size_t i = 0; i < servers.count && rc == 0; i++)
        rc = sweep_server(&j, servers.items[i].name, servers.items[i].database, err);
    if (rc == 0)
        rc = sweep_folders(&j, err);
    release(&servers);
    return rc;
}

int mtnt_sweep_leftovers(mtnt_controller *controller, const mtnt_model *const *models, size_t count,
                         mtnt_leftover_fn each, void *data, mtnt_sweep *ret_sweep, mtnt_error *err)
{
    int64_t collected = 0;
    int rc = mtnt__janitor(controller, models, count, NULL, false, each, data, ret_sweep, err);

    if (rc == 0)
        rc = mtnt__store_collect(controller, &collected, err);
    ret_sweep->collected = collected;
    return rc;
}
