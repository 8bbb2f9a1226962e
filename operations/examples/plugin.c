/* The operations of signup.c as a plugin, with a way back:   plugin: ./libshop.so   in mtnt.yaml. */
#include <mtnt.h>

static int settings_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    mtnt_db *db = mtnt_scope_model(context);
    int rc = mtnt_db_exec(db, err, "CREATE TABLE settings(name TEXT, value TEXT)");

    (void)operation;
    if (rc == 0)
        rc = mtnt_db_exec(db, err, "INSERT INTO settings VALUES ('owner', $1)", MTNT_TEXT(mtnt_model_id(model)));
    return rc;
}

static int settings_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)model;
    return mtnt_db_exec(mtnt_scope_model(context), err, "DROP TABLE settings");
}

static const mtnt_operation_class settings = {
    MTNT_OPERATION_CLASS_INIT,     .name = "settings", .writes = MTNT_WRITES_MODEL, .execute = settings_execute,
    .rollback = settings_rollback,
};

static int ready_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    return mtnt_db_exec(mtnt_scope_controller(context), err, "INSERT INTO customers VALUES ($1)",
                        MTNT_TEXT(mtnt_model_id(model)));
}

static int ready_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    return mtnt_db_exec(mtnt_scope_controller(context), err, "DELETE FROM customers WHERE id = $1",
                        MTNT_TEXT(mtnt_model_id(model)));
}

static const mtnt_operation_class ready = {
    MTNT_OPERATION_CLASS_INIT,  .name = "ready", .writes = MTNT_WRITES_CONTROLLER, .execute = ready_execute,
    .rollback = ready_rollback,
};

MTNT_CHAIN_PLUGIN(chain)
{
    int rc = mtnt_chain_add(chain, &settings, 10, NULL, err);

    return rc != 0 ? rc : mtnt_chain_add(chain, &ready, 20, NULL, err);
}
