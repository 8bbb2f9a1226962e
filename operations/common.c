#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

mtnt_entry mtnt__operations_entry(const mtnt_entry *said)
{
    mtnt_entry entry = MTNT_ENTRY_INIT;

    if (said != NULL)
        entry = *said;
    entry.config = NULL;
    entry.config_free = NULL;
    entry.checksum = NULL;
    entry.writes_set = true;
    entry.model_up = NULL;
    entry.controller_up = NULL;
    entry.sql = NULL;
    entry.sql_count = 0;
    return entry;
}

int mtnt__operations_refuse(mtnt_error *err, const mtnt_entry *said, const char *kind, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    mtnt_error_setv(err, MTNT_E_CONFIG, format, arguments);
    va_end(arguments);
    mtnt__operations_blame(err, said, kind);
    return MTNT_E_CONFIG;
}

void mtnt__operations_blame(mtnt_error *err, const mtnt_entry *said, const char *kind)
{
    if (err == NULL)
        return;
    mtnt_error_wrap(err, "operation `%s`", said != NULL && said->name != NULL ? said->name : kind);
    if (said != NULL && err->file[0] == '\0')
        mtnt_error_at(err, said->file, said->line, 0);
}

int mtnt__operations_nomem(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static bool white(char character)
{
    return character != '\0' && strchr(" \t\r\n\f\v", character) != NULL;
}

bool mtnt__operations_blank(const char *text)
{
    if (text == NULL)
        return true;
    while (white(*text))
        text++;
    return *text == '\0';
}

void mtnt__operations_copy_cut(char *target, size_t size, const char *text, size_t length)
{
    if (length >= size) {
        length = size - 1;
        while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    memcpy(target, text, length);
    target[length] = '\0';
}

/* ---- growing text ---- */

static void append(mtnt__operations_text *text, const char *bytes, size_t length)
{
    size_t before = text->text != NULL ? strlen(text->text) : 0;
    char *grown;

    if (text->failed)
        return;
    grown = realloc(text->text, before + length + 1);
    if (grown == NULL) {
        free(text->text);
        text->text = NULL;
        text->failed = true;
        return;
    }
    memcpy(grown + before, bytes, length);
    grown[before + length] = '\0';
    text->text = grown;
}

void mtnt__operations_append(mtnt__operations_text *text, const char *format, ...)
{
    va_list arguments;
    char *piece = NULL;
    int length;

    va_start(arguments, format);
    length = vasprintf(&piece, format, arguments);
    va_end(arguments);
    if (length < 0) {
        free(text->text);
        text->text = NULL;
        text->failed = true;
        return;
    }
    append(text, piece, (size_t)length);
    free(piece);
}

static void append_part(mtnt__operations_text *text, const char *key, const char *value, size_t length)
{
    mtnt__operations_append(text, "%s %zu\n", key, length);
    append(text, value, length);
    append(text, "\n", 1);
}

void mtnt__operations_append_part(mtnt__operations_text *text, const char *key, const char *value)
{
    if (value != NULL)
        append_part(text, key, value, strlen(value));
    else
        mtnt__operations_append(text, "%s -\n", key);
}

void mtnt__operations_append_sql(mtnt__operations_text *text, const char *key, const char *sql)
{
    size_t length;

    if (sql == NULL) {
        mtnt__operations_append_part(text, key, NULL);
        return;
    }
    while (white(*sql))
        sql++;
    length = strlen(sql);
    while (length > 0 && white(sql[length - 1]))
        length--;
    append_part(text, key, sql, length);
}

/* ---- SQL ---- */

int mtnt__operations_sql_copy(mtnt_sql_text *ret_copy, const mtnt_sql_text *text, mtnt_error *err)
{
    mtnt_sql_text copy = *text;

    copy.sql = NULL;
    copy.file = NULL;
    if (mtnt__operations_blank(text->sql)) {
        *ret_copy = copy;
        return 0;
    }
    copy.sql = strdup(text->sql);
    if (copy.sql != NULL && text->file != NULL)
        copy.file = strdup(text->file);
    if (copy.sql == NULL || (text->file != NULL && copy.file == NULL)) {
        mtnt__operations_sql_release(&copy);
        return mtnt__operations_nomem(err);
    }
    *ret_copy = copy;
    return 0;
}

void mtnt__operations_sql_release(mtnt_sql_text *text)
{
    free((char *)text->sql);
    free((char *)text->file);
    text->sql = NULL;
    text->file = NULL;
}

mtnt_script mtnt__operations_script(const mtnt_sql_text *text, const mtnt_model *model)
{
    mtnt_script script = {text->sql, text->file, text->line, text->column, NULL, NULL, false};

    if (model != NULL) {
        script.variable = mtnt_model_variable;
        script.variable_data = (void *)model; /* only read: a model is immutable */
    }
    return script;
}

int mtnt__operations_sql_check(const mtnt_sql_text *text, int which, mtnt_error *err)
{
    mtnt_script script = mtnt__operations_script(text, NULL);

    if (which == MTNT__CHOICE_ANY && mtnt_script_check(&script, MTNT_POSTGRES, NULL) == 0)
        return 0;
    return mtnt_script_check(&script, which == MTNT__CHOICE_POSTGRES ? MTNT_POSTGRES : MTNT_SQLITE, err);
}

static const char *note_name(void *data, const char *name)
{
    (void)name;
    *(bool *)data = true;
    return "";
}

bool mtnt__operations_sql_names(const char *sql)
{
    mtnt_script script = {.sql = sql};
    bool names = false;

    if (sql == NULL)
        return false;
    script.variable = note_name;
    script.variable_data = &names;
    /* Their quotes differ: what stands in a string for one of them may be a name for the other. */
    (void)mtnt_script_check(&script, MTNT_POSTGRES, NULL);
    (void)mtnt_script_check(&script, MTNT_SQLITE, NULL);
    return names;
}

/* ---- SQL for one purpose ---- */

static const char *infix(int which)
{
    switch (which) {
    case MTNT__CHOICE_SQLITE: return "_sqlite";
    case MTNT__CHOICE_POSTGRES: return "_postgres";
    default: return "";
    }
}

int mtnt__operations_choice_fill(mtnt__operations_choice *choice, const mtnt_sql_text *any, const mtnt_sql_text *sqlite,
                                 const mtnt_sql_text *postgres, bool required, mtnt_error *err)
{
    const mtnt_sql_text *given[MTNT__CHOICES] = {any, sqlite, postgres};
    int i, rc;

    for (i = 0; i < MTNT__CHOICES; i++) {
        rc = mtnt__operations_sql_copy(&choice->texts[i], given[i], err);
        if (rc != 0)
            return rc;
        if (choice->texts[i].sql == NULL && given[i]->sql != NULL && required)
            return mtnt_error_set(err, MTNT_E_CONFIG, "`%s%s%s` is empty", choice->name, infix(i), choice->suffix);
        rc = choice->texts[i].sql != NULL ? mtnt__operations_sql_check(&choice->texts[i], i, err) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

void mtnt__operations_choice_release(mtnt__operations_choice *choice)
{
    int i;

    for (i = 0; i < MTNT__CHOICES; i++)
        mtnt__operations_sql_release(&choice->texts[i]);
}

bool mtnt__operations_choice_empty(const mtnt__operations_choice *choice)
{
    int i;

    for (i = 0; i < MTNT__CHOICES; i++)
        if (choice->texts[i].sql != NULL)
            return false;
    return true;
}

bool mtnt__operations_choice_has(const mtnt__operations_choice *choice, const mtnt_db *db)
{
    int own = mtnt_db_backend(db) == MTNT_SQLITE ? MTNT__CHOICE_SQLITE : MTNT__CHOICE_POSTGRES;

    return choice->texts[own].sql != NULL || choice->texts[MTNT__CHOICE_ANY].sql != NULL;
}

int mtnt__operations_choice_run(const mtnt__operations_choice *choice, mtnt_db *db, const mtnt_model *model,
                                bool pass_over_missing, mtnt_error *err)
{
    bool sqlite = mtnt_db_backend(db) == MTNT_SQLITE;
    int own = sqlite ? MTNT__CHOICE_SQLITE : MTNT__CHOICE_POSTGRES;
    const mtnt_sql_text *text = &choice->texts[choice->texts[own].sql != NULL ? own : MTNT__CHOICE_ANY];
    mtnt_script script;

    if (text->sql == NULL)
        return mtnt_error_set(err, MTNT_E_NOT_IMPLEMENTED, "there is no SQL for %s: neither `%s%s%s` nor `%s%s`",
                              sqlite ? "SQLite" : "PostgreSQL", choice->name, infix(own), choice->suffix, choice->name,
                              choice->suffix);
    script = mtnt__operations_script(text, model);
    script.pass_over_missing = pass_over_missing;
    return mtnt_db_script(db, &script, err);
}

bool mtnt__operations_choice_names(const mtnt__operations_choice *choice)
{
    bool names = false;

    for (int i = 0; i < MTNT__CHOICES; i++)
        names = names || mtnt__operations_sql_names(choice->texts[i].sql);
    return names;
}

void mtnt__operations_choice_append_checksum(const mtnt__operations_choice *choice, mtnt__operations_text *checksum)
{
    int i;

    for (i = 0; i < MTNT__CHOICES; i++) {
        mtnt__operations_append(checksum, "%s%s%s", choice->name, infix(i), choice->suffix);
        mtnt__operations_append_sql(checksum, "", choice->texts[i].sql);
    }
}

void mtnt__operations_choice_list(const mtnt__operations_choice *choice, bool on_controller, mtnt_entry_sql *sql,
                                  size_t *count)
{
    static const int backends[MTNT__CHOICES] = {
        [MTNT__CHOICE_SQLITE] = MTNT_SQLITE, [MTNT__CHOICE_POSTGRES] = MTNT_POSTGRES};

    for (int i = 0; i < MTNT__CHOICES; i++) {
        const mtnt_sql_text *text = &choice->texts[i];

        if (text->sql != NULL)
            sql[(*count)++] =
                (mtnt_entry_sql){on_controller, backends[i], text->sql, text->file, text->line, text->column};
    }
}

void mtnt__operations_choice_append_shown(const mtnt__operations_choice *choice, mtnt__operations_text *shown)
{
    const char *separator = "";
    int count = 0, i;

    for (i = 0; i < MTNT__CHOICES; i++)
        count += choice->texts[i].sql != NULL;
    for (i = 0; i < MTNT__CHOICES; i++) {
        if (choice->texts[i].sql == NULL)
            continue;
        if (count > 1)
            mtnt__operations_append(shown, "%s-- %s%s%s\n", separator, choice->name, infix(i), choice->suffix);
        mtnt__operations_append(shown, "%s", choice->texts[i].sql);
        separator = "\n";
    }
}

/* ---- lists ---- */

int mtnt__operations_list_copy(char ***ret_copy, const char *const *list, mtnt_error *err)
{
    size_t count = 0, i;
    char **copy;

    if (list == NULL) {
        *ret_copy = NULL;
        return 0;
    }
    while (list[count] != NULL)
        count++;
    copy = calloc(count + 1, sizeof(*copy));
    if (copy == NULL)
        return mtnt__operations_nomem(err);
    for (i = 0; i < count; i++) {
        copy[i] = strdup(list[i]);
        if (copy[i] == NULL) {
            mtnt__operations_list_free(copy);
            return mtnt__operations_nomem(err);
        }
    }
    *ret_copy = copy;
    return 0;
}

void mtnt__operations_list_free(char **list)
{
    size_t i;

    for (i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}
