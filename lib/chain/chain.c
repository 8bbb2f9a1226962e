#include "chain/chain.h"

#include <stdarg.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/names.h"
#include "chain/origin.h"

#define CHAIN_NAME_MAXIMUM 100
#define ALL_WRITES (MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER)
#define ALL_FLAGS                                                                                             \
    (MTNT_OPERATION_NO_TRANSACTION | MTNT_OPERATION_EXTERNAL | MTNT_OPERATION_CREATES_MODEL |                 \
     MTNT_OPERATION_DELETES_MODEL | MTNT_OPERATION_SAGA | MTNT_OPERATION_RETRIABLE | MTNT_OPERATION_BY_SIDE | \
     MTNT_OPERATION_SNAPSHOT | MTNT_OPERATION_BY_PLACE | MTNT_OPERATION_REPEATABLE | MTNT_OPERATION_CLONES |  \
     MTNT_OPERATION_SAME_FOR_ALL)

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static int check_chain_name(const char *name, mtnt_error *err)
{
    int rc = mtnt__name_check("the name of the chain", name, CHAIN_NAME_MAXIMUM, err);

    if (rc == 0 && !mtnt__name_is_plain(name))
        rc = mtnt_error_set(err, MTNT_E_CONFIG,
                            "the name of the chain, `%s`, may consist of letters, digits, `.`, `_` and `-` only", name);
    return rc;
}

int mtnt_chain_new(mtnt_chain **ret_chain, const char *name, mtnt_error *err)
{
    mtnt_chain *chain;
    int rc = check_chain_name(name, err);

    if (rc)
        return rc;
    chain = calloc(1, sizeof(*chain));
    if (!chain)
        return out_of_memory(err);
    chain->name = strdup(name);
    if (!chain->name) {
        free(chain);
        return out_of_memory(err);
    }
    *ret_chain = chain;
    return 0;
}

static void entry_release(mtnt__chain_entry *entry)
{
    if (entry->config_free)
        entry->config_free((void *)(uintptr_t)entry->config);
    free(entry->name);
    free(entry->file);
    free(entry->model_up);
    free(entry->controller_up);
    free(entry->environment);
    mtnt__origin_free(entry->origin);
    free(entry->sql);
}

void mtnt_chain_free(mtnt_chain *chain)
{
    if (!chain)
        return;
    mtnt__lanes_free(chain);
    for (size_t i = 0; i < chain->count; i++)
        entry_release(&chain->entries[i]);
    free(chain->entries);
    for (size_t i = chain->plugin_count; i > 0; i--)
        dlclose(chain->plugins[i - 1]);
    free(chain->plugins);
    for (size_t i = 0; i < chain->warning_count; i++)
        free(chain->warnings[i]);
    free(chain->warnings);
    for (size_t i = 0; i < chain->environment_count; i++)
        free(chain->environments[i]);
    free(chain->environments);
    free(chain->name);
    free(chain);
}

int mtnt__chain_warn(mtnt_chain *chain, mtnt_error *err, const char *format, ...)
{
    char **warnings = realloc(chain->warnings, (chain->warning_count + 1) * sizeof(*warnings)), *text = NULL;
    va_list arguments;

    if (!warnings)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    chain->warnings = warnings;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (!text)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    chain->warnings[chain->warning_count++] = text;
    return 0;
}

const char *mtnt_chain_warning(const mtnt_chain *chain, size_t index)
{
    return index < chain->warning_count ? chain->warnings[index] : NULL;
}

const char *mtnt_chain_name(const mtnt_chain *chain)
{
    return chain->name;
}

int mtnt_chain_set_name(mtnt_chain *chain, const char *name, mtnt_error *err)
{
    char *copy;
    int rc = check_chain_name(name, err);

    if (rc)
        return rc;
    copy = strdup(name);
    if (!copy)
        return out_of_memory(err);
    rc = mtnt__lanes_rename(chain, name, err);
    if (rc) {
        free(copy);
        return rc;
    }
    free(chain->name);
    chain->name = copy;
    return 0;
}

/* Where an entry was defined, for texts: " (chain.yaml:9)", or nothing for one from C. */
static const char *defined_at(const mtnt__chain_entry *entry, char *text, size_t size)
{
    text[0] = '\0';
    if (entry->file)
        snprintf(text, size, " (%s:%u)", entry->file, entry->line);
    return text;
}

static int check_class(const mtnt_operation_class *class, const mtnt_entry *entry, mtnt_error *err)
{
    uint32_t writes = entry->writes_set ? entry->writes : class->writes;
    const char *name = entry->name ? entry->name : class->name;
    int rc;

    if (class->version == 0 || class->version > MTNT_OPERATION_CLASS_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "version %u of an operation class is not known here: initialise it with "
                              "MTNT_OPERATION_CLASS_INIT",
                              class->version);
    rc = mtnt__name_check("the name of the operation", name, MTNT__NAME_MAXIMUM, err);
    if (rc)
        return rc;
    if ((class->flags | entry->flags) & ~(uint32_t)ALL_FLAGS)
        return mtnt_error_set(err, MTNT_E_INVALID, "operation `%s` has flags that are not known here (%#x)", name,
                              class->flags | entry->flags);
    if (writes & ~(uint32_t)ALL_WRITES)
        return mtnt_error_set(err, MTNT_E_INVALID, "operation `%s` writes something that is not known here (%#x)", name,
                              writes);
    if (((class->flags | entry->flags) & MTNT_OPERATION_SNAPSHOT) &&
        (!(class->flags & MTNT_OPERATION_NO_TRANSACTION) || !class->rollback || !entry->config))
        return mtnt_error_set(
            err, MTNT_E_INVALID,
            "operation `%s` has the flag MTNT_OPERATION_SNAPSHOT without MTNT_OPERATION_NO_TRANSACTION, a "
            "rollback and the folder as its config",
            name);
    if (((class->flags | entry->flags) & MTNT_OPERATION_SAME_FOR_ALL) && !entry->checksum)
        return mtnt_error_set(
            err, MTNT_E_CONFIG,
            "operation `%s` has the flag MTNT_OPERATION_SAME_FOR_ALL and no checksum: give its entry one "
            "(mtnt_chain_add_entry) that changes with what it does",
            name);
    if (((class->flags | entry->flags) & MTNT_OPERATION_CLONES) &&
        !((class->flags | entry->flags) & MTNT_OPERATION_CREATES_MODEL))
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "operation `%s` has the flag MTNT_OPERATION_CLONES without MTNT_OPERATION_CREATES_MODEL",
                              name);
    if (!class->setup && !class->execute)
        return mtnt_error_set(err, MTNT_E_CONFIG, "operation `%s` has no body: its class has neither setup nor execute",
                              name);
    return 0;
}

/* The operation that creates the model is the first, whatever order entries are added in; so there is at most
 * one. */
static int check_creation(const mtnt_chain *chain, const mtnt__chain_entry *added, mtnt_error *err)
{
    const mtnt__chain_entry *first = chain->count > 0 ? &chain->entries[0] : NULL;
    char where[560];

    if ((added->flags & MTNT_OPERATION_CREATES_MODEL) && added->lane > 0)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "operation `%s` creates the model and must be in the chain's first lane, `%s`",
                              added->name, chain->lanes[0]->lane.name);
    if (!first)
        return 0;
    if ((added->flags & MTNT_OPERATION_CREATES_MODEL) && first->order < added->order)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "operation `%s` creates the model and must be the first of its chain, but `%s`%s "
                              "comes before it (order %lld)",
                              added->name, first->name, defined_at(first, where, sizeof(where)),
                              (long long)first->order);
    if ((first->flags & MTNT_OPERATION_CREATES_MODEL) && added->order < first->order)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "operation `%s` (order %lld) would come before `%s`%s, which creates the model and "
                              "must be the first of its chain",
                              added->name, (long long)added->order, first->name,
                              defined_at(first, where, sizeof(where)));
    return 0;
}

/* Likewise the one that deletes the model is the last. */
static int check_deletion(const mtnt_chain *chain, const mtnt__chain_entry *added, mtnt_error *err)
{
    const mtnt__chain_entry *last = chain->count > 0 ? &chain->entries[chain->count - 1] : NULL;
    char where[560];

    if ((added->flags & MTNT_OPERATION_DELETES_MODEL) && (added->flags & MTNT_OPERATION_CREATES_MODEL))
        return mtnt_error_set(err, MTNT_E_CONFIG, "operation `%s` both creates and deletes the model: make two of it",
                              added->name);
    if ((added->flags & MTNT_OPERATION_DELETES_MODEL) && chain->lane_count > 1)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "operation `%s` deletes the model, and its chain has lanes: make it a chain of its own",
                              added->name);
    if (!last)
        return 0;
    if ((added->flags & MTNT_OPERATION_DELETES_MODEL) && last->order > added->order)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "operation `%s` deletes the model and must be the last of its chain, but `%s`%s comes "
                              "after it (order %lld)",
                              added->name, last->name, defined_at(last, where, sizeof(where)), (long long)last->order);
    if ((last->flags & MTNT_OPERATION_DELETES_MODEL) && added->order > last->order)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "operation `%s` (order %lld) would come after `%s`%s, which deletes the model and must "
                              "be the last of its chain",
                              added->name, (long long)added->order, last->name, defined_at(last, where, sizeof(where)));
    return 0;
}

static const mtnt__chain_entry *cloner(const mtnt_chain *chain, const mtnt__chain_entry *added)
{
    const mtnt__chain_entry *first = chain->count > 0 ? &chain->entries[0] : NULL;

    if ((added->flags & MTNT_OPERATION_CLONES) && !added->disabled)
        return added;
    return first && (first->flags & MTNT_OPERATION_CLONES) && !first->disabled ? first : NULL;
}

/* NULL: what it does may be copied. */
static const char *why_not_same(const mtnt__chain_entry *entry)
{
    if (entry->disabled)
        return NULL;
    if (entry->writes & MTNT_WRITES_CONTROLLER)
        return "it writes the controller";
    if (entry->flags & (MTNT_OPERATION_EXTERNAL | MTNT_OPERATION_SNAPSHOT))
        return "it has effects outside the model";
    if (entry->flags & MTNT_OPERATION_DELETES_MODEL)
        return "it takes the model away";
    return entry->flags & MTNT_OPERATION_SAME_FOR_ALL
               ? NULL
               : "it uses names of the tenant (:'name'), looks at the controller, runs a program, or is in C without the flag "
                 "MTNT_OPERATION_SAME_FOR_ALL";
}

/* Of what is copied nothing may depend on the tenant. */
static int check_same_for_all(const mtnt_chain *chain, const mtnt__chain_entry *added, mtnt_error *err)
{
    const mtnt__chain_entry *creator = cloner(chain, added), *other = added;
    char where[560] = "", here[560] = "";
    const char *why = creator ? why_not_same(added) : NULL;

    for (size_t i = 0; creator == added && !why && i < chain->count; i++) {
        other = &chain->entries[i];
        why = why_not_same(other);
    }
    if (!why)
        return 0;
    return mtnt_error_set(err, MTNT_E_CONFIG,
                          "operation `%s`%s may do something else for another tenant: %s. New models cannot be copies "
                          "then: take `snapshot: true` away from `%s`%s, or change `%s`",
                          other->name, other == added ? "" : defined_at(other, here, sizeof(here)), why, creator->name,
                          creator == added ? "" : defined_at(creator, where, sizeof(where)), other->name);
}

static int check_unique(const mtnt_chain *chain, const mtnt__chain_entry *added, mtnt_error *err)
{
    char where[560];

    for (size_t i = 0; i < chain->count; i++) {
        const mtnt__chain_entry *other = &chain->entries[i];

        if (mtnt__text_equal(other->name, added->name))
            return mtnt_error_set(err, MTNT_E_CONFIG,
                                  "operation `%s` (order %lld) has the name of operation %lld `%s`%s; names are "
                                  "unique: rename one of them",
                                  added->name, (long long)added->order, (long long)other->order, other->name,
                                  defined_at(other, where, sizeof(where)));
        if (other->order == added->order)
            return mtnt_error_set(err, MTNT_E_CONFIG,
                                  "operation `%s` has order %lld, which operation `%s`%s has already; orders are "
                                  "unique: change one of them",
                                  added->name, (long long)added->order, other->name,
                                  defined_at(other, where, sizeof(where)));
    }
    if (check_creation(chain, added, err) != 0 || check_deletion(chain, added, err) != 0)
        return MTNT_E_CONFIG;
    return check_same_for_all(chain, added, err);
}

static int choose_order(const mtnt_chain *chain, const mtnt_entry *entry, const char *name, int64_t *ret_order,
                        mtnt_error *err)
{
    int64_t highest = chain->count > 0 ? chain->entries[chain->count - 1].order : 0;

    if (entry->order < 0)
        return mtnt_error_set(err, MTNT_E_CONFIG, "operation `%s` has order %lld; orders begin at 1", name,
                              (long long)entry->order);
    if (entry->order == 0 && highest == INT64_MAX)
        return mtnt_error_set(err, MTNT_E_CONFIG, "operation `%s` finds no order after %lld: give it one", name,
                              (long long)highest);
    *ret_order = entry->order ? entry->order : highest + 1;
    return 0;
}

static int copy_text(char **ret_copy, const char *text, mtnt_error *err)
{
    if (!text)
        return 0;
    *ret_copy = strdup(text);
    return *ret_copy ? 0 : out_of_memory(err);
}

static int copy_sql(mtnt__chain_entry *filled, const mtnt_entry *entry, mtnt_error *err)
{
    if (entry->sql_count == 0)
        return 0;
    filled->sql = calloc(entry->sql_count, sizeof(*filled->sql));
    if (!filled->sql)
        return out_of_memory(err);
    memcpy(filled->sql, entry->sql, entry->sql_count * sizeof(*filled->sql));
    filled->sql_count = entry->sql_count;
    return 0;
}

/* Everything but the config, which the chain owns only once the entry is in. */
static int entry_fill(mtnt__chain_entry *filled, const mtnt_operation_class *class, const mtnt_entry *entry,
                      mtnt_error *err)
{
    const char *parts[] = {class->name ? class->name : "", entry->checksum, NULL};
    int rc = 0;

    filled->operation_class = class;
    filled->disabled = entry->disabled;
    filled->writes = entry->writes_set ? entry->writes : class->writes;
    filled->flags = class->flags | entry->flags;
    filled->line = entry->line;
    if (filled->writes == MTNT_WRITES_NOTHING && class->rollback)
        filled->flags |= MTNT_OPERATION_EXTERNAL;
    if ((rc = copy_text(&filled->name, entry->name ? entry->name : class->name, err)) ||
        (rc = copy_text(&filled->file, entry->file, err)) ||
        (rc = copy_text(&filled->model_up, entry->model_up, err)) ||
        (rc = copy_text(&filled->controller_up, entry->controller_up, err)) ||
        (rc = copy_text(&filled->environment, entry->environment, err)) || (rc = copy_sql(filled, entry, err)))
        return rc;
    return mtnt__checksum(filled->checksum, parts, err);
}

int mtnt__entries_reserve(mtnt_chain *chain, mtnt_error *err)
{
    size_t size = chain->size ? chain->size * 2 : 16;
    mtnt__chain_entry *entries;

    if (chain->count < chain->size)
        return 0;
    entries = reallocarray(chain->entries, size, sizeof(*entries));
    if (!entries)
        return out_of_memory(err);
    chain->entries = entries;
    chain->size = size;
    return 0;
}

void mtnt__entries_insert(mtnt_chain *chain, const mtnt__chain_entry *entry)
{
    size_t place = chain->count;

    while (place > 0 && chain->entries[place - 1].order > entry->order)
        place--;
    memmove(&chain->entries[place + 1], &chain->entries[place], (chain->count - place) * sizeof(*entry));
    chain->entries[place] = *entry;
    chain->count++;
}

/* Into the chain, and into its lane. */
static int insert_by_order(mtnt_chain *chain, const mtnt__chain_entry *added, mtnt_error *err)
{
    mtnt_chain *lane = added->lane < chain->lane_count ? chain->lanes[added->lane] : NULL;
    int rc = mtnt__entries_reserve(chain, err);

    if (rc == 0 && lane)
        rc = mtnt__entries_reserve(lane, err);
    if (rc)
        return rc;
    mtnt__entries_insert(chain, added);
    if (lane)
        mtnt__entries_insert(lane, added);
    return 0;
}

static int add_entry(mtnt_chain *chain, const mtnt_operation_class *class, const mtnt_entry *entry, mtnt_error *err)
{
    const char *name = entry->name ? entry->name : class->name;
    mtnt__chain_entry filled = {0};
    int rc = check_class(class, entry, err);

    if (rc)
        return rc;
    if ((rc = mtnt__lanes_choose(chain, entry->lane, name, &filled.lane, err)) ||
        (rc = choose_order(chain, entry, name, &filled.order, err)) || (rc = entry_fill(&filled, class, entry, err)) ||
        (rc = check_unique(chain, &filled, err)))
        goto out;
    filled.config = entry->config;
    filled.config_free = entry->config_free;
    rc = insert_by_order(chain, &filled, err);
    filled.config_free = NULL;
out:
    if (rc)
        entry_release(&filled);
    return rc;
}

int mtnt_chain_add_entry(mtnt_chain *chain, const mtnt_operation_class *operation_class, const mtnt_entry *entry,
                         mtnt_error *err)
{
    int rc;

    if (!entry || entry->version == 0 || entry->version > MTNT_ENTRY_VERSION)
        return mtnt_error_set(err, MTNT_E_INVALID,
                              "a chain entry of unknown version: initialise it with MTNT_ENTRY_INIT");
    if (operation_class)
        rc = add_entry(chain, operation_class, entry, err);
    else
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "operation `%s` has no body: it was added without a class",
                            entry->name ? entry->name : "");
    if (rc) {
        if (entry->config_free)
            entry->config_free((void *)(uintptr_t)entry->config);
        if (err)
            mtnt_error_at(err, entry->file, entry->line, 0);
    }
    return rc;
}

int mtnt_chain_add(mtnt_chain *chain, const mtnt_operation_class *operation_class, int64_t order, const void *config,
                   mtnt_error *err)
{
    mtnt_entry entry = MTNT_ENTRY_INIT;

    if (order <= 0)
        return mtnt_error_set(err, MTNT_E_CONFIG, "operation `%s` has order %lld; orders begin at 1",
                              operation_class && operation_class->name ? operation_class->name : "", (long long)order);
    entry.order = order;
    entry.config = config;
    return mtnt_chain_add_entry(chain, operation_class, &entry, err);
}

size_t mtnt_chain_len(const mtnt_chain *chain)
{
    return chain->count;
}

bool mtnt_chain_get(const mtnt_chain *chain, size_t index, mtnt_entry_info *ret_info)
{
    const mtnt_chain *whole = chain->whole ? chain->whole : chain;
    const mtnt__chain_entry *entry;

    if (index >= chain->count)
        return false;
    entry = &chain->entries[index];
    *ret_info = (mtnt_entry_info){
        .name = entry->name,
        .order = entry->order,
        .checksum = entry->checksum,
        .disabled = entry->disabled,
        .writes = entry->writes,
        .flags = entry->flags,
        .operation_class = entry->operation_class,
        .config = entry->config,
        .file = entry->file,
        .line = entry->line,
        .model_up = entry->model_up,
        .controller_up = entry->controller_up,
        .lane = entry->lane < whole->lane_count ? whole->lanes[entry->lane]->lane.name : mtnt__chain_lane_name(chain),
        .environment = entry->environment,
        .sql = entry->sql,
        .sql_count = entry->sql_count,
    };
    return true;
}

const mtnt__chain_entry *mtnt__chain_deleter(const mtnt_chain *chain)
{
    const mtnt__chain_entry *last = chain->count > 0 ? &chain->entries[chain->count - 1] : NULL;

    return last && !last->disabled && (last->flags & MTNT_OPERATION_DELETES_MODEL) ? last : NULL;
}

ptrdiff_t mtnt_chain_find(const mtnt_chain *chain, const char *name)
{
    for (size_t i = 0; i < chain->count; i++) {
        if (mtnt__text_equal(chain->entries[i].name, name))
            return (ptrdiff_t)i;
    }
    return -1;
}
