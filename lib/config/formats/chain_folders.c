#include "config/formats/chain_folders.h"

#include <stdlib.h>
#include <string.h>

#include "chain/address.h"
#include "chain/chain.h"
#include "config/chain_lanes.h"
#include "config/formats/reader.h"

#define OPTIONAL MTNT__YAML_OPTIONAL
#define REQUIRED MTNT__YAML_REQUIRED
static const cyaml_schema_field_t table[] = {
    MTNT__YAML_TEXT_FIELD("dir", REQUIRED, mtnt__chain_folder, dir, 1),
    MTNT__YAML_TEXT_FIELD("format", REQUIRED, mtnt__chain_folder, format, 1),
    MTNT__YAML_TEXT_FIELD("environment", OPTIONAL, mtnt__chain_folder, environment, 1),
    MTNT__YAML_TEXT_FIELD("lane", OPTIONAL, mtnt__chain_folder, lane, 1),
    MTNT__YAML_INT_FIELD("order", OPTIONAL, mtnt__chain_folder, order),
    MTNT__YAML_TEXTS_FIELD("env", OPTIONAL, mtnt__chain_folder, env, 1),
    MTNT__YAML_TEXTS_FIELD("placeholders", OPTIONAL, mtnt__chain_folder, placeholders, 1),
    MTNT__YAML_BOOL_FIELD("placeholder_replacement", OPTIONAL, mtnt__chain_folder, placeholder_replacement),
    MTNT__YAML_BOOL_FIELD("mixed", OPTIONAL, mtnt__chain_folder, mixed),
    MTNT__YAML_BOOL_FIELD("verify", OPTIONAL, mtnt__chain_folder, verify),
    MTNT__YAML_TEXT_FIELD("table", OPTIONAL, mtnt__chain_folder, table, 1),
    MTNT__YAML_BOOL_FIELD("keep_in_step", OPTIONAL, mtnt__chain_folder, keep_in_step),
    CYAML_FIELD_END,
};
const cyaml_schema_value_t mtnt__chain_folder_schema = MTNT__YAML_ENTRY(mtnt__chain_folder, table);

typedef struct loader {
    mtnt_chain *chain;
    const char *path, *folder; /* of the chain file */
    const mtnt__chain_folder *folders;
    size_t count;
    mtnt_error *err;
} loader;

/* Keys that are one format's. */
static int check_keys(const loader *l, const mtnt__chain_folder *said, const mtnt__reader *reader)
{
    const struct {
        const char *key;
        mtnt__yaml_place at;
        const mtnt__reader *whose;
    } keys[] = {
        {"env", said->env.at, &mtnt__reader_goose},
        {"placeholders", said->placeholders.at, &mtnt__reader_flyway},
        {"placeholder_replacement", said->placeholder_replacement.at, &mtnt__reader_flyway},
        {"mixed", said->mixed.at, &mtnt__reader_flyway},
        {"verify", said->verify.at, &mtnt__reader_sqitch},
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (keys[i].at.line && reader != keys[i].whose)
            return mtnt__yaml_refuse(l->err, l->path, keys[i].at,
                                     "`%s` is for format %s, and this folder is of format %s", keys[i].key,
                                     keys[i].whose->name, reader->name);
    for (size_t i = 0; i < said->placeholders.count; i++)
        if (!strchr(said->placeholders.items[i], '='))
            return mtnt__yaml_refuse(l->err, l->path, said->placeholders.at, "a placeholder is NAME=VALUE, not `%.80s`",
                                     said->placeholders.items[i]);
    return 0;
}

static bool is_plain(const char *name)
{
    return name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

/* A tool has one table, whatever folders its history is in. */
static int check_table(const loader *l, const mtnt__chain_folder *said, const mtnt__reader *reader)
{
    mtnt__yaml_place at = said->table.at.line ? said->table.at : said->keep_in_step.at;

    if (at.line && reader == &mtnt__reader_native)
        return mtnt__yaml_refuse(l->err, l->path, at,
                                 "`%s` is for the folders of other tools, and format native is ours",
                                 said->table.at.line ? "table" : "keep_in_step");
    if (said->table.text && (!is_plain(said->table.text) || strlen(said->table.text) > 63))
        return mtnt__yaml_refuse(l->err, l->path, said->table.at,
                                 "`table` is a name of at most 63 letters, digits and underscores, without a schema");
    for (const mtnt__chain_folder *other = l->folders; other < said; other++) {
        if (strcmp(other->format.text, said->format.text) != 0)
            continue;
        if (other->keep_in_step.value != said->keep_in_step.value)
            return mtnt__yaml_refuse(l->err, l->path, said->at,
                                     "`keep_in_step` is the same for all folders of format %s, which have one table",
                                     reader->name);
        if (strcmp(other->table.text ? other->table.text : "", said->table.text ? said->table.text : "") != 0)
            return mtnt__yaml_refuse(l->err, l->path, said->at, "`table` is the same for all folders of format %s",
                                     reader->name);
    }
    return 0;
}

static int check_entry(const loader *l, const mtnt__chain_folder *said)
{
    const char *names[16] = {NULL};
    const mtnt__reader *reader;
    int rc;

    for (size_t i = 0; i + 1 < sizeof(names) / sizeof(*names) && mtnt__reader_at(i); i++)
        names[i] = mtnt__reader_at(i)->name;
    rc = mtnt__yaml_check_choice(l->path, "format", &said->format, names, l->err);
    if (rc)
        return rc;
    reader = mtnt__reader_find(said->format.text);
    if (said->order.at.line && !reader->compare)
        return mtnt__yaml_refuse(l->err, l->path, said->order.at,
                                 "`order` is not for format %s: its migrations have numbers of their own",
                                 reader->name);
    if (said->order.at.line && said->order.value <= 0)
        return mtnt__yaml_refuse(l->err, l->path, said->order.at, "`order` begins at 1, it cannot be %lld",
                                 (long long)said->order.value);
    if (said->lane.text && (rc = mtnt__chain_lanes_check(l->chain, l->path, "`migrations`", &said->lane, l->err)))
        return rc;
    rc = check_keys(l, said, reader);
    return rc ? rc : check_table(l, said, reader);
}

static int warn_of_missing(const loader *l, const mtnt__chain_folder *said)
{
    const char *environment = said->environment.text;

    return mtnt__chain_warn(l->chain, l->err, "%s:%u: the folder `%s`%s%s%s is not there: nothing was taken from it",
                            l->path, said->dir.at.line, said->dir.text, environment ? " of environment `" : "",
                            environment ? environment : "", environment ? "`" : "");
}

static int read_folder(const loader *l, const mtnt__chain_folder *said, mtnt__folder *found)
{
    char *dir = mtnt__address_path(l->folder, said->dir.text);
    mtnt__folder_options options = {0};
    const char **env = NULL, **placeholders = NULL;
    bool missing = false;
    size_t before = found->count;
    int rc = dir ? 0 : mtnt_error_set(l->err, MTNT_E_NOMEM, "out of memory");

    if (rc == 0)
        rc = mtnt__yaml_texts_list(&said->env, &env, l->err);
    if (rc == 0)
        rc = mtnt__yaml_texts_list(&said->placeholders, &placeholders, l->err);
    options.env = env;
    options.placeholders = placeholders;
    options.verbatim = said->placeholder_replacement.at.line && !said->placeholder_replacement.value;
    options.mixed = said->mixed.value;
    options.unverified = said->verify.at.line && !said->verify.value;
    found->options = &options;
    if (rc == 0)
        rc = mtnt__folder_read(found, dir, &missing);
    if (rc != 0 && rc != MTNT_E_NOMEM && l->err && l->err->file[0] == '\0')
        mtnt_error_at(l->err, l->path, said->dir.at.line, said->dir.at.column);
    for (size_t i = before; rc == 0 && i < found->count; i++) {
        found->items[i].lane = said->lane.text;
        found->items[i].environment = said->environment.text;
    }
    if (rc == 0 && said->environment.text)
        rc = mtnt__chain_note_environment(l->chain, said->environment.text, l->err);
    if (rc == 0 && missing)
        rc = warn_of_missing(l, said);
    found->options = NULL;
    free(env);
    free(placeholders);
    free(dir);
    return rc;
}

/* Whether the folder goes on with the history that `first` begins. */
static bool belongs(const mtnt__chain_folder *first, const mtnt__chain_folder *other, const mtnt__reader *reader)
{
    return reader->compare && strcmp(first->format.text, other->format.text) == 0;
}

/* One history: the folder at `index`, and those after it that belong to it. */
static int load_history(const loader *l, size_t index)
{
    const mtnt__chain_folder *first = &l->folders[index];
    mtnt__folder found = {.reader = mtnt__reader_find(first->format.text),
                          .table = first->table.text,
                          .keep_in_step = first->keep_in_step.value,
                          .chain = l->chain,
                          .err = l->err};
    int rc = read_folder(l, first, &found);

    for (size_t i = index + 1; rc == 0 && i < l->count; i++) {
        if (!belongs(first, &l->folders[i], found.reader))
            continue;
        if (l->folders[i].order.at.line)
            break;
        rc = read_folder(l, &l->folders[i], &found);
    }
    if (rc == 0)
        rc = mtnt__folder_merge(&found, first->order.value);
    mtnt__folder_release(&found);
    return rc;
}

static bool is_read_already(const loader *l, size_t index)
{
    const mtnt__chain_folder *folder = &l->folders[index];

    for (size_t i = 0; i < index && !folder->order.at.line; i++)
        if (belongs(&l->folders[i], folder, mtnt__reader_find(folder->format.text)))
            return true;
    return false;
}

int mtnt__chain_folders_load(mtnt_chain *chain, const char *path, const char *folder, const mtnt__chain_folder *folders,
                             size_t count, mtnt_error *err)
{
    const loader l = {chain, path, folder, folders, count, err};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = check_entry(&l, &folders[i]);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = is_read_already(&l, i) ? 0 : load_history(&l, i);
    return rc;
}
