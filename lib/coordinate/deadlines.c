#include "coordinate/deadlines.h"

#include <stddef.h>

#define DEFAULT_RUN_MS (60 * 60 * 1000)
#define DEFAULT_UNLOCK_MS (2 * 60 * 1000)

int64_t mtnt__run_ms(const mtnt_migration_options *options)
{
    return options != NULL && options->deadline_ms > 0 ? options->deadline_ms : DEFAULT_RUN_MS;
}

int64_t mtnt__unlock_ms(const mtnt_migration_options *options)
{
    return options != NULL && options->unlock_deadline_ms > 0 ? options->unlock_deadline_ms : DEFAULT_UNLOCK_MS;
}
