/* delete_model: takes a tenant's model away, and gives it back as long as it has not been removed for good. */
#include <inttypes.h>
#include <stdlib.h>

#include "common.h"

static int delete_model_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model,
                                mtnt_error *err)
{
    const mtnt_delete_model_options *options = mtnt_operation_config(operation);

    (void)model;
    return mtnt_scope_remove_model(context, options->grace_ms, err);
}

static int delete_model_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model,
                                 mtnt_error *err)
{
    (void)operation;
    (void)model;
    return mtnt_scope_restore_model(context, err);
}

static const mtnt_operation_class delete_model = {
    MTNT_OPERATION_CLASS_INIT,       .name = "delete_model",
    .writes = MTNT_WRITES_MODEL,     .flags = MTNT_OPERATION_DELETES_MODEL,
    .execute = delete_model_execute, .rollback = delete_model_rollback,
};

/* In the largest unit that leaves no rest: what was written in the chain file, or as short. */
static void append_time(mtnt__operations_text *text, int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

    for (size_t i = 0; ms > 0 && i < sizeof(units) / sizeof(units[0]); i++)
        if (ms % units[i].ms == 0) {
            mtnt__operations_append(text, " after %" PRId64 "%s", ms / units[i].ms, units[i].unit);
            return;
        }
}

int mtnt_operation_add_delete_model(mtnt_chain *chain, const mtnt_delete_model_options *options,
                                    const mtnt_entry *entry, mtnt_error *err)
{
    mtnt__operations_text shown = {NULL, false};
    mtnt_entry made = mtnt__operations_entry(entry);
    mtnt_delete_model_options *config;
    int rc;

    if (options != NULL && options->grace_ms < 0)
        return mtnt__operations_refuse(err, entry, "delete_model", "`grace` cannot be %" PRId64 " ms",
                                       options->grace_ms);
    config = malloc(sizeof(*config));
    if (config == NULL)
        return mtnt__operations_nomem(err);
    *config = options != NULL ? *options : (mtnt_delete_model_options){.grace_ms = MTNT_DELETE_MODEL_GRACE_MS};
    mtnt__operations_append(&shown, "-- the model is put away, and removed for good");
    append_time(&shown, config->grace_ms);
    if (shown.failed) {
        free(config);
        return mtnt__operations_nomem(err);
    }
    made.config = config;
    made.config_free = free;
    /* Not the time of grace: a policy that changes makes it no other operation. */
    made.checksum = "delete_model";
    made.writes = MTNT_WRITES_MODEL;
    made.model_up = shown.text;
    rc = mtnt_chain_add_entry(chain, &delete_model, &made, err);
    free(shown.text);
    return rc;
}
