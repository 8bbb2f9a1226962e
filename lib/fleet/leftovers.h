/* What a run may leave behind: models that were put away, and prepared transactions that arrived late. */
#ifndef MTNT_FLEET_LEFTOVERS_H
#define MTNT_FLEET_LEFTOVERS_H

#include "fleet/dispatch.h"

/* Takes a reference. */
void mtnt__leftovers_note_grave(mtnt__dispatch *d, mtnt_model *model);
void mtnt__leftovers_note_place(mtnt__dispatch *d, const mtnt__task *task);

/* When the loop is over: the ends are written, and no worker is left. */
void mtnt__leftovers_remove_graves(mtnt__dispatch *d);
void mtnt__leftovers_sweep(mtnt__dispatch *d);

#endif
