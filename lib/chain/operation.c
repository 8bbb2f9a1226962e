#include "mtnt/operation.h"

#include "chain/chain.h"

const char *mtnt_status_name(mtnt_status status)
{
    switch (status) {
    case MTNT_STATUS_NONE: break;
    case MTNT_STATUS_PENDING: return "PENDING";
    case MTNT_STATUS_STARTED: return "STARTED";
    case MTNT_STATUS_COMPLETED: return "COMPLETED";
    case MTNT_STATUS_FAILED: return "FAILED";
    case MTNT_STATUS_ROLLED_BACK: return "ROLLED_BACK";
    }
    return "";
}

void *mtnt_operation_state(mtnt_operation *operation)
{
    return operation->state;
}

const void *mtnt_operation_config(const mtnt_operation *operation)
{
    return operation->entry->config;
}

const char *mtnt_operation_name(const mtnt_operation *operation)
{
    return operation->entry->name;
}

int64_t mtnt_operation_order(const mtnt_operation *operation)
{
    return operation->entry->order;
}

mtnt_status mtnt_operation_previous_status(const mtnt_operation *operation)
{
    return operation->previous;
}
