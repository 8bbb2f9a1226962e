#include "encode.h"
#include "plan.h"

static json_t *describe_flags(const mtnt_entry_info *info)
{
    return json_pack("{sb sb sb}", "transaction", (info->flags & MTNT_OPERATION_NO_TRANSACTION) == 0,
                     "commits_by_itself", (info->flags & MTNT_OPERATION_SAGA) != 0, "retriable",
                     (info->flags & MTNT_OPERATION_RETRIABLE) != 0);
}

static json_t *describe_operation(const mtnt__plan *plan, const mtnt__plan_group *group, const mtnt_entry_info *info)
{
    int controller = group->backend == 0 ? 0 : mtnt__findings_controller_backend(plan->work);
    json_t *object =
        json_pack("{sI so so so so so}", "order", (json_int_t)info->order, "name", mtnt__encode_text(info->name),
                  "model", mtnt__encode_text(mtnt__plan_sql(info, false, group->backend)), "controller",
                  mtnt__encode_text(mtnt__plan_sql(info, true, controller)), "locks",
                  mtnt__findings_describe_locks(&group->findings, info->order), "warnings",
                  mtnt__findings_describe_warnings(&group->findings, info->order));
    json_t *flags = describe_flags(info);

    if (object != NULL && flags != NULL)
        json_object_update(object, flags);
    json_decref(flags);
    return object;
}

static json_t *describe_operations(const mtnt__plan *plan, const mtnt__plan_group *group)
{
    json_t *list = json_array();
    mtnt_entry_info info;

    for (size_t i = 0; list != NULL && i < group->needs->count; i++)
        if (mtnt_chain_get(plan->work->chain, group->needs->indices[i], &info))
            json_array_append_new(list, describe_operation(plan, group, &info));
    return list;
}

/* holds: null where nothing was opened. */
static json_t *describe_examination(const mtnt__plan_group *at)
{
    const char *const texts[] = {at->found.controller_warning, at->found.model_warning};
    json_t *warnings = json_array();

    for (size_t i = 0; i < 2; i++)
        if (texts[i][0] != '\0')
            json_array_append_new(warnings, mtnt__encode_text(texts[i]));
    return json_pack("{so so so so so so}", "opened", mtnt__encode_text(at->examined ? at->examples[0] : NULL), "mode",
                     mtnt__encode_text(at->found.mode), "decider", mtnt__encode_text(at->found.decider), "holds",
                     at->examined ? json_boolean(at->problem == NULL) : json_null(), "problem",
                     mtnt__encode_text(at->problem), "warnings", warnings);
}

static json_t *describe_group(const mtnt__plan *plan, const mtnt__plan_group *at)
{
    static const char *const backends[] = {NULL, "sqlite", "postgres"};
    json_t *examples = json_array();

    for (size_t i = 0; i < mtnt__plan_shown(plan, at); i++)
        json_array_append_new(examples, mtnt__encode_text(at->examples[i]));
    return json_pack("{sI so sI so so so so so so so}", "tenants", (json_int_t)at->tenants, "examples", examples,
                     "version", (json_int_t)at->version, "digest", mtnt__encode_text(at->needs->digest), "backend",
                     mtnt__encode_text(backends[at->backend]), "guarantee", mtnt__encode_text(mtnt__plan_guarantee(at)),
                     "mode", mtnt__encode_text(at->found.mode), "examination", describe_examination(at), "refused",
                     mtnt__encode_text(at->needs->refusal), "operations", describe_operations(plan, at));
}

void mtnt__plan_put_json(const mtnt__plan *plan)
{
    bool lines = plan->work->settings.format == MTNT__FORMAT_JSONL;
    json_t *groups = json_array();

    for (size_t i = 0; groups != NULL && i < plan->group_count; i++)
        if (lines)
            mtnt__encode_put(plan->work->screen.out, describe_group(plan, &plan->groups[i]), true);
        else
            json_array_append_new(groups, describe_group(plan, &plan->groups[i]));
    if (!lines)
        mtnt__encode_put(plan->work->screen.out,
                         json_pack("{sO s{sI sI sI sI} sO*}", "groups", groups, "summary", "tenants",
                                   (json_int_t)plan->tenants, "to_migrate", (json_int_t)plan->to_do, "nothing_to_do",
                                   (json_int_t)plan->current, "refused", (json_int_t)plan->refused, "rehearsal",
                                   plan->rehearsed),
                         false);
    json_decref(groups);
}
