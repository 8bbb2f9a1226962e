#include "commands.h"
#include "run.h"

/* What is done to a tenant is the run's affair: saying it here could only contradict. */
static const char *const of_the_run[] = {"atomicity", "on-failure", "mode", NULL};

int mtnt__command_join(mtnt__work *work)
{
    const mtnt__run_spec spec = {.command = "join", .join = true};

    for (const char *const *name = of_the_run; *name != NULL; name++)
        if (mtnt__options_is_flagged(&work->settings, *name))
            return mtnt__work_fail(work, MTNT__EXIT_USAGE,
                                   "join: --%s is what the run was begun with, and cannot be said anew", *name);
    return mtnt__run(work, &spec, NULL);
}
