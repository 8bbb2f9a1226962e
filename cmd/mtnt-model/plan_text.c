#include <inttypes.h>
#include <string.h>

#include "plan.h"

enum { LINES = 12 };

/* SQL, indented; long scripts are cut unless -v asks for all. */
static void put_sql(const mtnt__plan *plan, const char *side, const char *sql)
{
    FILE *out = plan->work->screen.out;
    int lines = 0, left = 0;

    if (sql == NULL)
        return;
    for (const char *line = sql; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        bool blank = strspn(line, " \t\r") >= length;

        if (!blank && (lines < LINES || plan->work->settings.verbose)) {
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

static void put_operation(const mtnt__plan *plan, const mtnt__plan_group *group, size_t index)
{
    FILE *out = plan->work->screen.out;
    mtnt_entry_info info;

    if (!mtnt_chain_get(plan->work->chain, index, &info))
        return;
    fprintf(out, "  %4" PRId64 "  ", info.order);
    mtnt__screen_put(&plan->work->screen, out, MTNT__STYLE_STRONG, info.name);
    if (info.model_up == NULL && info.controller_up == NULL)
        fprintf(out, "   (%s, no SQL to show)", info.operation_class->name);
    if ((info.flags & MTNT_OPERATION_NO_TRANSACTION) != 0)
        fputs("   (outside a transaction)", out);
    if ((info.flags & MTNT_OPERATION_SAGA) != 0)
        fputs("   (commits by itself)", out);
    if ((info.flags & MTNT_OPERATION_RETRIABLE) != 0)
        fputs("   (goes forward only)", out);
    fputc('\n', out);
    put_sql(plan, "model", mtnt__plan_sql(&info, false, group->backend));
    put_sql(plan, "controller",
            mtnt__plan_sql(&info, true, group->backend == 0 ? 0 : mtnt__findings_controller_backend(plan->work)));
    mtnt__findings_put(plan->work, &group->findings, info.order);
}

static void put_examination(const mtnt__plan *plan, const mtnt__plan_group *at)
{
    const char *const warnings[] = {at->found.controller_warning, at->found.model_warning};
    FILE *out = plan->work->screen.out;

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

static void put_title(const mtnt__plan *plan, const mtnt__plan_group *at)
{
    size_t shown = mtnt__plan_shown(plan, at);
    FILE *out = plan->work->screen.out;

    fprintf(out, "%" PRId64 " tenant%s at version %" PRId64 ": ", at->tenants, at->tenants == 1 ? "" : "s",
            at->version);
    for (size_t i = 0; i < shown; i++) {
        fputs(i > 0 ? ", " : "", out);
        mtnt__words_put(out, at->examples[i]);
    }
    if (at->tenants > (int64_t)shown)
        fprintf(out, " and %" PRId64 " more", at->tenants - (int64_t)shown);
    fputc('\n', out);
}

static void put_group(const mtnt__plan *plan, const mtnt__plan_group *at)
{
    FILE *out = plan->work->screen.out;
    const char *guarantee = mtnt__plan_guarantee(at);

    put_title(plan, at);
    if (at->needs->refusal != NULL) {
        fputs("  refused: ", out);
        mtnt__words_put(out, at->needs->refusal);
        fputs("\n\n", out);
        return;
    }
    if (guarantee != NULL)
        fprintf(out, "  guarantee: %s\n", guarantee);
    put_examination(plan, at);
    for (size_t i = 0; i < at->needs->count; i++)
        put_operation(plan, at, at->needs->indices[i]);
    fputc('\n', out);
}

void mtnt__plan_put_text(const mtnt__plan *plan)
{
    FILE *out = plan->work->screen.out;
    size_t warnings = 0;

    for (size_t i = 0; i < plan->group_count; i++) {
        put_group(plan, &plan->groups[i]);
        warnings += plan->groups[i].findings.warnings;
    }
    fprintf(out,
            "%" PRId64 " tenant%s: %" PRId64 " to migrate, %" PRId64 " with nothing to do, %" PRId64
            " would be refused\n",
            plan->tenants, plan->tenants == 1 ? "" : "s", plan->to_do, plan->current, plan->refused);
    if (warnings > 0)
        fprintf(out, "%zu warning%s; `-- mtnt:allow NAME` in the SQL says that one is meant\n", warnings,
                warnings == 1 ? "" : "s");
    if (plan->work->settings.rehearse && plan->to_do > 0)
        fputc('\n', out);
}
