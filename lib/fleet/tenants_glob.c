#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sorter.h"
#include "base/text.h"
#include "chain/address.h"
#include "chain/model.h"
#include "fleet/tenants.h"

/* The folders are few and are held; the files in them are sorted and written down as they are found. */

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

/* Folders, what SQLite keeps beside a database, and models under a provisional name are no models. */
static bool is_model(const char *path, unsigned char type)
{
    struct stat status;

    if (ends_with(path, "-wal") || ends_with(path, "-shm") || ends_with(path, "-journal") ||
        strstr(path, ".mtnt-new-") || type == DT_DIR)
        return false;
    return (type != DT_LNK && type != DT_UNKNOWN) || !(stat(path, &status) == 0 && S_ISDIR(status.st_mode));
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

/* The next entry of the folder; *ret_entry = NULL at the end. */
static int read_entry(DIR *folder, const char *path, struct dirent **ret_entry, mtnt_error *err)
{
    errno = 0;
    *ret_entry = readdir(folder);
    return *ret_entry || errno == 0 ? 0 : refuse_search(path, errno, err);
}

static int add_file(mtnt__sorter *paths, mtnt__buffer *path, size_t folder_length, const struct dirent *entry,
                    mtnt_error *err)
{
    path->length = folder_length;
    mtnt__buffer_add_text(path, "/");
    mtnt__buffer_add_text(path, entry->d_name);
    if (path->failed)
        return out_of_memory(err);
    return is_model(path->bytes, entry->d_type) ? mtnt__sorter_add(paths, path->bytes, path->length + 1, err) : 0;
}

static int search_folder(mtnt__sorter *paths, const char *folder, const char *names, mtnt_error *err)
{
    DIR *opened = opendir(folder);
    struct dirent *entry = NULL;
    mtnt__buffer path = {0};
    size_t length;
    int rc = 0;

    if (!opened)
        return errno == ENOTDIR ? 0 : refuse_search(folder, errno, err);
    mtnt__buffer_add_text(&path, strcmp(folder, "/") == 0 ? "" : folder);
    length = path.length;
    while (rc == 0 && (rc = read_entry(opened, folder, &entry, err)) == 0 && entry) {
        if (fnmatch(names, entry->d_name, FNM_PERIOD) == 0)
            rc = add_file(paths, &path, length, entry, err);
    }
    mtnt__buffer_release(&path);
    closedir(opened);
    return rc;
}

/* `pattern` is absolute; it is cut at its last slash. */
static int search(mtnt__sorter *paths, char *pattern, mtnt_error *err)
{
    char *names = strrchr(pattern, '/');
    glob_t folders = {0};
    int rc = 0;

    *names++ = '\0';
    switch (glob(*pattern ? pattern : "/", GLOB_ERR | GLOB_NOSORT | GLOB_ONLYDIR, NULL, &folders)) {
    case 0: break;
    case GLOB_NOMATCH:
        names[-1] = '/';
        rc = check_folder(pattern, err);
        break;
    case GLOB_NOSPACE: rc = out_of_memory(err); break;
    default: rc = refuse_search(pattern, errno, err);
    }
    for (size_t i = 0; rc == 0 && i < folders.gl_pathc; i++)
        rc = search_folder(paths, folders.gl_pathv[i], names, err);
    globfree(&folders);
    return rc;
}

/* ---- the source ---- */

static int add_tenant(mtnt__spool *spool, const char *path, mtnt_error *err)
{
    mtnt__spooled tenant = {.options = MTNT_MODEL_OPTIONS_INIT};
    mtnt__buffer dsn = {0};
    char *id = NULL;
    int rc = id_of(path, &id, err);

    if (rc)
        return rc;
    mtnt__buffer_add_format(&dsn, "sqlite:%s", path);
    tenant.options.id = id;
    tenant.options.dsn = mtnt__buffer_text(&dsn);
    rc = dsn.failed ? out_of_memory(err) : mtnt__model_check(&tenant.options, NULL, err);
    if (rc && !dsn.failed)
        mtnt_error_wrap(err, "%s", path);
    if (rc == 0)
        rc = mtnt__spool_add(spool, &tenant, err);
    mtnt__buffer_release(&dsn);
    free(id);
    return rc;
}

/* In the order of their paths. */
static int add_tenants(mtnt__spool *spool, mtnt__sorter *paths, mtnt_error *err)
{
    const void *path = NULL;
    size_t length;
    int rc = mtnt__sorter_sort(paths, err);

    while (rc == 0 && (rc = mtnt__sorter_next(paths, &path, &length, err)) == 0 && path)
        rc = add_tenant(spool, path, err);
    return rc;
}

static int tell_twice(void *data, const mtnt__spooled *first, const mtnt__spooled *second, mtnt_error *err)
{
    const size_t scheme = sizeof("sqlite:") - 1;

    (void)data;
    return mtnt_error_set(err, MTNT_E_CONFIG,
                          "%s and %s are both tenant `%s`, which is what their names have before the extension",
                          first->options.dsn + scheme, second->options.dsn + scheme, second->options.id);
}

int mtnt_tenants_glob(mtnt_tenant_source *ret_source, const char *pattern, const char *base_file, mtnt_error *err)
{
    char *folder = NULL, *absolute = NULL;
    mtnt__sorter *paths = NULL;
    mtnt__spool *spool = NULL;
    int rc;

    if ((rc = mtnt__address_folder(base_file, &folder, err)) ||
        (rc = absolute_pattern(pattern, folder, &absolute, err)) ||
        (rc = mtnt__sorter_new(&paths, "the tenants", err)) || (rc = mtnt__spool_new(&spool, err)) ||
        (rc = search(paths, absolute, err)) || (rc = add_tenants(spool, paths, err)) ||
        (rc = mtnt__spool_check(spool, NULL, tell_twice, NULL, err)))
        goto out;
    mtnt__tenants_spooled(ret_source, spool);
    spool = NULL;
out:
    mtnt__spool_free(spool);
    mtnt__sorter_free(paths);
    free(folder);
    free(absolute);
    return rc;
}
