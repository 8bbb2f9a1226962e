/* The JSON Schemas for editors say the same as the tables of the loaders. */
#include <jansson.h>

#include "scratch.h"

#include "base/text.h"
#include "config/formats.h"

/* What an error shows: the way to the place in the schema. */
typedef struct way {
    char text[256];
} way;

static way step(const way *from, const char *key)
{
    way to;

    snprintf(to.text, sizeof(to.text), "%.180s/%.60s", from->text, key);
    return to;
}

static const json_t *resolve(const json_t *root, const json_t *schema)
{
    static const char prefix[] = "#/definitions/";
    const char *reference = json_string_value(json_object_get(schema, "$ref"));

    if (!reference)
        return schema;
    assert_int_equal(strncmp(reference, prefix, sizeof(prefix) - 1), 0);
    schema = json_object_get(json_object_get(root, "definitions"), reference + sizeof(prefix) - 1);
    if (!schema)
        fail_msg("%s leads nowhere", reference);
    return schema;
}

static bool has_text(const json_t *one_or_list, const char *text)
{
    const json_t *entry;
    size_t i;

    if (json_is_string(one_or_list))
        return strcmp(json_string_value(one_or_list), text) == 0;
    json_array_foreach(one_or_list, i, entry)
    {
        if (strcmp(json_string_value(entry), text) == 0)
            return true;
    }
    return false;
}

static const char *type_name(const cyaml_schema_value_t *value)
{
    switch (value->type) {
    case CYAML_INT: return "integer";
    case CYAML_BOOL: return "boolean";
    case CYAML_MAPPING: return "object";
    case CYAML_SEQUENCE: return "array";
    default: return "string";
    }
}

static void compare(const json_t *root, const json_t *schema, const cyaml_schema_value_t *value, const way *at);

static const cyaml_schema_field_t *find_field(const cyaml_schema_field_t *table, const char *key)
{
    while (table->key && strcmp(table->key, key) != 0)
        table++;
    return table->key ? table : NULL;
}

static void compare_mapping(const json_t *root, const json_t *schema, const cyaml_schema_field_t *table, const way *at)
{
    json_t *properties = json_object_get(schema, "properties"), *property;
    const json_t *required = json_object_get(schema, "required");
    const char *key;

    if (!json_is_false(json_object_get(schema, "additionalProperties")))
        fail_msg("%s allows unknown keys", at->text);
    json_object_foreach(properties, key, property)
    {
        if (!find_field(table, key))
            fail_msg("%s: the schema has `%s`, and the loader does not", at->text, key);
    }
    for (; table->key; table++) {
        way inner = step(at, table->key);

        if (!json_object_get(properties, table->key))
            fail_msg("%s: the loader has it, and the schema does not", inner.text);
        if (has_text(required, table->key) == ((table->value.flags & CYAML_FLAG_OPTIONAL) != 0))
            fail_msg("%s: required by one of loader and schema only", inner.text);
        compare(root, json_object_get(properties, table->key), &table->value, &inner);
    }
}

static void compare(const json_t *root, const json_t *schema, const cyaml_schema_value_t *value, const way *at)
{
    bool nullable = (value->flags & CYAML_FLAG_POINTER_NULL_STR) == CYAML_FLAG_POINTER_NULL_STR;
    way entry = step(at, "[]");
    const json_t *type;
    json_int_t minimum;

    schema = resolve(root, schema);
    type = json_object_get(schema, "type");
    if (!has_text(type, type_name(value)))
        fail_msg("%s: the loader takes a value of type %s", at->text, type_name(value));
    if (has_text(type, "null") != nullable)
        fail_msg("%s: null is allowed by one of loader and schema only", at->text);
    minimum = json_integer_value(json_object_get(schema, value->type == CYAML_SEQUENCE ? "minItems" : "minLength"));
    if (value->type == CYAML_MAPPING)
        compare_mapping(root, schema, value->mapping.fields, at);
    if (value->type == CYAML_SEQUENCE && minimum != value->sequence.min)
        fail_msg("%s: minItems is not what the loader asks for", at->text);
    if (value->type == CYAML_SEQUENCE)
        compare(root, json_object_get(schema, "items"), value->sequence.entry, &entry);
    if (value->type == CYAML_STRING && minimum != value->string.min && !json_object_get(schema, "pattern") &&
        !json_object_get(schema, "enum"))
        fail_msg("%s: minLength is not what the loader asks for", at->text);
}

static void compare_format(const mtnt__yaml_format *format, const char *name)
{
    const char *top = getenv("MTNT_TEST_SOURCE_DIR");
    json_error_t error;
    char path[4096];
    json_t *root;
    way at = {""};

    snprintf(path, sizeof(path), "%s/schemas/%s.schema.json", top ? top : ".", name);
    snprintf(at.text, sizeof(at.text), "%s", name);
    root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    compare(root, root, format->schema, &at);
    json_decref(root);
}

static void the_project_file(void **state)
{
    (void)state;
    compare_format(&mtnt__project_format, "project");
}

static void the_tenants_file(void **state)
{
    (void)state;
    compare_format(&mtnt__tenants_format, "tenants");
}

static void the_chain_file(void **state)
{
    (void)state;
    compare_format(&mtnt__chain_format, "chain");
}

static void a_model_description(void **state)
{
    (void)state;
    compare_format(&mtnt__description_format, "description");
}

/* Places are written by the form of the structs: a mapping's first, and behind every value. No two may meet. */
static void check_places(const cyaml_schema_field_t *table, size_t size)
{
    bool taken[1024] = {false};

    assert_true(size <= sizeof(taken));
    memset(taken, true, sizeof(mtnt__yaml_place));
    for (; table->key; table++) {
        size_t length = table->value.type == CYAML_MAPPING    ? sizeof(void *)
                        : table->value.type == CYAML_SEQUENCE ? sizeof(mtnt__yaml_texts)
                        : table->value.type == CYAML_INT      ? sizeof(mtnt__yaml_int)
                        : table->value.type == CYAML_BOOL     ? sizeof(mtnt__yaml_bool)
                                                              : sizeof(mtnt__yaml_text);

        assert_true(table->data_offset + length <= size);
        for (size_t i = 0; i < length; i++) {
            if (taken[table->data_offset + i])
                fail_msg("`%s` lies upon another member", table->key);
            taken[table->data_offset + i] = true;
        }
        if (table->value.type == CYAML_MAPPING)
            check_places(table->value.mapping.fields, table->value.data_size);
        if (table->value.type == CYAML_SEQUENCE) {
            assert_int_equal(table->count_offset, table->data_offset + offsetof(mtnt__yaml_texts, count));
            if (table->value.sequence.entry->type == CYAML_MAPPING) {
                assert_int_equal(table->value.data_size, table->value.sequence.entry->data_size);
                check_places(table->value.sequence.entry->mapping.fields, table->value.data_size);
            }
        }
    }
}

static void values_and_their_places_do_not_meet(void **state)
{
    const mtnt__yaml_format *formats[] = {&mtnt__project_format, &mtnt__tenants_format, &mtnt__chain_format,
                                          &mtnt__description_format};

    (void)state;
    for (size_t i = 0; i < 4; i++)
        check_places(formats[i]->schema->mapping.fields, formats[i]->schema->data_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_project_file),
        cmocka_unit_test(the_tenants_file),
        cmocka_unit_test(the_chain_file),
        cmocka_unit_test(a_model_description),
        cmocka_unit_test(values_and_their_places_do_not_meet),
    };

    return cmocka_run_group_tests_name("config.schemas", tests, NULL, NULL);
}
