#include "coordinate/lane_order.h"

#include <stdlib.h>
#include <string.h>

#include "state/queries.h"
#include "state/rows.h"

/* COMPLETE: everything enabled in it is applied. BEGUN: something is, since it makes the model. BELOW: nothing from an order on is. */
typedef enum owed { OWED_NOTHING = 0, OWED_COMPLETE, OWED_BEGUN, OWED_BELOW } owed;

static bool makes_the_model(const mtnt_chain *lane)
{
    return lane->count > 0 && !lane->entries[0].disabled && (lane->entries[0].flags & MTNT_OPERATION_CREATES_MODEL);
}

/* What `other` owes to `lane`, by their places in the chain. */
static owed owes(const mtnt_chain *whole, size_t lane, size_t other, bool backward)
{
    if (backward && other > lane)
        return !whole->lanes[other]->lane.beside || makes_the_model(whole->lanes[lane]) ? OWED_BELOW : OWED_NOTHING;
    if (backward || other >= lane)
        return OWED_NOTHING;
    if (!whole->lanes[lane]->lane.beside)
        return OWED_COMPLETE;
    return makes_the_model(whole->lanes[other]) ? OWED_BEGUN : OWED_NOTHING;
}

static bool is_paid(owed what, int64_t floor, const mtnt__ladder *ladder, const mtnt__known *known)
{
    if (!mtnt__known_idle(known) && known->known)
        return false;
    if (what == OWED_BELOW)
        return known->version < floor;
    if (what == OWED_BEGUN)
        return known->digest[0] != '\0';
    return strcmp(known->digest, ladder->rungs[ladder->count - 1].digest) == 0;
}

static int look_at(mtnt_controller *controller, const mtnt_chain *other, owed what, int64_t floor,
                   const mtnt_model *const *models, size_t count, mtnt__known *known, mtnt__lane_debt *ret_debts,
                   mtnt_error *err)
{
    mtnt__ladder ladder = {0};
    int rc = mtnt__ladder_new(&ladder, other, err);

    if (rc == 0)
        rc = mtnt__store_select(controller, mtnt_chain_name(other), models, count, known, err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (ret_debts[i].first == NULL && !is_paid(what, floor, &ladder, &known[i]))
            ret_debts[i].first = other;
    mtnt__ladder_release(&ladder);
    return rc;
}

/* ---- operations that were moved ---- */

struct moving {
    const mtnt_chain *lane, *from;
    const mtnt_model *const *models;
    size_t count;
    mtnt__lane_debt *debts;
};

static int note_moved(void *data, const mtnt_row *row, mtnt_error *err)
{
    const struct moving *moving = data;
    const char *tenant = mtnt_row_text(row, 0), *name = mtnt_row_text(row, 1), *status = mtnt_row_text(row, 4),
               *where = mtnt_row_text(row, 5);
    ptrdiff_t index = name == NULL ? -1 : mtnt_chain_find(moving->lane, name);

    (void)err;
    if (index < 0 || tenant == NULL || status == NULL || strcmp(status, "COMPLETED") != 0 || where == NULL ||
        strcmp(where, "controller") != 0)
        return 0;
    for (size_t i = 0; i < moving->count; i++)
        if (strcmp(mtnt_model_id(moving->models[i]), tenant) == 0) {
            moving->debts[i].moved = moving->lane->entries + index;
            moving->debts[i].moved_from = moving->from;
        }
    return 0;
}

static bool records_in_controller(const mtnt_chain *lane)
{
    for (size_t i = 0; i < lane->count; i++)
        if ((lane->entries[i].writes & MTNT_WRITES_MODEL) == 0)
            return true;
    return false;
}

/* What the models record is looked at there, when one is opened. */
static int look_for_moved(mtnt_controller *controller, struct moving *moving, mtnt_error *err)
{
    const mtnt_chain *whole = moving->lane->whole;
    const char **ids = calloc(moving->count + 1, sizeof(*ids));
    int rc = 0;

    if (ids == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    for (size_t i = 0; i < moving->count; i++)
        ids[i] = mtnt_model_id(moving->models[i]);
    for (size_t i = 0; rc == 0 && i < whole->lane_count; i++) {
        const mtnt_value values[] = {mtnt_value_text(whole->lanes[i]->name), mtnt_value_int(1), mtnt_value_end()};

        moving->from = whole->lanes[i];
        if (moving->from != moving->lane)
            rc = mtnt__texts_run(controller->db, note_moved, moving, err,
                                 MTNT__QUERY_FOR(controller->db, operation_select), ids, moving->count, values);
    }
    free(ids);
    return rc;
}

/* ---- all of it ---- */

int mtnt__lane_order(mtnt_controller *controller, const mtnt_chain *lane, int64_t floor,
                     const mtnt_model *const *models, size_t count, mtnt__lane_debt *ret_debts, mtnt_error *err)
{
    struct moving moving = {lane, NULL, models, count, ret_debts};
    const mtnt_chain *whole = lane->whole;
    bool backward = floor > 0;
    mtnt__known *known;
    size_t at = 0;
    int rc = 0;

    memset(ret_debts, 0, count * sizeof(*ret_debts));
    if (whole == NULL || whole->lane_count < 2 || count == 0)
        return 0;
    known = calloc(count, sizeof(*known));
    if (known == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    while (whole->lanes[at] != lane)
        at++;
    for (size_t i = 0; rc == 0 && i < whole->lane_count; i++) {
        /* Backward the last lane comes first. */
        size_t other = backward ? whole->lane_count - 1 - i : i;
        owed what = owes(whole, at, other, backward);

        if (what != OWED_NOTHING)
            rc = look_at(controller, whole->lanes[other], what, floor, models, count, known, ret_debts, err);
    }
    if (rc == 0 && !backward && records_in_controller(lane))
        rc = look_for_moved(controller, &moving, err);
    free(known);
    return rc;
}

int mtnt__lane_order_check(const mtnt_chain *lane, const mtnt__lane_debt *debt, bool backward, const char *tenant,
                           mtnt_error *err)
{
    const char *name = mtnt__chain_lane_name(lane), *other;

    if (debt->moved != NULL)
        return mtnt__applied_moved(debt->moved->name, debt->moved->order, mtnt__chain_lane_name(debt->moved_from), name,
                                   lane, tenant, err);
    if (debt->first == NULL)
        return 0;
    other = mtnt__chain_lane_name(debt->first);
    if (backward)
        return mtnt_error_set(err, MTNT_E_REFUSED,
                              "tenant %s: lane `%s` is taken back before lane `%s`, and has not been:   mtnt-model "
                              "rewind --lane %s --tenant %s --yes   Nothing was changed",
                              tenant, other, name, other, tenant);
    return mtnt_error_set(err, MTNT_E_REFUSED,
                          "tenant %s: lane `%s` runs when lane `%s` is complete, and it is not:   mtnt-model migrate "
                          "--lane %s --tenant %s   Nothing was changed",
                          tenant, name, other, other, tenant);
}
