#include "commands.h"
#include "encode.h"
#include "run.h"

/* Tenants whose rewind failed are whole and current: migrating them is nothing. Whatever is worse ends it. */
static int perform(mtnt__work *work, json_t **ret_back, json_t **ret_forward)
{
    const mtnt__run_spec back = {.command = "rewind", .direction = MTNT_BACKWARD},
                         forward = {.command = "migrate", .direction = MTNT_FORWARD};
    int first = mtnt__run(work, &back, ret_back), second;

    if (first != MTNT__EXIT_OK && first != MTNT__EXIT_FAILED)
        return first;
    if (work->settings.format == MTNT__FORMAT_TEXT)
        fputc('\n', work->screen.out);
    second = mtnt__run(work, &forward, ret_forward);
    return second != MTNT__EXIT_OK ? second : first;
}

/* ---- lane by lane ---- */

static int back(mtnt__work *work)
{
    const mtnt__run_spec spec = {.command = "rewind", .direction = MTNT_BACKWARD};

    return mtnt__run(work, &spec, NULL);
}

static int forward(mtnt__work *work)
{
    const mtnt__run_spec spec = {.command = "migrate", .direction = MTNT_FORWARD};

    return mtnt__run(work, &spec, NULL);
}

static int reset_lanes(mtnt__work *work)
{
    bool json = work->settings.format == MTNT__FORMAT_JSON;
    FILE *out = work->screen.out;
    int first, second;

    fputs(json ? "{\"command\": \"reset\", \"rewind\": " : "", out);
    first = mtnt__lanes_each(work, MTNT__LANES_BACKWARD, false, back);
    second = first;
    if (first == MTNT__EXIT_OK || first == MTNT__EXIT_FAILED) {
        fputs(json ? ", \"migrate\": " : work->settings.format == MTNT__FORMAT_TEXT ? "\n" : "", out);
        second = mtnt__lanes_each(work, MTNT__LANES_FORWARD, true, forward);
    }
    second = second != MTNT__EXIT_OK ? second : first;
    if (json)
        fprintf(out, ", \"exit\": %d}\n", second);
    return second;
}

int mtnt__command_reset(mtnt__work *work)
{
    json_t *back_result = NULL, *forward_result = NULL;
    int exit_code;

    if (!work->settings.yes)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE,
                               "reset takes back everything that is applied to the selected tenants: say --yes if "
                               "that is meant");
    exit_code = mtnt__lanes_check(work);
    if (exit_code != 0)
        return exit_code;
    if (mtnt_chain_lanes(work->chain) > 1)
        return reset_lanes(work);
    exit_code = perform(work, &back_result, &forward_result);
    if (work->settings.format == MTNT__FORMAT_JSON)
        mtnt__encode_put(work->screen.out,
                         json_pack("{ss so* so* si}", "command", "reset", "rewind", back_result, "migrate",
                                   forward_result, "exit", exit_code),
                         false);
    return exit_code;
}
