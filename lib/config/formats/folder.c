/* The files of a folder, by name, given to its format's reader. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/text.h"
#include "config/formats/reader.h"

/* One folder being read. */
typedef struct visit {
    mtnt__folder *folder;
    const char *dir;
    size_t taken;              /* files that the reader knows */
    char *stranger;            /* one that it does not know; NULL = none */
    const mtnt__reader *whose; /* which would */
} visit;

static char *join(const char *folder, const char *name, const char *end)
{
    char *path = NULL;

    return asprintf(&path, "%s%s%s%s", folder, folder[0] ? "/" : "", name, end) < 0 ? NULL : path;
}

int mtnt__folder_take(mtnt__folder *folder, const mtnt__folder_file *file)
{
    static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark, which is no SQL */
    mtnt__folder_file plain = *file;

    if (!folder->reader->takes_all && !folder->reader->recognises(file->name))
        return 0;
    if (strncmp(plain.text, mark, 3) == 0)
        plain.text += 3;
    return folder->reader->read(folder, &plain);
}

/* A file that no one asked for is passed over as the tool does it, but SQL is not passed over without a word. */
static int pass_over(visit *v, const mtnt__folder_file *file)
{
    if (!v->stranger) {
        v->stranger = strdup(file->name);
        if (!v->stranger)
            return mtnt__found_nomem(v->folder);
        for (size_t i = 0; !mtnt__ends_with(file->name, "/") && !v->whose && mtnt__reader_at(i); i++)
            if (!mtnt__reader_at(i)->takes_all && mtnt__reader_at(i)->recognises(file->name))
                v->whose = mtnt__reader_at(i);
    }
    if (!mtnt__ends_with(file->name, ".sql"))
        return 0;
    return mtnt__found_warn(v->folder, file, 0, "it is not called %s and was left out, as %s does",
                            v->folder->reader->files, v->folder->reader->name);
}

static int take(visit *v, const char *name)
{
    const mtnt__reader *reader = v->folder->reader;
    char *path = join(v->dir, name, ""), *text = NULL;
    mtnt__folder_file file = {path, name, ""};
    int rc = path ? 0 : mtnt__found_nomem(v->folder);

    if (rc == 0 && !reader->takes_all && !reader->recognises(name)) {
        if (!mtnt__ends_with(name, "/") || reader->depth == 0)
            rc = pass_over(v, &file);
    } else if (rc == 0) {
        v->taken++;
        if (!mtnt__ends_with(name, "/"))
            rc = mtnt__file_read(path, &text, NULL, v->folder->err);
        file.text = text ? text : "";
        if (rc == 0)
            rc = mtnt__folder_take(v->folder, &file);
    }
    free(text);
    free(path);
    return rc;
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* By bytes, whatever the locale is. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int list(visit *v, const char *below, struct dirent ***ret_entries, int *ret_count, bool *ret_missing)
{
    char *path = below[0] ? join(v->dir, below, "") : strdup(v->dir);
    int saved;

    if (!path)
        return mtnt__found_nomem(v->folder);
    *ret_count = scandir(path, ret_entries, visible, by_name);
    saved = errno;
    free(path);
    if (*ret_count >= 0)
        return 0;
    *ret_count = 0;
    *ret_missing = saved == ENOENT && below[0] == '\0';
    if (*ret_missing)
        return 0;
    if (saved == ENOMEM)
        return mtnt__found_nomem(v->folder);
    return mtnt_error_set(v->folder->err, MTNT_E_IO, "the folder %s%s%s cannot be read", v->dir, below[0] ? "/" : "",
                          below);
}

static bool is_folder(const visit *v, const char *name)
{
    char *path = join(v->dir, name, "");
    struct stat status;
    bool is = path && stat(path, &status) == 0 && S_ISDIR(status.st_mode);

    free(path);
    return is;
}

static int visit_below(visit *v, const char *below, int depth, bool *ret_missing);

static int visit_one(visit *v, const char *below, const char *entry, int depth)
{
    char *name = join(below, entry, ""), *as_folder = NULL;
    bool missing = false, folder = name && is_folder(v, name);
    int rc = name ? 0 : mtnt__found_nomem(v->folder);

    if (rc == 0 && !folder) {
        rc = take(v, name);
    } else if (rc == 0) {
        as_folder = join(below, entry, "/");
        rc = as_folder ? take(v, as_folder) : mtnt__found_nomem(v->folder);
        if (rc == 0 && depth > 0)
            rc = visit_below(v, name, depth - 1, &missing);
    }
    free(as_folder);
    free(name);
    return rc;
}

static int visit_below(visit *v, const char *below, int depth, bool *ret_missing)
{
    struct dirent **entries = NULL;
    int count = 0, rc = list(v, below, &entries, &count, ret_missing);

    for (int i = 0; i < count; i++) {
        if (rc == 0)
            rc = visit_one(v, below, entries[i]->d_name, depth);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

/* A folder with files of which none is the format's is a mistake; an empty one is not. */
static int check_format(const visit *v)
{
    const mtnt__reader *reader = v->folder->reader;

    if (v->taken > 0 || !v->stranger)
        return 0;
    if (v->whose)
        return mtnt_error_set(v->folder->err, MTNT_E_CONFIG,
                              "there is no file of format %s (%s) in %s; `%s` is one of format %s", reader->name,
                              reader->files, v->dir, v->stranger, v->whose->name);
    return mtnt_error_set(v->folder->err, MTNT_E_CONFIG, "there is no file of format %s (%s) in %s, but `%s` is",
                          reader->name, reader->files, v->dir, v->stranger);
}

int mtnt__folder_read(mtnt__folder *folder, const char *dir, bool *ret_missing)
{
    visit v = {.folder = folder, .dir = dir};
    bool missing = false;
    int rc = visit_below(&v, "", folder->reader->depth, &missing);

    if (rc == 0 && !missing)
        rc = check_format(&v);
    if (rc == 0 && folder->reader->finish)
        rc = folder->reader->finish(folder);
    mtnt__folder_forget_state(folder);
    if (rc == 0)
        *ret_missing = missing;
    free(v.stranger);
    return rc;
}
