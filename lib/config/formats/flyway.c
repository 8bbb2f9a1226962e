/* Flyway: V<version>__description.sql, U for the way back, R for what is repeated, in any folder of a location. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/formats/reader.h"
#include "config/formats/substitute.h"

enum { SETTING_TRANSACTION, SETTING_ENCODING, SETTING_PLACEHOLDERS, SETTINGS };

/* What a name says. */
typedef struct parts {
    char kind; /* V, U, R, B; c: a callback */
    bool conf, java;
    const char *version, *description; /* in the name */
    size_t version_length, description_length;
    size_t script_length; /* with .sql, without .conf */
} parts;

static const char *base_name(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

static bool is_callback(const char *name)
{
    return strncmp(name, "before", 6) == 0 || strncmp(name, "after", 5) == 0 || strncmp(name, "createSchema", 12) == 0;
}

/* Numbers, with dots or underscores between them. */
static bool is_version(const char *text, size_t length)
{
    bool digit = false;

    for (size_t i = 0; i < length; i++) {
        if (text[i] >= '0' && text[i] <= '9')
            digit = true;
        else if ((text[i] != '.' && text[i] != '_') || !digit)
            return false;
        else
            digit = false;
    }
    return digit;
}

static bool take_apart(const char *path, parts *ret_parts)
{
    const char *name = base_name(path), *separator;
    size_t length = strlen(name);
    parts p = {.kind = name[0]};

    p.conf = mtnt__ends_with(name, ".sql.conf");
    p.java = mtnt__ends_with(name, ".java");
    if (!p.conf && !p.java && !mtnt__ends_with(name, ".sql"))
        return false;
    p.script_length = length - (p.conf ? strlen(".conf") : 0);
    length = p.script_length - strlen(p.java ? ".java" : ".sql");
    *ret_parts = p;
    if (is_callback(name)) {
        ret_parts->kind = 'c';
        return !p.java;
    }
    separator = strstr(name, "__");
    if (!strchr("VURB", p.kind) || !separator || separator + 2 > name + length)
        return false;
    p.version = name + 1;
    p.version_length = (size_t)(separator - name) - 1;
    p.description = separator + 2;
    p.description_length = (size_t)(name + length - p.description);
    *ret_parts = p;
    return p.kind == 'R' ? p.version_length == 0 : is_version(p.version, p.version_length);
}

static bool recognises(const char *name)
{
    parts found;

    return take_apart(name, &found);
}

/* ---- versions ---- */

/* All with a version come before those that are repeated, which go by their description. */
static int compare(const mtnt__migration *a, const mtnt__migration *b)
{
    if (a->repeatable != b->repeatable)
        return a->repeatable ? 1 : -1;
    return a->repeatable ? strcmp(a->version, b->version) : mtnt__versions_compare(a->version, b->version);
}

/* ---- one migration ---- */

static mtnt__migration *with_version(mtnt__folder *folder, const char *version)
{
    for (size_t i = 0; i < folder->count; i++)
        if (!folder->items[i].repeatable && mtnt__versions_compare(folder->items[i].version, version) == 0)
            return &folder->items[i];
    return NULL;
}

/* Of a version, or of the description that stands for one. Sidecars and ways back may be read before what they belong to. */
static mtnt__migration *migration_of(mtnt__folder *folder, const mtnt__folder_file *file, const parts *found)
{
    const char *name = base_name(file->name);
    bool repeatable = found->kind == 'R';
    char *version = repeatable ? strndup(found->description, found->description_length)
                               : strndup(found->version, found->version_length);
    mtnt__migration *m = NULL;

    for (char *c = version; c && *c; c++)
        if (*c == '_')
            *c = repeatable ? ' ' : '.';
    if (!version) {
        mtnt__found_nomem(folder);
        return NULL;
    }
    if (!repeatable)
        m = with_version(folder, version);
    for (size_t i = 0; repeatable && !m && i < folder->count; i++)
        if (folder->items[i].repeatable && strcmp(folder->items[i].version, version) == 0)
            m = &folder->items[i];
    if (!m) {
        m = mtnt__found_new(folder, version, strlen(version), name, found->script_length - strlen(".sql"), file->path);
        if (m)
            m->repeatable = repeatable;
    }
    free(version);
    return m;
}

/* ---- SCRIPT.sql.conf ---- */

static const char *const setting_names[SETTINGS] = {"executeInTransaction", "encoding", "placeholderReplacement"};

static bool is_text(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

static int take_setting(mtnt__folder *folder, const mtnt__folder_file *file, const mtnt__line *line, mtnt__migration *m)
{
    const char *text = line->text, *equals = memchr(text, '=', line->length), *end = text + line->length;
    size_t key_length = equals ? (size_t)(equals - text) : line->length;
    int setting = 0;
    bool yes;

    while (key_length > 0 && mtnt__blank(text[key_length - 1]))
        key_length--;
    while (setting < SETTINGS && !is_text(text, key_length, setting_names[setting]))
        setting++;
    if (!equals || setting == SETTINGS)
        return mtnt__found_refuse(folder, file, line->number,
                                  "`%.*s` is not for this version, which knows executeInTransaction, encoding and "
                                  "placeholderReplacement here",
                                  (int)key_length, text);
    for (equals++; equals < end && mtnt__blank(*equals); equals++)
        ;
    while (end > equals && mtnt__blank(end[-1]))
        end--;
    yes = is_text(equals, (size_t)(end - equals), "true");
    if (setting == SETTING_ENCODING)
        return is_text(equals, (size_t)(end - equals), "UTF-8") || is_text(equals, (size_t)(end - equals), "UTF8")
                   ? 0
                   : mtnt__found_refuse(folder, file, line->number, "only UTF-8 is read; convert the script to it");
    if (!yes && !is_text(equals, (size_t)(end - equals), "false"))
        return mtnt__found_refuse(folder, file, line->number, "`%s` is true or false", setting_names[setting]);
    if (setting == SETTING_TRANSACTION)
        m->transaction = yes ? 1 : -1;
    else
        m->verbatim = !yes;
    return 0;
}

static int read_conf(mtnt__folder *folder, const mtnt__folder_file *file, mtnt__migration *m)
{
    mtnt__line line = {0};
    int rc = 0;

    while (rc == 0 && mtnt__line_next(&line, file->text))
        if (!mtnt__line_is_blank(&line) && line.text[0] != '#' && line.text[0] != '!')
            rc = take_setting(folder, file, &line, m);
    return rc;
}

/* ---- scripts ---- */

/* What the checksum is of: lines, whatever ends them, before anything is filled in. */
static int keep_source(mtnt__folder *folder, const mtnt__folder_file *file, mtnt__migration *m)
{
    mtnt__buffer source = {0};
    mtnt__line line = {0};

    while (mtnt__line_next(&line, file->text)) {
        mtnt__buffer_add(&source, line.text, line.length);
        mtnt__buffer_add(&source, "\n", 1);
    }
    free(m->source);
    m->source = mtnt__buffer_take(&source);
    return m->source ? 0 : mtnt__found_nomem(folder);
}

/* What its table will call the script: its name as seen from the location, and its description. */
static int keep_names(mtnt__folder *folder, const mtnt__folder_file *file, mtnt__migration *m, const parts *found)
{
    free(m->title);
    free(m->script);
    free(m->file);
    m->title = strndup(found->description, found->description_length);
    m->script = strdup(file->name);
    m->file = strdup(file->path);
    for (char *c = m->title; c && *c; c++)
        if (*c == '_')
            *c = ' ';
    return m->title && m->script && m->file ? 0 : mtnt__found_nomem(folder);
}

static int read_script(mtnt__folder *folder, const mtnt__folder_file *file, mtnt__migration *m, const parts *found)
{
    mtnt__found_direction direction = found->kind == 'U' ? MTNT__FOUND_DOWN : MTNT__FOUND_UP;
    mtnt__found_sql *sql = &m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][direction];
    const char *name = base_name(file->name);
    char *own;

    if (sql->text)
        return mtnt__found_refuse(folder, file, 0, "there is one like it already: %s", sql->file);
    if (direction == MTNT__FOUND_DOWN)
        return mtnt__found_sql_set(folder, sql, file, file->text, strlen(file->text), 1);
    own = strndup(name, found->script_length - strlen(".sql"));
    if (!own)
        return mtnt__found_nomem(folder);
    free(m->name);
    m->name = own;
    return keep_source(folder, file, m) || keep_names(folder, file, m, found)
               ? MTNT_E_NOMEM
               : mtnt__found_sql_set(folder, sql, file, file->text, strlen(file->text), 1);
}

static int read_program(mtnt__folder *folder, const mtnt__folder_file *file, const parts *found)
{
    mtnt__migration *m;

    if (found->kind != 'V' || found->conf)
        return 0;
    m = mtnt__found_new(folder, found->version, found->version_length, base_name(file->name),
                        found->script_length - strlen(".java"), file->path);
    if (!m || keep_names(folder, file, m, found) != 0)
        return MTNT_E_NOMEM;
    m->cannot = strdup("is a program in Java, which only Flyway can run");
    return m->cannot ? 0 : mtnt__found_nomem(folder);
}

static int read(mtnt__folder *folder, const mtnt__folder_file *file)
{
    mtnt__migration *m;
    parts found;

    if (!take_apart(file->name, &found))
        return mtnt__found_refuse(folder, file, 0, "it is not called %s", folder->reader->files);
    if (found.kind == 'c')
        return found.conf
                   ? 0
                   : mtnt__found_warn(folder, file, 0, "it is a callback, which only Flyway calls: it is not run");
    if (found.kind == 'B')
        return found.conf
                   ? 0
                   : mtnt__found_warn(
                         folder, file, 0,
                         "it is a baseline, which is not used: new databases run the scripts that it stands for");
    if (found.java)
        return read_program(folder, file, &found);
    m = migration_of(folder, file, &found);
    if (!m)
        return MTNT_E_NOMEM;
    return found.conf ? (found.kind == 'U' ? 0 : read_conf(folder, file, m)) : read_script(folder, file, m, &found);
}

/* ---- once all is known ---- */

static const char *value_of(const void *data, const char *name, size_t length)
{
    const mtnt__folder *folder = data;

    for (const char *const *pair = folder->options->placeholders; pair && *pair; pair++)
        if (strncasecmp(*pair, name, length) == 0 && (*pair)[length] == '=')
            return *pair + length + 1;
    return is_text(name, length, "flyway:table") ? "flyway_schema_history" : NULL;
}

static int fill_in(mtnt__folder *folder, mtnt__found_sql *sql)
{
    const mtnt__folder_file file = {sql->file, "", ""};
    mtnt__buffer text = {0};
    char name[80], *taken;
    size_t at = 0;
    uint32_t line = sql->line;

    if (!mtnt__substitute_placeholders(&text, sql->text, value_of, folder, name, &at)) {
        for (size_t i = 0; i < at; i++)
            line += sql->text[i] == '\n';
        mtnt__buffer_release(&text);
        return mtnt__found_refuse(folder, &file, line,
                                  "the placeholder `${%s}` has no value: give it one in chain.yaml (placeholders: "
                                  "[%s=…]), or say there `placeholder_replacement: false`",
                                  name, name);
    }
    taken = mtnt__buffer_take(&text);
    if (!taken)
        return mtnt__found_nomem(folder);
    free(sql->text);
    sql->text = taken;
    return 0;
}

/* ---- the checksum that its table has ---- */

/* CRC-32, of the lines without their ends, whatever these are. */
static int32_t crc_of_lines(const char *text)
{
    uint32_t crc = 0xffffffffu;

    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        if (*c == '\n' || *c == '\r')
            continue;
        crc ^= *c;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return (int32_t)~crc;
}

/* Of a script as it is; of what is repeated, as it is once it has been filled in. */
static int reckon_checksum(mtnt__folder *folder, mtnt__migration *m)
{
    mtnt__buffer filled = {0};
    const char *text = m->source;
    char name[80];
    size_t at = 0;

    if (!text)
        return 0;
    if (m->repeatable && !m->verbatim && !folder->options->verbatim &&
        mtnt__substitute_placeholders(&filled, text, value_of, folder, name, &at))
        text = mtnt__buffer_text(&filled);
    free(m->checksum);
    if (asprintf(&m->checksum, "%d", crc_of_lines(text)) < 0)
        m->checksum = NULL;
    if (filled.failed) {
        free(m->checksum);
        m->checksum = NULL;
    }
    mtnt__buffer_release(&filled);
    return m->checksum ? 0 : mtnt__found_nomem(folder);
}

/* Flyway tells from the statements whether a transaction can hold them. */
static int detect(mtnt__folder *folder, mtnt__found_sql *sql, int said)
{
    const mtnt__folder_file file = {sql->file, "", ""};
    mtnt__found_kinds kinds;
    uint32_t line = sql->line;
    int rc = mtnt__transactions_look(folder, sql->text, &kinds);

    sql->alone = said < 0 || (said == 0 && kinds.outside > 0);
    if (rc || said != 0 || kinds.outside == 0 || kinds.outside == kinds.statements || folder->options->mixed)
        return rc;
    for (size_t i = 0; i < kinds.first_outside; i++)
        line += sql->text[i] == '\n';
    return mtnt__found_refuse(
        folder, &file, line,
        "no transaction can hold the statement that begins here, and other statements stand beside "
        "it: Flyway wants `mixed: true` for that (in chain.yaml), or two scripts");
}

static int finish_one(mtnt__folder *folder, mtnt__migration *m)
{
    mtnt__found_sql *sql = m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY];
    int rc = 0;

    for (int i = 0; i < MTNT__FOUND_VERIFY && rc == 0; i++) {
        if (!sql[i].text)
            continue;
        if (!m->verbatim && !folder->options->verbatim)
            rc = fill_in(folder, &sql[i]);
        if (rc == 0)
            rc = detect(folder, &sql[i], i == MTNT__FOUND_UP ? m->transaction : 0);
    }
    return rc;
}

static int finish(mtnt__folder *folder)
{
    int rc = 0;

    for (size_t i = folder->finished; i < folder->count && rc == 0; i++) {
        mtnt__migration *m = &folder->items[i];
        const mtnt__folder_file file = {m->file, m->name, ""};

        if (!m->cannot && !m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][MTNT__FOUND_UP].text)
            return mtnt__found_refuse(folder, &file, 0, "there is no V script of its version");
        rc = finish_one(folder, m);
        if (rc == 0)
            rc = reckon_checksum(folder, m);
        /* Nothing takes it back, and nothing has to: it is run again when what it needs is back. */
        if (rc == 0 && m->repeatable)
            rc = mtnt__found_sql_set(folder, &m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][MTNT__FOUND_DOWN], &file, "",
                                     0, 1);
    }
    folder->finished = folder->count;
    return rc;
}

const mtnt__reader mtnt__reader_flyway = {
    .name = "flyway",
    .files = "V<version>__description.sql, U…, R__description.sql",
    .depth = 16,
    .recognises = recognises,
    .read = read,
    .finish = finish,
    .compare = compare,
};
