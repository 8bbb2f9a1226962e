#include "commands.h"

#include <inttypes.h>
#include <string.h>

#include "encode.h"
#include "survey.h"

typedef struct resolve {
    mtnt__work *work;
    mtnt_word word;
    char who[256];
    mtnt_resolved resolved;
} resolve;

static bool word_of(const char *name, mtnt_word *ret_word)
{
    static const struct {
        const char *name;
        mtnt_word word;
    } words[] = {{"committed", MTNT_WORD_COMMITTED}, {"aborted", MTNT_WORD_ABORTED}, {"retry", MTNT_WORD_RETRY}};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (name != NULL && strcmp(words[i].name, name) == 0) {
            *ret_word = words[i].word;
            return true;
        }
    return false;
}

/* ---- what it came to ---- */

static void put_register(const resolve *all, bool yes)
{
    const mtnt_resolved *resolved = &all->resolved;
    FILE *out = all->work->screen.out;
    bool retry = all->word == MTNT_WORD_RETRY;

    if (retry)
        fputs("  its rollbacks are tried again by the next   mtnt-model recover\n", out);
    else if (!resolved->asked)
        fputs("  its decision register could not be asked: nothing is written there, your word stands alone\n", out);
    else if (resolved->against)
        fprintf(out, "  its decision register says %s and stays as it is: your word goes against it\n",
                resolved->decision);
    else if (resolved->decision[0] != '\0')
        fprintf(out, "  its decision register says %s too\n", resolved->decision);
    else if (strcmp(resolved->from, "rollback_failed") != 0)
        fprintf(out, "  %s its decision register\n", yes ? "written into" : "to be written into");
    if (resolved->finished)
        fprintf(out, "  its prepared transaction was %s\n",
                all->word == MTNT_WORD_COMMITTED ? "committed" : "rolled back");
    if (resolved->located)
        fprintf(out, "  its model is at version %" PRId64 "\n", resolved->at_version);
    else if (!retry)
        fputs("  its model could not be read: the controller's version of it stays as it was\n", out);
}

static void put_text(const resolve *all, const char *tenant, bool yes)
{
    FILE *out = all->work->screen.out;

    mtnt__words_put(out, tenant);
    fprintf(out, ": %s -> %s (migration %s)%s\n", all->resolved.from, all->resolved.to, all->resolved.migration,
            yes ? "" : ", if you say --yes");
    put_register(all, yes);
}

static void put_json(const resolve *all, const char *tenant, bool yes)
{
    const mtnt_resolved *resolved = &all->resolved;
    json_t *json =
        json_pack("{so ss ss ss sb so sb sb so sb}", "id", mtnt__encode_text(tenant), "migration", resolved->migration,
                  "from", resolved->from, "to", resolved->to, "register_asked", resolved->asked, "register",
                  resolved->decision[0] == '\0' ? json_null() : json_string(resolved->decision), "against_register",
                  resolved->against, "prepared_finished", resolved->finished, "version",
                  resolved->located ? json_integer(resolved->at_version) : json_null(), "done", yes);

    mtnt__encode_put(all->work->screen.out, json, all->work->settings.format == MTNT__FORMAT_JSONL);
}

static int resolve_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    const mtnt_migration_options options = MTNT_MIGRATION_OPTIONS_INIT;
    resolve *all = data;
    const mtnt__settings *settings = &all->work->settings;
    mtnt_resolution resolution = MTNT_RESOLUTION_INIT;
    mtnt_coordinator *coordinator = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    int rc;

    resolution.word = all->word;
    resolution.who = all->who;
    resolution.reason = settings->reason;
    resolution.only_look = !settings->yes;
    rc = mtnt_coordinator_new(&coordinator, all->work->controller, model, all->work->chain, &options, &err);
    if (rc == 0)
        rc = mtnt_coordinator_resolve(coordinator, &resolution, &all->resolved, &err);
    mtnt_coordinator_free(coordinator);
    if (rc != 0) {
        mtnt__work_fail_error(all->work, &err);
        return MTNT__EXIT_FAILED;
    }
    if (settings->format == MTNT__FORMAT_TEXT)
        put_text(all, info->tenant, settings->yes);
    else
        put_json(all, info->tenant, settings->yes);
    if (settings->yes)
        return 0;
    return mtnt__work_fail(all->work, MTNT__EXIT_USAGE, "nothing was changed; it is done with --yes");
}

int mtnt__command_resolve(mtnt__work *work)
{
    resolve all = {.work = work};
    mtnt_tenant_source source = {NULL, NULL, NULL, NULL};
    int exit_code;

    if (work->settings.only.count != 1 || work->settings.exclude.count > 0 || work->settings.where.count > 0)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE, "resolve is about one tenant: name it with --tenant ID");
    if (!word_of(work->settings.as, &all.word))
        return mtnt__work_fail(work, MTNT__EXIT_USAGE,
                               "resolve needs your word: --as committed (both databases hold all of it), --as aborted "
                               "(neither holds any of it), or --as retry (after rollback_failed)");
    mtnt__work_who(all.who);
    exit_code = mtnt__work_load_chain(work);
    if (exit_code == 0)
        exit_code = mtnt__work_open_fleet(work, &source);
    mtnt_tenant_source_close(&source);
    return exit_code != 0 ? exit_code : mtnt__survey_tenants(work, resolve_tenant, &all);
}
