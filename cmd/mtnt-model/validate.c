#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "encode.h"
#include "lint.h"

/* What is looked at, and what came of it. Each is tried even when another was wrong. */
typedef struct check {
    mtnt__work *work;
    int64_t tenants; /* -1: not looked at */
    int problems;
    int exit_code;
    bool seen[3]; /* backends that tenants have */
    mtnt__findings findings;
} check;

static void problem(check *all, int exit_code)
{
    if (exit_code == 0)
        return;
    all->problems++;
    if (all->exit_code == 0)
        all->exit_code = exit_code;
}

/* Names that the SQL uses and the tenant lacks. Scripts for one backend only are shown together and cannot
 * be told apart here; their names are checked when they run. */
static int check_names(check *all, const mtnt_model *model, const mtnt_entry_info *info, const char *sql,
                       mtnt_backend backend)
{
    const mtnt_script script = {.sql = sql, .variable = mtnt_model_variable, .variable_data = (void *)(uintptr_t)model};
    mtnt_error err = MTNT_ERROR_INIT;

    if (sql == NULL || strncmp(sql, "-- sql.", 7) == 0 || mtnt_script_check(&script, backend, &err) == 0)
        return 0;
    mtnt_error_wrap(&err, "operation `%s`, for tenant %s", info->name, mtnt_model_id(model));
    err.line = err.column = 0;
    err.statement[0] = '\0';
    mtnt_error_at(&err, info->file, info->line, 0);
    return mtnt__work_fail_error(all->work, &err);
}

/* What an import would load; a chain without one does not look at it either. */
static int check_description(check *all, const mtnt_model *model)
{
    mtnt_description *description = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    int exit_code = 0;

    if (mtnt_model_description(model) == NULL || !all->work->chain_loaded ||
        mtnt_operation_import_options(all->work->chain) == NULL)
        return 0;
    if (mtnt_description_open(&description, mtnt_model_description(model), &err) != 0) {
        mtnt_error_wrap(&err, "tenant %s", mtnt_model_id(model));
        exit_code = mtnt__work_fail_error(all->work, &err);
    }
    mtnt_description_close(description);
    return exit_code;
}

/* One message for a tenant is enough: the next is much like it. */
static int check_tenant(check *all, const mtnt_model *model)
{
    mtnt_entry_info info;
    int exit_code = 0;

    for (size_t i = 0; exit_code == 0 && all->work->chain_loaded && mtnt_chain_get(all->work->chain, i, &info); i++)
        if (!info.disabled)
            exit_code = check_names(all, model, &info, info.model_up, mtnt_model_backend(model));
    return exit_code == 0 ? check_description(all, model) : exit_code;
}

static void check_tenants(check *all)
{
    enum { ENOUGH = 20 };
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model;
    int rc = mtnt__work_list_tenants(all->work, &source);

    if (rc != 0) {
        problem(all, rc);
        return;
    }
    if (source.next == NULL)
        return;
    all->tenants = 0;
    while ((rc = source.next(source.data, &model, &err)) == 0 && model != NULL && all->problems < ENOUGH) {
        all->tenants++;
        all->seen[mtnt_model_backend(model)] = true;
        problem(all, check_tenant(all, model));
        mtnt_model_free(model);
    }
    if (rc != 0)
        problem(all, mtnt__work_fail_error(all->work, &err));
    mtnt_tenant_source_close(&source);
}

/* Operation by operation: a table that an earlier one has made may have rows by then. Without tenants the controller says for which backend. */
static void lint(check *all)
{
    int controller = mtnt__findings_controller_backend(all->work);
    mtnt_entry_info info;

    if (!all->seen[MTNT_SQLITE] && !all->seen[MTNT_POSTGRES])
        all->seen[controller] = true;
    for (size_t i = 0; mtnt_chain_get(all->work->chain, i, &info); i++)
        for (int backend = MTNT_SQLITE; backend <= MTNT_POSTGRES && !info.disabled; backend++)
            if (all->seen[backend])
                problem(all, mtnt__findings_add(all->work, &all->findings, &i, 1, backend, controller));
}

static void put_result(const check *all)
{
    FILE *out = all->work->screen.out;
    size_t operations = all->work->chain == NULL ? 0 : mtnt_chain_len(all->work->chain);

    if (all->work->settings.format != MTNT__FORMAT_TEXT) {
        mtnt__encode_put(out,
                         json_pack("{sb si sI so so}", "valid", all->problems == 0, "problems", all->problems,
                                   "operations", (json_int_t)operations, "tenants",
                                   all->tenants < 0 ? json_null() : json_integer(all->tenants), "warnings",
                                   mtnt__findings_describe_warnings(&all->findings, -1)),
                         all->work->settings.format == MTNT__FORMAT_JSONL);
        return;
    }
    mtnt__findings_put_warnings(all->work, &all->findings);
    if (all->problems > 0) {
        fprintf(out, "%d problem%s\n", all->problems, all->problems == 1 ? "" : "s");
        return;
    }
    fprintf(out, "chain %s: %zu operation%s\n", mtnt_chain_name(all->work->chain), operations,
            operations == 1 ? "" : "s");
    if (all->tenants >= 0)
        fprintf(out, "tenants: %" PRId64 "\n", all->tenants);
    else
        fputs("tenants: not looked at\n", out);
    fputs("All files are fine.\n", out);
    if (all->findings.warnings > 0)
        fprintf(out, "%zu warning%s; `-- mtnt:allow NAME` in the SQL says that one is meant\n", all->findings.warnings,
                all->findings.warnings == 1 ? "" : "s");
}

int mtnt__command_validate(mtnt__work *work)
{
    check all = {.work = work, .tenants = -1};
    int exit_code = mtnt__work_load_project(work);

    if (exit_code != 0)
        return exit_code;
    problem(&all, mtnt__work_load_chain(work));
    if (mtnt__work_has_tenants(work))
        check_tenants(&all);
    if (work->chain_loaded)
        lint(&all);
    put_result(&all);
    mtnt__findings_release(&all.findings);
    return all.exit_code;
}
