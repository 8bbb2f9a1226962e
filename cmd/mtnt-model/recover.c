#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "excerpt.h"
#include "encode.h"
#include "survey.h"

typedef struct recovery {
    mtnt__work *work;
    mtnt__encode_list json;
    int64_t tenants, interrupted, committed, aborted, removed, failed;
} recovery;

static void put_result(const recovery *all, const char *tenant, const char *result, const mtnt_error *err)
{
    FILE *out = all->work->screen.out;

    mtnt__words_put(out, tenant);
    fprintf(out, ": %s", result);
    if (err->code != MTNT_OK) {
        fputs(": ", out);
        mtnt__excerpt_put_lines(out, 4, err->message);
    }
    fputc('\n', out);
}

static void show(recovery *all, const char *tenant, const char *result, const mtnt_error *err)
{
    if (all->work->settings.format == MTNT__FORMAT_TEXT)
        put_result(all, tenant, result, err);
    else
        mtnt__encode_list_item(&all->json, json_pack("{so ss so}", "id", mtnt__encode_text(tenant), "result", result,
                                                     "error", mtnt__encode_error(err)));
}

static int recover_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    const mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    recovery *all = data;
    mtnt_coordinator *coordinator = NULL;
    mtnt_outcome outcome;
    mtnt_error err = MTNT_ERROR_INIT;

    bool interrupted = strcmp(info->state, "idle") != 0;

    all->tenants++;
    if (!interrupted && !info->removal_due)
        return 0;
    all->interrupted += interrupted;
    if (mtnt_coordinator_new(&coordinator, all->work->controller, model, all->work->chain, &options, &err) != 0 ||
        mtnt_coordinator_recover(coordinator, &err) != 0) {
        all->failed++;
        show(all, info->tenant, interrupted ? "not settled" : "not removed", &err);
        goto out;
    }
    mtnt_coordinator_outcome(coordinator, &outcome);
    if (outcome.removed_model) {
        all->removed++;
        show(all, info->tenant, "model removed for good", &err);
    }
    if (!outcome.recovered) {
        all->interrupted -= interrupted;
        goto out;
    }
    *(outcome.recovered_committed ? &all->committed : &all->aborted) += 1;
    show(all, info->tenant, outcome.recovered_committed ? "completed" : "rolled back", &err);
out:
    mtnt_coordinator_free(coordinator);
    return 0;
}

static int finish(recovery *all)
{
    FILE *out = all->work->screen.out;

    if (all->work->settings.format != MTNT__FORMAT_TEXT)
        mtnt__encode_list_end(&all->json,
                              json_pack("{sI sI sI sI sI sI}", "tenants", (json_int_t)all->tenants, "interrupted",
                                        (json_int_t)all->interrupted, "completed", (json_int_t)all->committed,
                                        "rolled_back", (json_int_t)all->aborted, "removed", (json_int_t)all->removed,
                                        "failed", (json_int_t)all->failed));
    else if (all->interrupted + all->removed + all->failed == 0)
        fputs("Nothing to be recovered\n", out);
    else if (all->interrupted == 0)
        fprintf(out, "%" PRId64 " model%s removed for good, %" PRId64 " not removed\n", all->removed,
                all->removed == 1 ? "" : "s", all->failed);
    else
        fprintf(out,
                "%" PRId64 " tenant%s interrupted: %" PRId64 " rolled back, %" PRId64 " completed, %" PRId64
                " not settled\n",
                all->interrupted, all->interrupted == 1 ? " was" : "s were", all->aborted, all->committed, all->failed);
    return all->failed > 0 ? MTNT__EXIT_FAILED : MTNT__EXIT_OK;
}

int mtnt__command_recover(mtnt__work *work)
{
    recovery all = {.work = work};
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    int exit_code = mtnt__work_load_chain(work);

    if (exit_code == 0)
        exit_code = mtnt__work_open_fleet(work, &source);
    mtnt_tenant_source_close(&source);
    if (exit_code != 0)
        return exit_code;
    if (work->settings.format != MTNT__FORMAT_TEXT)
        mtnt__encode_list_begin(&all.json, work->screen.out, work->settings.format == MTNT__FORMAT_JSONL);
    exit_code = mtnt__survey_tenants(work, recover_tenant, &all);
    return exit_code != 0 ? exit_code : finish(&all);
}
