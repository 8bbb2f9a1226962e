#include "chain/group.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

static bool has_label(const mtnt_model *model, const char *wanted)
{
    size_t length = strcspn(wanted, "=");
    char *key = strndup(wanted, length);
    /* Without memory it does not match, and the tenant comes last, where nothing is left out. */
    const char *value = key == NULL ? NULL : mtnt_model_label(model, key);

    free(key);
    return value != NULL && strcmp(value, wanted + length + 1) == 0;
}

size_t mtnt__group_of(const mtnt_group *groups, size_t count, const mtnt_model *model)
{
    size_t group = 0;

    for (; group < count; group++) {
        const char *const *match = groups[group].match;

        while (*match != NULL && has_label(model, *match))
            match++;
        if (*match == NULL)
            break;
    }
    return group;
}

static bool depends_on(const mtnt_group *group, const char *name)
{
    for (const char *const *other = group->depends_on; other != NULL && *other != NULL; other++)
        if (strcmp(*other, name) == 0)
            return true;
    return false;
}

bool mtnt__group_comes_after(const mtnt_group *group, const mtnt_group *before)
{
    return before->order < group->order || depends_on(group, before->name);
}

/* ---- what is wrong with a list of them ---- */

static size_t find(const mtnt_group *groups, size_t count, const char *name)
{
    size_t i = 0;

    while (i < count && (groups[i].name == NULL || strcmp(groups[i].name, name) != 0))
        i++;
    return i;
}

static int check_alone(const mtnt_group *group, mtnt_error *err)
{
    if (group->name == NULL || *group->name == '\0')
        return mtnt_error_set(err, MTNT_E_INVALID, "a group has no name");
    if (group->parallel < 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "group `%s`: `parallel` must be at least 1", group->name);
    if (group->match == NULL || *group->match == NULL)
        return mtnt_error_set(err, MTNT_E_INVALID, "group `%s` matches nothing in particular; name a label: key=value",
                              group->name);
    for (const char *const *match = group->match; *match != NULL; match++)
        if (**match == '=' || strchr(*match, '=') == NULL)
            return mtnt_error_set(err, MTNT_E_INVALID, "group `%s`: `%s` is not of the form key=value", group->name,
                                  *match);
    return 0;
}

static int check_names(const mtnt_group *groups, size_t count, size_t at, mtnt_error *err)
{
    const mtnt_group *group = groups + at;

    if (find(groups, at, group->name) < at)
        return mtnt_error_set(err, MTNT_E_INVALID, "there are two groups `%s`", group->name);
    for (const char *const *name = group->depends_on; name != NULL && *name != NULL; name++) {
        size_t other = find(groups, count, *name);

        if (other == count)
            return mtnt_error_set(err, MTNT_E_INVALID, "group `%s` depends on `%s`, and there is no such group",
                                  group->name, *name);
        if (groups[other].order > group->order)
            return mtnt_error_set(err, MTNT_E_INVALID,
                                  "group `%s` depends on `%s`, which comes later: its order is %lld, and this one's "
                                  "%lld",
                                  group->name, *name, (long long)groups[other].order, (long long)group->order);
    }
    return 0;
}

/* Groups that can be taken out because nothing that is left comes before them; what remains goes round in a circle. */
static int check_circles(const mtnt_group *groups, size_t count, size_t *at, mtnt_error *err)
{
    bool *out = calloc(count + 1, sizeof(*out));
    size_t left = count, before = count + 1;

    if (out == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    while (left < before) {
        before = left;
        for (size_t i = 0; i < count; i++) {
            bool free_now = !out[i];

            for (size_t k = 0; k < count && free_now; k++)
                free_now = out[k] || !depends_on(groups + i, groups[k].name);
            out[i] = out[i] || free_now;
            left -= free_now;
        }
    }
    for (*at = 0; *at < count && out[*at];)
        ++*at;
    free(out);
    if (left > 0)
        return mtnt_error_set(err, MTNT_E_INVALID, "group `%s` depends on itself, by way of `depends_on`",
                              groups[*at].name);
    return 0;
}

int mtnt_groups_check(const mtnt_group *groups, size_t count, size_t *ret_index, mtnt_error *err)
{
    size_t at = 0, *index = ret_index == NULL ? &at : ret_index;
    int rc = 0;

    for (*index = 0; *index < count; ++*index)
        if ((rc = check_alone(groups + *index, err)) != 0)
            return rc;
    for (*index = 0; *index < count; ++*index)
        if ((rc = check_names(groups, count, *index, err)) != 0)
            return rc;
    return check_circles(groups, count, index, err);
}
