#include "chain/address.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "chain/names.h"
#include "db/database.h"

static const char id_word[] = "{id}";

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static int no_folder(const char *base_file, int number, mtnt_error *err)
{
    char reason[128];

    if (number == ENOMEM)
        return out_of_memory(err);
    return mtnt_error_set(err, number == ENOENT || number == ENOTDIR ? MTNT_E_NOT_FOUND : MTNT_E_IO,
                          "the folder of %s: %s", base_file ? base_file : "this process",
                          strerror_r(number, reason, sizeof(reason)));
}

int mtnt__address_folder(const char *base_file, char **ret_folder, mtnt_error *err)
{
    char *beside = mtnt__path_beside(base_file, ".");
    char *folder;
    int rc = 0;

    if (!beside)
        return out_of_memory(err);
    folder = realpath(beside, NULL);
    if (folder)
        *ret_folder = folder;
    else
        rc = no_folder(base_file, errno, err);
    free(beside);
    return rc;
}

char *mtnt__address_path(const char *folder, const char *path)
{
    mtnt__buffer joined = {0};

    while (path[0] == '.' && path[1] == '/')
        path += 2;
    if (path[0] != '/') {
        mtnt__buffer_add_text(&joined, folder[1] ? folder : ""); /* "/" has its slash already */
        mtnt__buffer_add_text(&joined, "/");
    }
    mtnt__buffer_add_text(&joined, path);
    return mtnt__buffer_take(&joined);
}

static int absolute_sqlite(const char *path, const char *folder, char **ret_dsn, mtnt_error *err)
{
    char *absolute = mtnt__address_path(folder, path), *text;
    mtnt__buffer dsn = {0};

    mtnt__buffer_add_text(&dsn, "sqlite:");
    mtnt__buffer_add_text(&dsn, absolute ? absolute : "");
    text = absolute ? mtnt__buffer_take(&dsn) : NULL;
    mtnt__buffer_release(&dsn);
    free(absolute);
    if (!text)
        return out_of_memory(err);
    *ret_dsn = text;
    return 0;
}

int mtnt__address_resolve(const char *dsn, const char *folder, char **ret_dsn, mtnt_error *err)
{
    mtnt_error said = MTNT_ERROR_INIT;
    mtnt_backend backend;
    char *copy;
    int rc = mtnt__dsn_backend(dsn, &backend, &said);

    if (rc)
        return mtnt_error_set(err, rc == MTNT_E_INVALID ? MTNT_E_CONFIG : rc, "%s", said.message);
    if (backend == MTNT_SQLITE)
        return absolute_sqlite(mtnt__dsn_sqlite_path(dsn), folder, ret_dsn, err);
    copy = strdup(dsn);
    if (!copy)
        return out_of_memory(err);
    *ret_dsn = copy;
    return 0;
}

static bool has_id(const char *address)
{
    return strstr(address, id_word) != NULL;
}

int mtnt__address_check_template(const char *address, mtnt_error *err)
{
    char shown[MTNT__NAME_SHOWN_SIZE];
    const char *close;

    for (const char *at = address; (at = strpbrk(at, "{}")) != NULL;) {
        if (strncmp(at, id_word, sizeof(id_word) - 1) == 0) {
            at += sizeof(id_word) - 1;
            continue;
        }
        close = *at == '{' ? strchr(at, '}') : NULL;
        if (!close)
            return mtnt_error_set(err, MTNT_E_CONFIG, "a `%c` stands alone in the address; braces are for `{id}` only",
                                  *at);
        mtnt__name_shown(at, shown);
        if ((size_t)(close - at) + 1 < strlen(shown))
            shown[close - at + 1] = '\0';
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "`%s` is not known in an address; `{id}`, the tenant's id, is all that is expanded there",
                              shown);
    }
    return 0;
}

int mtnt__address_expand(const char *address, const char *id, const char *folder, char **ret_dsn, mtnt_error *err)
{
    char shown[MTNT__NAME_SHOWN_SIZE];
    mtnt__buffer expanded = {0};
    const char *next;
    int rc;

    if (has_id(address) && (!mtnt__name_is_plain(id) || id[0] == '.')) {
        mtnt__name_shown(id, shown);
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "`{id}` is expanded only for ids of letters, digits, `.`, `_` and `-` that do not start "
                              "with a dot; give tenant `%s` a `model` of its own",
                              shown);
    }
    for (; (next = strstr(address, id_word)) != NULL; address = next + sizeof(id_word) - 1) {
        mtnt__buffer_add(&expanded, address, (size_t)(next - address));
        mtnt__buffer_add_text(&expanded, id);
    }
    mtnt__buffer_add_text(&expanded, address);
    rc = expanded.failed ? out_of_memory(err)
                         : mtnt__address_resolve(mtnt__buffer_text(&expanded), folder, ret_dsn, err);
    mtnt__buffer_release(&expanded);
    return rc;
}
