#include "commands.h"
#include "run.h"

int mtnt__command_migrate(mtnt__work *work)
{
    const mtnt__run_spec spec = {.command = "migrate", .direction = MTNT_FORWARD, .steps = work->settings.steps};

    return mtnt__run(work, &spec, NULL);
}
