#include "state/lane_rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "state/queries.h"

typedef struct lane_row {
    const mtnt_chain *lane;
    mtnt__position end;
    int64_t operations;
    bool same; /* its row says so already */
} lane_row;

#define STRANGERS_MAX 16

typedef struct lane_rows {
    const mtnt_chain *whole;
    lane_row *items;
    size_t count;
    /* Rows of lanes that the chain does not have any more, at least not by that name. More of them are looked at another time. */
    char strangers[STRANGERS_MAX][MTNT__LANE_KEY_SIZE];
    size_t stranger_count;
} lane_rows;

static int foresee(const mtnt_chain *lane, lane_row *ret_row, mtnt_error *err)
{
    mtnt__ladder ladder = {0};
    int rc = mtnt__ladder_new(&ladder, lane, err);

    if (rc == 0)
        *ret_row = (lane_row){lane, ladder.rungs[ladder.count - 1], (int64_t)ladder.count - 1, false};
    mtnt__ladder_release(&ladder);
    return rc;
}

static int compare(void *data, const mtnt_row *row, mtnt_error *err)
{
    lane_rows *rows = data;
    const char *key = mtnt_row_text(row, 0), *name = mtnt_row_text(row, 1), *digest = mtnt_row_text(row, 5);
    size_t i = 0;

    (void)err;
    if (key == NULL || name == NULL || digest == NULL)
        return 0;
    while (i < rows->count && strcmp(rows->items[i].lane->name, key) != 0)
        i++;
    if (i == rows->count && rows->stranger_count < STRANGERS_MAX)
        mtnt__text_copy(rows->strangers[rows->stranger_count++], MTNT__LANE_KEY_SIZE, key);
    else if (i < rows->count)
        rows->items[i].same =
            strcmp(name, mtnt__chain_lane_name(rows->items[i].lane)) == 0 && mtnt_row_int(row, 2) == (int64_t)i &&
            (mtnt_row_int(row, 6) != 0) == rows->items[i].lane->lane.beside &&
            mtnt_row_int(row, 3) == rows->items[i].operations && mtnt_row_int(row, 4) == rows->items[i].end.version &&
            strcmp(digest, rows->items[i].end.digest) == 0;
    return 0;
}

static int write_row(mtnt_controller *controller, const lane_row *row, const char *base, size_t place, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(row->lane->name),
                                 mtnt_value_text(base),
                                 mtnt_value_text(mtnt__chain_lane_name(row->lane)),
                                 mtnt_value_int((int64_t)place),
                                 mtnt_value_int(row->lane->lane.beside),
                                 mtnt_value_int(row->operations),
                                 mtnt_value_int(row->end.version),
                                 mtnt_value_text(row->end.digest),
                                 mtnt_value_end()};

    return mtnt__db_run(controller->db, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, lane_write), values);
}

/* Two runs of one chain write the same, in the same order. */
static int write_all(mtnt_controller *controller, const lane_rows *rows, const char *base, mtnt_error *err)
{
    int rc = mtnt__db_begin(controller->db, err);

    for (size_t i = 0; rc == 0 && i < rows->count; i++)
        rc = write_row(controller, rows->items + i, base, i, err);
    for (size_t i = 0; rc == 0 && i < rows->stranger_count; i++) {
        const mtnt_value which[] = {mtnt_value_text(rows->strangers[i]), mtnt_value_end()};

        rc = mtnt__db_run(controller->db, NULL, NULL, err, "DELETE FROM {schema}.mtnt_chain_lane WHERE chain = $1",
                          which);
    }
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}

/* ---- operations of lanes that are gone ---- */

struct leaving {
    const lane_rows *rows;
    const char *key;
};

static int refuse_moved(void *data, const mtnt_row *row, mtnt_error *err)
{
    const struct leaving *leaving = data;
    const mtnt_chain *whole = leaving->rows->whole;
    const char *name = mtnt_row_text(row, 0), *tenant = mtnt_row_text(row, 1);
    const mtnt_chain *now = name == NULL || tenant == NULL ? NULL : mtnt__chain_lane_of(whole, name);

    if (now == NULL)
        return 0;
    return mtnt__applied_moved(name, mtnt_row_int(row, 2), mtnt__chain_lane_by_key(whole, leaving->key),
                               mtnt__chain_lane_name(now), whole, tenant, err);
}

/* A lane was renamed, or taken away: what its models record is looked at there, and this is what only the controller does. */
static int look_at_leaving(mtnt_controller *controller, const lane_rows *rows, mtnt_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < rows->stranger_count; i++) {
        const mtnt_value values[] = {mtnt_value_text(rows->strangers[i]), mtnt_value_end()};
        struct leaving leaving = {rows, rows->strangers[i]};

        rc = mtnt__db_run(controller->db, refuse_moved, &leaving, err,
                          "SELECT name, min(tenant), min(position) FROM {schema}.mtnt_operation "
                          "WHERE chain = $1 AND status = 'COMPLETED' AND recorded_in = 'controller' GROUP BY name",
                          values);
    }
    return rc;
}

int mtnt__lane_rows_write(mtnt_controller *controller, const mtnt_chain *chain, mtnt_error *err)
{
    const mtnt_chain *whole = chain->whole != NULL ? chain->whole : chain;
    const mtnt_value values[] = {mtnt_value_text(whole->name), mtnt_value_end()};
    lane_rows rows = {.whole = whole,
                      .items = calloc(mtnt_chain_lanes(whole), sizeof(*rows.items)),
                      .count = mtnt_chain_lanes(whole)};
    bool same = true;
    int rc = rows.items == NULL ? mtnt_error_set(err, MTNT_E_NOMEM, "out of memory") : 0;

    for (size_t i = 0; rc == 0 && i < rows.count; i++)
        rc = foresee(whole->lane_count > 0 ? whole->lanes[i] : whole, rows.items + i, err);
    if (rc == 0)
        rc = mtnt__db_run(
            controller->db, compare, &rows, err,
            "SELECT chain, lane, place, operations, version, digest, beside FROM {schema}.mtnt_chain_lane WHERE base = $1",
            values);
    for (size_t i = 0; rc == 0 && i < rows.count; i++)
        same = same && rows.items[i].same;
    if (rc == 0)
        rc = look_at_leaving(controller, &rows, err);
    if (rc == 0 && (!same || rows.stranger_count > 0))
        rc = write_all(controller, &rows, whole->name, err);
    free(rows.items);
    return rc;
}
