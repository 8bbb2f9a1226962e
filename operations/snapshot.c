/* snapshot: the model as it is, saved before something that cannot be rolled back. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

static int name_of(const mtnt_operation *operation, char **ret_name, mtnt_error *err)
{
    if (asprintf(ret_name, "v%" PRId64 "-%s", mtnt_operation_order(operation), mtnt_operation_name(operation)) < 0)
        return mtnt__operations_nomem(err);
    return 0;
}

static int snapshot_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    char *name = NULL;
    int rc = name_of(operation, &name, err);

    (void)model;
    if (rc == 0)
        rc = mtnt_scope_snapshot(context, mtnt_operation_config(operation), name, err);
    free(name);
    return rc;
}

/* Compensation of a later failure. A rewind is another migration, which has saved nothing: nothing is restored then. */
static int snapshot_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    char *name = NULL;
    int rc = name_of(operation, &name, err);

    (void)model;
    if (rc == 0)
        rc = mtnt_scope_restore(context, mtnt_operation_config(operation), name, err);
    free(name);
    return rc;
}

/* The model is written only by a restore, of which the transactions of its other operations know nothing. */
static const mtnt_operation_class snapshot_class = {
    MTNT_OPERATION_CLASS_INIT,   .name = "snapshot",
    .writes = MTNT_WRITES_MODEL, .flags = MTNT_OPERATION_NO_TRANSACTION | MTNT_OPERATION_SNAPSHOT,
    .execute = snapshot_execute, .rollback = snapshot_rollback,
};

int mtnt_operation_add_snapshot(mtnt_chain *chain, const mtnt_snapshot_options *options, const mtnt_entry *entry,
                                mtnt_error *err)
{
    mtnt_entry made = mtnt__operations_entry(entry);
    int rc;

    if (mtnt__operations_blank(options->dir)) {
        rc = mtnt_error_set(err, MTNT_E_CONFIG, "`snapshot.dir` names no folder");
        mtnt__operations_blame(err, entry, "snapshot");
        return rc;
    }
    made.config = strdup(options->dir);
    if (made.config == NULL)
        return mtnt__operations_nomem(err);
    made.config_free = free;
    /* Not the folder: where a checkout lies does not make it another operation. */
    made.checksum = "snapshot\n";
    made.writes = MTNT_WRITES_MODEL;
    return mtnt_chain_add_entry(chain, &snapshot_class, &made, err);
}
