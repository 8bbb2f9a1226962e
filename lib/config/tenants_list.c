#include "config/tenants_list.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "chain/address.h"
#include "chain/model.h"
#include "chain/names.h"
#include "chain/spool.h"
#include "config/formats.h"
#include "config/yaml_check.h"
#include "config/yaml_nodes.h"

/* The entries go through libyaml and the check one at a time, and are written down. Only when all of them have been, and `defaults` is known, which may
 * stand behind the list, they are looked at for what they mean; then they are given. A list with anchors is held as a document meanwhile. */

static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark */

typedef struct texts {
    const char **items; /* NULL-terminated */
    size_t size;
} texts;

typedef struct list {
    mtnt__spool *spool;
    char *default_model; /* NULL = none */
    mtnt__yaml_place default_at;
    char *path, *folder; /* of the tenants file; the folder is absolute */
    texts labels, vars;  /* of the entry at hand */
} list;

/* A tenant as mtnt_model_new takes it. Zero it before use. */
typedef struct description {
    mtnt_model_options options;
    char *dsn, *description;
} description;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void list_close(void *data)
{
    list *l = data;

    if (!l)
        return;
    mtnt__spool_free(l->spool);
    free(l->default_model);
    free(l->path);
    free(l->folder);
    free(l->labels.items);
    free(l->vars.items);
    free(l);
}

static int list_new(list **ret_list, const char *path, mtnt_error *err)
{
    list *l = calloc(1, sizeof(*l));
    int rc;

    rc = !l || !(l->path = strdup(path)) ? out_of_memory(err) : mtnt__spool_new(&l->spool, err);
    if (rc)
        list_close(l);
    else
        *ret_list = l;
    return rc;
}

/* ---- what a tenant is ---- */

static void description_release(description *described)
{
    free(described->dsn);
    free(described->description);
}

static int describe_address(const list *l, const mtnt__spooled *said, description *described, mtnt_error *err)
{
    const char *id = said->options.id, *address = said->options.dsn ? said->options.dsn : l->default_model;
    mtnt__yaml_place at = {said->id_line, said->id_column};
    int rc;

    if (!address)
        return mtnt__yaml_refuse(err, l->path, at,
                                 "tenant `%s` has no `model`, and there is no `model` under `defaults`", id);
    if ((rc = mtnt__address_check_template(address, err)) ||
        (rc = mtnt__address_expand(address, id, l->folder, &described->dsn, err))) {
        mtnt_error_wrap(err, "tenant `%s`", id);
        if (said->options.dsn)
            at = (mtnt__yaml_place){said->dsn_line, said->dsn_column};
        mtnt_error_at(err, l->path, at.line, at.column);
    }
    return rc;
}

static int describe(const list *l, const mtnt__spooled *said, description *described, mtnt_error *err)
{
    int rc = describe_address(l, said, described, err);

    if (rc)
        return rc;
    if (said->options.description &&
        !(described->description = mtnt__address_path(l->folder, said->options.description)))
        return out_of_memory(err);
    described->options = said->options;
    described->options.dsn = described->dsn;
    described->options.description = described->description;
    described->options.file = l->path;
    return 0;
}

static int check_tenant(void *data, const mtnt__spooled *said, mtnt_error *err)
{
    const list *l = data;
    description described = {0};
    int rc = mtnt__name_check("tenant id", said->options.id, MTNT__NAME_MAXIMUM, err);

    if (rc) {
        mtnt_error_at(err, l->path, said->id_line, said->id_column);
        return rc;
    }
    rc = describe(l, said, &described, err);
    if (rc == 0)
        rc = mtnt__model_check(&described.options, NULL, err);
    description_release(&described);
    return rc;
}

static int tell_twice(void *data, const mtnt__spooled *first, const mtnt__spooled *second, mtnt_error *err)
{
    const list *l = data;
    mtnt__yaml_place at = {second->id_line, second->id_column};

    return mtnt__yaml_refuse(err, l->path, at, "tenant `%s` is listed twice; the first is in line %u",
                             second->options.id, first->options.line);
}

/* The default address by itself, so that a mistake in it is told at its own line and not at the first
 * tenant's. */
static int check_default(const list *l, mtnt_error *err)
{
    char *dsn = NULL;
    int rc;

    if (!l->default_model)
        return 0;
    if ((rc = mtnt__address_check_template(l->default_model, err)) ||
        (rc = mtnt__address_expand(l->default_model, "id", l->folder, &dsn, err))) {
        mtnt_error_wrap(err, "the `model` under `defaults`");
        mtnt_error_at(err, l->path, l->default_at.line, l->default_at.column);
    }
    free(dsn);
    return rc;
}

/* ---- from the file into the spool ---- */

static const char *text_of(const mtnt__yaml_nodes *nodes, uint32_t value, uint32_t *ret_line, uint32_t *ret_column)
{
    if (value == 0)
        return NULL;
    *ret_line = nodes->nodes[value].line;
    *ret_column = nodes->nodes[value].column;
    return mtnt__yaml_node_text(nodes, value);
}

static int texts_of(const mtnt__yaml_nodes *nodes, uint32_t value, texts *held, const char *const **ret_items,
                    mtnt_error *err)
{
    size_t count = 0, most = nodes->nodes[value].next - value;

    if (value == 0)
        return 0;
    if (most > held->size) {
        const char **grown = reallocarray(held->items, most + 8, sizeof(*grown));

        if (!grown)
            return out_of_memory(err);
        held->items = grown;
        held->size = most + 8;
    }
    for (uint32_t item = value + 1; item < nodes->nodes[value].next; item = nodes->nodes[item].next)
        held->items[count++] = mtnt__yaml_node_text(nodes, mtnt__yaml_node_real(nodes, item));
    held->items[count] = NULL;
    *ret_items = held->items;
    return 0;
}

/* An entry that has passed the check. */
static int write_entry(list *l, const mtnt__yaml_nodes *nodes, uint32_t entry, mtnt_error *err)
{
    mtnt__spooled tenant = {.options = MTNT_MODEL_OPTIONS_INIT};
    uint32_t line, column;
    int rc;

    entry = mtnt__yaml_node_real(nodes, entry);
    tenant.options.line = nodes->nodes[entry].line;
    tenant.options.id = text_of(nodes, mtnt__yaml_node_value(nodes, entry, "id"), &tenant.id_line, &tenant.id_column);
    tenant.options.dsn =
        text_of(nodes, mtnt__yaml_node_value(nodes, entry, "model"), &tenant.dsn_line, &tenant.dsn_column);
    tenant.options.schema = text_of(nodes, mtnt__yaml_node_value(nodes, entry, "schema"), &line, &column);
    tenant.options.description = text_of(nodes, mtnt__yaml_node_value(nodes, entry, "description"), &line, &column);
    if ((rc =
             texts_of(nodes, mtnt__yaml_node_value(nodes, entry, "labels"), &l->labels, &tenant.options.labels, err)) ||
        (rc = texts_of(nodes, mtnt__yaml_node_value(nodes, entry, "vars"), &l->vars, &tenant.options.vars, err)))
        return rc;
    return mtnt__spool_add(l->spool, &tenant, err);
}

static int take_entry(void *data, const mtnt__yaml_nodes *nodes, uint32_t entry, mtnt_error *err)
{
    int rc = mtnt__yaml_check(&mtnt__tenants_format, nodes, err);

    return rc ? rc : write_entry(data, nodes, entry, err);
}

/* All of it at once. */
static int read_whole(list *l, mtnt__yaml_nodes *nodes, const char *text, size_t length, mtnt_error *err)
{
    size_t skipped = length >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    uint32_t entries;
    int rc;

    nodes->whole = true;
    if ((rc = mtnt__yaml_nodes_parse(nodes, text + skipped, length - skipped, err)) ||
        (rc = mtnt__yaml_check(&mtnt__tenants_format, nodes, err)))
        return rc;
    entries = mtnt__yaml_node_value(nodes, 0, "tenants");
    for (uint32_t at = entries + 1; rc == 0 && entries && at < nodes->nodes[entries].next; at = nodes->nodes[at].next)
        rc = write_entry(l, nodes, at, err);
    return rc;
}

static int start_again(list *l, mtnt__yaml_nodes *nodes, mtnt_error *err)
{
    mtnt__yaml_nodes_release(nodes);
    mtnt__spool_free(l->spool);
    l->spool = NULL;
    return mtnt__spool_new(&l->spool, err);
}

static int read_text(list *l, mtnt__yaml_nodes *nodes, const char *text, size_t length, mtnt_error *err)
{
    size_t skipped = length >= 3 && memcmp(text, mark, 3) == 0 ? 3 : 0;
    mtnt__yaml_stream stream = {
        .list = "tenants", .each = take_entry, .data = l, .text = text + skipped, .length = length - skipped};
    int rc = mtnt__yaml_nodes_stream(nodes, &stream, err);

    if (rc == 0 && stream.needs_whole && (rc = start_again(l, nodes, err)) == 0)
        return read_whole(l, nodes, text, length, err);
    return rc ? rc : mtnt__yaml_check(&mtnt__tenants_format, nodes, err);
}

static int read_path(list *l, mtnt__yaml_nodes *nodes, mtnt_error *err)
{
    size_t length = 0;
    char *text = NULL;
    int rc = mtnt__file_read(l->path, &text, &length, err);

    if (rc == 0)
        rc = read_text(l, nodes, text, length, err);
    free(text);
    return rc;
}

static int read_stream(list *l, mtnt__yaml_nodes *nodes, int file, mtnt_error *err)
{
    mtnt__yaml_stream stream = {.list = "tenants", .each = take_entry, .data = l, .file = file};
    char start[3];
    int rc;

    if (pread(file, start, 3, 0) == 3 && memcmp(start, mark, 3) == 0)
        (void)lseek(file, 3, SEEK_SET);
    rc = mtnt__yaml_nodes_stream(nodes, &stream, err);
    if (rc == 0 && stream.needs_whole && (rc = start_again(l, nodes, err)) == 0)
        return read_path(l, nodes, err);
    return rc ? rc : mtnt__yaml_check(&mtnt__tenants_format, nodes, err);
}

static int read_file(list *l, mtnt__yaml_nodes *nodes, mtnt_error *err)
{
    int file = open(l->path, O_RDONLY | O_CLOEXEC), rc;

    if (file < 0)
        return read_path(l, nodes, err); /* says why */
    rc = read_stream(l, nodes, file, err);
    close(file);
    return rc;
}

/* ---- the source ---- */

static int list_next(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt__spooled said = {0};
    description described = {0};
    list *l = data;
    bool there = false;
    int rc = mtnt__spool_next(l->spool, &said, &there, err);

    if (rc == 0 && !there)
        *ret_model = NULL;
    if (rc || !there)
        return rc;
    rc = describe(l, &said, &described, err);
    if (rc == 0)
        rc = mtnt__spool_model(l->spool, &described.options, ret_model, err);
    description_release(&described);
    return rc;
}

static int64_t list_total(void *data)
{
    const list *l = data;

    return mtnt__spool_count(l->spool);
}

/* `nodes` is what the file has beside the entries. */
static int find_default(list *l, const mtnt__yaml_nodes *nodes, mtnt_error *err)
{
    uint32_t defaults = mtnt__yaml_node_value(nodes, 0, "defaults");
    uint32_t model = defaults ? mtnt__yaml_node_value(nodes, defaults, "model") : 0;
    const char *text = text_of(nodes, model, &l->default_at.line, &l->default_at.column);

    if (text && !(l->default_model = strdup(text)))
        return out_of_memory(err);
    return 0;
}

int mtnt__tenants_list(mtnt_tenant_source *ret_source, bool *ret_list, const char *path, const char *text,
                       mtnt_error *err)
{
    mtnt__yaml_nodes nodes = {0};
    list *l = NULL;
    int rc = list_new(&l, path, err);

    if (rc)
        return rc;
    rc = text ? read_text(l, &nodes, text, strlen(text), err) : read_file(l, &nodes, err);
    if (rc) {
        mtnt_error_at(err, path, 0, 0);
        goto out;
    }
    *ret_list = mtnt__yaml_node_value(&nodes, 0, "tenants") && !mtnt__yaml_node_value(&nodes, 0, "source");
    if (!*ret_list || (rc = mtnt__address_folder(path, &l->folder, err)) || (rc = find_default(l, &nodes, err)) ||
        (rc = check_default(l, err)) || (rc = mtnt__spool_check(l->spool, check_tenant, tell_twice, l, err)))
        goto out;
    *ret_source = (mtnt_tenant_source){list_next, list_total, list_close, l};
    l = NULL;
out:
    mtnt__yaml_nodes_release(&nodes);
    list_close(l);
    return rc;
}
