/* A binary of your own with the whole command line of mtnt-model, and an operation in C among those of chain.yaml. It takes
 * over into each model what the controller says of the customer:
 *   controller: customers(id, seats)     model: settings(name, value), made by an earlier operation of the chain */
#include <mtnt.h>

struct seats { /* zeroed, one for each migration */
    int64_t booked;
};

static int seats_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    struct seats *seats = mtnt_operation_state(operation);
    int rc = mtnt_db_query_int(mtnt_scope_controller(context), &seats->booked, err,
                               "SELECT seats FROM customers WHERE id = $1", MTNT_TEXT(mtnt_model_id(model)));

    if (rc == 0)
        rc = mtnt_db_exec(mtnt_scope_model(context), err, "INSERT INTO settings(name, value) VALUES ('seats', $1)",
                          MTNT_INT(seats->booked));
    return rc;
}

static int seats_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)model;
    return mtnt_db_exec(mtnt_scope_model(context), err, "DELETE FROM settings WHERE name = 'seats'");
}

static const mtnt_operation_class seats = {
    MTNT_OPERATION_CLASS_INIT,   .name = "seats",          .state_size = sizeof(struct seats),
    .writes = MTNT_WRITES_MODEL, .execute = seats_execute, .rollback = seats_rollback,
};

int main(int argc, char **argv)
{
    mtnt_chain *chain = NULL;
    mtnt_error err = MTNT_ERROR_INIT;

    if (mtnt_chain_new(&chain, "shop", &err) || mtnt_chain_add(chain, &seats, 50, NULL, &err)) {
        mtnt_chain_free(chain);
        return mtnt_command_fail(&err);
    }
    return mtnt_command_main(argc, argv, chain);
}
