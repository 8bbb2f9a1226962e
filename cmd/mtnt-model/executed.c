#include "commands.h"
#include "listing.h"

static bool is_executed(const mtnt_operation_info *info)
{
    return info->applied;
}

int mtnt__command_executed(mtnt__work *work)
{
    static const mtnt__listing_spec spec = {is_executed, "No migrations were executed.", "executed", true, false};
    int64_t tenants = 0;

    return mtnt__listing(work, &spec, &tenants);
}
