/* YAML files as typed structs. The fields of a struct are a libcyaml table; libcyaml loads by it. The same
 * table is walked beside libyaml's events twice: before the load, so that every mistake is told with its
 * line, and after it, to write down where each value stands. Thus a loader is its tables and what they mean.
 *
 * Structs follow a form, which the macros below keep: a mapping's struct begins with its place, and every
 * value is followed by its own. */
#ifndef MTNT_CONFIG_YAML_H
#define MTNT_CONFIG_YAML_H

#include <cyaml/cyaml.h>
#include <stdbool.h>
#include <stddef.h>

#include "mtnt/error.h"

/* From 1. Line 0: the key is not there. */
typedef struct mtnt__yaml_place {
    uint32_t line, column;
} mtnt__yaml_place;

typedef struct mtnt__yaml_text {
    char *text; /* NULL: not there, or (MTNT__YAML_NULLABLE) null */
    mtnt__yaml_place at;
} mtnt__yaml_text;

typedef struct mtnt__yaml_int {
    int64_t value;
    mtnt__yaml_place at;
} mtnt__yaml_int;

typedef struct mtnt__yaml_bool {
    bool value;
    mtnt__yaml_place at;
} mtnt__yaml_bool;

typedef struct mtnt__yaml_texts {
    char **items;
    uint32_t count;
    mtnt__yaml_place at;
} mtnt__yaml_texts;

/* The same for entries of another type, which begin with their place. */
#define MTNT__YAML_LIST(type) \
    struct {                  \
        type *items;          \
        uint32_t count;       \
        mtnt__yaml_place at;  \
    }

#define MTNT__YAML_REQUIRED CYAML_FLAG_DEFAULT
#define MTNT__YAML_OPTIONAL CYAML_FLAG_OPTIONAL
#define MTNT__YAML_NULLABLE CYAML_FLAG_POINTER_NULL_STR /* with one of the two: null is a value */

/* Fields of a table; `minimum` is the least length. */
#define MTNT__YAML_TEXT_FIELD(name, how, structure, member, minimum)               \
    {                                                                              \
        .key = (name), .data_offset = offsetof(structure, member.text), .value = { \
            .type = CYAML_STRING,                                                  \
            .flags = (enum cyaml_flag)((how) | CYAML_FLAG_POINTER),                \
            .data_size = sizeof(char),                                             \
            .string = {(minimum), CYAML_UNLIMITED},                                \
        }                                                                          \
    }
#define MTNT__YAML_INT_FIELD(name, how, structure, member)                          \
    {                                                                               \
        .key = (name), .data_offset = offsetof(structure, member.value), .value = { \
            .type = CYAML_INT,                                                      \
            .flags = (enum cyaml_flag)(how),                                        \
            .data_size = sizeof(int64_t),                                           \
        }                                                                           \
    }
#define MTNT__YAML_BOOL_FIELD(name, how, structure, member)                         \
    {                                                                               \
        .key = (name), .data_offset = offsetof(structure, member.value), .value = { \
            .type = CYAML_BOOL,                                                     \
            .flags = (enum cyaml_flag)(how),                                        \
            .data_size = sizeof(bool),                                              \
        }                                                                           \
    }
/* The member is a pointer: NULL when the mapping is not there. */
#define MTNT__YAML_MAPPING_FIELD(name, how, structure, member, type_of_member, table) \
    {                                                                                 \
        .key = (name), .data_offset = offsetof(structure, member), .value = {         \
            .type = CYAML_MAPPING,                                                    \
            .flags = (enum cyaml_flag)((how) | CYAML_FLAG_POINTER),                   \
            .data_size = sizeof(type_of_member),                                      \
            .mapping = {(table)},                                                     \
        }                                                                             \
    }
#define MTNT__YAML_LIST_FIELD(name, how, structure, member, size_of_entry, entry_schema, minimum)     \
    {                                                                                                 \
        .key = (name), .data_offset = offsetof(structure, member.items),                              \
        .count_offset = offsetof(structure, member.count), .count_size = sizeof(uint32_t), .value = { \
            .type = CYAML_SEQUENCE,                                                                   \
            .flags = (enum cyaml_flag)((how) | CYAML_FLAG_POINTER),                                   \
            .data_size = (size_of_entry),                                                             \
            .sequence = {(entry_schema), (minimum), CYAML_UNLIMITED},                                 \
        }                                                                                             \
    }
#define MTNT__YAML_TEXTS_FIELD(name, how, structure, member, minimum) \
    MTNT__YAML_LIST_FIELD(name, how, structure, member, sizeof(char *), &mtnt__yaml_text_entry, minimum)

extern const cyaml_schema_value_t mtnt__yaml_text_entry;

/* What errors call a mapping, found by its table. */
typedef struct mtnt__yaml_kind {
    const cyaml_schema_field_t *table;
    const char *word;         /* "tenant"; NULL = by its key */
    const char *name_key;     /* whose value names it: "id" */
    const char *const *later; /* keys that are refused because a later version will know them; NULL = none */
} mtnt__yaml_kind;

typedef struct mtnt__yaml_format {
    const char *what;                   /* "tenants file" */
    const cyaml_schema_value_t *schema; /* MTNT__YAML_TOP */
    const mtnt__yaml_kind *kinds;       /* ends with an entry whose table is NULL */
} mtnt__yaml_format;
#define MTNT__YAML_TOP(type_of_top, fields)                                                                          \
    {                                                                                                                \
        .type = CYAML_MAPPING, .flags = CYAML_FLAG_POINTER, .data_size = sizeof(type_of_top), .mapping = {(fields) } \
    }
#define MTNT__YAML_ENTRY(type_of_entry, fields)                                                                        \
    {                                                                                                                  \
        .type = CYAML_MAPPING, .flags = CYAML_FLAG_DEFAULT, .data_size = sizeof(type_of_entry), .mapping = {(fields) } \
    }

/* *ret_data is the caller's, freed with mtnt__yaml_free. CONFIG with file, line and column; NOMEM. Does not
 * block. */
int mtnt__yaml_load(const mtnt__yaml_format *format, const char *file, const char *text, size_t length, void **ret_data,
                    mtnt_error *err);
/* The same for a file: also NOT_FOUND, IO. */
int mtnt__yaml_load_file(const mtnt__yaml_format *format, const char *path, void **ret_data, mtnt_error *err);
void mtnt__yaml_free(const mtnt__yaml_format *format, void *data);

/* Sets err (CONFIG) with its place. */
int mtnt__yaml_refuse(mtnt_error *err, const char *file, mtnt__yaml_place at, const char *text, ...) MTNT_PRINTF(4, 5);
/* The text must be one of `choices` (NULL-terminated), or not there. */
int mtnt__yaml_check_choice(const char *file, const char *key, const mtnt__yaml_text *text, const char *const *choices,
                            mtnt_error *err);
/* The items as other interfaces take them, NULL-terminated: *ret_items to be freed, the texts are borrowed.
 * NOMEM. */
int mtnt__yaml_texts_list(const mtnt__yaml_texts *texts, const char ***ret_items, mtnt_error *err);

#endif
