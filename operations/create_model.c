/* create_model: makes a model that is not there yet, and fills it from a template. */
#include <stdlib.h>

#include "common.h"

static void config_free(void *owned)
{
    if (owned != NULL)
        mtnt__operations_choice_release(owned);
    free(owned);
}

static int config_new(mtnt__operations_choice **ret_config, const mtnt_create_model_options *options, mtnt_error *err)
{
    mtnt__operations_choice *template = calloc(1, sizeof(*template));
    int rc = 0;

    if (template == NULL)
        return mtnt__operations_nomem(err);
    template->name = "create_model.template";
    template->suffix = "";
    if (options != NULL)
        rc = mtnt__operations_choice_fill(template, &options->template_any, &options->template_sqlite,
                                          &options->template_postgres, true, err);
    if (rc != 0) {
        config_free(template);
        return rc;
    }
    *ret_config = template;
    return 0;
}

static int create_model_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model,
                                mtnt_error *err)
{
    const mtnt__operations_choice *template = mtnt_operation_config(operation);
    bool created = false;
    int rc;

    rc = mtnt_scope_create_model(context, &created, err);
    if (rc != 0 || !created || mtnt__operations_choice_empty(template))
        return rc;
    return mtnt__operations_choice_run(template, mtnt_scope_model(context), model, false, err);
}

static int create_model_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model,
                                 mtnt_error *err)
{
    (void)operation;
    (void)model;
    return mtnt_scope_delete_model(context, err);
}

static const mtnt_operation_class create_model = {
    MTNT_OPERATION_CLASS_INIT,       .name = "create_model",
    .writes = MTNT_WRITES_MODEL,     .flags = MTNT_OPERATION_CREATES_MODEL,
    .execute = create_model_execute, .rollback = create_model_rollback,
};

int mtnt_operation_add_create_model(mtnt_chain *chain, const mtnt_create_model_options *options,
                                    const mtnt_entry *entry, mtnt_error *err)
{
    mtnt__operations_text checksum = {NULL, false}, model_up = {NULL, false};
    mtnt_entry made = mtnt__operations_entry(entry);
    mtnt__operations_choice *template = NULL;
    mtnt_entry_sql sql[MTNT__CHOICES];
    int rc;

    rc = config_new(&template, options, err);
    if (rc != 0) {
        mtnt__operations_blame(err, entry, "create_model");
        goto out;
    }
    mtnt__operations_append(&checksum, "create_model\n");
    mtnt__operations_choice_append_checksum(template, &checksum);
    mtnt__operations_choice_append_shown(template, &model_up);
    if (checksum.failed || model_up.failed) {
        rc = mtnt__operations_nomem(err);
        goto out;
    }
    mtnt__operations_choice_list(template, false, sql, &made.sql_count);
    made.sql = sql;
    made.config = template;
    made.config_free = config_free;
    made.checksum = checksum.text;
    made.writes = MTNT_WRITES_MODEL;
    if (!mtnt__operations_choice_names(template))
        made.flags |= MTNT_OPERATION_SAME_FOR_ALL;
    if (options != NULL && options->snapshot)
        made.flags |= MTNT_OPERATION_CLONES;
    made.model_up = model_up.text;
    rc = mtnt_chain_add_entry(chain, &create_model, &made, err);
    template = NULL; /* the chain's, also when it refused the entry */
out:
    config_free(template);
    free(checksum.text);
    free(model_up.text);
    return rc;
}
