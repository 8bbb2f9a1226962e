#include "commands.h"
#include "run.h"

int mtnt__command_undo(mtnt__work *work)
{
    const mtnt__run_spec spec = {"undo", MTNT_BACKWARD, 1, false, NULL};

    return mtnt__run(work, &spec, NULL);
}
