/* What interrupted migrations have left on servers and in folders: recovery's steps 2 and 3 over every gid of ours, and provisional objects. */
#ifndef MTNT_COORDINATE_JANITOR_H
#define MTNT_COORDINATE_JANITOR_H

#include "coordinate/task.h"

/* even_at_work: gids of workers that live, too. That can abort such a worker, and never parts the two databases. */
int mtnt__janitor(mtnt_controller *controller, const mtnt_model *const *models, size_t count, mtnt__gate *gate,
                  bool even_at_work, mtnt_leftover_fn each, void *data, mtnt_sweep *ret_sweep, mtnt_error *err);

#endif
