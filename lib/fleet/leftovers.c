/* What a run leaves on the servers, and removes when it is over. */
#include "fleet/leftovers.h"

#include <stdlib.h>
#include <string.h>

#include "coordinate/janitor.h"

/* Without memory for it a later run removes it. */
void mtnt__leftovers_note_grave(mtnt__dispatch *d, mtnt_model *model)
{
    mtnt_model **graves;

    if (d->job.backward || d->job.baseline || d->job.options.rehearse)
        return;
    graves = realloc(d->graves, (d->grave_count + 1) * sizeof(mtnt_model *));
    if (graves == NULL)
        return;
    d->graves = graves;
    graves[d->grave_count++] = mtnt__model_ref(model);
}

static bool same_server(const mtnt_model *a, const mtnt_model *b)
{
    char *one, *two;
    bool same;

    if (a->backend != b->backend || a->backend == MTNT_SQLITE)
        return a->backend == b->backend;
    one = mtnt__dsn_server(mtnt__model_dsn(a));
    two = mtnt__dsn_server(mtnt__model_dsn(b));
    same = one != NULL && two != NULL && strcmp(one, two) == 0;
    free(one);
    free(two);
    return same;
}

/* Where a gid or a provisional model of this run, or of an earlier one, may have arrived late. */
void mtnt__leftovers_note_place(mtnt__dispatch *d, const mtnt__task *task)
{
    bool leaves = task->attempt.mode == MTNT__MODE_TWO_PHASE || task->attempt.mode == MTNT__MODE_PROVISIONAL;

    for (size_t i = 0; i < d->place_count && leaves; i++)
        leaves = !same_server(d->places[i], task->model);
    if (leaves && d->place_count < MTNT__PLACES_MAX)
        d->places[d->place_count++] = mtnt__model_ref(task->model);
}

/* The ends are written, and no worker is left. What cannot be removed now is removed later. */
void mtnt__leftovers_remove_graves(mtnt__dispatch *d)
{
    for (size_t i = 0; i < d->grave_count; i++) {
        mtnt_error error = MTNT_ERROR_INIT;
        bool removed = false;

        if (!d->lost &&
            mtnt__remove_due(d->executor->controller, d->executor->chain, d->graves[i], d->gate, &removed, &error) != 0)
            mtnt__tally_warning(&d->tally, &error);
        mtnt_model_free(d->graves[i]);
    }
    free(d->graves);
    d->graves = NULL;
    d->grave_count = 0;
}

/* One question to each server that this run has used in such a way; nothing where it has not. */
void mtnt__leftovers_sweep(mtnt__dispatch *d)
{
    mtnt_controller *controller = d->executor->controller;
    mtnt_error error = MTNT_ERROR_INIT;
    mtnt_sweep found = {0};
    int64_t collected = 0, finished;

    if (!d->lost && d->place_count > 0)
        (void)mtnt__janitor(controller, (const mtnt_model *const *)d->places, d->place_count, d->gate, false, NULL,
                            NULL, &found, &error);
    finished = found.committed + found.rolled_back;
    if (finished > 0) {
        mtnt_error_set(
            &error, MTNT_E_CANCELLED,
            "%lld prepared transaction%s of interrupted migrations %s finished: %lld committed, %lld rolled back",
            (long long)finished, finished == 1 ? "" : "s", finished == 1 ? "was" : "were", (long long)found.committed,
            (long long)found.rolled_back);
        mtnt__tally_warning(&d->tally, &error);
    }
    if (found.old > 0) {
        mtnt_error_set(&error, MTNT_E_BUSY,
                       "%lld prepared transaction%s of ours %s older than 30 s and %s locks. See   mtnt-model recover",
                       (long long)found.old, found.old == 1 ? "" : "s", found.old == 1 ? "is" : "are",
                       found.old == 1 ? "holds" : "hold");
        mtnt__tally_warning(&d->tally, &error);
    }
    for (size_t i = 0; i < d->place_count; i++)
        mtnt_model_free(d->places[i]);
    d->place_count = 0;
    mtnt__gate_enter(d->gate);
    if (d->job.run != 0 && !d->lost && mtnt__store_collect(controller, &collected, &error) != 0)
        mtnt__tally_warning(&d->tally, &error);
    mtnt__gate_leave(d->gate);
}
