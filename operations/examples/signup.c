/* A customer signs up: a control plane makes a database for him and notes that it is ready, both or neither.
 * signup CUSTOMER CONTROLLER MODEL     e.g.   signup acme sqlite:shop.db sqlite:acme.db */
#include <mtnt.h>
#include <stdio.h>

static int settings_execute(mtnt_operation *op, mtnt_context *ctx, const mtnt_model *model, mtnt_error *err)
{
    int rc = mtnt_db_exec(mtnt_scope_model(ctx), err, "CREATE TABLE settings(name TEXT, value TEXT)");

    (void)op;
    if (rc == 0)
        rc = mtnt_db_exec(mtnt_scope_model(ctx), err, "INSERT INTO settings VALUES ('owner', $1)",
                          MTNT_TEXT(mtnt_model_id(model)));
    return rc; /* nothing to undo: it is all in the transaction */
}

static int ready_execute(mtnt_operation *op, mtnt_context *ctx, const mtnt_model *model, mtnt_error *err)
{
    (void)op;
    return mtnt_db_exec(mtnt_scope_controller(ctx), err, "INSERT INTO customers VALUES ($1)",
                        MTNT_TEXT(mtnt_model_id(model)));
}

static const mtnt_operation_class settings = {MTNT_OPERATION_CLASS_INIT, .name = "settings",
                                              .writes = MTNT_WRITES_MODEL, .execute = settings_execute};
static const mtnt_operation_class ready = {MTNT_OPERATION_CLASS_INIT, .name = "ready", .writes = MTNT_WRITES_CONTROLLER,
                                           .execute = ready_execute};

int main(int argc, char **argv)
{
    mtnt_model_options tenant = MTNT_MODEL_OPTIONS_INIT;
    mtnt_controller *shop = NULL;
    mtnt_chain *chain = NULL;
    mtnt_model *model = NULL;
    mtnt_coordinator *coordinator = NULL;
    mtnt_outcome outcome;
    mtnt_error err = MTNT_ERROR_INIT;

    if (argc != 4)
        return 64;
    tenant.id = argv[1];
    tenant.dsn = argv[3];
    if (mtnt_model_new(&model, &tenant, &err) || mtnt_chain_new(&chain, "shop", &err) ||
        mtnt_operation_add_create_model(chain, NULL, NULL, &err) || mtnt_chain_add(chain, &settings, 2, NULL, &err) ||
        mtnt_chain_add(chain, &ready, 3, NULL, &err) || mtnt_controller_open(&shop, argv[2], NULL, &err) ||
        mtnt_db_exec(mtnt_controller_db(shop), &err, "CREATE TABLE IF NOT EXISTS customers(id TEXT)") ||
        mtnt_coordinator_new(&coordinator, shop, model, chain, NULL, &err) ||
        mtnt_coordinator_perform(coordinator, &err)) {
        fprintf(stderr, "signup: %s\n", err.message); /* and neither database has anything of it */
    } else {
        mtnt_coordinator_outcome(coordinator, &outcome);
        printf("%s: %zu operations, mode %s\n", argv[1], outcome.executed, outcome.mode ? outcome.mode : "-");
    }
    mtnt_coordinator_free(coordinator);
    mtnt_controller_close(shop);
    mtnt_model_free(model);
    mtnt_chain_free(chain);
    return err.code != 0;
}
