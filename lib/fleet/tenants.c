#include "fleet/tenants.h"

#include <string.h>

void mtnt_tenant_source_close(mtnt_tenant_source *source)
{
    if (!source)
        return;
    if (source->close)
        source->close(source->data);
    memset(source, 0, sizeof(*source));
}

static int spooled_next(void *data, mtnt_model **ret_model, mtnt_error *err)
{
    mtnt__spooled tenant = {0};
    bool there = false;
    int rc = mtnt__spool_next(data, &tenant, &there, err);

    if (rc == 0 && there)
        return mtnt__spool_model(data, &tenant.options, ret_model, err);
    if (rc == 0)
        *ret_model = NULL;
    return rc;
}

static int64_t spooled_total(void *data)
{
    return mtnt__spool_count(data);
}

static void spooled_close(void *data)
{
    mtnt__spool_free(data);
}

void mtnt__tenants_spooled(mtnt_tenant_source *ret_source, mtnt__spool *spool)
{
    *ret_source = (mtnt_tenant_source){spooled_next, spooled_total, spooled_close, spool};
}
