#include "config/project_groups.h"

#include <stdlib.h>
#include <string.h>

#define PARALLEL_MAXIMUM 1024 /* as many as there are workers at most */

const cyaml_schema_field_t mtnt__group_table[] = {
    MTNT__YAML_TEXT_FIELD("name", MTNT__YAML_REQUIRED, mtnt__group_said, name, 1),
    MTNT__YAML_TEXTS_FIELD("match", MTNT__YAML_REQUIRED, mtnt__group_said, match, 1),
    MTNT__YAML_INT_FIELD("order", MTNT__YAML_OPTIONAL, mtnt__group_said, order),
    MTNT__YAML_INT_FIELD("parallel", MTNT__YAML_OPTIONAL, mtnt__group_said, parallel),
    MTNT__YAML_TEXT_FIELD("on_error", MTNT__YAML_OPTIONAL, mtnt__group_said, on_error, 1),
    MTNT__YAML_TEXTS_FIELD("depends_on", MTNT__YAML_OPTIONAL, mtnt__group_said, depends_on, 0),
    CYAML_FIELD_END,
};
const cyaml_schema_value_t mtnt__group_entry = MTNT__YAML_ENTRY(mtnt__group_said, mtnt__group_table);

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void free_texts(const char *const *texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        free((void *)(uintptr_t)texts[i]);
    free((void *)(uintptr_t)texts);
}

void mtnt__project_groups_free(mtnt_group *groups, size_t count)
{
    for (size_t i = 0; groups && i < count; i++) {
        free((void *)(uintptr_t)groups[i].name);
        free_texts(groups[i].match);
        free_texts(groups[i].depends_on);
    }
    free(groups);
}

static int copy_texts(const char *const **ret_texts, const mtnt__yaml_texts *said, mtnt_error *err)
{
    const char **texts = calloc((size_t)said->count + 1, sizeof(*texts));

    *ret_texts = texts;
    for (uint32_t i = 0; texts && i < said->count; i++) {
        texts[i] = strdup(said->items[i]);
        if (!texts[i])
            return out_of_memory(err);
    }
    return texts ? 0 : out_of_memory(err);
}

static int take_one(mtnt_group *group, const mtnt__group_said *said, const char *path, mtnt_error *err)
{
    static const char *const on_errors[] = {"continue", "stop", NULL};
    int rc;

    if (said->parallel.at.line && (said->parallel.value < 1 || said->parallel.value > PARALLEL_MAXIMUM))
        return mtnt__yaml_refuse(err, path, said->parallel.at, "`parallel` must be 1 to %d, not %lld", PARALLEL_MAXIMUM,
                                 (long long)said->parallel.value);
    if ((rc = mtnt__yaml_check_choice(path, "on_error", &said->on_error, on_errors, err)))
        return rc;
    group->order = said->order.value;
    group->parallel = said->parallel.value;
    if (said->on_error.text)
        group->on_error = strcmp(said->on_error.text, "stop") == 0 ? MTNT_ON_ERROR_STOP : MTNT_ON_ERROR_CONTINUE;
    group->name = strdup(said->name.text);
    if (!group->name)
        return out_of_memory(err);
    if ((rc = copy_texts(&group->match, &said->match, err)))
        return rc;
    return copy_texts(&group->depends_on, &said->depends_on, err);
}

/* As a whole: what is wrong may be between two of them. */
static int check(const mtnt_group *groups, const mtnt__group_said *said, size_t count, const char *path,
                 mtnt_error *err)
{
    mtnt_error found = MTNT_ERROR_INIT;
    size_t wrong = 0;
    int rc = mtnt_groups_check(groups, count, &wrong, &found);
    bool of_dependence = strstr(found.message, "depends on") != NULL;

    if (rc == 0)
        return 0;
    if (rc != MTNT_E_INVALID)
        return mtnt_error_set(err, rc, "%s", found.message);
    return mtnt__yaml_refuse(err, path, of_dependence ? said[wrong].depends_on.at : said[wrong].name.at, "%s",
                             found.message);
}

int mtnt__project_groups_take(mtnt_group **ret_groups, const mtnt__group_said *said, size_t count, const char *path,
                              mtnt_error *err)
{
    mtnt_group *groups = calloc(count + 1, sizeof(*groups));
    int rc = 0;

    if (!groups)
        return out_of_memory(err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = take_one(groups + i, said + i, path, err);
    if (rc == 0)
        rc = check(groups, said, count, path, err);
    if (rc)
        mtnt__project_groups_free(groups, count);
    else
        *ret_groups = groups;
    return rc;
}
