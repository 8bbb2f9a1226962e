#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "encode.h"
#include "excerpt.h"
#include "run.h"
#include "survey.h"
#include "who.h"

/* What it would do, tenant by tenant; nothing is claimed or changed. */
typedef struct looking {
    mtnt__work *work;
    const mtnt_adoption *adoption;
    mtnt__encode_list json;
    int64_t tenants, foreign, ours, refused;
} looking;

static void put_text(const looking *all, const char *tenant, const mtnt_adopted *adopted, const mtnt_error *err)
{
    FILE *out = all->work->screen.out;

    mtnt__words_put(out, tenant);
    if (err->code != MTNT_OK) {
        fputs(": refused: ", out);
        mtnt__excerpt_put_lines(out, 4, err->message);
    } else if (adopted->ours) {
        fputs(": is this controller's already", out);
    } else {
        fprintf(out, ": would be taken over from controller %.8s…, at version %" PRId64 " (%zu operation%s)",
                adopted->from, adopted->version, adopted->operations, adopted->operations == 1 ? "" : "s");
        if (strcmp(adopted->tenant, tenant) != 0) {
            fputs("; it bears the id ", out);
            mtnt__words_put(out, adopted->tenant);
        }
    }
    fputc('\n', out);
}

static void put_json(looking *all, const char *tenant, const mtnt_adopted *adopted, const mtnt_error *err)
{
    bool failed = err->code != MTNT_OK;

    mtnt__encode_list_item(
        &all->json, json_pack("{so ss so so so sI so}", "id", mtnt__encode_text(tenant), "result",
                              failed          ? "refused"
                              : adopted->ours ? "current"
                                              : "would_be_adopted",
                              "controller", adopted->from[0] == '\0' ? json_null() : mtnt__encode_text(adopted->from),
                              "bears", adopted->tenant[0] == '\0' ? json_null() : mtnt__encode_text(adopted->tenant),
                              "version", failed ? json_null() : json_integer((json_int_t)adopted->version),
                              "operations", (json_int_t)adopted->operations, "error", mtnt__encode_error(err)));
}

static int look_at(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    const mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    looking *all = data;
    mtnt_coordinator *coordinator = NULL;
    mtnt_adopted adopted = {.ours = false};
    mtnt_error err = MTNT_ERROR_INIT;
    int rc = mtnt_coordinator_new(&coordinator, all->work->controller, model, all->work->chain, &options, &err);

    if (rc == 0)
        rc = mtnt_coordinator_adopt(coordinator, all->adoption, &adopted, &err);
    mtnt_coordinator_free(coordinator);
    all->tenants++;
    *(rc != 0 ? &all->refused : adopted.ours ? &all->ours : &all->foreign) += 1;
    if (all->work->settings.format == MTNT__FORMAT_TEXT)
        put_text(all, info->tenant, &adopted, &err);
    else
        put_json(all, info->tenant, &adopted, &err);
    return 0;
}

static int look(mtnt__work *work, const mtnt_adoption *adoption)
{
    looking all = {.work = work, .adoption = adoption};
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    bool text = work->settings.format == MTNT__FORMAT_TEXT;
    int exit_code = mtnt__work_load_chain(work);

    if (exit_code == 0)
        exit_code = mtnt__work_open_fleet(work, &source);
    mtnt_tenant_source_close(&source);
    if (exit_code != 0)
        return exit_code;
    if (!text)
        mtnt__encode_list_begin(&all.json, work->screen.out, work->settings.format == MTNT__FORMAT_JSONL);
    exit_code = mtnt__survey_tenants(work, look_at, &all);
    if (exit_code != 0)
        return exit_code;
    if (text)
        fprintf(work->screen.out,
                "%" PRId64 " tenant%s: %" PRId64 " would be taken over, %" PRId64 " this controller's already, %" PRId64
                " refused\n",
                all.tenants, all.tenants == 1 ? "" : "s", all.foreign, all.ours, all.refused);
    else
        mtnt__encode_list_end(&all.json, json_pack("{sI sI sI sI}", "tenants", (json_int_t)all.tenants,
                                                   "would_be_adopted", (json_int_t)all.foreign, "current",
                                                   (json_int_t)all.ours, "refused", (json_int_t)all.refused));
    if (adoption->from == NULL && all.foreign > 0)
        mtnt__work_note(work,
                        "the other controller is not asked whether it has finished with them: name it with --from, "
                        "unless it is gone");
    return mtnt__work_fail(work, MTNT__EXIT_USAGE, "nothing was changed; it is done with --yes");
}

int mtnt__command_adopt(mtnt__work *work)
{
    const mtnt__settings *settings = &work->settings;
    char who[MTNT__WHO_SIZE];
    mtnt_adoption adoption = MTNT_ADOPTION_INIT;
    const mtnt__run_spec spec = {.command = "adopt", .direction = MTNT_FORWARD, .adoption = &adoption};

    mtnt__who(who);
    adoption.who = who;
    adoption.reason = settings->reason;
    adoption.from = settings->from;
    adoption.as_renamed = settings->as_renamed;
    adoption.only_look = !settings->yes;
    return settings->yes ? mtnt__run(work, &spec, NULL) : look(work, &adoption);
}
