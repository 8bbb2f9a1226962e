/* Tenants on their way from a source to the run: all of them are written down, and checked, before the first is given, in memory that does not
 * grow with their number. */
#ifndef MTNT_CHAIN_SPOOL_H
#define MTNT_CHAIN_SPOOL_H

#include <stdbool.h>

#include "mtnt/model.h"

typedef struct mtnt__spool mtnt__spool;

/* A tenant as it is written down. Of the options, `file` is not kept; `dsn` may be NULL: whoever reads it knows a default. */
typedef struct mtnt__spooled {
    mtnt_model_options options;
    uint32_t id_line, id_column, dsn_line, dsn_column; /* where that is written, for messages; 0 = not known */
} mtnt__spooled;

/* NOMEM. */
int mtnt__spool_new(mtnt__spool **ret_spool, mtnt_error *err);
void mtnt__spool_free(mtnt__spool *spool);
/* IO, NOMEM. */
int mtnt__spool_add(mtnt__spool *spool, const mtnt__spooled *tenant, mtnt_error *err);
int64_t mtnt__spool_count(const mtnt__spool *spool);

/* From the first tenant again. */
void mtnt__spool_rewind(mtnt__spool *spool);
/* The next one, its texts in place until the next call; *ret_there = false at the end. IO, NOMEM. */
int mtnt__spool_next(mtnt__spool *spool, mtnt__spooled *ret_tenant, bool *ret_there, mtnt_error *err);

/* The model of a tenant that has been checked, whatever else was put into its options. NOMEM. */
int mtnt__spool_model(mtnt__spool *spool, const mtnt_model_options *options, mtnt_model **ret_model, mtnt_error *err);

/* Says, CONFIG, that both are the same tenant. */
typedef int (*mtnt__spool_twice_fn)(void *data, const mtnt__spooled *first, const mtnt__spooled *second,
                                    mtnt_error *err);
typedef int (*mtnt__spool_check_fn)(void *data, const mtnt__spooled *tenant, mtnt_error *err);
/* Once, when all have been written: checks each (NULL = was done before), and that no id is there twice; tells the mistake that comes first. Rewinds.
 * What the functions return; IO, NOMEM. */
int mtnt__spool_check(mtnt__spool *spool, mtnt__spool_check_fn check, mtnt__spool_twice_fn twice, void *data,
                      mtnt_error *err);

#endif
