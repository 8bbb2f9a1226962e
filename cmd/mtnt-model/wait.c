#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "encode.h"
#include "excerpt.h"
#include "survey.h"
#include "tally.h"

enum { POLL_LEAST_MS = 250, POLL_MOST_MS = 5000, POLL_SHARE = 20 };

typedef enum outcome { COMPLETE = 0, PENDING, RUNNING, FAILED } outcome;
static const char *const outcome_words[] = {"complete", "pending", "running", "failed"};

/* One lane as it is at one look. complete + running + failed + pending = tenants. */
typedef struct sight {
    mtnt__work *work;
    mtnt_lane lane;
    bool asked; /* else it is one that such a lane waits for: its failure is the end of that, too */
    int64_t tenants, counts[4];
    mtnt__tally_groups failures;
} sight;

typedef struct wait {
    mtnt__work *work;
    sight *sights;
    size_t count;
} wait;

static outcome outcome_of(const mtnt_tenant_info *info)
{
    if (info->current)
        return COMPLETE;
    if (strcmp(info->state, "executing") == 0 || strcmp(info->state, "compensating") == 0)
        return RUNNING;
    return info->error != NULL || strcmp(info->state, "idle") != 0 ? FAILED : PENDING;
}

/* A failure may be of yesterday, and its tenant's turn may come yet: it counts when nothing is at work any more. */
static outcome outcome_of_lane(const sight *at)
{
    if (at->counts[RUNNING] > 0)
        return RUNNING;
    return at->counts[FAILED] > 0 ? FAILED : at->counts[PENDING] > 0 ? PENDING : COMPLETE;
}

static int see_tenant(void *data, const mtnt_tenant_info *info, const mtnt_model *model)
{
    outcome found = outcome_of(info);
    sight *at = data;

    (void)model;
    /* Its model was put away: there is nothing to wait for. */
    if (info->gone)
        return 0;
    at->tenants++;
    at->counts[found]++;
    if (found != FAILED)
        return 0;
    return mtnt__tally_group_add(&at->failures, info->tenant, info->error != NULL ? info->error : info->state,
                                 info->error_operation, info->error_state) == 0
               ? 0
               : mtnt__work_fail(at->work, MTNT__EXIT_FATAL, "out of memory");
}

static int look_at(wait *all, sight *at)
{
    mtnt__work *work = all->work;
    mtnt_chain *whole = work->chain;
    int exit_code;

    mtnt__tally_groups_release(&at->failures);
    at->tenants = 0;
    memset(at->counts, 0, sizeof at->counts);
    work->chain = (mtnt_chain *)(uintptr_t)mtnt_chain_lane(whole, at->lane.name);
    exit_code = mtnt__survey_tenants(work, see_tenant, at);
    work->chain = whole;
    return exit_code;
}

/* All lanes, and the worst that is to be said of them. A controller that is not there yet may come. */
static int look(wait *all, outcome *ret_outcome)
{
    outcome worst = COMPLETE;
    bool before_failed = false;
    int exit_code = mtnt__work_open_controller(all->work, true);

    for (size_t i = 0; exit_code == 0 && i < all->count; i++) {
        outcome found;

        exit_code = look_at(all, &all->sights[i]);
        found = outcome_of_lane(&all->sights[i]);
        if (all->sights[i].asked)
            worst = found > worst ? found : worst;
        else
            before_failed = before_failed || found == FAILED;
    }
    *ret_outcome = before_failed && worst == PENDING ? FAILED : worst;
    return exit_code;
}

/* ---- time ---- */

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void sleep_ms(int64_t ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&time, NULL);
}

/* The longer an answer takes, the less often it is asked for. */
static int64_t pause_ms(int64_t took_ms, int64_t left_ms)
{
    int64_t pause = took_ms * POLL_SHARE;

    pause = pause < POLL_LEAST_MS ? POLL_LEAST_MS : pause > POLL_MOST_MS ? POLL_MOST_MS : pause;
    return pause < left_ms ? pause : left_ms;
}

static int until_settled(wait *all, outcome *ret_outcome)
{
    const mtnt__settings *settings = &all->work->settings;
    bool quiet = settings->quiet;
    int64_t start = now_ms(), left = 0;
    int exit_code;

    do {
        int64_t before = now_ms();

        exit_code = look(all, ret_outcome);
        if (exit_code != 0 || *ret_outcome == COMPLETE || *ret_outcome == FAILED)
            break;
        left = settings->timeout_ms == 0 ? INT64_MAX : start + settings->timeout_ms - now_ms();
        if (left > 0)
            sleep_ms(pause_ms(now_ms() - before, left));
        all->work->settings.quiet = true; /* what there is to be noted has been */
    } while (left > 0);
    all->work->settings.quiet = quiet;
    return exit_code;
}

/* ---- what is said ---- */

static void put_failures(const sight *at)
{
    FILE *out = at->work->screen.out;

    for (size_t i = 0; i < at->failures.count; i++) {
        const mtnt__tally_group *group = &at->failures.items[i];
        const char *text = mtnt__excerpt_without_operation(group->text, group->operation);

        fprintf(out, "  %" PRId64 " x  ", group->tenants);
        mtnt__words_put_bytes(out, text, strcspn(text, "\n"));
        if (group->operation != NULL) {
            fputs("   at ", out);
            mtnt__words_put(out, group->operation);
        }
        fputs("     ", out);
        for (size_t j = 0; j < MTNT__TALLY_EXAMPLES && group->examples[j] != NULL; j++) {
            fputs(j > 0 ? ", " : "", out);
            mtnt__words_put(out, group->examples[j]);
        }
        fputc('\n', out);
    }
}

static void put_text(const sight *at)
{
    fprintf(at->work->screen.out,
            "lane %s %s: %" PRId64 " tenant%s, %" PRId64 " complete, %" PRId64 " running, %" PRId64 " failed, %" PRId64
            " pending\n",
            at->lane.name, outcome_words[outcome_of_lane(at)], at->tenants, at->tenants == 1 ? "" : "s",
            at->counts[COMPLETE], at->counts[RUNNING], at->counts[FAILED], at->counts[PENDING]);
    put_failures(at);
}

static json_t *describe(const sight *at)
{
    const mtnt__tally_group *first = at->failures.count > 0 ? &at->failures.items[0] : NULL;

    return json_pack("{ss sI sI sI sI sI so so}", "state", outcome_words[outcome_of_lane(at)], "tenants",
                     (json_int_t)at->tenants, "complete", (json_int_t)at->counts[COMPLETE], "running",
                     (json_int_t)at->counts[RUNNING], "failed", (json_int_t)at->counts[FAILED], "pending",
                     (json_int_t)at->counts[PENDING], "error", mtnt__encode_text(first == NULL ? NULL : first->text),
                     "error_operation", mtnt__encode_text(first == NULL ? NULL : first->operation));
}

static bool is_worth_saying(const sight *at)
{
    return at->asked || outcome_of_lane(at) == FAILED;
}

static void put_json(const wait *all, outcome found, int exit_code)
{
    json_t *lanes = json_object();

    for (size_t i = 0; lanes != NULL && i < all->count; i++)
        if (is_worth_saying(&all->sights[i]))
            json_object_set_new(lanes, all->sights[i].lane.name, describe(&all->sights[i]));
    mtnt__encode_put(all->work->screen.out,
                     json_pack("{ss so si}", "state", outcome_words[found], "lanes", lanes, "exit", exit_code),
                     all->work->settings.format == MTNT__FORMAT_JSONL);
}

static int finish(wait *all, outcome found)
{
    int exit_code = found == COMPLETE ? MTNT__EXIT_OK : found == FAILED ? MTNT__EXIT_FAILED : MTNT__EXIT_PENDING;

    for (size_t i = 0; i < all->count; i++)
        mtnt__tally_groups_sort(&all->sights[i].failures);
    if (all->work->settings.format != MTNT__FORMAT_TEXT)
        put_json(all, found, exit_code);
    else
        for (size_t i = 0; i < all->count; i++)
            if (is_worth_saying(&all->sights[i]))
                put_text(&all->sights[i]);
    return exit_code;
}

static bool is_asked(const mtnt__list *lanes, const char *name)
{
    for (size_t i = 0; i < lanes->count; i++)
        if (strcmp(lanes->items[i], name) == 0)
            return true;
    return lanes->count == 0;
}

/* The lanes that are asked for, and those that they wait for. */
static void choose(wait *all)
{
    size_t last = 0, lanes = mtnt_chain_lanes(all->work->chain);
    mtnt_lane lane;

    for (size_t i = 0; i < lanes && mtnt_chain_lane_at(all->work->chain, i, &lane); i++)
        if (is_asked(&all->work->settings.lanes, lane.name) && !lane.beside)
            last = i;
    for (size_t i = 0; i < lanes && mtnt_chain_lane_at(all->work->chain, i, &lane); i++) {
        bool asked = is_asked(&all->work->settings.lanes, lane.name);

        if (asked || i < last)
            all->sights[all->count++] = (sight){.work = all->work, .lane = lane, .asked = asked};
    }
}

int mtnt__command_wait(mtnt__work *work)
{
    wait all = {.work = work};
    outcome found = PENDING;
    int exit_code = mtnt__lanes_check(work);

    if (exit_code != 0)
        return exit_code;
    all.sights = calloc(mtnt_chain_lanes(work->chain), sizeof *all.sights);
    if (all.sights == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    choose(&all);
    exit_code = until_settled(&all, &found);
    if (exit_code == 0)
        exit_code = finish(&all, found);
    for (size_t i = 0; i < all.count; i++)
        mtnt__tally_groups_release(&all.sights[i].failures);
    free(all.sights);
    return exit_code;
}
