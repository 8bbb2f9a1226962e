/* A plugin, in three shapes: the good one, one without the symbol, one of another ABI version. */
#include <mtnt.h>

#if defined(PLUGIN_WITHOUT_SYMBOL)

int something_else(void);
int something_else(void)
{
    return 0;
}

#elif defined(PLUGIN_OF_ANOTHER_ABI)

MTNT_API extern const unsigned int mtnt_plugin_abi_version;
const unsigned int mtnt_plugin_abi_version = MTNT_ABI_VERSION + 1;
MTNT_API int mtnt_plugin_load(mtnt_chain *chain, mtnt_error *err);
int mtnt_plugin_load(mtnt_chain *chain, mtnt_error *err)
{
    (void)chain;
    return mtnt_error_set(err, MTNT_E_INVALID, "must not be called");
}

#else

static int seats_execute(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    return mtnt_db_exec(mtnt_scope_model(context), err, "INSERT INTO t_one(x) VALUES(length($1))",
                        MTNT_TEXT(mtnt_model_id(model)));
}

static int seats_rollback(mtnt_operation *operation, mtnt_context *context, const mtnt_model *model, mtnt_error *err)
{
    (void)operation;
    (void)model;
    return mtnt_db_exec(mtnt_scope_model(context), err, "DELETE FROM t_one");
}

static const mtnt_operation_class seats = {
    MTNT_OPERATION_CLASS_INIT,  .name = "seats", .writes = MTNT_WRITES_MODEL, .execute = seats_execute,
    .rollback = seats_rollback,
};

MTNT_CHAIN_PLUGIN(chain)
{
    return mtnt_chain_add(chain, &seats, 50, NULL, err);
}

#endif
