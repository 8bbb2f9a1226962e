#include "config/yaml.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "config/yaml_check.h"
#include "config/yaml_nodes.h"

const cyaml_schema_value_t mtnt__yaml_text_entry = {
    .type = CYAML_STRING,
    .flags = CYAML_FLAG_POINTER,
    .data_size = sizeof(char),
    .string = {1, CYAML_UNLIMITED},
};

/* ---- places ---- */

static void place_value(const mtnt__yaml_nodes *nodes, uint32_t node, const cyaml_schema_field_t *field, char *value);

static void set_place(const mtnt__yaml_nodes *nodes, uint32_t node, void *place)
{
    mtnt__yaml_place at = {nodes->nodes[node].line, nodes->nodes[node].column};

    memcpy(place, &at, sizeof(at));
}

static void place_mapping(const mtnt__yaml_nodes *nodes, uint32_t node, const cyaml_schema_field_t *table, char *data)
{
    uint32_t value;

    set_place(nodes, node, data);
    for (uint32_t key = node + 1; key < nodes->nodes[node].next; key = nodes->nodes[value].next) {
        const cyaml_schema_field_t *field = mtnt__yaml_field(table, mtnt__yaml_node_text(nodes, key));

        value = nodes->nodes[key].next;
        place_value(nodes, mtnt__yaml_node_real(nodes, value), field, data + field->data_offset);
    }
}

static void place_list(const mtnt__yaml_nodes *nodes, uint32_t node, const cyaml_schema_value_t *schema, char *value)
{
    mtnt__yaml_texts list;

    set_place(nodes, node, value + offsetof(mtnt__yaml_texts, at));
    if (schema->sequence.entry->type != CYAML_MAPPING)
        return;
    memcpy(&list, value, sizeof(list));
    for (uint32_t at = node + 1, i = 0; i < list.count; at = nodes->nodes[at].next, i++)
        place_mapping(nodes, mtnt__yaml_node_real(nodes, at), schema->sequence.entry->mapping.fields,
                      (char *)list.items + (size_t)i * schema->data_size);
}

/* `value` is the member that libcyaml has filled; its place comes after it. */
static void place_value(const mtnt__yaml_nodes *nodes, uint32_t node, const cyaml_schema_field_t *field, char *value)
{
    char *mapping;

    switch (field->value.type) {
    case CYAML_MAPPING:
        memcpy(&mapping, value, sizeof(mapping));
        place_mapping(nodes, node, field->value.mapping.fields, mapping);
        break;
    case CYAML_SEQUENCE: place_list(nodes, node, &field->value, value); break;
    case CYAML_BOOL: set_place(nodes, node, value + offsetof(mtnt__yaml_bool, at)); break;
    case CYAML_INT: set_place(nodes, node, value + offsetof(mtnt__yaml_int, at)); break;
    default: set_place(nodes, node, value + offsetof(mtnt__yaml_text, at)); break;
    }
}

/* ---- loading ---- */

/* libcyaml says what is wrong in its log only: the first line of it. */
static void keep_log(cyaml_log_t level, void *context, const char *format, va_list arguments) MTNT_PRINTF(3, 0);
static void keep_log(cyaml_log_t level, void *context, const char *format, va_list arguments)
{
    char *kept = context;

    (void)level;
    if (kept[0] == '\0') {
        vsnprintf(kept, MTNT__YAML_KEPT * 2, format, arguments);
        kept[strcspn(kept, "\n")] = '\0';
    }
}

/* libcyaml makes a list longer by one entry at a time, which costs the square of its length where realloc has to copy.
 * It never makes one shorter. */
static void *grow_memory(void *context, void *memory, size_t size)
{
    (void)context;
    if (size == 0) {
        free(memory);
        return NULL;
    }
    if (memory && malloc_usable_size(memory) >= size)
        return memory;
    return realloc(memory, memory && size < SIZE_MAX / 2 ? size * 2 : size);
}

static const cyaml_config_t quiet = {.mem_fn = grow_memory, .log_level = CYAML_LOG_ERROR};

static int load_data(const mtnt__yaml_format *format, const char *text, size_t length, void **ret_data, mtnt_error *err)
{
    char kept[MTNT__YAML_KEPT * 2] = "";
    cyaml_config_t config = quiet;
    cyaml_data_t *data = NULL;
    cyaml_err_t failure;

    config.log_fn = keep_log;
    config.log_ctx = kept;
    failure = cyaml_load_data((const uint8_t *)text, length, &config, format->schema, &data, NULL);
    if (failure == CYAML_ERR_OOM || failure == CYAML_ERR_LIBYAML_PARSER_INIT || failure == CYAML_ERR_LIBYAML_PARSER)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory"); /* the text has been parsed once without a fault */
    if (failure != CYAML_OK)
        return mtnt_error_set(err, MTNT_E_CONFIG, "libcyaml: %s (%s)", cyaml_strerror(failure), kept);
    *ret_data = data;
    return 0;
}

static int load(const mtnt__yaml_format *format, const char *text, size_t length, void **ret_data, mtnt_error *err)
{
    static const char mark[] = "\xef\xbb\xbf"; /* a byte order mark */
    mtnt__yaml_nodes nodes = {0};
    void *data = NULL;
    int rc;

    if (length >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        length -= 3;
    }
    if ((rc = mtnt__yaml_nodes_parse(&nodes, text, length, err)) || (rc = mtnt__yaml_check(format, &nodes, err)) ||
        (rc = load_data(format, text, length, &data, err)))
        goto out;
    place_mapping(&nodes, 0, format->schema->mapping.fields, data);
    *ret_data = data;
out:
    mtnt__yaml_nodes_release(&nodes);
    return rc;
}

int mtnt__yaml_load(const mtnt__yaml_format *format, const char *file, const char *text, size_t length, void **ret_data,
                    mtnt_error *err)
{
    int rc = load(format, text, length, ret_data, err);

    if (rc)
        mtnt_error_at(err, file, 0, 0);
    return rc;
}

int mtnt__yaml_load_file(const mtnt__yaml_format *format, const char *path, void **ret_data, mtnt_error *err)
{
    size_t length = 0;
    char *text = NULL;
    int rc = mtnt__file_read(path, &text, &length, err);

    if (rc == 0)
        rc = mtnt__yaml_load(format, path, text, length, ret_data, err);
    free(text);
    return rc;
}

void mtnt__yaml_free(const mtnt__yaml_format *format, void *data)
{
    if (data)
        cyaml_free(&quiet, format->schema, data, 0);
}

/* ---- what loaders share ---- */

int mtnt__yaml_refuse(mtnt_error *err, const char *file, mtnt__yaml_place at, const char *text, ...)
{
    va_list arguments;

    va_start(arguments, text);
    mtnt_error_setv(err, MTNT_E_CONFIG, text, arguments);
    va_end(arguments);
    mtnt_error_at(err, file, at.line, at.column);
    return MTNT_E_CONFIG;
}

int mtnt__yaml_check_choice(const char *file, const char *key, const mtnt__yaml_text *text, const char *const *choices,
                            mtnt_error *err)
{
    mtnt__buffer list = {0};
    int rc;

    for (size_t i = 0; text->text && choices[i]; i++) {
        if (strcmp(choices[i], text->text) == 0)
            return 0;
    }
    if (!text->text)
        return 0;
    for (size_t i = 0; choices[i]; i++)
        mtnt__buffer_add_format(&list, "%s`%s`", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
    rc = mtnt__yaml_refuse(err, file, text->at, "`%s` must be %s, not `%.80s`", key, mtnt__buffer_text(&list),
                           text->text);
    mtnt__buffer_release(&list);
    return rc;
}

int mtnt__yaml_texts_list(const mtnt__yaml_texts *texts, const char ***ret_items, mtnt_error *err)
{
    const char **items = calloc((size_t)texts->count + 1, sizeof(*items));

    if (!items)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (uint32_t i = 0; i < texts->count; i++)
        items[i] = texts->items[i];
    *ret_items = items;
    return 0;
}
