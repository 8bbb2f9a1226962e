/* Our own: NNNN_name/{model,controller}[.sqlite|.postgres].{up,down,verify}.sql. The number is the order. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/formats/reader.h"

static bool recognises(const char *name)
{
    size_t digits = mtnt__digits(name);

    return digits > 0 && name[digits] == '_' && strchr(name, '/') != NULL;
}

/* ---- the folder of one migration ---- */

/* "0007_plans/…": errors are about the folder. */
static int refuse_folder(mtnt__folder *folder, const mtnt__folder_file *file, size_t length, const char *format, ...)
    MTNT_PRINTF(4, 5);
static int refuse_folder(mtnt__folder *folder, const mtnt__folder_file *file, size_t length, const char *format, ...)
{
    size_t shown = strlen(file->path) - (strlen(file->name) - length);
    va_list arguments;

    va_start(arguments, format);
    mtnt_error_setv(folder->err, MTNT_E_CONFIG, format, arguments);
    va_end(arguments);
    return mtnt_error_wrap(folder->err, "%.*s", (int)shown, file->path);
}

static int number_of(mtnt__folder *folder, const mtnt__folder_file *file, size_t length, int64_t *ret_number)
{
    const char *underscore = memchr(file->name, '_', length);
    size_t digits = underscore ? (size_t)(underscore - file->name) : 0;
    char number[24];

    if (!underscore || digits >= sizeof(number) || digits + 1 == length)
        return refuse_folder(folder, file, length, "a migration's folder is called NUMBER_NAME, as in 0007_plans");
    memcpy(number, file->name, digits);
    number[digits] = '\0';
    if (!mtnt__parse_int(number, 1, INT64_MAX, ret_number))
        return refuse_folder(folder, file, length, "`%s` is no number from 1 on", number);
    return 0;
}

static int begin_migration(mtnt__folder *folder, const mtnt__folder_file *file)
{
    size_t length = strlen(file->name) - 1; /* without the slash */
    int64_t number = 0;
    int rc = number_of(folder, file, length, &number);
    const char *name = strchr(file->name, '_');
    mtnt__migration *m;

    if (rc)
        return rc;
    m = mtnt__found_new(folder, file->name, (size_t)(name - file->name), name + 1,
                        length - (size_t)(name + 1 - file->name), file->path);
    if (!m)
        return MTNT_E_NOMEM;
    m->order = number;
    m->file[strlen(m->file) - 1] = '\0';
    return 0;
}

/* ---- its files ---- */

/* Takes the word off the text's beginning, with the dot behind it. */
static bool take_word(const char **text, const char *word)
{
    size_t length = strlen(word);

    if (strncmp(*text, word, length) != 0 || (*text)[length] != '.')
        return false;
    *text += length + 1;
    return true;
}

static mtnt__found_sql *place_of(mtnt__migration *m, const char *name)
{
    mtnt__found_side side = MTNT__FOUND_MODEL;
    mtnt__found_for backend = MTNT__FOUND_ANY;
    mtnt__found_direction direction = MTNT__FOUND_UP;

    if (take_word(&name, "controller"))
        side = MTNT__FOUND_CONTROLLER;
    else if (!take_word(&name, "model"))
        return NULL;
    if (take_word(&name, "sqlite"))
        backend = MTNT__FOUND_SQLITE;
    else if (take_word(&name, "postgres"))
        backend = MTNT__FOUND_POSTGRES;
    if (take_word(&name, "down"))
        direction = MTNT__FOUND_DOWN;
    else if (take_word(&name, "verify"))
        direction = MTNT__FOUND_VERIFY;
    else if (!take_word(&name, "up"))
        return NULL;
    return strcmp(name, "sql") == 0 ? &m->sql[side][backend][direction] : NULL;
}

static int read(mtnt__folder *folder, const mtnt__folder_file *file)
{
    const char *slash = strchr(file->name, '/');
    mtnt__found_sql *sql;

    if (!slash) /* a file beside the folders: notes */
        return 0;
    if (slash[1] == '\0')
        return begin_migration(folder, file);
    sql = folder->count > 0 ? place_of(&folder->items[folder->count - 1], slash + 1) : NULL;
    if (!sql)
        return mtnt_error_set(folder->err, MTNT_E_CONFIG,
                              "%s is none of the files of a migration: model.up.sql, model.down.sql, model.verify.sql, "
                              "or with controller for model, or with .sqlite or .postgres after it",
                              file->path);
    free(sql->text);
    free(sql->file);
    sql->text = strdup(file->text);
    sql->file = strdup(file->path);
    sql->line = 1;
    return sql->text && sql->file ? 0 : mtnt__found_nomem(folder);
}

const mtnt__reader mtnt__reader_native = {
    .name = "native",
    .files = "NUMBER_name/model.up.sql",
    .depth = 1,
    .takes_all = true,
    .recognises = recognises,
    .read = read,
};
