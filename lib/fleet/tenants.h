/* What sources of tenants share. */
#ifndef MTNT_FLEET_TENANTS_H
#define MTNT_FLEET_TENANTS_H

#include "chain/spool.h"
#include "mtnt/tenants.h"

/* A source that gives what is written down there, and has been checked; it takes the spool over. */
void mtnt__tenants_spooled(mtnt_tenant_source *ret_source, mtnt__spool *spool);

#endif
