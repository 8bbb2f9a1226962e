/* The key `groups` of the project file. */
#ifndef MTNT_CONFIG_PROJECT_GROUPS_H
#define MTNT_CONFIG_PROJECT_GROUPS_H

#include "config/yaml.h"
#include "mtnt/rollout.h"

typedef struct mtnt__group_said {
    mtnt__yaml_place at;
    mtnt__yaml_text name;
    mtnt__yaml_texts match;
    mtnt__yaml_int order, parallel;
    mtnt__yaml_text on_error;
    mtnt__yaml_texts depends_on;
} mtnt__group_said;

extern const cyaml_schema_field_t mtnt__group_table[];
extern const cyaml_schema_value_t mtnt__group_entry;

/* *ret_groups is the caller's. CONFIG with the place of what is wrong, NOMEM. */
int mtnt__project_groups_take(mtnt_group **ret_groups, const mtnt__group_said *said, size_t count, const char *path,
                              mtnt_error *err);
void mtnt__project_groups_free(mtnt_group *groups, size_t count);

#endif
