#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "excerpt.h"
#include "encode.h"
#include "quote.h"
#include "run.h"
#include "survey.h"
#include "tally.h"

typedef struct examination {
    mtnt__work *work;
    mtnt__tally_groups good, bad, warnings;
    mtnt__encode_list json;
    char controller[192];
    int64_t tenants, problems, warned;
    int workers;
    int64_t connections,
        room; /* that a run may need, and that its controller's server has for all; room 0 = not known */
} examination;

static json_t *encode_warnings(const mtnt_examination *found)
{
    json_t *list = json_array();

    if (found->controller_warning[0] != '\0')
        json_array_append_new(list, mtnt__encode_text(found->controller_warning));
    if (found->model_warning[0] != '\0')
        json_array_append_new(list, mtnt__encode_text(found->model_warning));
    return list;
}

/* holds: true, false, or null where nothing was opened. */
static void describe(examination *all, const char *tenant, const mtnt_examination *found, const mtnt_error *err)
{
    bool opened = all->work->controller != NULL;

    mtnt__encode_list_item(&all->json,
                           json_pack("{so so so so so so so so so so}", "id", mtnt__encode_text(tenant), "mode",
                                     mtnt__encode_text(found->mode), "guarantee", mtnt__encode_text(found->guarantee),
                                     "decider", mtnt__encode_text(found->decider), "model",
                                     mtnt__encode_text(found->model[0] != '\0' ? found->model : NULL), "model_exists",
                                     opened ? json_boolean(found->model_exists) : json_null(), "controller",
                                     mtnt__encode_text(found->controller[0] != '\0' ? found->controller : NULL),
                                     "holds", opened ? json_boolean(err->code == MTNT_OK) : json_null(), "warnings",
                                     encode_warnings(found), "error", mtnt__encode_error(err)));
}

/* With -v: each tenant on a line of its own. */
static void list_tenant(const examination *all, const char *tenant, const mtnt_examination *found,
                        const mtnt_error *err)
{
    FILE *out = all->work->screen.out;

    mtnt__words_put(out, tenant);
    fprintf(out, "   %s", found->mode == NULL ? "mode not known" : found->mode);
    if (found->decider != NULL)
        fprintf(out, ", decided by the %s", found->decider);
    if (err->code == MTNT_OK) {
        fprintf(out, "   holds: %s", found->guarantee);
    } else {
        fputs("   does not hold: ", out);
        mtnt__words_put(out, err->message);
    }
    fputc('\n', out);
}

static int warn_of(examination *all, const char *tenant, const mtnt_examination *found)
{
    const char *const texts[] = {found->controller_warning, found->model_warning};
    int rc = 0;

    for (size_t i = 0; i < 2 && rc == 0; i++)
        if (texts[i][0] != '\0')
            rc = mtnt__tally_group_add_plain(&all->warnings, tenant, texts[i]);
    all->warned += texts[0][0] != '\0' || texts[1][0] != '\0';
    return rc;
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
    return mtnt__tally_group_add_plain(&all->good, info->tenant, found.guarantee) == 0
               ? 0
               : mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
}

static int examine_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    examination *all = data;
    mtnt_examination found;
    mtnt_error err = MTNT_ERROR_INIT;
    char text[MTNT_ERROR_MESSAGE_SIZE + 128];
    int rc;

    all->tenants++;
    rc = mtnt_coordinator_examine_operations(all->work->controller, model, all->work->chain, NULL, 0,
                                             mtnt__run_mode(all->work), &found, &err);
    if (found.controller[0] != '\0')
        memcpy(all->controller, found.controller, sizeof all->controller);
    if (all->work->settings.format != MTNT__FORMAT_TEXT)
        describe(all, info->tenant, &found, &err);
    else if (all->work->settings.verbose)
        list_tenant(all, info->tenant, &found, &err);
    if (warn_of(all, info->tenant, &found) != 0)
        return mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
    if (rc != 0) {
        all->problems++;
        snprintf(text, sizeof text, "%s%s%s",
                 err.code == MTNT_E_REFUSED && found.guarantee != NULL ? found.guarantee : "",
                 err.code == MTNT_E_REFUSED && found.guarantee != NULL ? " does not hold: " : "", err.message);
        rc = mtnt__tally_group_add(&all->bad, info->tenant, text, NULL, err.state[0] != '\0' ? err.state : NULL);
    } else {
        snprintf(text, sizeof text, "%s, decided by the %s; %s%s%s", found.guarantee, found.decider, found.model,
                 found.model[0] != '\0' && !found.model_exists ? ", " : "",
                 found.model_exists ? "" : "to be made by the chain");
        rc = mtnt__tally_group_add_plain(&all->good, info->tenant, text);
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

/* What max_connections leaves to those who are not superusers. */
#define ROOM                                                                                                 \
    "SELECT sum(CASE name WHEN 'max_connections' THEN setting::bigint ELSE -(setting::bigint) END)::bigint " \
    "FROM pg_settings WHERE name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')"

static int count_connections(examination *all)
{
    mtnt_error err = MTNT_ERROR_INIT;
    int exit_code;

    if (all->work->controller == NULL || mtnt_db_backend(mtnt_controller_db(all->work->controller)) != MTNT_POSTGRES)
        return 0;
    exit_code = mtnt__run_connections(all->work, &all->workers, &all->connections);
    if (exit_code == 0 && mtnt_db_query_int(mtnt_controller_db(all->work->controller), &all->room, &err, ROOM) != 0)
        exit_code = mtnt__work_fail_error(all->work, &err);
    return exit_code;
}

static void put_connections(const examination *all)
{
    const mtnt__screen *screen = &all->work->screen;

    if (all->connections <= all->room)
        return;
    fputs("  ", screen->out);
    mtnt__screen_put(screen, screen->out, MTNT__STYLE_STRONG, "!");
    fprintf(screen->out,
            " a run with %d worker%s may need %" PRId64
            " connections at the same time, and the controller's server has %" PRId64
            " for all: fewer --workers, or --connections %" PRId64 "\n",
            all->workers, all->workers == 1 ? "" : "s", all->connections, all->room, all->room);
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
    fputs("\nchain ", screen->out);
    mtnt__lanes_put_chain(all->work);
    fprintf(screen->out, ": %zu operations, which write %s\n", mtnt_chain_len(chain), writes_of(chain));
    if (all->work->controller == NULL)
        fprintf(screen->out, "%" PRId64 " tenant%s, not opened\n", all->tenants, all->tenants == 1 ? "" : "s");
    else
        fprintf(screen->out, "%" PRId64 " tenant%s: %" PRId64 " ready, %" PRId64 " with a problem", all->tenants,
                all->tenants == 1 ? "" : "s", all->tenants - all->problems, all->problems);
    if (all->warned > 0)
        fprintf(screen->out, ", %" PRId64 " with a warning", all->warned);
    if (all->work->controller != NULL)
        fputc('\n', screen->out);
    put_groups(all, &all->good, MTNT__STYLE_GOOD, mtnt__screen_sign(screen, "✓", "+"));
    put_connections(all);
    put_groups(all, &all->warnings, MTNT__STYLE_STRONG, "!");
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
    exit_code = count_connections(&all);
    if (exit_code == 0)
        exit_code = mtnt__survey_tenants(work, work->controller == NULL ? foresee_tenant : examine_tenant, &all);
    mtnt__tally_groups_sort(&all.good);
    mtnt__tally_groups_sort(&all.bad);
    mtnt__tally_groups_sort(&all.warnings);
    if (exit_code == 0 && text)
        put_text(&all);
    else if (exit_code == 0)
        mtnt__encode_list_end(
            &all.json,
            json_pack("{sI sI sI sI so so}", "tenants", (json_int_t)all.tenants, "ready",
                      (json_int_t)(all.tenants - all.problems), "problems", (json_int_t)all.problems, "warned",
                      (json_int_t)all.warned, "controller",
                      mtnt__encode_text(work->controller == NULL ? NULL : mtnt_controller_shown(work->controller)),
                      "connections",
                      all.room == 0 ? json_null()
                                    : json_pack("{si sI sI}", "workers", all.workers, "needed",
                                                (json_int_t)all.connections, "available", (json_int_t)all.room)));
    mtnt__tally_groups_release(&all.good);
    mtnt__tally_groups_release(&all.bad);
    mtnt__tally_groups_release(&all.warnings);
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
