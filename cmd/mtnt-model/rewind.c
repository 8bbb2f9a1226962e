#include "commands.h"
#include "run.h"

int mtnt__command_rewind(mtnt__work *work)
{
    const mtnt__settings *settings = &work->settings;
    const mtnt__run_spec spec = {.command = "rewind", .direction = MTNT_BACKWARD, .steps = settings->steps};

    if (settings->to == NULL && settings->steps == 0 && settings->run == NULL && !settings->yes && !work->bounded)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE,
                               "rewind takes back everything that is applied to the selected tenants: say --yes if "
                               "that is meant, or how far with --to NAME, --steps N or --run ID");
    return mtnt__run(work, &spec, NULL);
}
