#include "lanes.h"

#include <stdlib.h>
#include <string.h>

#include "beside.h"
#include "commands.h"
#include "encode.h"

/* The lanes at hand, in the order of running. */
typedef struct picked {
    mtnt_lane lane;
    const mtnt_chain *chain;
    const char *to;
} picked;

typedef struct pick {
    picked *items;
    size_t count;
} pick;

static bool is_in(const mtnt__list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], name) == 0)
            return true;
    return list->count == 0;
}

static int check_names(mtnt__work *work)
{
    const mtnt__list *asked = &work->settings.lanes;

    for (size_t i = 0; i < asked->count; i++) {
        const char *near = NULL;
        mtnt_lane lane;

        if (mtnt_chain_lane(work->chain, asked->items[i]) != NULL)
            continue;
        for (size_t j = 0; near == NULL && mtnt_chain_lane_at(work->chain, j, &lane); j++) {
            const char *const name[] = {lane.name, NULL};

            near = mtnt__words_nearest(asked->items[i], name);
        }
        return mtnt__work_fail(work, MTNT__EXIT_USAGE, "--lane: the chain %s has no lane %s%s%s%s",
                               mtnt_chain_name(work->chain), asked->items[i], near != NULL ? "; did you mean " : "",
                               near != NULL ? near : "", near != NULL ? "?" : "");
    }
    return 0;
}

/* ---- --to ---- */

static bool find_to(const mtnt_chain *chain, const char *to, mtnt_entry_info *ret_info)
{
    ptrdiff_t index = to == NULL ? -1 : mtnt_chain_find(chain, to);

    return index >= 0 && mtnt_chain_get(chain, (size_t)index, ret_info);
}

/* The last operation of the lane that stays when all after `order` go; NULL = none does. */
static const char *last_before(const mtnt_chain *lane, int64_t order)
{
    const char *name = NULL;
    mtnt_entry_info info;

    for (size_t i = 0; mtnt_chain_get(lane, i, &info) && info.order <= order; i++)
        name = info.name;
    return name;
}

/* Forward: the lanes before that of --to as a whole, and none after it. Backward: what comes after it by order, in every lane. */
static void apply_to(const mtnt__work *work, pick *all, bool backward)
{
    mtnt_entry_info to;
    size_t count = 0;

    if (!find_to(work->chain, work->settings.to, &to))
        return;
    for (size_t i = 0; i < all->count; i++) {
        picked *at = &all->items[i];

        if (backward)
            at->to = last_before(at->chain, to.order);
        else
            at->to = strcmp(at->lane.name, to.lane) == 0 ? work->settings.to : NULL;
        all->items[count++] = *at;
        if (!backward && at->to != NULL)
            break;
    }
    all->count = count;
}

static int check_to(mtnt__work *work, const pick *all)
{
    mtnt_entry_info to;

    if (!find_to(work->chain, work->settings.to, &to))
        return 0;
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i].lane.name, to.lane) == 0)
            return 0;
    return mtnt__work_fail(work, MTNT__EXIT_USAGE, "--to: operation %s is in lane %s, which --lane does not name",
                           to.name, to.lane);
}

/* ---- picking ---- */

static int pick_lanes(mtnt__work *work, mtnt__lanes_order order, pick *ret_pick)
{
    size_t lanes = mtnt_chain_lanes(work->chain);
    pick all = {calloc(lanes, sizeof *all.items), 0};
    int exit_code;

    if (all.items == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    for (size_t i = 0; i < lanes; i++) {
        picked at = {.to = work->settings.to};

        if (!mtnt_chain_lane_at(work->chain, order == MTNT__LANES_BACKWARD ? lanes - 1 - i : i, &at.lane) ||
            !is_in(&work->settings.lanes, at.lane.name))
            continue;
        at.chain = mtnt_chain_lane(work->chain, at.lane.name);
        all.items[all.count++] = at;
    }
    exit_code = check_to(work, &all);
    if (exit_code == 0 && all.count > 1 && (order == MTNT__LANES_ONE || work->settings.steps > 0))
        exit_code = mtnt__work_fail(
            work, MTNT__EXIT_USAGE, "the chain %s has lanes: say with --lane which of them is meant (%s, %s%s)",
            mtnt_chain_name(work->chain), all.items[0].lane.name, all.items[1].lane.name, all.count > 2 ? " …" : "");
    if (exit_code != 0) {
        free(all.items);
        return exit_code;
    }
    apply_to(work, &all, order == MTNT__LANES_BACKWARD);
    *ret_pick = all;
    return 0;
}

/* ---- running ---- */

void mtnt__lanes_put_event(const mtnt__work *work)
{
    mtnt__encode_put(work->screen.out, json_pack("{ss so}", "event", "lane", "lane", mtnt__encode_text(work->lane)),
                     true);
}

static void put_heading(mtnt__work *work, size_t index)
{
    FILE *out = work->screen.out;

    if (work->settings.format == MTNT__FORMAT_JSONL) {
        mtnt__lanes_put_event(work);
        return;
    }
    if (work->settings.format == MTNT__FORMAT_JSON) {
        fprintf(out, "%s", index == 0 ? "{\"lanes\": {\n" : ",\n");
        fprintf(out, "\"%s\": ", work->lane);
        return;
    }
    if (index > 0)
        fputc('\n', out);
    if ((work->settings.command->takes & MTNT__TAKES_RUN) == 0 ||
        (work->settings.command->takes & MTNT__TAKES_SAVE) != 0) {
        fputs("lane ", out);
        mtnt__screen_put(&work->screen, out, MTNT__STYLE_STRONG, work->lane);
        fputc('\n', out);
    }
}

/* json: one object for all; a lane that gave none is null. */
static int run_one(mtnt__work *work, int (*run)(mtnt__work *work))
{
    FILE *out = work->screen.out;
    char *text = NULL;
    size_t length = 0;
    int exit_code;

    if (work->settings.format != MTNT__FORMAT_JSON)
        return run(work);
    work->screen.out = open_memstream(&text, &length);
    if (work->screen.out == NULL) {
        work->screen.out = out;
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    }
    exit_code = run(work);
    if (fclose(work->screen.out) != 0)
        exit_code = mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    work->screen.out = out;
    while (length > 0 && text[length - 1] == '\n')
        length--;
    if (length > 0)
        fwrite(text, 1, length, out);
    else
        fputs("null", out);
    free(text);
    return exit_code;
}

/* The worse of two: a failure outranks what is pending. */
static int worse(int one, int other)
{
    return one == MTNT__EXIT_FAILED || other == MTNT__EXIT_OK ? one : other;
}

static bool goes_on(const mtnt__work *work, int exit_code)
{
    const char *on_error = work->settings.on_error;

    if (exit_code == MTNT__EXIT_FAILED)
        return on_error == NULL || strcmp(on_error, "stop") != 0;
    return exit_code == MTNT__EXIT_OK || exit_code == MTNT__EXIT_PENDING;
}

int mtnt__lanes_worse(const mtnt__work *work, int one, int other)
{
    if (!goes_on(work, one) && one != MTNT__EXIT_FAILED)
        return one;
    return !goes_on(work, other) ? other : worse(one, other);
}

/* What a saved plan expects of a tenant is of one lane, and so is what children are told. */
static bool any_beside(const mtnt__work *work, const pick *all)
{
    if (work->settings.plan != NULL || work->settings.isolate)
        return false;
    for (size_t i = 1; i < all->count; i++)
        if (all->items[i].lane.beside)
            return true;
    return false;
}

static int run_beside(mtnt__work *work, const pick *all)
{
    mtnt__beside_lane *lanes = calloc(all->count, sizeof *lanes);
    int exit_code;

    if (lanes == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    for (size_t i = 0; i < all->count; i++)
        lanes[i] = (mtnt__beside_lane){all->items[i].lane.name, all->items[i].chain};
    exit_code = mtnt__beside_migrate(work, lanes, all->count);
    free(lanes);
    return exit_code;
}

static int run_all(mtnt__work *work, const pick *all, int (*run)(mtnt__work *work))
{
    mtnt_chain *whole = work->chain;
    const char *to = work->settings.to;
    int exit_code = MTNT__EXIT_OK;

    for (size_t i = 0; i < all->count; i++) {
        int code;

        /* Nobody changes it: only this command's own release of the whole frees it. */
        work->chain = (mtnt_chain *)(uintptr_t)all->items[i].chain;
        work->lane = all->items[i].lane.name;
        work->settings.to = all->items[i].to;
        work->bounded = to != NULL;
        put_heading(work, i);
        code = run_one(work, run);
        exit_code = goes_on(work, code) ? worse(exit_code, code) : code;
        if (!goes_on(work, code))
            break;
    }
    if (work->settings.format == MTNT__FORMAT_JSON)
        fprintf(work->screen.out, "\n}, \"exit\": %d}\n", exit_code);
    work->chain = whole;
    work->lane = NULL;
    work->settings.to = to;
    work->bounded = false;
    return exit_code;
}

int mtnt__lanes_check(mtnt__work *work)
{
    int exit_code = mtnt__work_load_chain(work);

    return exit_code != 0 ? exit_code : check_names(work);
}

int mtnt__lanes_each(mtnt__work *work, mtnt__lanes_order order, bool migrates, int (*run)(mtnt__work *work))
{
    pick all = {NULL, 0};
    int exit_code;

    if (order == MTNT__LANES_WHOLE)
        return run(work);
    exit_code = mtnt__lanes_check(work);
    if (exit_code != 0)
        return exit_code;
    if (mtnt_chain_lanes(work->chain) == 1)
        return run(work);
    exit_code = pick_lanes(work, order, &all);
    if (exit_code == 0)
        exit_code = migrates && any_beside(work, &all) ? run_beside(work, &all) : run_all(work, &all, run);
    free(all.items);
    return exit_code;
}

void mtnt__lanes_put_chain(mtnt__work *work)
{
    const mtnt__screen *screen = &work->screen;
    const char *name = mtnt_chain_name(work->chain), *slash = strchr(name, '/');
    char base[128];

    snprintf(base, sizeof base, "%.*s", slash == NULL ? (int)strlen(name) : (int)(slash - name), name);
    mtnt__screen_put(screen, screen->out, MTNT__STYLE_STRONG, base);
    if (work->lane != NULL) {
        fprintf(screen->out, "%slane ", mtnt__screen_sign(screen, " · ", " - "));
        mtnt__words_put(screen->out, work->lane);
    }
}
