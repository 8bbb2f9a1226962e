/* The list of a tenants file, read entry by entry. */
#ifndef MTNT_CONFIG_TENANTS_LIST_H
#define MTNT_CONFIG_TENANTS_LIST_H

#include <stdbool.h>

#include "mtnt/tenants.h"

/* *ret_list = false: the file has no list, or something beside it that it cannot have; no source was made then. `text` NULL: from the file `path`, which may be read more than once.
 * What is said of mtnt_tenants_load holds for errors. */
int mtnt__tenants_list(mtnt_tenant_source *ret_source, bool *ret_list, const char *path, const char *text,
                       mtnt_error *err);

#endif
