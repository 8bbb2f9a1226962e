#include "commands.h"
#include "encode.h"
#include "run.h"

/* Tenants whose rewind failed are whole and current: migrating them is nothing. Whatever is worse ends it. */
static int perform(mtnt__work *work, json_t **ret_back, json_t **ret_forward)
{
    const mtnt__run_spec back = {"rewind", MTNT_BACKWARD, 0}, forward = {"migrate", MTNT_FORWARD, 0};
    int first = mtnt__run(work, &back, ret_back), second;

    if (first != MTNT__EXIT_OK && first != MTNT__EXIT_FAILED)
        return first;
    if (work->settings.format == MTNT__FORMAT_TEXT)
        fputc('\n', work->screen.out);
    second = mtnt__run(work, &forward, ret_forward);
    return second != MTNT__EXIT_OK ? second : first;
}

int mtnt__command_reset(mtnt__work *work)
{
    json_t *back = NULL, *forward = NULL;
    int exit_code;

    if (!work->settings.yes)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE,
                               "reset takes back everything that is applied to the selected tenants: say --yes if "
                               "that is meant");
    exit_code = perform(work, &back, &forward);
    if (work->settings.format == MTNT__FORMAT_JSON)
        mtnt__encode_put(
            work->screen.out,
            json_pack("{ss so* so* si}", "command", "reset", "rewind", back, "migrate", forward, "exit", exit_code),
            false);
    return exit_code;
}
