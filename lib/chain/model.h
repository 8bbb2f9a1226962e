/* What tenant sources ask before they promise a tenant. */
#ifndef MTNT_CHAIN_MODEL_H
#define MTNT_CHAIN_MODEL_H

#include "mtnt/model.h"

/* Everything that mtnt_model_new would refuse, without making a model: a list of 100,000 tenants is checked
 * before the first is given out. ret_backend may be NULL. CONFIG with options' file and line. */
int mtnt__model_check(const mtnt_model_options *options, mtnt_backend *ret_backend, mtnt_error *err);

#endif
