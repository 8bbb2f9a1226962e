/* Who needs nothing, asked for many tenants at once: of a fleet that is current, this is the whole work. */
#include <stdlib.h>
#include <string.h>

#include "db/database.h"
#include "state/queries.h"
#include "state/rows.h"
#include "state/store.h"

struct asking {
    const mtnt_model *const *models;
    size_t count;
    bool *current;
};

static int read_current(void *data, const mtnt_row *row, mtnt_error *err)
{
    const struct asking *asking = data;
    const char *placed = mtnt_row_text(row, 1);
    int64_t at = mtnt_row_int(row, 0);

    if (at < 0 || (size_t)at >= asking->count)
        return mtnt_error_set(err, MTNT_E_CORRUPT, "the controller gave a tenant that was not asked for");
    asking->current[at] = placed != NULL && strcmp(placed, mtnt__model_key(asking->models[at])) == 0;
    return 0;
}

int mtnt__store_current(mtnt_controller *controller, const char *chain, const char *digest,
                        const mtnt_model *const *models, size_t count, bool *ret_current, mtnt_error *err)
{
    const mtnt_value values[] = {mtnt_value_text(chain), mtnt_value_text(digest), mtnt_value_end()};
    struct asking asking = {models, count, ret_current};
    const char **ids = calloc(count + 1, sizeof(*ids));
    int rc;

    if (ids == NULL)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    memset(ret_current, 0, count * sizeof(*ret_current));
    for (size_t i = 0; i < count; i++)
        ids[i] = mtnt_model_id(models[i]);
    rc = mtnt__texts_run(controller->db, read_current, &asking, err, MTNT__QUERY_FOR(controller->db, tenant_current),
                         ids, count, values);
    free(ids);
    return rc;
}
