/* golang-migrate and morph: NUMBER_name.up.sql and NUMBER_name.down.sql. */
#include <stdlib.h>
#include <string.h>

#include "config/formats/reader.h"

/* What is found of NUMBER_name.(up|down).anything: the last ".up." or ".down." that has something behind it counts. */
typedef struct parts {
    size_t digits, name_end; /* the name is what stands before the direction, with its number */
    mtnt__found_direction direction;
} parts;

static bool take_apart(const char *name, parts *ret_parts)
{
    size_t digits = mtnt__digits(name), length = strlen(name);

    if (digits == 0 || name[digits] != '_' || mtnt__digits_compare(name, "18446744073709551615") > 0)
        return false;
    for (size_t at = length; at > digits; at--) {
        bool up = strncmp(name + at, ".up.", 4) == 0, down = strncmp(name + at, ".down.", 6) == 0;

        if (!up && !down)
            continue;
        *ret_parts = (parts){digits, at, up ? MTNT__FOUND_UP : MTNT__FOUND_DOWN};
        return true;
    }
    return false;
}

static bool recognises(const char *name)
{
    parts found;

    return take_apart(name, &found);
}

static mtnt__migration *same_version(mtnt__folder *folder, const char *name)
{
    for (size_t i = 0; i < folder->count; i++)
        if (mtnt__digits_compare(folder->items[i].version, name) == 0)
            return &folder->items[i];
    return NULL;
}

/* What stands after the number: morph's table has it. */
static int keep_title(mtnt__folder *folder, mtnt__migration *m, const mtnt__folder_file *file, const parts *found)
{
    if (m->title && found->direction != MTNT__FOUND_UP)
        return 0;
    free(m->title);
    m->title = found->name_end > found->digits
                   ? strndup(file->name + found->digits + 1, found->name_end - found->digits - 1)
                   : strdup("");
    return m->title ? 0 : mtnt__found_nomem(folder);
}

/* Up and down belong together by their version; names may differ, and the up's is the operation's. */
static mtnt__migration *migration_of(mtnt__folder *folder, const mtnt__folder_file *file, const parts *found)
{
    mtnt__migration *m = same_version(folder, file->name);
    char *name;

    if (!m)
        return mtnt__found_new(folder, file->name, found->digits, file->name, found->name_end, file->path);
    if (found->direction != MTNT__FOUND_UP)
        return m;
    name = strndup(file->name, found->name_end);
    if (!name) {
        mtnt__found_nomem(folder);
        return NULL;
    }
    free(m->name);
    m->name = name;
    return m;
}

static int read_as(mtnt__folder *folder, const mtnt__folder_file *file, const char *alone)
{
    mtnt__migration *m;
    mtnt__found_kinds kinds;
    mtnt__found_sql *sql;
    parts found;
    int rc;

    if (!take_apart(file->name, &found))
        return mtnt__found_refuse(folder, file, 0, "it is not called %s", folder->reader->files);
    m = migration_of(folder, file, &found);
    if (!m || keep_title(folder, m, file, &found) != 0)
        return MTNT_E_NOMEM;
    sql = &m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][found.direction];
    if (sql->text)
        return mtnt__found_refuse(folder, file, 0, "version %s has this direction already, in %s", m->version,
                                  sql->file);
    rc = mtnt__transactions_look(folder, file->text, &kinds);
    /* A file is one message to PostgreSQL, which puts several statements into a transaction, and one into none. */
    sql->alone = alone ? strncmp(file->text, alone, strlen(alone)) == 0 : kinds.statements == 1 && kinds.outside == 1;
    return rc ? rc : mtnt__found_sql_set(folder, sql, file, file->text, strlen(file->text), 1);
}

static int read(mtnt__folder *folder, const mtnt__folder_file *file)
{
    return read_as(folder, file, NULL);
}

static int read_morph(mtnt__folder *folder, const mtnt__folder_file *file)
{
    return read_as(folder, file, "-- morph:nontransactional");
}

/* A version may have a way back only: going forward it is recorded, and nothing else. */
static int finish(mtnt__folder *folder)
{
    int rc;

    for (size_t i = 0; i < folder->count; i++) {
        const mtnt__migration *m = &folder->items[i];
        const mtnt__folder_file file = {m->file, m->name, ""};

        mtnt__found_sql *up = &folder->items[i].sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][MTNT__FOUND_UP];

        if (up->text)
            continue;
        if ((rc = mtnt__found_warn(folder, &file, 0, "there is no .up. file for version %s: nothing is done for it",
                                   m->version)) ||
            (rc = mtnt__found_sql_set(folder, up, &file, "", 0, 1)))
            return rc;
    }
    return 0;
}

static int compare(const mtnt__migration *a, const mtnt__migration *b)
{
    return mtnt__digits_compare(a->version, b->version);
}

const mtnt__reader mtnt__reader_golang_migrate = {
    .name = "golang-migrate",
    .files = "NUMBER_name.up.sql, NUMBER_name.down.sql",
    .recognises = recognises,
    .read = read,
    .finish = finish,
    .compare = compare,
};

const mtnt__reader mtnt__reader_morph = {
    .name = "morph",
    .files = "NUMBER_name.up.sql, NUMBER_name.down.sql",
    .recognises = recognises,
    .read = read_morph,
    .finish = finish,
    .compare = compare,
};
