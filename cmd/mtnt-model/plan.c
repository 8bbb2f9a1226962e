#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "run.h"
#include "survey.h"

enum { EXAMPLES = 3, LINES = 12 };

/* Tenants for which the same would be done. */
typedef struct group {
    size_t *indices; /* entries of the chain, in order */
    size_t count;
    int64_t version;
    const char *guarantee; /* static text; NULL = not known */
    char *refusal;         /* why nothing would be done; NULL = it would */
    bool examined;         /* with the first of its tenants: what follows is what that one's databases say */
    mtnt_examination found;
    char *problem; /* why the guarantee does not hold; NULL = it does */
    int64_t tenants;
    char *examples[EXAMPLES];
} group;

typedef struct plan {
    mtnt__work *work;
    group *groups;
    size_t group_count, group_size;
    int64_t tenants, current, to_do, refused;
} plan;

/* ---- what one tenant needs ---- */

typedef struct needs {
    plan *plan;
    size_t *indices;
    size_t count;
    int64_t last_applied;
    char refusal[512];
} needs;

static int64_t order_of(const plan *all, const char *name)
{
    ptrdiff_t index = name == NULL ? -1 : mtnt_chain_find(all->work->chain, name);
    mtnt_entry_info info;

    return index >= 0 && mtnt_chain_get(all->work->chain, (size_t)index, &info) ? info.order : INT64_MAX;
}

static int need_operation(void *data, const mtnt_operation_info *info, mtnt_error *err)
{
    needs *tenant = data;
    ptrdiff_t index = mtnt_chain_find(tenant->plan->work->chain, info->name);

    (void)err;
    if (info->applied && info->order > tenant->last_applied)
        tenant->last_applied = info->order;
    if (info->applied && !info->in_chain && tenant->refusal[0] == '\0')
        snprintf(tenant->refusal, sizeof tenant->refusal,
                 "knows operation %" PRId64 " `%s`, which this chain lacks: a newer release has migrated it",
                 info->order, info->name);
    if (!info->applied && info->in_chain && !info->disabled && index >= 0 &&
        info->order <= order_of(tenant->plan, tenant->plan->work->settings.to))
        tenant->indices[tenant->count++] = (size_t)index;
    return 0;
}

/* What comes before an applied operation is refused, unless it was allowed. */
static void check_order(needs *tenant)
{
    const mtnt__settings *settings = &tenant->plan->work->settings;
    mtnt_entry_info info;

    for (size_t i = 0; i < tenant->count && !settings->allow_out_of_order && tenant->refusal[0] == '\0'; i++)
        if (mtnt_chain_get(tenant->plan->work->chain, tenant->indices[i], &info) && info.order < tenant->last_applied)
            snprintf(tenant->refusal, sizeof tenant->refusal,
                     "operation %" PRId64 " `%s` comes before %" PRId64
                     ", which is applied: allow it with --allow-out-of-order",
                     info.order, info.name, tenant->last_applied);
    if (settings->steps > 0 && (int64_t)tenant->count > settings->steps)
        tenant->count = (size_t)settings->steps;
}

static const char *guarantee_of(const plan *all, const needs *tenant, const mtnt_tenant_info *info,
                                const mtnt_model *model)
{
    uint32_t writes = 0, flags = 0;
    mtnt_entry_info entry;

    if (model == NULL || tenant->count == 0)
        return NULL;
    for (size_t i = 0; i < tenant->count; i++)
        if (mtnt_chain_get(all->work->chain, tenant->indices[i], &entry)) {
            writes |= entry.writes;
            flags |= entry.flags;
        }
    return mtnt_coordinator_guarantee(all->work->settings.controller, model, writes,
                                      !info->known && (flags & MTNT_OPERATION_CREATES_MODEL) != 0);
}

/* ---- groups ---- */

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static group *find_group(plan *all, const needs *tenant, const group *like)
{
    for (size_t i = 0; i < all->group_count; i++) {
        group *at = &all->groups[i];

        if (at->count == tenant->count && at->version == like->version && at->guarantee == like->guarantee &&
            same_text(at->refusal, like->refusal) &&
            (at->count == 0 || memcmp(at->indices, tenant->indices, at->count * sizeof at->indices[0]) == 0))
            return at;
    }
    return NULL;
}

static group *new_group(plan *all, const needs *tenant, const group *like)
{
    group *made;

    if (all->group_count == all->group_size) {
        group *bigger = reallocarray(all->groups, all->group_size * 2 + 8, sizeof *bigger);

        if (bigger == NULL)
            return NULL;
        all->groups = bigger;
        all->group_size = all->group_size * 2 + 8;
    }
    made = &all->groups[all->group_count++];
    *made = (group){.version = like->version, .guarantee = like->guarantee, .count = tenant->count};
    made->indices = calloc(tenant->count + 1, sizeof made->indices[0]);
    made->refusal = like->refusal == NULL ? NULL : strdup(like->refusal);
    if (made->indices == NULL || (like->refusal != NULL && made->refusal == NULL))
        return NULL;
    memcpy(made->indices, tenant->indices, tenant->count * sizeof made->indices[0]);
    return made;
}

/* Settings are those of a server, more often than not the same one for all of a group: one tenant is opened for each group, not a whole fleet. */
static int examine(const plan *all, const needs *tenant, const mtnt_model *model, group *made)
{
    mtnt_error err = MTNT_ERROR_INIT;

    if (all->work->controller == NULL || model == NULL || made->refusal != NULL)
        return 0;
    made->examined = true;
    if (mtnt_coordinator_examine_operations(all->work->controller, model, all->work->chain, tenant->indices,
                                            tenant->count, mtnt__run_mode(all->work), &made->found, &err) == 0)
        return 0;
    made->problem = strdup(err.message);
    return made->problem == NULL ? MTNT_E_NOMEM : 0;
}

static int add_to_group(plan *all, needs *tenant, const mtnt_tenant_info *info, const mtnt_model *model)
{
    const group like = {
        .version = info->version,
        .guarantee = guarantee_of(all, tenant, info, model),
        .refusal = tenant->refusal[0] == '\0' ? NULL : tenant->refusal,
    };
    group *found = find_group(all, tenant, &like);

    if (found == NULL) {
        found = new_group(all, tenant, &like);
        if (found != NULL && examine(all, tenant, model, found) != 0)
            found = NULL;
    }
    if (found != NULL && found->tenants < EXAMPLES)
        found->examples[found->tenants] = strdup(info->tenant);
    if (found == NULL || (found->tenants < EXAMPLES && found->examples[found->tenants] == NULL))
        return mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
    found->tenants++;
    return 0;
}

static int plan_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    plan *all = data;
    needs tenant = {.plan = all};
    int exit_code = 0;

    all->tenants++;
    if (info->current) {
        all->current++;
        return 0;
    }
    tenant.indices = calloc(mtnt_chain_len(all->work->chain) + 1, sizeof tenant.indices[0]);
    if (tenant.indices == NULL)
        return mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
    exit_code = mtnt__survey_operations(all->work, info->tenant, need_operation, &tenant);
    if (exit_code != 0)
        goto out;
    check_order(&tenant);
    if (tenant.count == 0 && tenant.refusal[0] == '\0') {
        all->current++;
        goto out;
    }
    *(tenant.refusal[0] == '\0' ? &all->to_do : &all->refused) += 1;
    exit_code = add_to_group(all, &tenant, info, model);
out:
    free(tenant.indices);
    return exit_code;
}

static void release(plan *all)
{
    for (size_t i = 0; i < all->group_count; i++) {
        free(all->groups[i].indices);
        free(all->groups[i].refusal);
        free(all->groups[i].problem);
        for (size_t j = 0; j < EXAMPLES; j++)
            free(all->groups[i].examples[j]);
    }
    free(all->groups);
}

/* ---- text ---- */

/* SQL, indented; long scripts are cut unless -v asks for all. */
static void put_sql(const plan *all, const char *side, const char *sql)
{
    FILE *out = all->work->screen.out;
    int lines = 0, left = 0;

    if (sql == NULL)
        return;
    for (const char *line = sql; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        bool blank = strspn(line, " \t\r") >= length;

        if (!blank && (lines < LINES || all->work->settings.verbose)) {
            fprintf(out, "        %-12s", lines == 0 ? side : "");
            mtnt__words_put_bytes(out, line, length - (length > 0 && line[length - 1] == '\r'));
            fputc('\n', out);
            lines++;
        } else if (!blank) {
            left++;
        }
        line += length + (line[length] == '\n');
    }
    if (left > 0)
        fprintf(out, "        %-12s(%d more lines: -v shows them)\n", "", left);
}

static void put_operation(const plan *all, size_t index)
{
    FILE *out = all->work->screen.out;
    mtnt_entry_info info;

    if (!mtnt_chain_get(all->work->chain, index, &info))
        return;
    fprintf(out, "  %4" PRId64 "  ", info.order);
    mtnt__screen_put(&all->work->screen, out, MTNT__STYLE_STRONG, info.name);
    if (info.model_up == NULL && info.controller_up == NULL)
        fprintf(out, "   (%s, no SQL to show)", info.operation_class->name);
    if ((info.flags & MTNT_OPERATION_NO_TRANSACTION) != 0)
        fputs("   (outside a transaction)", out);
    if ((info.flags & MTNT_OPERATION_SAGA) != 0)
        fputs("   (commits by itself)", out);
    if ((info.flags & MTNT_OPERATION_RETRIABLE) != 0)
        fputs("   (goes forward only)", out);
    fputc('\n', out);
    put_sql(all, "model", info.model_up);
    put_sql(all, "controller", info.controller_up);
}

/* What was seen knows more than what was expected. */
static const char *known_guarantee(const group *at)
{
    return at->found.guarantee != NULL ? at->found.guarantee : at->guarantee;
}

static void put_examination(const plan *all, const group *at)
{
    const char *const warnings[] = {at->found.controller_warning, at->found.model_warning};
    FILE *out = all->work->screen.out;

    if (!at->examined)
        return;
    fputs(at->problem == NULL ? "  holds, as " : "  does not hold, as ", out);
    mtnt__words_put(out, at->examples[0]);
    fputs(at->tenants > 1 ? " shows (`mtnt-model doctor` opens them all)" : " shows", out);
    if (at->problem != NULL) {
        fputs(": ", out);
        mtnt__words_put(out, at->problem);
    }
    fputc('\n', out);
    for (size_t i = 0; i < 2; i++)
        if (warnings[i][0] != '\0') {
            fputs("  warning: ", out);
            mtnt__words_put(out, warnings[i]);
            fputc('\n', out);
        }
}

static void put_group(const plan *all, const group *at)
{
    FILE *out = all->work->screen.out;

    fprintf(out, "%" PRId64 " tenant%s at version %" PRId64 ": ", at->tenants, at->tenants == 1 ? "" : "s",
            at->version);
    for (size_t i = 0; i < EXAMPLES && at->examples[i] != NULL; i++) {
        fputs(i > 0 ? ", " : "", out);
        mtnt__words_put(out, at->examples[i]);
    }
    if (at->tenants > EXAMPLES)
        fprintf(out, " and %" PRId64 " more", at->tenants - EXAMPLES);
    fputc('\n', out);
    if (at->refusal != NULL) {
        fputs("  refused: ", out);
        mtnt__words_put(out, at->refusal);
        fputs("\n\n", out);
        return;
    }
    if (known_guarantee(at) != NULL)
        fprintf(out, "  guarantee: %s\n", known_guarantee(at));
    put_examination(all, at);
    for (size_t i = 0; i < at->count; i++)
        put_operation(all, at->indices[i]);
    fputc('\n', out);
}

static void put_text(const plan *all)
{
    for (size_t i = 0; i < all->group_count; i++)
        put_group(all, &all->groups[i]);
    fprintf(all->work->screen.out,
            "%" PRId64 " tenant%s: %" PRId64 " to migrate, %" PRId64 " with nothing to do, %" PRId64
            " would be refused\n",
            all->tenants, all->tenants == 1 ? "" : "s", all->to_do, all->current, all->refused);
}

/* ---- JSON ---- */

static json_t *describe_operations(const plan *all, const group *at)
{
    json_t *list = json_array();
    mtnt_entry_info info;

    for (size_t i = 0; list != NULL && i < at->count; i++)
        if (mtnt_chain_get(all->work->chain, at->indices[i], &info))
            json_array_append_new(list,
                                  json_pack("{sI so so so}", "order", (json_int_t)info.order, "name",
                                            mtnt__encode_text(info.name), "model", mtnt__encode_text(info.model_up),
                                            "controller", mtnt__encode_text(info.controller_up)));
    return list;
}

/* holds: null where nothing was opened. */
static json_t *describe_examination(const group *at)
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

static json_t *describe_group(const plan *all, const group *at)
{
    json_t *examples = json_array();

    for (size_t i = 0; i < EXAMPLES && at->examples[i] != NULL; i++)
        json_array_append_new(examples, mtnt__encode_text(at->examples[i]));
    return json_pack("{sI so sI so so so so}", "tenants", (json_int_t)at->tenants, "examples", examples, "version",
                     (json_int_t)at->version, "guarantee", mtnt__encode_text(known_guarantee(at)), "examination",
                     describe_examination(at), "refused", mtnt__encode_text(at->refusal), "operations",
                     describe_operations(all, at));
}

static void put_json(const plan *all)
{
    bool lines = all->work->settings.format == MTNT__FORMAT_JSONL;
    json_t *groups = json_array();

    for (size_t i = 0; groups != NULL && i < all->group_count; i++)
        if (lines)
            mtnt__encode_put(all->work->screen.out, describe_group(all, &all->groups[i]), true);
        else
            json_array_append_new(groups, describe_group(all, &all->groups[i]));
    if (!lines)
        mtnt__encode_put(all->work->screen.out,
                         json_pack("{sO s{sI sI sI sI}}", "groups", groups, "summary", "tenants",
                                   (json_int_t)all->tenants, "to_migrate", (json_int_t)all->to_do, "nothing_to_do",
                                   (json_int_t)all->current, "refused", (json_int_t)all->refused),
                         false);
    json_decref(groups);
}

int mtnt__command_plan(mtnt__work *work)
{
    plan all = {.work = work};
    int exit_code = mtnt__run_prepare(work);

    if (exit_code == 0)
        exit_code = mtnt__survey(work, plan_tenant, &all);
    if (exit_code == 0 && work->settings.format == MTNT__FORMAT_TEXT)
        put_text(&all);
    else if (exit_code == 0)
        put_json(&all);
    if (exit_code == 0 && work->settings.exit_code && all.to_do + all.refused > 0)
        exit_code = MTNT__EXIT_PENDING;
    release(&all);
    return exit_code;
}
