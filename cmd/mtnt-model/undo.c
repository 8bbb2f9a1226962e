#include "commands.h"
#include "run.h"

int mtnt__command_undo(mtnt__work *work)
{
    const mtnt__run_spec spec = {.command = "undo", .direction = MTNT_BACKWARD, .steps = 1};

    return mtnt__run(work, &spec, NULL);
}
