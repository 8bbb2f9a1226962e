#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "chain/id_set.h"
#include "mtnt/tenants.h"

/* Ids, copied, with a note for each whether it has been met. */
typedef struct ids {
    char **items;
    bool *met;
    size_t count, met_count;
    mtnt__id_set set;
} ids;

typedef struct selection {
    mtnt_tenant_source source;
    ids only, exclude; /* count 0 = all, none */
    char **where;      /* "key" NUL "value"; the list ends with NULL */
} selection;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static void ids_release(ids *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    free(list->met);
    mtnt__id_set_release(&list->set);
}

static void selection_close(void *data)
{
    selection *s = data;

    mtnt_tenant_source_close(&s->source);
    ids_release(&s->only);
    ids_release(&s->exclude);
    for (size_t i = 0; s->where && s->where[i]; i++)
        free(s->where[i]);
    free(s->where);
    free(s);
}

/* ---- making ---- */

static size_t length_of(const char *const *list)
{
    size_t length = 0;

    while (list && list[length])
        length++;
    return length;
}

static int same_id(void *data, uint32_t where, const char *id, bool *ret_same, mtnt_error *err)
{
    const ids *list = data;

    (void)err;
    *ret_same = strcmp(list->items[where], id) == 0;
    return 0;
}

static int add_id(ids *list, const char *id, mtnt_error *err)
{
    uint32_t first;
    int rc;

    list->items[list->count] = strdup(id);
    if (!list->items[list->count])
        return out_of_memory(err);
    list->count++;
    rc = mtnt__id_set_add(&list->set, id, (uint32_t)list->count - 1, &first, err);
    if (rc == MTNT_E_EXISTS) { /* said twice is said once */
        free(list->items[--list->count]);
        mtnt_error_clear(err);
        return 0;
    }
    return rc;
}

static int ids_fill(ids *list, const char *const *from, mtnt_error *err)
{
    size_t length = length_of(from);
    int rc = 0;

    list->set.same = same_id;
    list->set.data = list;
    list->items = calloc(length + 1, sizeof(*list->items));
    list->met = calloc(length + 1, sizeof(*list->met));
    if (!list->items || !list->met)
        return out_of_memory(err);
    for (size_t i = 0; rc == 0 && i < length; i++)
        rc = add_id(list, from[i], err);
    return rc;
}

static int where_fill(selection *s, const char *const *where, mtnt_error *err)
{
    size_t length = length_of(where);

    s->where = calloc(length + 1, sizeof(*s->where));
    if (!s->where)
        return out_of_memory(err);
    for (size_t i = 0; i < length; i++) {
        if (where[i][0] == '=' || !strchr(where[i], '='))
            return mtnt_error_set(err, MTNT_E_INVALID, "`%s` is not of the form key=value", where[i]);
        s->where[i] = strdup(where[i]);
        if (!s->where[i])
            return out_of_memory(err);
        *strchr(s->where[i], '=') = '\0';
    }
    return 0;
}

/* ---- giving ---- */

static bool labels_match(const selection *s, const mtnt_model *tenant)
{
    for (char **where = s->where; *where; where++) {
        if (!mtnt__text_equal(mtnt_model_label(tenant, *where), *where + strlen(*where) + 1))
            return false;
    }
    return true;
}

static int meet(ids *list, const char *id, bool *ret_listed, mtnt_error *err)
{
    uint32_t where;
    int rc = mtnt__id_set_find(&list->set, id, &where, err);

    *ret_listed = rc == 0;
    if (rc)
        return rc == MTNT_E_NOT_FOUND ? 0 : rc;
    list->met_count += !list->met[where];
    list->met[where] = true;
    return 0;
}

static int is_selected(selection *s, const mtnt_model *tenant, bool *ret_selected, mtnt_error *err)
{
    bool listed = false, excluded = false;
    int rc;

    if ((rc = meet(&s->only, mtnt_model_id(tenant), &listed, err)) ||
        (rc = meet(&s->exclude, mtnt_model_id(tenant), &excluded, err)))
        return rc;
    *ret_selected = (listed || s->only.count == 0) && !excluded && labels_match(s, tenant);
    return 0;
}

/* NOT_FOUND, naming those of `only` that the source never gave. */
static int check_all_met(const ids *only, mtnt_error *err)
{
    mtnt__buffer names = {0};
    size_t missing = 0;
    int rc;

    if (only->met_count == only->count)
        return 0;
    for (size_t i = 0; i < only->count; i++) {
        if (!only->met[i] && ++missing <= 10)
            mtnt__buffer_add_format(&names, "%s`%s`", missing > 1 ? ", " : "", only->items[i]);
    }
    rc = mtnt_error_set(err, MTNT_E_NOT_FOUND, "not among the tenants: %s%s", mtnt__buffer_text(&names),
                        missing > 10 ? " …" : "");
    mtnt__buffer_release(&names);
    return rc;
}

static int selection_next(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    selection *s = data;
    int rc = 0;

    /* Ids are unique: nothing more can come once all of `only` have been met. */
    while (s->only.count == 0 || s->only.met_count < s->only.count) {
        mtnt_model *tenant = NULL;
        bool selected = false;

        if ((rc = s->source.next(s->source.data, &tenant, err)))
            return rc;
        if (!tenant)
            break;
        rc = is_selected(s, tenant, &selected, err);
        if (rc == 0 && selected) {
            *ret_model = tenant;
            return 0;
        }
        mtnt_model_free(tenant);
        if (rc)
            return rc;
    }
    rc = check_all_met(&s->only, err);
    if (rc == 0)
        *ret_model = NULL;
    return rc;
}

static int64_t selection_total(void *data)
{
    selection *s = data;

    if (s->where[0] || s->exclude.count > 0)
        return -1;
    if (s->only.count > 0)
        return (int64_t)s->only.count;
    return s->source.total ? s->source.total(s->source.data) : -1;
}

int mtnt_tenants_select(mtnt_tenant_source *ret_source, mtnt_tenant_source *source, const char *const *only,
                        const char *const *exclude, const char *const *where, mtnt_error *err)
{
    mtnt_tenant_source taken = *source;
    selection *s = calloc(1, sizeof(*s));
    int rc;

    memset(source, 0, sizeof(*source));
    if (!s) {
        mtnt_tenant_source_close(&taken);
        return out_of_memory(err);
    }
    s->source = taken;
    if ((rc = ids_fill(&s->only, only, err)) || (rc = ids_fill(&s->exclude, exclude, err)) ||
        (rc = where_fill(s, where, err))) {
        selection_close(s);
        return rc;
    }
    *ret_source = (mtnt_tenant_source){selection_next, selection_total, selection_close, s};
    return 0;
}
