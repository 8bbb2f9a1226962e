#include "config/yaml_check.h"

#include <string.h>

#include "chain/names.h"

#define TABLE_MAXIMUM 64 /* fields of one mapping */

/* The way from the document's value to the one at hand. */
typedef struct step {
    const struct step *outer;
    const mtnt__yaml_kind *kind; /* of a mapping; NULL = it has no word of its own */
    const char *key;             /* by which the value is reached; NULL = the document's value, or an entry of a list */
    size_t entry;                /* from 1; 0 = not in a list */
    uint32_t node;
} step;

typedef struct checker {
    const mtnt__yaml_format *format;
    const mtnt__yaml_nodes *nodes;
    uint64_t visits_left;
    mtnt_error *err;
} checker;

const cyaml_schema_field_t *mtnt__yaml_field(const cyaml_schema_field_t *table, const char *key)
{
    for (; table->key; table++) {
        if (strcmp(table->key, key) == 0)
            return table;
    }
    return NULL;
}

static const mtnt__yaml_node *node_at(const checker *c, uint32_t index)
{
    return &c->nodes->nodes[index];
}

static const mtnt__yaml_kind *kind_of(const checker *c, const cyaml_schema_value_t *schema)
{
    for (const mtnt__yaml_kind *kind = c->format->kinds; kind && kind->table; kind++) {
        if (schema->type == CYAML_MAPPING && kind->table == schema->mapping.fields)
            return kind;
    }
    return NULL;
}

/* ---- what errors say ---- */

static void add_shown(const checker *c, uint32_t node, mtnt__buffer *text)
{
    char shown[MTNT__NAME_SHOWN_SIZE];

    mtnt__name_shown(mtnt__yaml_node_text(c->nodes, node), shown);
    mtnt__buffer_add_text(text, shown);
}

/* The value of the key that names a mapping: " `acme`"; its number in the list when it has none. */
static void add_name(const checker *c, const step *named, mtnt__buffer *text)
{
    uint32_t end = node_at(c, named->node)->next, value;

    for (uint32_t key = named->node + 1; named->kind->name_key && key < end; key = node_at(c, value)->next) {
        value = node_at(c, key)->next;
        if (strcmp(mtnt__yaml_node_text(c->nodes, key), named->kind->name_key) != 0)
            continue;
        value = mtnt__yaml_node_real(c->nodes, value);
        if (node_at(c, value)->kind != MTNT__YAML_SCALAR || mtnt__yaml_node_is_null(c->nodes, value))
            break;
        mtnt__buffer_add_text(text, " `");
        add_shown(c, value, text);
        mtnt__buffer_add_text(text, "`");
        return;
    }
    if (named->entry)
        mtnt__buffer_add_format(text, " %zu", named->entry);
}

/* "sql.model", "verify[2].model": from the nearest mapping with a word of its own, which is returned. */
static const step *add_path(const step *from, mtnt__buffer *path)
{
    const step *steps[MTNT__YAML_DEPTH_MAXIMUM + 2];
    size_t count = 0;

    for (; from && !(from->kind && from->kind->word) && count < sizeof(steps) / sizeof(steps[0]); from = from->outer)
        steps[count++] = from;
    for (; count > 0; count--) {
        if (steps[count - 1]->key)
            mtnt__buffer_add_format(path, "%s%s", path->length ? "." : "", steps[count - 1]->key);
        else if (steps[count - 1]->entry)
            mtnt__buffer_add_format(path, "[%zu]", steps[count - 1]->entry);
    }
    return from;
}

/* " in `sql.model` of operation `plan`", or nothing for the document itself. */
static void add_where(const checker *c, const step *where, mtnt__buffer *text)
{
    mtnt__buffer path = {0};
    const step *named = add_path(where, &path);

    if (path.length)
        mtnt__buffer_add_format(text, " in `%s`", mtnt__buffer_text(&path));
    if (named) {
        mtnt__buffer_add_format(text, path.length ? " of %s" : " in %s", named->kind->word);
        add_name(c, named, text);
    }
    mtnt__buffer_release(&path);
}

/* Releases the text. */
static int refuse(const checker *c, uint32_t node, mtnt__buffer *text)
{
    if (text->failed) {
        mtnt_error_set(c->err, MTNT_E_NOMEM, "out of memory");
    } else {
        mtnt_error_set(c->err, MTNT_E_CONFIG, "%s", mtnt__buffer_text(text));
        mtnt_error_at(c->err, NULL, node_at(c, node)->line, node_at(c, node)->column);
    }
    mtnt__buffer_release(text);
    return c->err->code;
}

/* "`labels`", "entry 2 of `labels`", "a tenants file". */
static void add_value(const checker *c, const step *value, mtnt__buffer *text)
{
    if (value->key)
        mtnt__buffer_add_format(text, "`%s`", value->key);
    else if (value->entry && value->outer->key)
        mtnt__buffer_add_format(text, "entry %zu of `%s`", value->entry, value->outer->key);
    else
        mtnt__buffer_add_format(text, "a %s", c->format->what);
}

static const step *container_of(const step *value)
{
    const step *outer = value->entry ? value->outer : value;

    return outer ? outer->outer : NULL;
}

static const char *wanted(const cyaml_schema_value_t *schema)
{
    switch (schema->type) {
    case CYAML_INT: return "a whole number";
    case CYAML_BOOL: return "true or false";
    case CYAML_MAPPING: return "a mapping (keys with values)";
    case CYAML_SEQUENCE: return schema->sequence.entry->type == CYAML_STRING ? "a list, such as [a, b]" : "a list";
    default: return "text";
    }
}

static int refuse_type(const checker *c, const cyaml_schema_value_t *schema, uint32_t node, const step *value)
{
    mtnt__buffer text = {0};

    add_value(c, value, &text);
    mtnt__buffer_add_format(&text, " must be %s, not ", wanted(schema));
    if (mtnt__yaml_node_is_null(c->nodes, node)) {
        mtnt__buffer_add_text(&text, "empty");
    } else if (node_at(c, node)->kind == MTNT__YAML_SCALAR) {
        mtnt__buffer_add_text(&text, node_at(c, node)->plain ? "`" : "the text `");
        add_shown(c, node, &text);
        mtnt__buffer_add_text(&text, "`");
    } else {
        mtnt__buffer_add_text(&text, node_at(c, node)->kind == MTNT__YAML_LIST ? "a list" : "a mapping");
    }
    add_where(c, container_of(value), &text);
    return refuse(c, node, &text);
}

static int refuse_empty(const checker *c, uint32_t node, const step *value)
{
    mtnt__buffer text = {0};

    add_value(c, value, &text);
    mtnt__buffer_add_text(&text, " is empty");
    add_where(c, container_of(value), &text);
    return refuse(c, node, &text);
}

static bool is_later(const mtnt__yaml_kind *kind, const char *key)
{
    for (const char *const *later = kind ? kind->later : NULL; later && *later; later++) {
        if (strcmp(*later, key) == 0)
            return true;
    }
    return false;
}

/* What could have been meant. */
static void add_suggestion(const cyaml_schema_field_t *table, const char *key, mtnt__buffer *text)
{
    const char *names[TABLE_MAXIMUM + 1] = {NULL}, *nearest;

    for (size_t i = 0; i < TABLE_MAXIMUM && table[i].key; i++)
        names[i] = table[i].key;
    nearest = mtnt__text_nearest(key, names);
    if (strcmp(key, "<<") == 0) {
        mtnt__buffer_add_text(text, "; merging is not supported here, write the keys out");
    } else if (nearest) {
        mtnt__buffer_add_format(text, "; did you mean `%s`?", nearest);
    } else {
        for (size_t i = 0; names[i]; i++)
            mtnt__buffer_add_format(text, "%s`%s`",
                                    i == 0         ? "; there can be "
                                    : names[i + 1] ? ", "
                                                   : " and ",
                                    names[i]);
    }
}

static int refuse_key(const checker *c, const cyaml_schema_field_t *table, uint32_t key, const step *mapping)
{
    const char *name = mtnt__yaml_node_text(c->nodes, key);
    bool later = is_later(mapping->kind, name);
    mtnt__buffer text = {0};

    mtnt__buffer_add_text(&text, later ? "the key `" : "unknown key `");
    add_shown(c, key, &text);
    mtnt__buffer_add_text(&text, "`");
    add_where(c, mapping, &text);
    if (later)
        mtnt__buffer_add_text(&text, " is for a later version, this one cannot do it");
    else
        add_suggestion(table, name, &text);
    return refuse(c, key, &text);
}

static int refuse_repeated(const checker *c, uint32_t key, uint32_t first, const step *mapping)
{
    mtnt__buffer text = {0};

    mtnt__buffer_add_text(&text, "key `");
    add_shown(c, key, &text);
    mtnt__buffer_add_text(&text, "` is given twice");
    add_where(c, mapping, &text);
    mtnt__buffer_add_format(&text, "; the first is in line %u", node_at(c, first)->line);
    return refuse(c, key, &text);
}

static int refuse_missing(const checker *c, const char *key, const step *mapping)
{
    mtnt__buffer text = {0};

    mtnt__buffer_add_format(&text, "key `%s` is missing", key);
    add_where(c, mapping, &text);
    return refuse(c, mapping->node, &text);
}

/* ---- the walk ---- */

static int check_value(checker *c, const cyaml_schema_value_t *schema, uint32_t node, step *value);

/* libcyaml would read 010 as eight, 1x as one, and anything but a few words as true. */
static int check_scalar(const checker *c, const cyaml_schema_value_t *schema, uint32_t node, const step *value)
{
    const char *text = mtnt__yaml_node_text(c->nodes, node);
    const char *digits = text + (text[0] == '-');
    bool plain = node_at(c, node)->plain, fine = true;
    int64_t number;

    if (schema->type == CYAML_BOOL)
        fine = plain && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0);
    else if (schema->type == CYAML_INT)
        fine = plain && (digits[0] != '0' || digits[1] == '\0') && mtnt__parse_int(text, INT64_MIN, INT64_MAX, &number);
    if (!fine)
        return refuse_type(c, schema, node, value);
    if (schema->type == CYAML_STRING && schema->string.min > 0 && text[0] == '\0')
        return refuse_empty(c, node, value);
    return 0;
}

static int check_list(checker *c, const cyaml_schema_value_t *schema, uint32_t node, step *value)
{
    size_t entry = node > 0 && node == c->nodes->list ? c->nodes->given : 0;
    int rc;

    for (uint32_t at = node + 1; at < node_at(c, node)->next; at = node_at(c, at)->next) {
        step inner = {.outer = value, .entry = ++entry};

        if ((rc = check_value(c, schema->sequence.entry, at, &inner)))
            return rc;
    }
    return entry < schema->sequence.min ? refuse_empty(c, node, value) : 0;
}

/* One key of a mapping; `seen` has the key's node for every field that has been met. */
static int check_key(checker *c, const cyaml_schema_field_t *table, uint32_t key, uint32_t *seen, step *mapping)
{
    const cyaml_schema_field_t *field;
    step inner = {.outer = mapping};
    mtnt__buffer text = {0};

    if (node_at(c, key)->kind != MTNT__YAML_SCALAR) {
        mtnt__buffer_add_text(&text, "a key must be text");
        add_where(c, mapping, &text);
        return refuse(c, key, &text);
    }
    field = mtnt__yaml_field(table, mtnt__yaml_node_text(c->nodes, key));
    if (!field || node_at(c, key)->cut)
        return refuse_key(c, table, key, mapping);
    if (seen[field - table])
        return refuse_repeated(c, key, seen[field - table], mapping);
    seen[field - table] = key;
    inner.key = field->key;
    return check_value(c, &field->value, node_at(c, key)->next, &inner);
}

static int check_mapping(checker *c, const cyaml_schema_value_t *schema, uint32_t node, step *value)
{
    const cyaml_schema_field_t *table = schema->mapping.fields;
    uint32_t seen[TABLE_MAXIMUM] = {0}; /* 0: not seen, for the document's value is no key */
    int rc;

    for (uint32_t key = node + 1; key < node_at(c, node)->next; key = node_at(c, node_at(c, key)->next)->next) {
        if ((rc = check_key(c, table, key, seen, value)))
            return rc;
    }
    for (size_t i = 0; table[i].key; i++) {
        if (!seen[i] && !(table[i].value.flags & CYAML_FLAG_OPTIONAL))
            return refuse_missing(c, table[i].key, value);
    }
    return 0;
}

static mtnt__yaml_node_kind wanted_kind(const cyaml_schema_value_t *schema)
{
    return schema->type == CYAML_MAPPING    ? MTNT__YAML_MAPPING
           : schema->type == CYAML_SEQUENCE ? MTNT__YAML_LIST
                                            : MTNT__YAML_SCALAR;
}

static bool may_be_null(const cyaml_schema_value_t *schema)
{
    return (schema->flags & CYAML_FLAG_POINTER_NULL_STR) == CYAML_FLAG_POINTER_NULL_STR;
}

static int check_value(checker *c, const cyaml_schema_value_t *schema, uint32_t node, step *value)
{
    mtnt__buffer text = {0};

    value->node = node = mtnt__yaml_node_real(c->nodes, node);
    value->kind = kind_of(c, schema);
    if (c->visits_left-- == 0) {
        mtnt__buffer_add_text(&text, "aliases (`*name`) make this file too large: write out what differs");
        return refuse(c, node, &text);
    }
    if (mtnt__yaml_node_is_null(c->nodes, node))
        return may_be_null(schema)            ? 0
               : schema->type == CYAML_STRING ? refuse_empty(c, node, value)
                                              : refuse_type(c, schema, node, value);
    if (node_at(c, node)->kind != wanted_kind(schema))
        return refuse_type(c, schema, node, value);
    switch (wanted_kind(schema)) {
    case MTNT__YAML_MAPPING: return check_mapping(c, schema, node, value);
    case MTNT__YAML_LIST: return check_list(c, schema, node, value);
    default: return check_scalar(c, schema, node, value);
    }
}

int mtnt__yaml_check(const mtnt__yaml_format *format, const mtnt__yaml_nodes *nodes, mtnt_error *err)
{
    mtnt_error said = MTNT_ERROR_INIT;
    /* Without aliases every node is visited once at most. */
    checker c = {.format = format, .nodes = nodes, .visits_left = (uint64_t)nodes->count * 4 + 10000, .err = &said};
    step top = {0};
    int rc = check_value(&c, format->schema, 0, &top);

    if (rc && err)
        *err = said;
    return rc;
}
