/* import: a model description into a new model and its rows of the controller. */
#include <stdlib.h>
#include <string.h>

#include "import.h"

typedef struct config {
    const mtnt_chain *chain; /* the one that it is an entry of */
    mtnt_import_options options;
} config;

static const mtnt_operation_class import_class;

static void config_free(void *owned)
{
    config *import = owned;
    size_t i;

    if (import == NULL)
        return;
    for (i = 0; i < import->options.table_count; i++) {
        free((char *)import->options.tables[i].table);
        free((char *)import->options.tables[i].key);
    }
    free((void *)import->options.tables);
    free(import);
}

/* ---- which description fits where ---- */

static int lane_index(const mtnt_chain *chain, const char *name)
{
    mtnt_lane lane;
    int i;

    for (i = 0; mtnt_chain_lane_at(chain, (size_t)i, &lane); i++)
        if (name != NULL && strcmp(lane.name, name) == 0)
            return i;
    return 0;
}

/* Counts for what a description rests on: imports change no schema, and what is repeated is no part of the order. */
static bool counts(const mtnt_entry_info *info)
{
    return !info->disabled && info->operation_class != &import_class && (info->flags & MTNT_OPERATION_REPEATABLE) == 0;
}

static bool comes_before(const mtnt_chain *chain, const mtnt_entry_info *info, const mtnt_entry_info *import)
{
    return counts(info) && info->order < import->order &&
           lane_index(chain, info->lane) <= lane_index(chain, import->lane);
}

static bool is_named(const char *const *names, const char *name)
{
    for (; *names != NULL; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/* 0, or what is between the description and that entry: a name, and whether the description has it. */
static const char *difference(const mtnt_chain *chain, const mtnt_description *description,
                              const mtnt_entry_info *import, bool *ret_applied)
{
    const char *const *applied = mtnt_description_applied(description);
    mtnt_entry_info info;
    size_t i;

    for (i = 0; mtnt_chain_get(chain, i, &info); i++)
        if (comes_before(chain, &info, import) && !is_named(applied, info.name)) {
            *ret_applied = false;
            return info.name;
        }
    for (; *applied != NULL; applied++) {
        ptrdiff_t index = mtnt_chain_find(chain, *applied);

        if (index >= 0 && mtnt_chain_get(chain, (size_t)index, &info) &&
            ((info.flags & MTNT_OPERATION_REPEATABLE) != 0 || comes_before(chain, &info, import)))
            continue;
        *ret_applied = true;
        return *applied;
    }
    return NULL;
}

static bool fits_another(const mtnt_chain *chain, const mtnt_description *description)
{
    mtnt_entry_info info;
    bool applied;
    size_t i;

    for (i = 0; mtnt_chain_get(chain, i, &info); i++)
        if (!info.disabled && info.operation_class == &import_class &&
            difference(chain, description, &info, &applied) == NULL)
            return true;
    return false;
}

/* *ret_fits: it is for this entry; false and 0: for another one. */
static int check(const mtnt_operation *operation, const mtnt_description *description, bool *ret_fits, mtnt_error *err)
{
    const config *import = mtnt_operation_config(operation);
    const char *chain = mtnt_chain_name(import->chain), *name;
    ptrdiff_t index = mtnt_chain_find(import->chain, mtnt_operation_name(operation));
    mtnt_entry_info info;
    bool applied = false;

    if (strcmp(chain, mtnt_description_chain(description)) != 0)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "the description was exported from the chain `%.80s`, and this is `%.80s`",
                              mtnt_description_chain(description), chain);
    if (index < 0 || !mtnt_chain_get(import->chain, (size_t)index, &info))
        return mtnt_error_set(err, MTNT_E_INVALID, "the chain has no such operation");
    name = difference(import->chain, description, &info, &applied);
    *ret_fits = name == NULL;
    if (name == NULL || fits_another(import->chain, description))
        return 0;
    if (applied)
        return mtnt_error_set(
            err, MTNT_E_CONFIG,
            "the description was exported with operation `%.80s` applied, which has not run here: put an "
            "import after it in the chain",
            name);
    return mtnt_error_set(
        err, MTNT_E_CONFIG,
        "the description was exported without operation `%.80s`, which has run here: migrate that tenant, "
        "and export it again",
        name);
}

/* ---- running ---- */

static int run(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model,
               int (*work)(mtnt__import *, mtnt_error *), mtnt_error *err)
{
    const config *settings = mtnt_operation_config(operation);
    mtnt__import import = {context, model, NULL, &settings->options, mtnt_context_writes(context)};
    bool fits = false;
    int rc;

    if (mtnt_model_description(model) == NULL)
        return 0;
    rc = mtnt_description_open(&import.description, mtnt_model_description(model), err);
    if (rc != 0)
        return rc;
    rc = check(operation, import.description, &fits, err);
    if (rc != 0)
        mtnt__import_at(&import, err, 0, 0);
    else if (fits)
        rc = work(&import, err);
    mtnt_description_close(import.description);
    return rc;
}

static int import_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    return run(operation, context, model, mtnt__import_load, err);
}

static int import_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    return run(operation, context, model, mtnt__import_unload, err);
}

static const mtnt_operation_class import_class = {
    MTNT_OPERATION_CLASS_INIT,       .name = "import",          .writes = MTNT_WRITES_MODEL,
    .flags = MTNT_OPERATION_BY_SIDE, .execute = import_execute, .rollback = import_rollback,
};

/* ---- adding ---- */

static int add_table(config *import, mtnt_described_table *tables, const mtnt_described_table *said,
                     const mtnt_entry *entry, mtnt_error *err)
{
    size_t i;

    if (mtnt__operations_blank(said->table) || mtnt__operations_blank(said->key))
        return mtnt__operations_refuse(err, entry, "import", "a table of the controller needs a `table` and a `key`");
    for (i = 0; i < import->options.table_count; i++)
        if (strcmp(tables[i].table, said->table) == 0)
            return mtnt__operations_refuse(err, entry, "import", "the controller's table `%s` is named twice",
                                           said->table);
    tables[import->options.table_count] = (mtnt_described_table){strdup(said->table), strdup(said->key), said->replace};
    import->options.table_count++;
    if (tables[import->options.table_count - 1].table == NULL || tables[import->options.table_count - 1].key == NULL)
        return mtnt__operations_nomem(err);
    return 0;
}

static int config_new(config **ret_config, const mtnt_chain *chain, const mtnt_import_options *options,
                      const mtnt_entry *entry, mtnt_error *err)
{
    size_t count = options != NULL ? options->table_count : 0, i;
    config *import = calloc(1, sizeof *import);
    mtnt_described_table *tables = calloc(count + 1, sizeof *tables);
    int rc = 0;

    if (import == NULL || tables == NULL) {
        free(import);
        free(tables);
        return mtnt__operations_nomem(err);
    }
    import->chain = chain;
    import->options.tables = tables;
    for (i = 0; rc == 0 && i < count; i++)
        rc = add_table(import, tables, options->tables + i, entry, err);
    if (rc == 0)
        *ret_config = import;
    else
        config_free(import);
    return rc;
}

int mtnt_operation_add_import(mtnt_chain *chain, const mtnt_import_options *options, const mtnt_entry *entry,
                              mtnt_error *err)
{
    mtnt__operations_text checksum = {NULL, false};
    mtnt_entry made = mtnt__operations_entry(entry);
    config *import = NULL;
    size_t i;
    int rc;

    if ((made.flags & MTNT_OPERATION_NO_TRANSACTION) != 0)
        return mtnt__operations_refuse(err, entry, "import",
                                       "an import runs in a transaction: leave `transaction: none` out");
    rc = config_new(&import, chain, options, entry, err);
    if (rc != 0 || import == NULL)
        return rc;
    mtnt__operations_append(&checksum, "import\n");
    for (i = 0; i < import->options.table_count; i++) {
        mtnt__operations_append_part(&checksum, "table", import->options.tables[i].table);
        mtnt__operations_append_part(&checksum, "key", import->options.tables[i].key);
        mtnt__operations_append(&checksum, "replace %d\n", import->options.tables[i].replace);
    }
    made.config = import;
    made.config_free = config_free;
    made.checksum = checksum.text;
    made.writes = MTNT_WRITES_MODEL | (import->options.table_count > 0 ? MTNT_WRITES_CONTROLLER : 0u);
    if (checksum.failed) {
        config_free(import);
        return mtnt__operations_nomem(err);
    }
    rc = mtnt_chain_add_entry(chain, &import_class, &made, err); /* takes the config, also when it refuses the entry */
    free(checksum.text);
    return rc;
}

const mtnt_import_options *mtnt_operation_import_options(const mtnt_chain *chain)
{
    const mtnt_import_options *last = NULL;
    mtnt_entry_info info;
    size_t i;

    for (i = 0; mtnt_chain_get(chain, i, &info); i++)
        if (!info.disabled && info.operation_class == &import_class)
            last = &((const config *)info.config)->options;
    return last;
}
