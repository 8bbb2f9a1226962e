/* What readers build migrations with. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/chain.h"
#include "config/formats/reader.h"

static const char nothing[] = "-- nothing to do";

int mtnt__found_refuse(mtnt__folder *folder, const mtnt__folder_file *file, uint32_t line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    mtnt_error_setv(folder->err, MTNT_E_CONFIG, format, arguments);
    va_end(arguments);
    mtnt_error_at(folder->err, file->path, line, 0);
    return MTNT_E_CONFIG;
}

int mtnt__found_warn(mtnt__folder *folder, const mtnt__folder_file *file, uint32_t line, const char *format, ...)
{
    va_list arguments;
    char where[24] = "", *text = NULL;
    int rc;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (!text)
        return mtnt__found_nomem(folder);
    if (line > 0)
        snprintf(where, sizeof(where), ":%u", line);
    rc = mtnt__chain_warn(folder->chain, folder->err, "%s%s: %s", file->path, where, text);
    free(text);
    return rc;
}

static void sql_release(mtnt__found_sql *sql)
{
    free(sql->text);
    free(sql->file);
    *sql = (mtnt__found_sql){NULL, NULL, 0, false};
}

static void migration_release(mtnt__migration *m)
{
    for (int side = 0; side < MTNT__FOUND_SIDES; side++)
        for (int backend = 0; backend < MTNT__FOUND_BACKENDS; backend++)
            for (int direction = 0; direction < MTNT__FOUND_DIRECTIONS; direction++)
                sql_release(&m->sql[side][backend][direction]);
    free(m->version);
    free(m->name);
    free(m->file);
    free(m->cannot);
    free(m->source);
    free(m->title);
    free(m->id);
    free(m->script);
    free(m->checksum);
    free(m->detail);
}

void mtnt__folder_forget_state(mtnt__folder *folder)
{
    if (folder->state_free)
        folder->state_free(folder->state);
    folder->state = NULL;
    folder->state_free = NULL;
}

void mtnt__folder_release(mtnt__folder *folder)
{
    mtnt__folder_forget_state(folder);
    for (size_t i = 0; i < folder->count; i++)
        migration_release(&folder->items[i]);
    free(folder->items);
    folder->items = NULL;
    folder->count = folder->size = 0;
}

mtnt__migration *mtnt__found_new(mtnt__folder *folder, const char *version, size_t version_length, const char *name,
                                 size_t name_length, const char *path)
{
    mtnt__migration made = {
        .version = strndup(version, version_length), .name = strndup(name, name_length), .file = strdup(path)};

    if (folder->count == folder->size) {
        size_t size = folder->size ? folder->size * 2 : 16;
        mtnt__migration *items = reallocarray(folder->items, size, sizeof(*items));

        if (items) {
            folder->items = items;
            folder->size = size;
        }
    }
    if (!made.version || !made.name || !made.file || folder->count == folder->size) {
        migration_release(&made);
        mtnt__found_nomem(folder);
        return NULL;
    }
    folder->items[folder->count] = made;
    return &folder->items[folder->count++];
}

mtnt__migration *mtnt__found_named(mtnt__folder *folder, const char *name, size_t length)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strncmp(folder->items[i].name, name, length) == 0 && folder->items[i].name[length] == '\0')
            return &folder->items[i];
    return NULL;
}

int mtnt__found_sql_set(mtnt__folder *folder, mtnt__found_sql *sql, const mtnt__folder_file *file, const char *text,
                        size_t length, uint32_t line)
{
    mtnt__found_sql made = {.line = line, .alone = sql->alone};
    size_t start = 0;

    for (size_t i = 0; i < length && mtnt__blank(text[i]); i++)
        if (text[i] == '\n') {
            start = i + 1;
            made.line++;
        }
    while (length > start && mtnt__blank(text[length - 1]))
        length--;
    if (length == start) {
        made.line = line;
        made.text = strdup(nothing);
    } else {
        made.text = strndup(text + start, length - start);
    }
    made.file = strdup(file->path);
    if (!made.text || !made.file) {
        sql_release(&made);
        return mtnt__found_nomem(folder);
    }
    sql_release(sql);
    *sql = made;
    return 0;
}
