#include "state/places.h"

#include <stdlib.h>
#include <string.h>

#include "db/database.h"
#include "state/queries.h"
#include "state/rows.h"

/* ---- the run's row ---- */

static int read_wave(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__wave_row *wave = data;

    (void)err;
    *wave = (mtnt__wave_row){.wave = mtnt_row_int(row, 0),
                             .begun = mtnt_row_int(row, 1),
                             .begun_before = mtnt_row_int(row, 2),
                             .failed_before = mtnt_row_int(row, 3),
                             .soak_until_ms = mtnt_row_int(row, 4),
                             .now_ms = mtnt_row_int(row, 5)};
    return 0;
}

static int lock_wave(mtnt_controller *controller, int64_t run, mtnt__wave_row *ret_row, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_end()};

    return mtnt__db_run(controller->db, read_wave, ret_row, err, MTNT__QUERY_FOR(controller->db, wave_lock), values);
}

static int write_alone(mtnt_controller *controller, const char *sql, const mtnt_value *values, mtnt_error *err)
{
    int rc = mtnt__db_begin(controller->db, err);

    if (rc == 0)
        rc = mtnt__db_run(controller->db, NULL, NULL, err, sql, values);
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}

int mtnt__wave_soak(mtnt_controller *controller, int64_t run, int64_t wave, int64_t soak_ms, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_int(wave), mtnt_value_int(soak_ms), mtnt_value_end()};

    return write_alone(controller, MTNT__QUERY_FOR(controller->db, wave_soak), values, err);
}

int mtnt__wave_next(mtnt_controller *controller, int64_t run, int64_t wave, int64_t failed, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_int(wave), mtnt_value_int(failed), mtnt_value_end()};

    return write_alone(controller, MTNT__QUERY_FOR(controller->db, wave_next), values, err);
}

/* ---- lists of tenants ---- */

struct finding {
    bool *found;
    size_t count;
};

static int read_found(void *data, const mtnt_row *row, mtnt_error *err)
{
    const struct finding *finding = data;
    int64_t at = mtnt_row_int(row, 0);

    if (at < 0 || (size_t)at >= finding->count)
        return mtnt_error_set(err, MTNT_E_CORRUPT, "the controller gave a place that was not asked for");
    finding->found[at] = true;
    return 0;
}

int mtnt__places_find(mtnt_controller *controller, int64_t run, const char *const *tenants, size_t count,
                      bool *ret_placed, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_end()};
    struct finding finding = {ret_placed, count};

    memset(ret_placed, 0, count * sizeof(*ret_placed));
    return mtnt__texts_run(controller->db, read_found, &finding, err, MTNT__QUERY_FOR(controller->db, wave_placed),
                           tenants, count, values);
}

static int place(mtnt_controller *controller, int64_t run, int64_t wave, const char *const *tenants, size_t count,
                 mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_int(wave), mtnt_value_text(controller->owner),
                                 mtnt_value_end()};
    const mtnt_value mine[] = {mtnt_value_int(run), mtnt_value_text(controller->owner), mtnt_value_end()};
    mtnt_db *db = controller->db;
    int64_t placed;
    int rc = mtnt__texts_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, wave_place), tenants, count, values);

    placed = rc == 0 ? mtnt__db_changes(db) : 0;
    if (rc == 0 && placed < (int64_t)count)
        rc = mtnt__texts_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, wave_move_place), tenants, count, mine);
    if (rc == 0 && placed > 0) {
        const mtnt_value more[] = {mtnt_value_int(run), mtnt_value_int(placed), mtnt_value_end()};

        rc = mtnt__db_run(db, NULL, NULL, err, "UPDATE {schema}.mtnt_run SET begun = begun + $2 WHERE run = $1", more);
    }
    return rc;
}

/* ---- an exchange ---- */

static bool last_wave(const mtnt__pacing *pacing)
{
    return pacing->row.wave >= pacing->wave_count - 1;
}

int mtnt__pacing_enter(mtnt_controller *controller, int64_t run, mtnt__pacing *pacing, mtnt_error *err)
{
    return lock_wave(controller, run, &pacing->row, err);
}

/* In the last wave everybody has a place. */
static void choose(mtnt__pacing *pacing, mtnt__claim *const *claims, const bool *placed, size_t count, bool spent)
{
    int64_t room =
        pacing->row.soak_until_ms != 0 ? 0 : pacing->ends[last_wave(pacing) ? 0 : pacing->row.wave] - pacing->row.begun;

    for (size_t i = 0; i < count; i++) {
        bool may = last_wave(pacing) || placed[i];

        if (!may && room > 0) {
            may = true;
            room--;
        }
        if (spent && !pacing->again)
            may = false;
        if (pacing->again && spent)
            may = may && !claims[i]->withheld;
        claims[i]->withheld = !may && !claims[i]->goes_on;
    }
}

int mtnt__pacing_choose(mtnt_controller *controller, int64_t run, mtnt__pacing *pacing, mtnt__claim *const *claims,
                        size_t count, mtnt_error *err)
{
    const char **tenants = calloc(count + 1, sizeof(*tenants));
    bool *placed = calloc(count + 1, sizeof(*placed));
    int rc;

    if (tenants == NULL || placed == NULL) {
        free(tenants);
        free(placed);
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    }
    rc = mtnt__store_run_sum(controller, run, &pacing->sums, err);
    for (size_t i = 0; i < count && rc == 0; i++)
        tenants[i] = mtnt_model_id(claims[i]->model);
    if (rc == 0 && count > 0 && !last_wave(pacing))
        rc = mtnt__places_find(controller, run, tenants, count, placed, err);
    if (rc == 0) {
        choose(pacing, claims, placed, count, pacing->spent(pacing->data, &pacing->row, &pacing->sums));
        pacing->chosen = true;
    }
    free(tenants);
    free(placed);
    return rc;
}

static int settle(mtnt_controller *controller, int64_t run, const char **tenants, const mtnt__end *ends, size_t count,
                  mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(run), mtnt_value_end()};
    size_t settled = 0;

    for (size_t i = 0; i < count; i++)
        if (ends[i].settles)
            tenants[settled++] = ends[i].tenant;
    if (settled == 0)
        return 0;
    return mtnt__texts_run(controller->db, NULL, NULL, err, MTNT__QUERY_FOR(controller->db, wave_settle), tenants,
                           settled, values);
}

int mtnt__pacing_settle(mtnt_controller *controller, int64_t run, mtnt__pacing *pacing, const mtnt__end *ends,
                        size_t end_count, mtnt__claim *const *claims, size_t count, mtnt_error *err)
{
    const char **tenants;
    size_t claimed = 0;
    int rc = 0;

    if (pacing->wave_count <= 1)
        return 0;
    tenants = calloc((end_count > count ? end_count : count) + 1, sizeof(*tenants));
    if (tenants == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    rc = settle(controller, run, tenants, ends, end_count, err);
    for (size_t i = 0; i < count; i++)
        if (claims[i]->claimed)
            tenants[claimed++] = mtnt_model_id(claims[i]->model);
    if (rc == 0 && claimed > 0 && !last_wave(pacing))
        rc = place(controller, run, pacing->row.wave, tenants, claimed, err);
    if (rc == 0)
        rc = lock_wave(controller, run, &pacing->row, err);
    free(tenants);
    return rc;
}

/* ---- between waves ---- */

static int read_open(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__wave_look *look = data;
    const char *tenant = mtnt_row_text(row, 0);

    (void)err;
    look->open_count++;
    look->open(look->data, tenant == NULL ? "" : tenant, mtnt_row_int(row, 1) != 0);
    return 0;
}

static int look_inside(mtnt_controller *controller, mtnt__wave_look *look, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_int(look->note->run), mtnt_value_int(MTNT__RUN_ALIVE_MS), mtnt_value_end()};
    const mtnt_value settling[] = {mtnt_value_int(look->note->run),
                                   mtnt_value_int(MTNT__RUN_ALIVE_MS),
                                   mtnt_value_text(look->chain),
                                   mtnt_value_text(look->digest),
                                   mtnt_value_text(look->idle ? controller->owner : ""),
                                   mtnt_value_text(MTNT__RUN_INTERRUPTED),
                                   mtnt_value_end()};
    mtnt_db *db = controller->db;
    int rc = lock_wave(controller, look->note->run, &look->row, err);

    if (rc == 0)
        rc = mtnt__store_run_write(controller, look->note, false, err);
    if (rc == 0)
        rc = mtnt__db_run(db, NULL, NULL, err, MTNT__QUERY_FOR(db, wave_settle_gone), settling);
    if (rc == 0)
        rc = mtnt__db_run(db, read_open, look, err, MTNT__QUERY_FOR(db, wave_open), values);
    return rc != 0 ? rc : mtnt__store_run_sum(controller, look->note->run, &look->sums, err);
}

int mtnt__places_look(mtnt_controller *controller, mtnt__wave_look *look, mtnt_error *err)
{
    int rc = mtnt__db_begin(controller->db, err);

    look->open_count = 0;
    if (rc == 0)
        rc = look_inside(controller, look, err);
    if (rc == 0)
        rc = mtnt__db_commit(controller->db, err);
    if (rc != 0)
        mtnt__db_rollback(controller->db);
    return rc;
}
