#include "coordinate/deadlines.h"

#include <stddef.h>

#include "chain/chain.h"

#define DEFAULT_RUN_MS (60 * 60 * 1000)
#define DEFAULT_UNLOCK_MS (2 * 60 * 1000)
#define NO_LIMIT_MS (INT64_MAX / 1000000)

static void take(int64_t *option_ms, int64_t lane_ms)
{
    if (*option_ms == 0)
        *option_ms = lane_ms < 0 ? NO_LIMIT_MS : lane_ms;
}

void mtnt__lane_deadlines(mtnt_migration_options *options, const mtnt_chain *chain)
{
    const mtnt_chain *lane = mtnt__chain_first_lane(chain);

    take(&options->deadline_ms, lane->lane.deadline_ms);
    take(&options->operation_timeout_ms, lane->lane.operation_timeout_ms);
}

int64_t mtnt__run_ms(const mtnt_migration_options *options)
{
    return options != NULL && options->deadline_ms > 0 ? options->deadline_ms : DEFAULT_RUN_MS;
}

int64_t mtnt__unlock_ms(const mtnt_migration_options *options)
{
    return options != NULL && options->unlock_deadline_ms > 0 ? options->unlock_deadline_ms : DEFAULT_UNLOCK_MS;
}
