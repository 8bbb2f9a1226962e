#include <stdlib.h>
#include <strings.h>

#include "base/text.h"
#include "chain/address.h"
#include "chain/model.h"
#include "fleet/tenants.h"

/* The rows are written down before the first tenant is given: no transaction stays open on the controller while the run goes on, and every tenant
 * is checked first. */

enum { ID, MODEL, SCHEMA, DESCRIPTION, FIELDS };
static const char *const field_names[FIELDS + 1] = {"id", "model", "schema", "description", NULL};

/* While the query runs. */
typedef struct filling {
    mtnt__spool *spool;
    const char *default_model;
    char *folder;
    int columns[FIELDS]; /* -1 = not there */
} filling;

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

/* ---- writing ---- */

static int find_column(filling *f, const char *name, int column, mtnt_error *err)
{
    const char *nearest = mtnt__text_nearest(name, field_names);

    for (int field = 0; field < FIELDS; field++) {
        if (strcasecmp(name, field_names[field]) != 0)
            continue;
        if (f->columns[field] >= 0)
            return mtnt_error_set(err, MTNT_E_CONFIG, "the query has the column `%s` twice", name);
        f->columns[field] = column;
        return 0;
    }
    return mtnt_error_set(err, MTNT_E_CONFIG,
                          "the query's column `%s` is not known: there are `id`, `model`, `schema` and `description` "
                          "(SELECT %s AS %s …)",
                          name, name, nearest ? nearest : "model");
}

static int find_columns(filling *f, const mtnt_row *row, mtnt_error *err)
{
    int rc = 0;

    for (int field = 0; field < FIELDS; field++)
        f->columns[field] = -1;
    for (int column = 0; rc == 0 && column < mtnt_row_columns(row); column++)
        rc = find_column(f, mtnt_row_name(row, column), column, err);
    if (rc == 0 && f->columns[ID] < 0)
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "the query has no column `id`");
    return rc;
}

static const char *field_text(const filling *f, const mtnt_row *row, int field)
{
    return f->columns[field] < 0 ? NULL : mtnt_row_text(row, f->columns[field]);
}

static int find_address(const filling *f, const char *id, const char *model, char **ret_dsn, mtnt_error *err)
{
    int rc;

    if (model)
        rc = mtnt__address_resolve(model, f->folder, ret_dsn, err);
    else if (f->default_model)
        rc = mtnt__address_expand(f->default_model, id, f->folder, ret_dsn, err);
    else
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "it has no `model`, and there is no default for it");
    if (rc)
        mtnt_error_wrap(err, "tenant `%s`", id);
    return rc;
}

static int add_tenant(filling *f, const mtnt__spooled *tenant, mtnt_error *err)
{
    int rc = mtnt__model_check(&tenant->options, NULL, err);

    return rc ? rc : mtnt__spool_add(f->spool, tenant, err);
}

static int take_row(void *data, const mtnt_row *row, mtnt_error *err)
{
    mtnt__spooled tenant = {.options = MTNT_MODEL_OPTIONS_INIT};
    mtnt_model_options *options = &tenant.options;
    char *dsn = NULL, *description = NULL;
    filling *f = data;
    int rc = mtnt__spool_count(f->spool) == 0 ? find_columns(f, row, err) : 0;

    if (rc)
        return rc;
    options->id = field_text(f, row, ID);
    if (!options->id)
        return mtnt_error_set(err, MTNT_E_CONFIG, "row %lld of the query has no `id`",
                              (long long)mtnt__spool_count(f->spool) + 1);
    rc = find_address(f, options->id, field_text(f, row, MODEL), &dsn, err);
    if (rc)
        return rc;
    options->dsn = dsn;
    options->schema = field_text(f, row, SCHEMA);
    if (field_text(f, row, DESCRIPTION))
        description = mtnt__address_path(f->folder, field_text(f, row, DESCRIPTION));
    options->description = description;
    rc = field_text(f, row, DESCRIPTION) && !description ? out_of_memory(err) : add_tenant(f, &tenant, err);
    free(dsn);
    free(description);
    return rc;
}

static int tell_twice(void *data, const mtnt__spooled *first, const mtnt__spooled *second, mtnt_error *err)
{
    (void)data;
    (void)first;
    return mtnt_error_set(err, MTNT_E_CONFIG, "the query gives tenant `%s` twice", second->options.id);
}

int mtnt_tenants_query(mtnt_tenant_source *ret_source, mtnt_controller *controller, const char *sql,
                       const char *default_model, const char *base_file, mtnt_error *err)
{
    filling f = {.default_model = default_model};
    int rc;

    if ((default_model && (rc = mtnt__address_check_template(default_model, err))) ||
        (rc = mtnt__address_folder(base_file, &f.folder, err)) || (rc = mtnt__spool_new(&f.spool, err)))
        goto out;
    if ((rc = mtnt_db_query_values(mtnt_controller_db(controller), take_row, &f, err, sql, NULL)) ||
        (rc = mtnt__spool_check(f.spool, NULL, tell_twice, NULL, err)))
        goto out;
    mtnt__tenants_spooled(ret_source, f.spool);
    f.spool = NULL;
out:
    mtnt__spool_free(f.spool);
    free(f.folder);
    return rc;
}
