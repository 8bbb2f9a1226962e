#include "mtnt/tenants.h"

#include <string.h>

void mtnt_tenant_source_close(mtnt_tenant_source *source)
{
    if (!source)
        return;
    if (source->close)
        source->close(source->data);
    memset(source, 0, sizeof(*source));
}
