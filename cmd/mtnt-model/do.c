#include "commands.h"
#include "run.h"

int mtnt__command_do(mtnt__work *work)
{
    const mtnt__run_spec spec = {"do", MTNT_FORWARD, 1, false, NULL};

    return mtnt__run(work, &spec, NULL);
}
