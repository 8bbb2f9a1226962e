#include "commands.h"
#include "run.h"

int mtnt__command_migrate(mtnt__work *work)
{
    const mtnt__run_spec spec = {"migrate", MTNT_FORWARD, work->settings.steps, false, NULL};

    return mtnt__run(work, &spec, NULL);
}
