/* A document against the tables of a format, before libcyaml sees it. */
#ifndef MTNT_CONFIG_YAML_CHECK_H
#define MTNT_CONFIG_YAML_CHECK_H

#include "config/yaml.h"
#include "config/yaml_nodes.h"

/* Unknown, repeated and missing keys, wrong types, aliases that multiply the document: CONFIG with line and
 * column (no file). What passes is loaded by libcyaml without an error, memory apart. */
int mtnt__yaml_check(const mtnt__yaml_format *format, const mtnt__yaml_nodes *nodes, mtnt_error *err);

/* The field of that key, or NULL. */
const cyaml_schema_field_t *mtnt__yaml_field(const cyaml_schema_field_t *table, const char *key);

#endif
