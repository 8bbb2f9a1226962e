#include "commands.h"
#include "run.h"

/* The last operation of the chain, or lane, at hand. */
static const char *last_name(const mtnt__work *work)
{
    mtnt_entry_info info = {.name = NULL};
    size_t count = mtnt_chain_len(work->chain);

    return count > 0 && mtnt_chain_get(work->chain, count - 1, &info) ? info.name : NULL;
}

int mtnt__command_baseline(mtnt__work *work)
{
    const mtnt__run_spec spec = {.command = "baseline", .direction = MTNT_BASELINE};
    const char *to = work->settings.to;
    int exit_code;

    /* A lane before that of --to, of which all is meant. */
    if (to == NULL && work->bounded)
        work->settings.to = last_name(work);
    exit_code = mtnt__run(work, &spec, NULL);
    work->settings.to = to;
    return exit_code;
}
