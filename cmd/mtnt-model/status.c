#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "excerpt.h"
#include "encode.h"
#include "failures.h"
#include "lanes.h"
#include "quote.h"
#include "survey.h"
#include "tally.h"

typedef struct status {
    mtnt__work *work;
    mtnt__tally tally;
    mtnt__tally_groups waiting; /* for a recovery or a person, by state */
    mtnt__encode_list json;
    int64_t gone, due, removed; /* models that were put away; due: of those that are there yet */
    bool elsewhere;             /* some model is on a PostgreSQL server: prepared transactions may be there */
} status;

/* What ends the states in which nothing goes on by itself; {tenant} is filled in. NULL: it is none of them. */
static const char *next_step(const char *state)
{
    static const struct {
        const char *state, *step;
    } steps[] = {
        {"in_doubt",
         "once both databases can be reached,   mtnt-model recover --tenant {tenant}   (or, when one is gone for good,   "
         "mtnt-model resolve --tenant {tenant} --as committed|aborted)"},
        {"blocked", "move what stands at the model's name away, then   mtnt-model recover --tenant {tenant}"},
        {"diverged",
         "bring both databases to the same state, then   mtnt-model resolve --tenant {tenant} --as committed|aborted"},
        {"rollback_failed", "see to the reason, then   mtnt-model resolve --tenant {tenant} --as retry"},
    };

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
        if (strcmp(steps[i].state, state) == 0)
            return steps[i].step;
    return NULL;
}

/* The step for a tenant, with its id quoted for a shell. The caller's to free; NULL = none, or out of memory. */
static char *step_for(const mtnt__work *work, const char *state, const char *tenant)
{
    const char *step = next_step(state), *mark;
    char *id = mtnt__quote_word(tenant), *text = NULL;
    size_t length = 0;
    FILE *out = step == NULL || id == NULL ? NULL : open_memstream(&text, &length);

    if (out != NULL) {
        for (; (mark = strstr(step, "{tenant}")) != NULL; step = mark + strlen("{tenant}"))
            fprintf(out, "%.*s%s%s%s", (int)(mark - step), step, id, work->lane == NULL ? "" : " --lane ",
                    work->lane == NULL ? "" : work->lane);
        fputs(step, out);
        if (fclose(out) != 0) {
            free(text);
            text = NULL;
        }
    }
    free(id);
    return text;
}

static int show_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    status *all = data;

    if (model == NULL || mtnt_model_backend(model) != MTNT_SQLITE)
        all->elsewhere = true;
    all->gone += info->gone;
    all->due += info->removal_due;
    all->removed += info->gone && info->removed_ms != 0;
    if (next_step(info->state) != NULL &&
        mtnt__tally_group_add(&all->waiting, info->tenant, info->state, NULL, info->state) != 0)
        return mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
    if (all->work->settings.format != MTNT__FORMAT_TEXT) {
        char *next = step_for(all->work, info->state, info->tenant);

        mtnt__encode_list_item(
            &all->json, json_pack("{so so sI sI so so so so sb so so}", "id", mtnt__encode_text(info->tenant), "state",
                                  mtnt__encode_text(info->state), "version", (json_int_t)info->version, "pending",
                                  (json_int_t)info->pending, "error", mtnt__encode_text(info->error), "error_operation",
                                  mtnt__encode_text(info->error_operation), "updated",
                                  mtnt__encode_time(info->updated_ms), "next", mtnt__encode_text(next), "gone",
                                  info->gone, "remove_after", mtnt__encode_time(info->gone ? info->remove_after_ms : 0),
                                  "removed", mtnt__encode_time(info->gone ? info->removed_ms : 0)));
        free(next);
    }
    return mtnt__tally_add(&all->tally, info) == 0 ? 0 : mtnt__work_fail(all->work, MTNT__EXIT_FATAL, "out of memory");
}

/* Ours, on the controller's own server; -1 = not known. */
static int64_t prepared_transactions(const status *all)
{
    mtnt_db *db = all->work->controller == NULL ? NULL : mtnt_controller_db(all->work->controller);
    mtnt_error err = MTNT_ERROR_INIT;
    int64_t count = -1;

    if (db == NULL || mtnt_db_backend(db) == MTNT_SQLITE)
        return all->elsewhere ? -1 : 0;
    /* Another controller's on the same server are its own business. */
    if (mtnt_db_query_int(
            db, &count, &err,
            "SELECT count(*) FROM pg_catalog.pg_prepared_xacts WHERE starts_with(gid, 'mtnt:' || left($1, 8) || ':')",
            MTNT_TEXT(mtnt_controller_id(all->work->controller))) != 0)
        return -1;
    return count;
}

static bool newest(const mtnt_chain *chain, mtnt_entry_info *ret_info)
{
    size_t count = mtnt_chain_len(chain);

    return count > 0 && mtnt_chain_get(chain, count - 1, ret_info);
}

/* ---- text ---- */

static int digits(int64_t number)
{
    return snprintf(NULL, 0, "%" PRId64, number);
}

static void put_histogram(const status *all)
{
    const mtnt__tally *tally = &all->tally;
    const mtnt__screen *screen = &all->work->screen;
    int version_width = 1, count_width = 4, room;
    int64_t most = 1;

    for (size_t i = 0; i < tally->version_count; i++) {
        const mtnt__tally_version *at = &tally->versions[i];

        version_width = digits(at->version) > version_width ? digits(at->version) : version_width;
        count_width = digits(at->tenants) > count_width ? digits(at->tenants) : count_width;
        most = at->tenants > most ? at->tenants : most;
    }
    room = mtnt__screen_width(screen) - 14 - version_width - count_width;
    room = room > 40 ? 40 : room < 4 ? 4 : room;
    for (size_t i = 0; i < tally->version_count; i++) {
        const mtnt__tally_version *at = &tally->versions[i];
        int bar = (int)(most <= room ? at->tenants : at->tenants * room / most);

        fprintf(screen->out, "  version %-*" PRId64 " %*" PRId64 "  ", version_width, at->version, count_width,
                at->tenants);
        mtnt__screen_bar(screen, screen->out, bar > 0 ? bar : 1, 1, 1);
        fputc('\n', screen->out);
    }
}

static void put_waiting(const status *all, const mtnt__tally_group *group)
{
    FILE *out = all->work->screen.out;
    char *next = group->examples[0] == NULL ? NULL : step_for(all->work, group->state, group->examples[0]);

    fprintf(out, "%s %" PRId64 "     ", group->state, group->tenants);
    mtnt__failures_put_examples(out, group);
    fputc('\n', out);
    if (next != NULL) {
        fputs("    next: ", out);
        mtnt__words_put(out, next);
        fputc('\n', out);
    }
    free(next);
}

/* Not lost: a migration has put them away. */
static void put_gone(const status *all)
{
    const char *dot = mtnt__screen_sign(&all->work->screen, " · ", " - ");
    FILE *out = all->work->screen.out;

    if (all->gone == 0)
        return;
    fprintf(out, "models deleted %" PRId64 "%sput away %" PRId64 "%sremoved for good %" PRId64 "\n", all->gone, dot,
            all->gone - all->removed, dot, all->removed);
    if (all->due > 0)
        fprintf(out, "  the time of %" PRId64 " put away is over   next: mtnt-model recover\n", all->due);
}

static void put_text(const status *all)
{
    const mtnt__tally *tally = &all->tally;
    const mtnt__screen *screen = &all->work->screen;
    const char *dot = mtnt__screen_sign(screen, " · ", " - ");
    int64_t prepared = prepared_transactions(all);
    size_t operations = mtnt_chain_len(all->work->chain);
    FILE *out = screen->out;
    mtnt_entry_info last;

    fputs("chain ", out);
    mtnt__lanes_put_chain(all->work);
    fprintf(out, ", %zu operation%s", operations, operations == 1 ? "" : "s");
    if (newest(all->work->chain, &last)) {
        fprintf(out, ", newest %" PRId64 " ", last.order);
        mtnt__words_put(out, last.name);
    }
    fputc('\n', out);
    put_histogram(all);
    fprintf(out,
            "%" PRId64 " tenant%s: %" PRId64 " current, %" PRId64 " pending, %" PRId64 " failed, %" PRId64
            " interrupted\n",
            tally->tenants, tally->tenants == 1 ? "" : "s", tally->current, tally->pending, tally->failed,
            tally->interrupted);
    fprintf(out, "failed %" PRId64 "%sinterrupted %" PRId64, tally->failed, dot, tally->interrupted);
    if (prepared >= 0)
        fprintf(out, "%sprepared transactions %" PRId64, dot, prepared);
    fputc('\n', out);
    put_gone(all);
    mtnt__failures_put(all->work, &tally->failures);
    for (size_t i = 0; i < all->waiting.count; i++)
        put_waiting(all, &all->waiting.items[i]);
}

/* ---- JSON ---- */

static json_t *describe_versions(const mtnt__tally *tally)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < tally->version_count; i++)
        json_array_append_new(list, json_pack("{sI sI}", "version", (json_int_t)tally->versions[i].version, "tenants",
                                              (json_int_t)tally->versions[i].tenants));
    return list;
}

static json_t *describe_waiting(const mtnt__tally_groups *waiting)
{
    json_t *states = json_object();

    for (size_t i = 0; states != NULL && i < waiting->count; i++)
        json_object_set_new(states, waiting->items[i].state, json_integer((json_int_t)waiting->items[i].tenants));
    return states;
}

static json_t *describe(const status *all)
{
    const mtnt__tally *tally = &all->tally;
    const mtnt_chain *chain = all->work->chain;
    int64_t prepared = prepared_transactions(all);
    mtnt_entry_info last;
    bool some = newest(chain, &last);

    return json_pack("{so sI so sI sI sI sI sI sI so so so so}", "chain", mtnt__encode_text(mtnt_chain_name(chain)),
                     "chain_length", (json_int_t)mtnt_chain_len(chain), "newest",
                     some ? json_integer(last.order) : json_null(), "tenants", (json_int_t)tally->tenants, "current",
                     (json_int_t)tally->current, "pending", (json_int_t)tally->pending, "failed",
                     (json_int_t)tally->failed, "interrupted", (json_int_t)tally->interrupted, "gone",
                     (json_int_t)all->gone, "prepared_transactions",
                     prepared >= 0 ? json_integer(prepared) : json_null(), "versions", describe_versions(tally),
                     "failures", mtnt__failures_describe(&tally->failures), "waiting", describe_waiting(&all->waiting));
}

int mtnt__command_status(mtnt__work *work)
{
    status all = {.work = work};
    bool text = work->settings.format == MTNT__FORMAT_TEXT;
    int exit_code = mtnt__survey_prepare(work);

    if (exit_code != 0)
        return exit_code;
    if (!text)
        mtnt__encode_list_begin(&all.json, work->screen.out, work->settings.format == MTNT__FORMAT_JSONL);
    exit_code = mtnt__survey_tenants(work, show_tenant, &all);
    mtnt__tally_sort(&all.tally);
    mtnt__tally_groups_sort(&all.waiting);
    if (!text && (exit_code == 0 || all.json.count > 0))
        mtnt__encode_list_end(&all.json, describe(&all));
    if (text && exit_code == 0)
        put_text(&all);
    if (exit_code == 0 && work->settings.exit_code && all.tally.not_current > 0)
        exit_code = MTNT__EXIT_PENDING;
    mtnt__tally_release(&all.tally);
    mtnt__tally_groups_release(&all.waiting);
    return exit_code;
}
