#include "tally.h"

#include <stdlib.h>
#include <string.h>

#include "survey.h"

/* Different texts beyond this are not told apart: a fleet in which each says something else must not fill
 * the memory. */
enum { GROUPS_MAX = 1000 };

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}

char *mtnt__tally_fingerprint(const char *message, const char *id)
{
    size_t length = strlen(id), size;
    const char *at = message;
    char *text = NULL;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL)
        return NULL;
    while (*at != '\0') {
        bool whole =
            length > 0 && strncmp(at, id, length) == 0 && (at == message || !is_word(at[-1])) && !is_word(at[length]);

        if (whole) {
            fputs("{tenant}", out);
            at += length;
        } else {
            fputc(*at++, out);
        }
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int count_version(mtnt__tally *tally, int64_t version)
{
    mtnt__tally_version *bigger;

    for (size_t i = 0; i < tally->version_count; i++)
        if (tally->versions[i].version == version) {
            tally->versions[i].tenants++;
            return 0;
        }
    if (tally->version_count == tally->version_size) {
        bigger = reallocarray(tally->versions, tally->version_size * 2 + 16, sizeof *bigger);
        if (bigger == NULL)
            return MTNT_E_NOMEM;
        tally->versions = bigger;
        tally->version_size = tally->version_size * 2 + 16;
    }
    tally->versions[tally->version_count++] = (mtnt__tally_version){version, 1};
    return 0;
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static mtnt__tally_group *find_group(const mtnt__tally_groups *groups, const mtnt__tally_group *like)
{
    for (size_t i = 0; i < groups->count; i++)
        if (strcmp(groups->items[i].key, like->key) == 0 && same(groups->items[i].operation, like->operation) &&
            same(groups->items[i].state, like->state))
            return &groups->items[i];
    return NULL;
}

static int copy(char **ret_copy, const char *text)
{
    *ret_copy = text == NULL ? NULL : strdup(text);
    return text != NULL && *ret_copy == NULL ? MTNT_E_NOMEM : 0;
}

static int new_group(mtnt__tally_groups *groups, const mtnt__tally_group *like, mtnt__tally_group **ret_group)
{
    mtnt__tally_group *group;

    if (groups->count == groups->size) {
        mtnt__tally_group *bigger = reallocarray(groups->items, groups->size * 2 + 16, sizeof *bigger);

        if (bigger == NULL)
            return MTNT_E_NOMEM;
        groups->items = bigger;
        groups->size = groups->size * 2 + 16;
    }
    group = &groups->items[groups->count++];
    *group = (mtnt__tally_group){.text = NULL};
    *ret_group = group;
    if (copy(&group->text, like->text) || copy(&group->key, like->key) || copy(&group->operation, like->operation) ||
        copy(&group->state, like->state))
        return MTNT_E_NOMEM;
    return 0;
}

static int add_to_group(mtnt__tally_groups *groups, const char *tenant, const mtnt__tally_group *like, int64_t *ret_nth)
{
    mtnt__tally_group *group = find_group(groups, like);
    int rc = 0;

    *ret_nth = 0;
    if (group == NULL && groups->count < GROUPS_MAX)
        rc = new_group(groups, like, &group);
    if (rc != 0)
        return rc;
    if (group == NULL) {
        groups->unlisted++;
        return 0;
    }
    if (group->tenants < MTNT__TALLY_EXAMPLES)
        rc = copy(&group->examples[group->tenants], tenant);
    *ret_nth = ++group->tenants;
    return rc;
}

/* Where a value ends that begins at `at`: '…', or what is in the parentheses behind `=`, or a number. NULL: there is none. */
static const char *end_of_value(const char *text, const char *at)
{
    const char *end = NULL;

    if (*at == '\'')
        end = strchr(at + 1, '\'');
    else if (*at == '(' && at > text && at[-1] == '=')
        end = strchr(at, ')');
    if (end != NULL)
        return end + 1;
    if (*at < '0' || *at > '9' || (at > text && is_word(at[-1])))
        return NULL;
    while (*at >= '0' && *at <= '9')
        at++;
    return is_word(*at) ? NULL : at;
}

/* The text with `?` for each value: what one tenant's data make of it is no failure of its own. */
static char *without_values(const char *text)
{
    char *key = malloc(strlen(text) + 1), *to = key;

    for (const char *at = text; key != NULL && *at != '\0';) {
        const char *end = end_of_value(text, at);

        *to++ = *at++;
        if (end != NULL) {
            to[-1] = '?';
            at = end;
        }
    }
    if (key != NULL)
        *to = '\0';
    return key;
}

int mtnt__tally_failure_add(mtnt__tally_groups *groups, const char *tenant, const char *text, const char *operation,
                            const char *state, const char *statement, int64_t *ret_nth)
{
    bool by_statement = state != NULL && *state != '\0' && statement != NULL && *statement != '\0';
    char *fingerprint = mtnt__tally_fingerprint(text, tenant);
    char *told = by_statement ? mtnt__tally_fingerprint(statement, tenant) : NULL;
    const char *common = by_statement ? told : fingerprint;
    char *key = common == NULL ? NULL : without_values(common);
    const mtnt__tally_group like = {.text = fingerprint,
                                    .operation = (char *)(uintptr_t)operation,
                                    .state = state == NULL || *state == '\0' ? NULL : (char *)(uintptr_t)state,
                                    .key = key};
    int rc = fingerprint == NULL || key == NULL ? MTNT_E_NOMEM : add_to_group(groups, tenant, &like, ret_nth);

    free(fingerprint);
    free(told);
    free(key);
    return rc;
}

int mtnt__tally_group_add(mtnt__tally_groups *groups, const char *tenant, const char *text, const char *operation,
                          const char *state)
{
    char *fingerprint = mtnt__tally_fingerprint(text, tenant);
    const mtnt__tally_group like = {.text = fingerprint,
                                    .operation = (char *)(uintptr_t)operation,
                                    .state = (char *)(uintptr_t)state,
                                    .key = fingerprint};
    int64_t nth;
    int rc = fingerprint == NULL ? MTNT_E_NOMEM : add_to_group(groups, tenant, &like, &nth);

    free(fingerprint);
    return rc;
}

int mtnt__tally_group_add_plain(mtnt__tally_groups *groups, const char *tenant, const char *text)
{
    const mtnt__tally_group like = {.text = (char *)(uintptr_t)text, .key = (char *)(uintptr_t)text};
    int64_t nth;

    return add_to_group(groups, tenant, &like, &nth);
}

int mtnt__tally_add(mtnt__tally *tally, const mtnt_tenant_info *info)
{
    int rc = count_version(tally, info->version);
    bool current = info->current || info->pending == 0;
    int64_t nth;

    tally->tenants++;
    tally->not_current += !current;
    if (mtnt__survey_is_interrupted(info)) {
        tally->interrupted++;
    } else if (mtnt__survey_is_failed(info)) {
        tally->failed++;
        rc = rc != 0 ? rc
                     : mtnt__tally_failure_add(&tally->failures, info->tenant,
                                               info->error != NULL ? info->error : info->state, info->error_operation,
                                               info->error_state, NULL, &nth);
    } else if (current) {
        tally->current++;
    } else {
        tally->pending++;
    }
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    const mtnt__tally_version *x = a, *y = b;

    return (x->version < y->version) - (x->version > y->version);
}

static int most_first(const void *a, const void *b)
{
    const mtnt__tally_group *x = a, *y = b;

    return x->tenants != y->tenants ? (x->tenants < y->tenants) - (x->tenants > y->tenants) : strcmp(x->text, y->text);
}

void mtnt__tally_groups_sort(mtnt__tally_groups *groups)
{
    if (groups->count > 1)
        qsort(groups->items, groups->count, sizeof groups->items[0], most_first);
}

void mtnt__tally_groups_release(mtnt__tally_groups *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        free(groups->items[i].text);
        free(groups->items[i].operation);
        free(groups->items[i].state);
        free(groups->items[i].key);
        for (size_t j = 0; j < MTNT__TALLY_EXAMPLES; j++)
            free(groups->items[i].examples[j]);
    }
    free(groups->items);
    *groups = (mtnt__tally_groups){.items = NULL};
}

void mtnt__tally_sort(mtnt__tally *tally)
{
    if (tally->version_count > 1)
        qsort(tally->versions, tally->version_count, sizeof tally->versions[0], newest_first);
    mtnt__tally_groups_sort(&tally->failures);
}

void mtnt__tally_release(mtnt__tally *tally)
{
    mtnt__tally_groups_release(&tally->failures);
    free(tally->versions);
    *tally = (mtnt__tally){0};
}
