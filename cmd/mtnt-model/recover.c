#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "excerpt.h"
#include "encode.h"
#include "survey.h"

typedef struct recovery {
    mtnt__work *work;
    mtnt__encode_list json;
    int64_t tenants, interrupted, committed, aborted, removed, failed;
    mtnt_sweep swept;
    struct {
        int64_t tenants, ahead, out_of_step, unsettled, not_read;
    } audit;
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

/* ---- what they have left ---- */

/* What was done is summed up; what a person has to know is said. */
static void note_leftover(void *data, const char *name, mtnt_leftover what, const mtnt_error *err)
{
    recovery *all = data;

    if (what == MTNT_LEFTOVER_UNKNOWN)
        mtnt__work_note(
            all->work,
            "%s is prepared, has our name, and this controller knows no such migration: it is left alone. If nobody else "
            "does, finish it by hand",
            name);
    else if (what == MTNT_LEFTOVER_NOT_SETTLED)
        mtnt__work_note(all->work, "%s: %s", name, err->message);
}

/* The models, one reference each. */
static int gather(mtnt__work *work, mtnt_model ***ret_models, size_t *ret_count)
{
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model *model = NULL;
    size_t size = 0;
    int rc = 0, exit_code = mtnt__work_open_tenants(work, &source);

    while (exit_code == 0 && (rc = source.next(source.data, &model, &err)) == 0 && model != NULL) {
        if (*ret_count == size) {
            mtnt_model **bigger = reallocarray(*ret_models, size * 2 + 64, sizeof(mtnt_model *));

            if (bigger == NULL) {
                mtnt_model_free(model);
                exit_code = mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
                break;
            }
            *ret_models = bigger;
            size = size * 2 + 64;
        }
        (*ret_models)[(*ret_count)++] = model;
    }
    mtnt_tenant_source_close(&source);
    return rc != 0 ? mtnt__work_fail_error(work, &err) : exit_code;
}

static int sweep(recovery *all)
{
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_model **models = NULL;
    size_t count = 0;
    int exit_code = gather(all->work, &models, &count);

    if (exit_code == 0 && mtnt_sweep_leftovers(all->work->controller, (const mtnt_model *const *)models, count,
                                               note_leftover, all, &all->swept, &err) != 0)
        exit_code = mtnt__work_fail_error(all->work, &err);
    for (size_t i = 0; i < count; i++)
        mtnt_model_free(models[i]);
    free(models);
    return exit_code;
}

/* ---- what the controller has lost ---- */

static int audit_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    recovery *all = data;
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt_audit found;

    all->audit.tenants++;
    if (mtnt_audit_model(all->work->controller, all->work->chain, model, &found, &err) != 0) {
        all->audit.not_read++;
        show(all, info->tenant, "not audited", &err);
        return 0;
    }
    switch (found.verdict) {
    case MTNT_AUDIT_AGREES: break;
    case MTNT_AUDIT_AHEAD:
        all->audit.ahead++;
        show(all, info->tenant, "was ahead of the controller, which knows it now", &err);
        break;
    case MTNT_AUDIT_OUT_OF_STEP:
        all->audit.out_of_step++;
        show(all, info->tenant, "diverged", &err);
        break;
    case MTNT_AUDIT_UNSETTLED:
        all->audit.unsettled++;
        show(all, info->tenant, "not audited, its migration has not ended", &err);
        break;
    }
    return 0;
}

static void put_audit(const recovery *all)
{
    FILE *out = all->work->screen.out;
    int64_t looked = all->audit.tenants - all->audit.unsettled - all->audit.not_read;

    fprintf(out,
            "audit: %" PRId64 " model%s compared, %" PRId64 " ahead of the controller, %" PRId64
            " out of step with it, %" PRId64 " not compared\n",
            looked, looked == 1 ? "" : "s", all->audit.ahead, all->audit.out_of_step,
            all->audit.unsettled + all->audit.not_read);
}

static json_t *encode_audit(const recovery *all)
{
    if (!all->work->settings.audit)
        return json_null();
    return json_pack("{sI sI sI sI sI}", "tenants", (json_int_t)all->audit.tenants, "ahead",
                     (json_int_t)all->audit.ahead, "out_of_step", (json_int_t)all->audit.out_of_step, "unsettled",
                     (json_int_t)all->audit.unsettled, "not_read", (json_int_t)all->audit.not_read);
}

static void put_swept(FILE *out, const mtnt_sweep *swept)
{
    int64_t finished = swept->committed + swept->rolled_back;

    if (finished > 0)
        fprintf(out,
                "%" PRId64 " prepared transaction%s of interrupted migrations %s finished: %" PRId64
                " committed, %" PRId64 " rolled back\n",
                finished, finished == 1 ? "" : "s", finished == 1 ? "was" : "were", swept->committed,
                swept->rolled_back);
    if (swept->removed > 0)
        fprintf(out, "%" PRId64 " unfinished model%s of migrations that were rolled back %s removed\n", swept->removed,
                swept->removed == 1 ? "" : "s", swept->removed == 1 ? "was" : "were");
    if (swept->unknown > 0)
        fprintf(out, "%" PRId64 " prepared transaction%s without a migration of this controller: left alone\n",
                swept->unknown, swept->unknown == 1 ? "" : "s");
    if (swept->old > 0)
        fprintf(out, "%" PRId64 " prepared transaction%s older than 30 s %s still there, and %s locks\n", swept->old,
                swept->old == 1 ? "" : "s", swept->old == 1 ? "is" : "are", swept->old == 1 ? "holds" : "hold");
}

static bool swept_nothing(const mtnt_sweep *swept)
{
    return swept->committed + swept->rolled_back + swept->removed + swept->unknown + swept->not_settled + swept->old ==
           0;
}

static int finish(recovery *all)
{
    FILE *out = all->work->screen.out;
    const mtnt_sweep *swept = &all->swept;

    if (all->work->settings.format != MTNT__FORMAT_TEXT)
        mtnt__encode_list_end(
            &all->json, json_pack("{sI sI sI sI sI sI s{sI sI sI sI sI sI sI} so}", "tenants", (json_int_t)all->tenants,
                                  "interrupted", (json_int_t)all->interrupted, "completed", (json_int_t)all->committed,
                                  "rolled_back", (json_int_t)all->aborted, "removed", (json_int_t)all->removed,
                                  "failed", (json_int_t)all->failed, "prepared", "committed",
                                  (json_int_t)swept->committed, "rolled_back", (json_int_t)swept->rolled_back,
                                  "at_work", (json_int_t)swept->at_work, "unknown", (json_int_t)swept->unknown,
                                  "not_settled", (json_int_t)swept->not_settled, "old", (json_int_t)swept->old,
                                  "models_removed", (json_int_t)swept->removed, "audit", encode_audit(all)));
    else if (all->interrupted + all->removed + all->failed == 0 && swept_nothing(swept))
        fputs("Nothing to be recovered\n", out);
    else if (all->interrupted == 0 && all->removed + all->failed > 0)
        fprintf(out, "%" PRId64 " model%s removed for good, %" PRId64 " not removed\n", all->removed,
                all->removed == 1 ? "" : "s", all->failed);
    else if (all->interrupted > 0)
        fprintf(out,
                "%" PRId64 " tenant%s interrupted: %" PRId64 " rolled back, %" PRId64 " completed, %" PRId64
                " not settled\n",
                all->interrupted, all->interrupted == 1 ? " was" : "s were", all->aborted, all->committed, all->failed);
    if (all->work->settings.format == MTNT__FORMAT_TEXT)
        put_swept(out, swept);
    if (all->work->settings.format == MTNT__FORMAT_TEXT && all->work->settings.audit)
        put_audit(all);
    if (all->failed + swept->not_settled + all->audit.out_of_step + all->audit.unsettled + all->audit.not_read > 0)
        return MTNT__EXIT_FAILED;
    return all->audit.ahead > 0 ? MTNT__EXIT_PENDING : MTNT__EXIT_OK;
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
    if (exit_code == 0)
        exit_code = sweep(&all);
    if (exit_code == 0 && work->settings.audit)
        exit_code = mtnt__survey_tenants(work, audit_tenant, &all);
    return exit_code != 0 ? exit_code : finish(&all);
}
