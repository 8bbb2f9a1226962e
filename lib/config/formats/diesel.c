/* diesel: a folder for each migration, with up.sql, down.sql and metadata.toml. */
#include <stdlib.h>
#include <string.h>

#include "config/formats/reader.h"

/* "NAME/" and the three files in it; plain files beside the folders, and others in them, are nothing to diesel. */
static bool recognises(const char *name)
{
    const char *slash = strchr(name, '/');

    return slash && (slash[1] == '\0' || strcmp(slash, "/up.sql") == 0 || strcmp(slash, "/down.sql") == 0 ||
                     strcmp(slash, "/metadata.toml") == 0);
}

/* What stands before the first underscore, without dashes. */
static mtnt__migration *begin(mtnt__folder *folder, const mtnt__folder_file *file, size_t length)
{
    size_t end = strcspn(file->name, "_/"), used = 0;
    char version[256];

    for (size_t i = 0; i < end && used + 1 < sizeof(version); i++)
        if (file->name[i] != '-')
            version[used++] = file->name[i];
    return mtnt__found_new(folder, version, used, file->name, length, file->path);
}

/* ---- metadata.toml ---- */

/* The value of `run_in_transaction`, where the line has it. */
static bool value_on(const mtnt__line *line, const char **ret_value)
{
    static const char key[] = "run_in_transaction";
    const char *at = line->text, *end = line->text + line->length;

    while (at < end && (mtnt__blank(*at) || *at == '"'))
        at++;
    if ((size_t)(end - at) < strlen(key) || strncmp(at, key, strlen(key)) != 0)
        return false;
    at += strlen(key);
    while (at < end && (mtnt__blank(*at) || *at == '"'))
        at++;
    if (at == end || *at != '=')
        return false;
    for (at++; at < end && mtnt__blank(*at); at++)
        ;
    *ret_value = at;
    return true;
}

static bool is_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    return strncmp(text, word, length) == 0 &&
           (text[length] == '\0' || text[length] == '#' || mtnt__blank(text[length]));
}

/* A file that does not say it says no. */
static int read_metadata(mtnt__folder *folder, const mtnt__folder_file *file, mtnt__migration *m)
{
    mtnt__found_sql *sql = m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY];
    mtnt__line line = {0};
    const char *value = NULL;
    bool alone = true;

    while (mtnt__line_next(&line, file->text)) {
        if (line.length > 0 && line.text[0] == '[') /* a table: its keys are others */
            break;
        if (!value_on(&line, &value))
            continue;
        if (!is_word(value, "true") && !is_word(value, "false"))
            return mtnt__found_refuse(folder, file, line.number, "`run_in_transaction` is true or false");
        alone = is_word(value, "false");
    }
    sql[MTNT__FOUND_UP].alone = sql[MTNT__FOUND_DOWN].alone = alone;
    return 0;
}

static int read(mtnt__folder *folder, const mtnt__folder_file *file)
{
    const char *slash = strchr(file->name, '/');
    size_t length = (size_t)(slash - file->name);
    mtnt__migration *m = mtnt__found_named(folder, file->name, length);
    bool up = strcmp(slash, "/up.sql") == 0, down = strcmp(slash, "/down.sql") == 0;

    if (!m)
        m = begin(folder, file, length);
    if (!m)
        return MTNT_E_NOMEM;
    if (slash[1] == '\0')
        return 0;
    if (!up && !down)
        return read_metadata(folder, file, m);
    if (file->text[0] == '\0' && up)
        return mtnt__found_refuse(folder, file, 0, "it is empty, which diesel refuses");
    if (file->text[0] == '\0' &&
        mtnt__found_warn(folder, file, 0, "it is empty, which diesel refuses; here nothing is taken back by it") != 0)
        return MTNT_E_NOMEM;
    return mtnt__found_sql_set(folder,
                               &m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][up ? MTNT__FOUND_UP : MTNT__FOUND_DOWN],
                               file, file->text, strlen(file->text), 1);
}

/* One folder without an up.sql spoils all of them. */
static int finish(mtnt__folder *folder)
{
    for (size_t i = 0; i < folder->count; i++) {
        const mtnt__migration *m = &folder->items[i];
        const mtnt__folder_file file = {m->file, m->name, ""};

        if (!m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][MTNT__FOUND_UP].text)
            return mtnt__found_refuse(folder, &file, 0, "there is no up.sql in it");
    }
    return 0;
}

static int compare(const mtnt__migration *a, const mtnt__migration *b)
{
    return strcmp(a->version, b->version);
}

const mtnt__reader mtnt__reader_diesel = {
    .name = "diesel",
    .files = "VERSION_name/up.sql",
    .depth = 1,
    .recognises = recognises,
    .read = read,
    .finish = finish,
    .compare = compare,
};
