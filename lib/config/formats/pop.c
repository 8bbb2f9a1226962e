/* pop: DIGITS_name[.dialect][.autocommit].(up|down).sql, in any folder. */
#include <stdlib.h>
#include <string.h>

#include "config/formats/reader.h"

typedef struct parts {
    size_t digits, name_end; /* "DIGITS_name" */
    mtnt__found_for backend;
    mtnt__found_direction direction;
    bool autocommit, fizz;
    bool foreign; /* for a database that is none of ours */
} parts;

static const char *base_name(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

static bool is_part(const char *at, size_t length, const char *word)
{
    return strlen(word) == length && strncmp(at, word, length) == 0;
}

static bool is_dialect_name(const char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!((at[i] >= 'a' && at[i] <= 'z') || (at[i] >= '0' && at[i] <= '9')))
            return false;
    return length > 0;
}

static void take_dialect(parts *p, const char *at, size_t length)
{
    if (is_part(at, length, "sqlite3") || is_part(at, length, "sqlite"))
        p->backend = MTNT__FOUND_SQLITE;
    else if (is_part(at, length, "postgres") || is_part(at, length, "postgresql") || is_part(at, length, "pg") ||
             is_part(at, length, "pgx"))
        p->backend = MTNT__FOUND_POSTGRES;
    else if (!is_part(at, length, "all"))
        p->foreign = true;
}

/* What stands between the dots after the name, one after the other. */
static bool take_apart(const char *name, parts *ret_parts)
{
    size_t digits = mtnt__digits(name), at, length;
    parts p = {.digits = digits};

    if (digits == 0 || name[digits] != '_')
        return false;
    p.name_end = strcspn(name, ".");
    if (p.name_end == digits + 1 || name[p.name_end] == '\0')
        return false;
    at = p.name_end + 1;
    length = strcspn(name + at, ".");
    if (!is_part(name + at, length, "up") && !is_part(name + at, length, "down") &&
        !is_part(name + at, length, "autocommit")) {
        if (!is_dialect_name(name + at, length))
            return false;
        take_dialect(&p, name + at, length);
        at += length + (name[at + length] == '.');
        length = strcspn(name + at, ".");
    }
    if (is_part(name + at, length, "autocommit")) {
        p.autocommit = true;
        at += length + (name[at + length] == '.');
        length = strcspn(name + at, ".");
    }
    if (!is_part(name + at, length, "up") && !is_part(name + at, length, "down"))
        return false;
    p.direction = is_part(name + at, length, "up") ? MTNT__FOUND_UP : MTNT__FOUND_DOWN;
    p.fizz = strcmp(name + at + length, ".fizz") == 0;
    *ret_parts = p;
    return p.fizz || strcmp(name + at + length, ".sql") == 0;
}

static bool recognises(const char *name)
{
    parts found;

    return take_apart(base_name(name), &found);
}

static mtnt__migration *same_version(mtnt__folder *folder, const char *name, size_t digits)
{
    for (size_t i = 0; i < folder->count; i++)
        if (strlen(folder->items[i].version) == digits && strncmp(folder->items[i].version, name, digits) == 0)
            return &folder->items[i];
    return NULL;
}

static int take_fizz(mtnt__folder *folder, mtnt__migration *m)
{
    if (!m->cannot)
        m->cannot = strdup("is written in fizz, which only pop makes SQL of");
    return m->cannot ? 0 : mtnt__found_nomem(folder);
}

static int read(mtnt__folder *folder, const mtnt__folder_file *file)
{
    const char *name = base_name(file->name);
    mtnt__migration *m;
    mtnt__found_sql *sql;
    parts found;

    if (!take_apart(name, &found))
        return mtnt__found_refuse(folder, file, 0, "it is not called %s", folder->reader->files);
    if (found.foreign)
        return 0;
    m = same_version(folder, name, found.digits);
    if (!m)
        m = mtnt__found_new(folder, name, found.digits, name, found.name_end, file->path);
    if (!m)
        return MTNT_E_NOMEM;
    if (found.fizz)
        return found.direction == MTNT__FOUND_UP ? take_fizz(folder, m) : 0;
    sql = &m->sql[MTNT__FOUND_MODEL][found.backend][found.direction];
    if (sql->text)
        return mtnt__found_refuse(folder, file, 0, "version %s has this direction already, in %s", m->version,
                                  sql->file);
    sql->alone = found.autocommit;
    return mtnt__found_sql_set(folder, sql, file, file->text, strlen(file->text), 1);
}

/* A version that a database has no file for is none of its history: nothing is done there. */
static int fill(mtnt__folder *folder, mtnt__migration *m, mtnt__found_for backend, mtnt__found_for other)
{
    const mtnt__folder_file file = {m->file, m->name, ""};
    mtnt__found_sql(*sql)[MTNT__FOUND_DIRECTIONS] = m->sql[MTNT__FOUND_MODEL];
    int rc = 0;

    if (sql[MTNT__FOUND_ANY][MTNT__FOUND_UP].text || sql[backend][MTNT__FOUND_UP].text)
        return 0;
    rc = mtnt__found_sql_set(folder, &sql[backend][MTNT__FOUND_UP], &file, "", 0, 1);
    if (rc == 0 && sql[other][MTNT__FOUND_DOWN].text && !sql[backend][MTNT__FOUND_DOWN].text)
        rc = mtnt__found_sql_set(folder, &sql[backend][MTNT__FOUND_DOWN], &file, "", 0, 1);
    return rc;
}

static int finish(mtnt__folder *folder)
{
    int rc = 0;

    for (size_t i = 0; i < folder->count && rc == 0; i++) {
        mtnt__migration *m = &folder->items[i];

        if (m->cannot)
            continue;
        rc = fill(folder, m, MTNT__FOUND_SQLITE, MTNT__FOUND_POSTGRES);
        if (rc == 0)
            rc = fill(folder, m, MTNT__FOUND_POSTGRES, MTNT__FOUND_SQLITE);
    }
    return rc;
}

static int compare(const mtnt__migration *a, const mtnt__migration *b)
{
    return strcmp(a->version, b->version);
}

const mtnt__reader mtnt__reader_pop = {
    .name = "pop",
    .files = "DIGITS_name.up.sql, DIGITS_name.down.sql",
    .depth = 16,
    .recognises = recognises,
    .read = read,
    .finish = finish,
    .compare = compare,
};
