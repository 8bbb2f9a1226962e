#include "state/seats.h"

#include "state/queries.h"

struct taking {
    int64_t *seats;
    int64_t count, most;
};

static int read_seat(void *data, const mtnt_row *row, mtnt_error *err)
{
    struct taking *taking = data;

    if (taking->count == taking->most)
        return mtnt_error_set(err, MTNT_E_CORRUPT, "the controller gave more seats than were asked for");
    taking->seats[taking->count++] = mtnt_row_int(row, 0);
    return 0;
}

static int write_alone(mtnt_controller *controller, mtnt_row_fn each, void *data, mtnt_error *err, const char *sql,
                       const mtnt_value *values)
{
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0)
        rc = mtnt__db_run(controller->db, each, data, err, sql, values);
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}

int mtnt__seats_take(mtnt_controller *controller, const char *server, int64_t most, int64_t wanted, int64_t lease_ms,
                     int64_t *ret_seats, int64_t *ret_count, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(server),  mtnt_value_int(most),   mtnt_value_text(controller->owner),
                                 mtnt_value_int(lease_ms), mtnt_value_int(wanted), mtnt_value_end()};
    struct taking taking = {ret_seats, 0, wanted};
    int rc = write_alone(controller, read_seat, &taking, err, MTNT__QUERY_FOR(controller->db, seats_take), values);

    if (rc == 0)
        *ret_count = taking.count;
    return rc;
}

int mtnt__seats_give(mtnt_controller *controller, const char *server, int64_t seat, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(server), mtnt_value_int(seat), mtnt_value_text(controller->owner),
                                 mtnt_value_end()};

    return write_alone(controller, NULL, NULL, err,
                       "DELETE FROM {schema}.mtnt_seat WHERE server = $1 AND seat = $2 AND owner = $3", values);
}

int mtnt__seats_give_all(mtnt_controller *controller, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(controller->owner), mtnt_value_end()};

    return write_alone(controller, NULL, NULL, err, "DELETE FROM {schema}.mtnt_seat WHERE owner = $1", values);
}

int mtnt__seats_renew(mtnt_controller *controller, int64_t lease_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(controller->owner), mtnt_value_int(lease_ms), mtnt_value_end()};

    return write_alone(controller, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, seats_renew), values);
}
