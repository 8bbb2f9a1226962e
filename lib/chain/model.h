/* What tenant sources ask before they promise a tenant. */
#ifndef MTNT_CHAIN_MODEL_H
#define MTNT_CHAIN_MODEL_H

#include "chain/chain.h"
#include "mtnt/model.h"

/* Everything that mtnt_model_new would refuse, without making a model: a list of 100,000 tenants is checked
 * before the first is given out. ret_backend may be NULL. CONFIG with options' file and line. */
int mtnt__model_check(const mtnt_model_options *options, mtnt_backend *ret_backend, mtnt_error *err);

/* mtnt_model_new for options that have passed the check. NOMEM. */
int mtnt__model_make(mtnt_model **ret_model, const mtnt_model_options *options, mtnt__hasher *hasher, mtnt_error *err);

#endif
