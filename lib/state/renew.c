#include <string.h>

#include "db/database.h"
#include "state/host.h"
#include "state/queries.h"
#include "state/rows.h"
#include "state/store.h"

struct renewing {
    mtnt__renewal *renewals;
    size_t count, at;
};

/* Rows come in any order: go on from the last hit. */
static int read_renewed(void *data, const mtnt_row *row, mtnt_error *err)
{
    const char *migration = mtnt_row_text(row, 0);
    struct renewing *renewing = data;

    for (size_t i = 0; migration != NULL && i < renewing->count; i++) {
        size_t index = (renewing->at + i) % renewing->count;

        if (strcmp(renewing->renewals[index].migration, migration) != 0)
            continue;
        renewing->renewals[index].kept = true;
        renewing->at = index;
        return 0;
    }
    return mtnt_error_set(err, MTNT_E_CORRUPT, "the controller renewed a lease that is not ours");
}

static int renew_all(mtnt_db *db, const char *chain, const char *owner, struct renewing *renewing, int64_t lease_ms,
                     mtnt_error *err)
{
    static const char *const columns[] = {"tenant", "migration", "epoch"};
    const mtnt_value more[] = {mtnt_value_text(chain), mtnt_value_text(owner), mtnt_value_int(lease_ms),
                               mtnt_value_end()};
    mtnt__rows rows = MTNT__ROWS(columns);
    int rc = 0;

    for (size_t i = 0; i < renewing->count && rc == 0; i++) {
        mtnt_value *cells = mtnt__rows_add(&rows);

        renewing->renewals[i].kept = false;
        if (cells == NULL) {
            rc = mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
            break;
        }
        cells[0] = mtnt_value_text(renewing->renewals[i].tenant);
        cells[1] = mtnt_value_text(renewing->renewals[i].migration);
        cells[2] = mtnt_value_int(renewing->renewals[i].epoch);
    }
    if (rc == 0)
        rc = mtnt__rows_run(db, read_renewed, renewing, err, MTNT__QUERY_FOR(db, renew_leases), &rows, more);
    mtnt__rows_release(&rows);
    return rc;
}

int mtnt__store_renew(mtnt_db *db, const char *chain, const char *owner, mtnt__renewal *renewals, size_t count,
                      int64_t lease_ms, mtnt_error *err)
{
    struct renewing renewing = {renewals, count, 0};
    int rc = mtnt__db_begin(db, err);

    if (rc == 0)
        rc = renew_all(db, chain, owner, &renewing, lease_ms, err);
    if (rc == 0)
        rc = mtnt__host_refresh(db, owner, err);
    if (rc == 0)
        rc = mtnt__db_commit(db, err);
    if (rc != 0)
        mtnt__db_rollback(db);
    return rc;
}
