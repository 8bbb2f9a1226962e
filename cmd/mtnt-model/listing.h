/* Operations tenant by tenant: what pending and executed share. */
#ifndef MTNT_COMMAND_LISTING_H
#define MTNT_COMMAND_LISTING_H

#include "work.h"

typedef struct mtnt__listing_spec {
    bool (*wanted)(const mtnt_operation_info *info);
    const char *none;  /* what is said when no tenant has any */
    const char *word;  /* "pending": 2 pending */
    bool times;        /* show when */
    bool skip_current; /* such tenants have none, and need not be asked for */
} mtnt__listing_spec;

/* ret_tenants: how many tenants have any. The exit code. */
int mtnt__listing(mtnt__work *work, const mtnt__listing_spec *spec, int64_t *ret_tenants);

#endif
