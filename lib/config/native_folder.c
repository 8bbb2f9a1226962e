/* The native folder: NNNN_name/{model,controller}[.sqlite|.postgres].{up,down}.sql. The number is the order. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "config/native_folder.h"
#include "mtnt/operations.h"

#define FILES 12

/* One operation's folder on its way into the chain. */
typedef struct migration {
    const char *folder, *name; /* of all migrations; of this one, "0007_plans" */
    char *path;
    char *paths[FILES], *texts[FILES];
    mtnt_sql_options options;
    mtnt_error *err;
} migration;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static char *join(const char *folder, const char *name)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

static int read_file(migration *m, size_t at, const char *name, mtnt_sql_text *target)
{
    int rc;

    m->paths[at] = join(m->path, name);
    if (!m->paths[at])
        return out_of_memory(m->err);
    rc = mtnt__file_read(m->paths[at], &m->texts[at], NULL, m->err);
    if (rc == 0)
        *target = (mtnt_sql_text){.sql = m->texts[at], .file = m->paths[at], .line = 1, .column = 1};
    return rc;
}

static int read_files(migration *m)
{
    mtnt_sql_side *model = &m->options.model, *controller = &m->options.controller;
    const struct {
        const char *name;
        mtnt_sql_text *target;
    } files[FILES] = {
        {"model.up.sql", &model->any_up},
        {"model.down.sql", &model->any_down},
        {"model.sqlite.up.sql", &model->sqlite_up},
        {"model.sqlite.down.sql", &model->sqlite_down},
        {"model.postgres.up.sql", &model->postgres_up},
        {"model.postgres.down.sql", &model->postgres_down},
        {"controller.up.sql", &controller->any_up},
        {"controller.down.sql", &controller->any_down},
        {"controller.sqlite.up.sql", &controller->sqlite_up},
        {"controller.sqlite.down.sql", &controller->sqlite_down},
        {"controller.postgres.up.sql", &controller->postgres_up},
        {"controller.postgres.down.sql", &controller->postgres_down},
    };
    DIR *dir = opendir(m->path);
    int rc = 0;

    if (!dir)
        return mtnt_error_set(m->err, MTNT_E_IO, "%s cannot be read: %s", m->path,
                              errno == ENOMEM ? "out of memory" : "no access");
    for (struct dirent *entry = readdir(dir); rc == 0 && entry; entry = readdir(dir)) {
        size_t i = 0;

        if (entry->d_name[0] == '.')
            continue;
        while (i < FILES && strcmp(files[i].name, entry->d_name) != 0)
            i++;
        rc = i < FILES
                 ? read_file(m, i, files[i].name, files[i].target)
                 : mtnt_error_set(
                       m->err, MTNT_E_CONFIG,
                       "%s/%s is none of the files of a migration: model.up.sql, model.down.sql, controller.up.sql, "
                       "controller.down.sql, or with .sqlite or .postgres before .up and .down",
                       m->path, entry->d_name);
    }
    closedir(dir);
    return rc;
}

static int add_migration(mtnt_chain *chain, const char *folder, const char *name, mtnt_error *err)
{
    migration m = {.folder = folder, .name = name, .path = join(folder, name), .err = err};
    const char *underscore = strchr(name, '_');
    mtnt_entry entry = MTNT_ENTRY_INIT;
    char number[24];
    int rc = m.path ? 0 : out_of_memory(err);

    if (rc == 0 && (!underscore || (size_t)(underscore - name) >= sizeof(number) || underscore[1] == '\0'))
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "%s: a migration's folder is called NUMBER_NAME, as in 0007_plans",
                            m.path);
    if (rc == 0) {
        snprintf(number, sizeof(number), "%.*s", (int)(underscore - name), name);
        if (!mtnt__parse_int(number, 1, INT64_MAX, &entry.order))
            rc = mtnt_error_set(err, MTNT_E_CONFIG, "%s: `%s` is no number from 1 on", m.path, number);
    }
    if (rc == 0)
        rc = read_files(&m);
    if (rc == 0) {
        entry.name = underscore + 1;
        entry.file = m.path;
        rc = mtnt_operation_add_sql(chain, &m.options, &entry, err);
    }
    for (size_t i = 0; i < FILES; i++) {
        free(m.paths[i]);
        free(m.texts[i]);
    }
    free(m.path);
    return rc;
}

static int is_migration(const struct dirent *entry)
{
    return entry->d_name[0] != '.' &&
           (entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN);
}

int mtnt__native_folder_load(mtnt_chain *chain, const char *folder, bool *ret_missing, mtnt_error *err)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_migration, alphasort), rc = 0;

    if (count < 0 && errno == ENOENT) {
        *ret_missing = true;
        return 0;
    }
    if (count < 0)
        return errno == ENOMEM ? out_of_memory(err)
                               : mtnt_error_set(err, MTNT_E_IO, "the folder %s cannot be read", folder);
    *ret_missing = false;
    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = add_migration(chain, folder, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return rc;
}
