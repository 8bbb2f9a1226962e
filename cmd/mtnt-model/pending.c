#include "commands.h"
#include "listing.h"

static bool is_pending(const mtnt_operation_info *info)
{
    return info->in_chain && !info->disabled && !info->applied;
}

int mtnt__command_pending(mtnt__work *work)
{
    static const mtnt__listing_spec spec = {is_pending, "No migrations pending.", "pending", false, true};
    int64_t tenants = 0;
    int exit_code = mtnt__listing(work, &spec, &tenants);

    return exit_code == 0 && work->settings.exit_code && tenants > 0 ? MTNT__EXIT_PENDING : exit_code;
}
