/* Lanes that run behind the caller's back, each with a controller's handle and an executor of its own. */
#ifndef MTNT_FLEET_BACKGROUND_H
#define MTNT_FLEET_BACKGROUND_H

#include "fleet/dispatch.h"

typedef struct mtnt__background mtnt__background;

/* Starts the threads. lanes: names, NULL-terminated; NULL = all of the executor's chain. NOT_FOUND, CONNECT …: nothing was started. */
int mtnt__background_start(mtnt__background **ret_background, mtnt_executor *executor, const char *const *lanes,
                           mtnt_tenants_open_fn open, void *data, mtnt_error *err);
/* Drains, joins. NULL: nothing. */
void mtnt__background_free(mtnt__background *background);
/* Any thread. */
void mtnt__background_cancel(mtnt__background *background, mtnt_cancel how);
int mtnt__background_wait(mtnt__background *background, const char *lane, int64_t timeout_ms, mtnt_counts *ret_counts,
                          mtnt_error *err);

#endif
