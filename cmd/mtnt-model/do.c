#include "commands.h"
#include "run.h"

int mtnt__command_do(mtnt__work *work)
{
    const mtnt__run_spec spec = {.command = "do", .direction = MTNT_FORWARD, .steps = 1};

    return mtnt__run(work, &spec, NULL);
}
