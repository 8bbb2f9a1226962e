#include "plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "run.h"
#include "survey.h"

/* ---- what tenants need ---- */

typedef struct asking {
    mtnt__plan *plan;
    mtnt__plan_needs *needs;
    char refusal[512];
} asking;

static int64_t order_of(const mtnt__plan *plan, const char *name)
{
    ptrdiff_t index = name == NULL ? -1 : mtnt_chain_find(plan->work->chain, name);
    mtnt_entry_info info;

    return index >= 0 && mtnt_chain_get(plan->work->chain, (size_t)index, &info) ? info.order : INT64_MAX;
}

static int need_operation(void *data, const mtnt_operation_info *info, mtnt_error *err)
{
    asking *at = data;
    mtnt__plan_needs *needs = at->needs;
    ptrdiff_t index = mtnt_chain_find(at->plan->work->chain, info->name);

    (void)err;
    if (info->applied && info->order > needs->last_applied)
        needs->last_applied = info->order;
    if (info->applied && !info->in_chain && at->refusal[0] == '\0')
        snprintf(at->refusal, sizeof at->refusal,
                 "knows operation %" PRId64 " `%s`, which this chain lacks: a newer release has migrated it",
                 info->order, info->name);
    if (!info->applied && info->in_chain && !info->disabled && index >= 0 &&
        info->order <= order_of(at->plan, at->plan->work->settings.to))
        needs->indices[needs->count++] = (size_t)index;
    return 0;
}

/* What comes before an applied operation is refused, unless it was allowed. */
static void check_order(asking *at)
{
    const mtnt__settings *settings = &at->plan->work->settings;
    mtnt__plan_needs *needs = at->needs;
    mtnt_entry_info info;

    for (size_t i = 0; i < needs->count && !settings->allow_out_of_order && at->refusal[0] == '\0'; i++)
        if (mtnt_chain_get(at->plan->work->chain, needs->indices[i], &info) && info.order < needs->last_applied &&
            (info.flags & MTNT_OPERATION_REPEATABLE) == 0)
            snprintf(at->refusal, sizeof at->refusal,
                     "operation %" PRId64 " `%s` comes before %" PRId64
                     ", which is applied: allow it with --allow-out-of-order",
                     info.order, info.name, needs->last_applied);
    if (settings->steps > 0 && (int64_t)needs->count > settings->steps)
        needs->count = (size_t)settings->steps;
}

static void needs_free(mtnt__plan_needs *needs)
{
    if (needs == NULL)
        return;
    free(needs->digest);
    free(needs->indices);
    free(needs->refusal);
    free(needs);
}

static int keep_needs(mtnt__plan *plan, mtnt__plan_needs *needs)
{
    if (plan->needs_count == plan->needs_size) {
        size_t size = plan->needs_size * 2 + 8;
        mtnt__plan_needs **bigger = reallocarray(plan->needs, size, sizeof(mtnt__plan_needs *));

        if (bigger == NULL)
            return mtnt__work_fail(plan->work, MTNT__EXIT_FATAL, "out of memory");
        plan->needs = bigger;
        plan->needs_size = size;
    }
    plan->needs[plan->needs_count++] = needs;
    return 0;
}

/* Of the first tenant with that set of applied operations; the others need the same. */
static int ask(mtnt__plan *plan, const mtnt_tenant_info *info, mtnt__plan_needs **ret_needs)
{
    asking at = {.plan = plan, .needs = calloc(1, sizeof(mtnt__plan_needs))};
    int exit_code = 0;

    if (at.needs != NULL) {
        at.needs->digest = strdup(info->digest);
        at.needs->indices = calloc(mtnt_chain_len(plan->work->chain) + 1, sizeof at.needs->indices[0]);
    }
    if (at.needs == NULL || at.needs->digest == NULL || at.needs->indices == NULL) {
        needs_free(at.needs);
        return mtnt__work_fail(plan->work, MTNT__EXIT_FATAL, "out of memory");
    }
    exit_code = mtnt__survey_operations(plan->work, info->tenant, need_operation, &at);
    if (exit_code == 0) {
        check_order(&at);
        at.needs->refusal = at.refusal[0] == '\0' ? NULL : strdup(at.refusal);
        if (at.refusal[0] != '\0' && at.needs->refusal == NULL)
            exit_code = mtnt__work_fail(plan->work, MTNT__EXIT_FATAL, "out of memory");
    }
    if (exit_code == 0)
        exit_code = keep_needs(plan, at.needs);
    if (exit_code != 0) {
        needs_free(at.needs);
        return exit_code;
    }
    *ret_needs = at.needs;
    return 0;
}

static int needs_of(mtnt__plan *plan, const mtnt_tenant_info *info, mtnt__plan_needs **ret_needs)
{
    /* The last one first: neighbours are often alike. */
    for (size_t i = plan->needs_count; i > 0; i--)
        if (strcmp(plan->needs[i - 1]->digest, info->digest) == 0) {
            *ret_needs = plan->needs[i - 1];
            return 0;
        }
    return ask(plan, info, ret_needs);
}

/* ---- groups ---- */

static const char *guarantee_of(const mtnt__plan *plan, const mtnt__plan_needs *needs, const mtnt_tenant_info *info,
                                const mtnt_model *model)
{
    uint32_t writes = 0, flags = 0;
    mtnt_entry_info entry;

    if (model == NULL || needs->count == 0)
        return NULL;
    for (size_t i = 0; i < needs->count; i++)
        if (mtnt_chain_get(plan->work->chain, needs->indices[i], &entry)) {
            writes |= entry.writes;
            flags |= entry.flags;
        }
    return mtnt_coordinator_guarantee(plan->work->settings.controller, model, writes,
                                      !info->known && (flags & MTNT_OPERATION_CREATES_MODEL) != 0);
}

static mtnt__plan_group *find_group(mtnt__plan *plan, const mtnt__plan_group *like)
{
    for (size_t i = plan->group_count; i > 0; i--) {
        mtnt__plan_group *at = &plan->groups[i - 1];

        if (at->needs == like->needs && at->version == like->version && at->guarantee == like->guarantee &&
            at->backend == like->backend)
            return at;
    }
    return NULL;
}

/* Settings are those of a server, more often than not the same one for all of a group: one tenant is opened for each group, not a whole fleet. */
static int examine(const mtnt__plan *plan, const mtnt_model *model, mtnt__plan_group *made)
{
    const mtnt__plan_needs *needs = made->needs;
    mtnt_error err = MTNT_ERROR_INIT;

    if (plan->work->controller == NULL || model == NULL || needs->refusal != NULL)
        return 0;
    made->examined = true;
    if (mtnt_coordinator_examine_operations(plan->work->controller, model, plan->work->chain, needs->indices,
                                            needs->count, mtnt__run_mode(plan->work), &made->found, &err) == 0)
        return 0;
    made->problem = strdup(err.message);
    return made->problem == NULL ? mtnt__work_fail(plan->work, MTNT__EXIT_FATAL, "out of memory") : 0;
}

static int new_group(mtnt__plan *plan, const mtnt__plan_group *like, const mtnt_model *model,
                     mtnt__plan_group **ret_group)
{
    mtnt__plan_group *made;
    int exit_code;

    if (plan->group_count == plan->group_size) {
        size_t size = plan->group_size * 2 + 8;
        mtnt__plan_group *bigger = reallocarray(plan->groups, size, sizeof *bigger);

        if (bigger == NULL)
            return mtnt__work_fail(plan->work, MTNT__EXIT_FATAL, "out of memory");
        plan->groups = bigger;
        plan->group_size = size;
    }
    made = &plan->groups[plan->group_count++];
    *made = *like;
    exit_code = examine(plan, model, made);
    if (exit_code == 0 && made->needs->refusal == NULL)
        exit_code = mtnt__findings_add(plan->work, &made->findings, made->needs->indices, made->needs->count,
                                       made->backend, mtnt__findings_controller_backend(plan->work));
    *ret_group = made;
    return exit_code;
}

/* --canary of a rehearsal: so many of each group; 0 = all. */
static size_t sample(const mtnt__plan *plan)
{
    const mtnt__settings *settings = &plan->work->settings;

    return settings->rehearse && mtnt__options_is_flagged(settings, "canary") ? (size_t)settings->canary : 0;
}

static int add_example(const mtnt__plan *plan, mtnt__plan_group *group, const char *tenant)
{
    char *copy;

    if (group->example_count >= MTNT__PLAN_EXAMPLES && group->example_count >= sample(plan) &&
        !plan->work->settings.verbose)
        return 0;
    if (group->example_count == group->example_size) {
        size_t size = group->example_size * 2 + MTNT__PLAN_EXAMPLES;
        char **bigger = reallocarray(group->examples, size, sizeof(char *));

        if (bigger == NULL)
            return mtnt__work_fail(plan->work, MTNT__EXIT_FATAL, "out of memory");
        group->examples = bigger;
        group->example_size = size;
    }
    copy = strdup(tenant);
    if (copy == NULL)
        return mtnt__work_fail(plan->work, MTNT__EXIT_FATAL, "out of memory");
    group->examples[group->example_count++] = copy;
    return 0;
}

static int add_to_group(mtnt__plan *plan, const mtnt__plan_needs *needs, const mtnt_tenant_info *info,
                        const mtnt_model *model)
{
    const mtnt__plan_group like = {.needs = needs,
                                   .version = info->version,
                                   .backend = model == NULL ? 0 : (int)mtnt_model_backend(model),
                                   .guarantee = guarantee_of(plan, needs, info, model),
                                   .known = info->known};
    mtnt__plan_group *group = find_group(plan, &like);
    int exit_code = group == NULL ? new_group(plan, &like, model, &group) : 0;

    if (exit_code == 0)
        exit_code = add_example(plan, group, info->tenant);
    if (exit_code == 0)
        group->tenants++;
    return exit_code;
}

static int plan_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    mtnt__plan *plan = data;
    mtnt__plan_needs *needs = NULL;
    int exit_code = 0;

    plan->tenants++;
    if (plan->work->settings.save != NULL)
        exit_code = mtnt__saved_states_add(plan->work, &plan->states, info->tenant, model, info->digest);
    if (exit_code == 0 && !info->current)
        exit_code = needs_of(plan, info, &needs);
    if (exit_code != 0)
        return exit_code;
    if (needs == NULL || (needs->count == 0 && needs->refusal == NULL)) {
        plan->current++;
        return 0;
    }
    *(needs->refusal == NULL ? &plan->to_do : &plan->refused) += 1;
    return add_to_group(plan, needs, info, model);
}

static void release(mtnt__plan *plan)
{
    for (size_t i = 0; i < plan->group_count; i++) {
        mtnt__plan_group *group = &plan->groups[i];

        free(group->problem);
        mtnt__findings_release(&group->findings);
        for (size_t j = 0; j < group->example_count; j++)
            free(group->examples[j]);
        free(group->examples);
    }
    free(plan->groups);
    for (size_t i = 0; i < plan->needs_count; i++)
        needs_free(plan->needs[i]);
    free(plan->needs);
    mtnt__saved_states_release(&plan->states);
    mtnt__rehearsal_release(&plan->rehearsal);
    json_decref(plan->rehearsed);
}

/* ---- what its parts share ---- */

const char *mtnt__plan_sql(const mtnt_entry_info *info, bool on_controller, int backend)
{
    const char *found = NULL;

    for (size_t i = 0; i < info->sql_count && backend != 0; i++)
        if (info->sql[i].on_controller == on_controller &&
            (info->sql[i].backend == backend || (info->sql[i].backend == 0 && found == NULL)))
            found = info->sql[i].sql;
    return found != NULL ? found : on_controller ? info->controller_up : info->model_up;
}

const char *mtnt__plan_guarantee(const mtnt__plan_group *group)
{
    return group->found.guarantee != NULL ? group->found.guarantee : group->guarantee;
}

size_t mtnt__plan_shown(const mtnt__plan *plan, const mtnt__plan_group *group)
{
    bool all = plan->work->settings.verbose || group->example_count < MTNT__PLAN_EXAMPLES;

    return all ? group->example_count : MTNT__PLAN_EXAMPLES;
}

/* ---- the command ---- */

/* The first of each group instead of all that were selected; the list is the caller's to free. */
static int select_sample(mtnt__plan *plan, mtnt__list *ret_list)
{
    size_t most = sample(plan), count = 0;
    const char **items;

    for (size_t i = 0; i < plan->group_count; i++)
        count += plan->groups[i].example_count;
    items = calloc(count + 1, sizeof(const char *));
    if (items == NULL)
        return mtnt__work_fail(plan->work, MTNT__EXIT_FATAL, "out of memory");
    *ret_list = (mtnt__list){items, 0};
    for (size_t i = 0; i < plan->group_count; i++)
        for (size_t j = 0; j < plan->groups[i].example_count && j < most; j++)
            items[ret_list->count++] = plan->groups[i].examples[j];
    return 0;
}

/* The controller was opened to be read, and it may not be there yet. */
static int rehearse(mtnt__plan *plan)
{
    mtnt__work *work = plan->work;
    const mtnt__run_spec spec = {.command = "plan --rehearse",
                                 .direction = MTNT_FORWARD,
                                 .steps = work->settings.steps,
                                 .rehearsal = &plan->rehearsal};

    const mtnt__list only = work->settings.only;
    const int64_t canary = work->settings.canary;
    mtnt__list chosen = {NULL, 0};
    int exit_code = sample(plan) == 0 ? 0 : select_sample(plan, &chosen);

    if (exit_code != 0)
        return exit_code;
    if (chosen.items != NULL) {
        work->settings.only = chosen;
        work->settings.canary = 0;
    }
    mtnt_controller_close(work->controller);
    work->controller = NULL;
    exit_code = mtnt__run(work, &spec, &plan->rehearsed);
    work->settings.only = only;
    work->settings.canary = canary;
    free(chosen.items);
    return exit_code;
}

static int check(mtnt__work *work)
{
    if (work->settings.save != NULL)
        return mtnt__saved_check(work);
    if (work->settings.rehearse && !mtnt__work_has_tenants(work))
        return mtnt__work_fail(work, MTNT__EXIT_USAGE, "--rehearse needs --tenants, as migrate does");
    return 0;
}

int mtnt__command_plan(mtnt__work *work)
{
    bool text, json = false;
    mtnt__plan plan = {.work = work};
    int exit_code = mtnt__run_prepare(work);

    text = work->settings.format == MTNT__FORMAT_TEXT;
    json = work->settings.format == MTNT__FORMAT_JSON;
    if (exit_code == 0)
        exit_code = check(work);
    if (exit_code == 0)
        exit_code = mtnt__survey(work, plan_tenant, &plan);
    if (exit_code != 0)
        goto out;
    if (text)
        mtnt__plan_put_text(&plan);
    else if (!json)
        mtnt__plan_put_json(&plan);
    if (work->settings.save != NULL)
        exit_code = mtnt__saved_write(&plan);
    if (exit_code == 0 && work->settings.rehearse && plan.to_do > 0)
        exit_code = rehearse(&plan);
    if (json)
        mtnt__plan_put_json(&plan);
    if (exit_code == 0 && work->settings.exit_code && plan.to_do + plan.refused > 0)
        exit_code = MTNT__EXIT_PENDING;
out:
    release(&plan);
    return exit_code;
}
