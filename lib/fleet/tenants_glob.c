#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "chain/address.h"
#include "chain/id_set.h"
#include "chain/model.h"
#include "mtnt/tenants.h"

typedef struct files {
    glob_t found;
    char **paths; /* of the models among them, sorted; they belong to `found` */
    size_t count, next;
} files;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void files_close(void *data)
{
    files *f = data;

    globfree(&f->found);
    free(f->paths);
    free(f);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Folders, what SQLite keeps beside a database, and models under a provisional name are no models. */
static bool is_model(const char *path)
{
    struct stat status;

    return !ends_with(path, "-wal") && !ends_with(path, "-shm") && !ends_with(path, "-journal") &&
           !strstr(path, ".mtnt-new-") && !(stat(path, &status) == 0 && S_ISDIR(status.st_mode));
}

/* "acme" for "…/acme.db": *ret_id to be freed. */
static int id_of(const char *path, char **ret_id, mtnt_error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');

    *ret_id = strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
    return *ret_id ? 0 : out_of_memory(err);
}

/* ---- the search ---- */

/* The pattern from the root on. The folder's own name is no pattern, whatever is in it. */
static int absolute_pattern(const char *pattern, const char *folder, char **ret_pattern, mtnt_error *err)
{
    mtnt__buffer escaped = {0};
    char *absolute;

    for (; *folder; folder++) {
        if (strchr("*?[\\", *folder))
            mtnt__buffer_add_text(&escaped, "\\");
        mtnt__buffer_add(&escaped, folder, 1);
    }
    absolute = escaped.failed ? NULL : mtnt__address_path(mtnt__buffer_text(&escaped), pattern);
    mtnt__buffer_release(&escaped);
    if (!absolute)
        return out_of_memory(err);
    *ret_pattern = absolute;
    return 0;
}

/* A pattern that finds nothing is fine in a folder without tenants, and a mistake when there is no such
 * folder. */
static int check_folder(const char *pattern, mtnt_error *err)
{
    char *folder = strdup(pattern);
    int rc = 0;

    if (!folder)
        return out_of_memory(err);
    folder[strcspn(folder, "*?[\\")] = '\0';
    if (strrchr(folder, '/'))
        strrchr(folder, '/')[1] = '\0';
    if (access(folder, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "there is no folder %s for the models to be in", folder);
    free(folder);
    return rc;
}

static int refuse_search(const char *pattern, int number, mtnt_error *err)
{
    char reason[128];
    int rc = check_folder(pattern, err);

    return rc ? rc
              : mtnt_error_set(err, MTNT_E_IO, "%s cannot be searched: %s", pattern,
                               strerror_r(number, reason, sizeof(reason)));
}

static int search(files *f, const char *pattern, mtnt_error *err)
{
    switch (glob(pattern, GLOB_ERR | GLOB_NOSORT, NULL, &f->found)) {
    case 0: return 0;
    case GLOB_NOMATCH: return check_folder(pattern, err);
    case GLOB_NOSPACE: return out_of_memory(err);
    default: return refuse_search(pattern, errno, err);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int choose_models(files *f, mtnt_error *err)
{
    f->paths = calloc(f->found.gl_pathc + 1, sizeof(*f->paths));
    if (!f->paths)
        return out_of_memory(err);
    for (size_t i = 0; i < f->found.gl_pathc; i++) {
        if (is_model(f->found.gl_pathv[i]))
            f->paths[f->count++] = f->found.gl_pathv[i];
    }
    qsort(f->paths, f->count, sizeof(*f->paths), by_name);
    return 0;
}

/* ---- the source ---- */

/* Makes the model, or only checks it when ret_model is NULL. */
static int make_model(const char *path, const char *id, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt_model_options tenant = MTNT_MODEL_OPTIONS_INIT;
    char *dsn = NULL;
    int rc;

    mtnt__buffer text = {0};
    mtnt__buffer_add_format(&text, "sqlite:%s", path);
    dsn = mtnt__buffer_take(&text);
    if (!dsn)
        return out_of_memory(err);
    tenant.id = id;
    tenant.dsn = dsn;
    rc = ret_model ? mtnt_model_new(ret_model, &tenant, err) : mtnt__model_check(&tenant, NULL, err);
    if (rc)
        mtnt_error_wrap(err, "%s", path);
    free(dsn);
    return rc;
}

static int same_id(void *data, uint32_t where, const char *id, bool *ret_same, mtnt_error *err)
{
    const files *f = data;
    char *other = NULL;
    int rc = id_of(f->paths[where], &other, err);

    if (rc == 0)
        *ret_same = strcmp(other, id) == 0;
    free(other);
    return rc;
}

static int check_model(files *f, mtnt__id_set *ids, uint32_t index, mtnt_error *err)
{
    uint32_t first = 0;
    char *id = NULL;
    int rc = id_of(f->paths[index], &id, err);

    if (rc == 0)
        rc = make_model(f->paths[index], id, NULL, err);
    if (rc == 0)
        rc = mtnt__id_set_add(ids, id, index, &first, err);
    if (rc == MTNT_E_EXISTS)
        rc = mtnt_error_set(err, MTNT_E_CONFIG,
                            "%s and %s are both tenant `%s`, which is what their names have before the extension",
                            f->paths[first], f->paths[index], id);
    free(id);
    return rc;
}

static int check_models(files *f, mtnt_error *err)
{
    mtnt__id_set ids = {.same = same_id, .data = f};
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < f->count; i++)
        rc = check_model(f, &ids, i, err);
    mtnt__id_set_release(&ids);
    return rc;
}

static int files_next(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    files *f = data;
    char *id = NULL;
    int rc;

    if (f->next == f->count) {
        *ret_model = NULL;
        return 0;
    }
    rc = id_of(f->paths[f->next], &id, err);
    if (rc == 0)
        rc = make_model(f->paths[f->next], id, ret_model, err);
    if (rc == 0)
        f->next++;
    free(id);
    return rc;
}

static int64_t files_total(void *data)
{
    const files *f = data;

    return (int64_t)f->count;
}

int mtnt_tenants_glob(mtnt_tenant_source *ret_source, const char *pattern, const char *base_file, mtnt_error *err)
{
    char *folder = NULL, *absolute = NULL;
    files *f = calloc(1, sizeof(*f));
    int rc;

    if (!f)
        return out_of_memory(err);
    if ((rc = mtnt__address_folder(base_file, &folder, err)) ||
        (rc = absolute_pattern(pattern, folder, &absolute, err)) || (rc = search(f, absolute, err)) ||
        (rc = choose_models(f, err)) || (rc = check_models(f, err)))
        goto out;
    *ret_source = (mtnt_tenant_source){files_next, files_total, files_close, f};
    f = NULL;
out:
    if (f)
        files_close(f);
    free(folder);
    free(absolute);
    return rc;
}
