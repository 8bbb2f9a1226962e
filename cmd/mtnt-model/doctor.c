#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "excerpt.h"
#include "encode.h"
#include "quote.h"
#include "survey.h"
#include "tally.h"

typedef struct examination {
    mtnt__work *work;
    mtnt__tally_groups good, bad;
    mtnt__encode_list json;
    char controller[192];
    int64_t tenants, problems;
} examination;

static void describe(examination *all, const char *tenant, const mtnt_examination *found, const mtnt_error *err)
{
    bool reached = found->model[0] != '\0';

    mtnt__encode_list_item(
        &all->json, json_pack("{so so so so so sb so sb so}", "id", mtnt__encode_text(tenant), "mode",
                              mtnt__encode_text(found->mode), "guarantee", mtnt__encode_text(found->guarantee),
                              "decider", mtnt__encode_text(found->decider), "model",
                              mtnt__encode_text(reached ? found->model : NULL), "model_exists", found->model_exists,
                              "controller", mtnt__encode_text(found->controller[0] != '\0' ? found->controller : NULL),
                              "holds", err->code == MTNT_OK, "error", mtnt__encode_error(err)));
}

/* Without a controller there is no connection to try: what would hold is known all the same. */
static int foresee_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    examination *all = data;
    mtnt_examination found = {.model_exists = false};
    mtnt_error err = MTNT_ERROR_INIT;
    uint32_t writes = 0, flags = 0;
    mtnt_entry_info entry;

    all->tenants++;
    for (size_t i = 0; mtnt_chain_get(all->work->chain, i, &entry); i++)
        if (!entry.disabled) {
            writes |= entry.writes;
            flags |= entry.flags;
        }
    found.guarantee = mtnt_coordinator_guarantee(all->work->settings.controller, model, writes,
                                                 (flags & MTNT_OPERATION_CREATES_MODEL) != 0);
    if (all->work->settings.format != MTNT__FORMAT_TEXT)
        describe(all, info->tenant, &found, &err);
    return mtnt__tally_group_add(&all->good, info->tenant, found.guarantee, NULL, NULL) == 0
               ? 0
               : mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
}

static int examine_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    examination *all = data;
    mtnt_examination found;
    mtnt_error err = MTNT_ERROR_INIT;
    char text[512];
    int rc;

    all->tenants++;
    rc = mtnt_coordinator_examine(all->work->controller, model, all->work->chain, &found, &err);
    if (found.controller[0] != '\0')
        memcpy(all->controller, found.controller, sizeof all->controller);
    if (all->work->settings.format != MTNT__FORMAT_TEXT)
        describe(all, info->tenant, &found, &err);
    if (rc != 0) {
        all->problems++;
        rc = mtnt__tally_group_add(&all->bad, info->tenant, err.message, NULL, err.state[0] != '\0' ? err.state : NULL);
    } else {
        snprintf(text, sizeof text, "%s, %s", found.guarantee,
                 found.model_exists ? found.model : "to be made by the chain");
        rc = mtnt__tally_group_add(&all->good, info->tenant, text, NULL, NULL);
    }
    return rc == 0 ? 0 : mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
}

static void put_groups(const examination *all, const mtnt__tally_groups *groups, mtnt__style style, const char *sign)
{
    const mtnt__screen *screen = &all->work->screen;
    FILE *out = screen->out;

    for (size_t i = 0; i < groups->count; i++) {
        const mtnt__tally_group *group = &groups->items[i];

        fputs("  ", out);
        mtnt__screen_put(screen, out, style, sign);
        fprintf(out, " %" PRId64 " %s  ", group->tenants, mtnt__screen_sign(screen, "×", "x"));
        mtnt__excerpt_put_lines(out, 6, group->text);
        fputs("\n      ", out);
        for (size_t j = 0; j < MTNT__TALLY_EXAMPLES && group->examples[j] != NULL; j++) {
            fputs(j > 0 ? ", " : "", out);
            mtnt__words_put(out, group->examples[j]);
        }
        if (group->tenants > MTNT__TALLY_EXAMPLES)
            fprintf(out, " and %" PRId64 " more", group->tenants - MTNT__TALLY_EXAMPLES);
        fputc('\n', out);
    }
    if (groups->unlisted > 0)
        fprintf(out, "    %" PRId64 " more, each with something of its own\n", groups->unlisted);
}

static const char *writes_of(const mtnt_chain *chain)
{
    static const char *const words[] = {"nothing", "the model", "the controller", "controller and model"};
    uint32_t writes = 0;
    mtnt_entry_info info;

    for (size_t i = 0; mtnt_chain_get(chain, i, &info); i++)
        if (!info.disabled)
            writes |= info.writes;
    return words[writes & (MTNT_WRITES_MODEL | MTNT_WRITES_CONTROLLER)];
}

static void put_text(examination *all)
{
    const mtnt__screen *screen = &all->work->screen;
    const mtnt_chain *chain = all->work->chain;
    char *controller =
        all->work->controller == NULL ? NULL : mtnt__quote_near(mtnt_controller_shown(all->work->controller));

    fputs("controller ", screen->out);
    mtnt__words_put(screen->out, controller != NULL ? controller : "is not there yet; nothing was opened");
    if (all->controller[0] != '\0') {
        fputs(": ", screen->out);
        mtnt__words_put(screen->out, all->controller);
    }
    fprintf(screen->out, "\nchain %s: %zu operations, which write %s\n", mtnt_chain_name(chain), mtnt_chain_len(chain),
            writes_of(chain));
    if (all->work->controller == NULL)
        fprintf(screen->out, "%" PRId64 " tenant%s, not opened\n", all->tenants, all->tenants == 1 ? "" : "s");
    else
        fprintf(screen->out, "%" PRId64 " tenant%s: %" PRId64 " ready, %" PRId64 " with a problem\n", all->tenants,
                all->tenants == 1 ? "" : "s", all->tenants - all->problems, all->problems);
    put_groups(all, &all->good, MTNT__STYLE_GOOD, mtnt__screen_sign(screen, "✓", "+"));
    put_groups(all, &all->bad, MTNT__STYLE_BAD, mtnt__screen_sign(screen, "✗", "x"));
    free(controller);
}

static int examine(mtnt__work *work)
{
    examination all = {.work = work};
    bool text = work->settings.format == MTNT__FORMAT_TEXT;
    int exit_code;

    if (!text)
        mtnt__encode_list_begin(&all.json, work->screen.out, work->settings.format == MTNT__FORMAT_JSONL);
    exit_code = mtnt__survey_tenants(work, work->controller == NULL ? foresee_tenant : examine_tenant, &all);
    mtnt__tally_groups_sort(&all.good);
    mtnt__tally_groups_sort(&all.bad);
    if (exit_code == 0 && text)
        put_text(&all);
    else if (exit_code == 0)
        mtnt__encode_list_end(
            &all.json,
            json_pack("{sI sI sI so}", "tenants", (json_int_t)all.tenants, "ready",
                      (json_int_t)(all.tenants - all.problems), "problems", (json_int_t)all.problems, "controller",
                      mtnt__encode_text(work->controller == NULL ? NULL : mtnt_controller_shown(work->controller))));
    mtnt__tally_groups_release(&all.good);
    mtnt__tally_groups_release(&all.bad);
    return exit_code == 0 && all.problems > 0 ? MTNT__EXIT_FAILED : exit_code;
}

int mtnt__command_doctor(mtnt__work *work)
{
    int exit_code = mtnt__survey_prepare(work);

    if (exit_code != 0)
        return exit_code;
    if (!mtnt__work_has_tenants(work))
        return mtnt__work_fail(work, MTNT__EXIT_CONFIG,
                               "no tenants are named: give --tenants FILE, or write `tenants:` into mtnt.yaml");
    return examine(work);
}
