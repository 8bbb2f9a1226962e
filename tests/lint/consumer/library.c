/* Embeds the library: one operation in a chain. */
#include <stdio.h>

#include <mtnt.h>
#include <mtnt/native.h>

static int seats_execute(mtnt_operation *op, mtnt_context *ctx, const mtnt_model *model, mtnt_error *err)
{
    (void)op;
    (void)ctx;
    (void)model;
    (void)err;
    return 0;
}

static const mtnt_operation_class seats = {
    MTNT_OPERATION_CLASS_INIT,
    .name = "seats",
    .writes = MTNT_WRITES_MODEL,
    .execute = seats_execute,
};

int main(void)
{
    mtnt_chain *chain = NULL;
    mtnt_error err;
    int rc;

    rc = mtnt_chain_new(&chain, "shop", &err);
    if (rc == 0)
        rc = mtnt_chain_add(chain, &seats, 5, NULL, &err);
    if (rc == 0 && mtnt_chain_len(chain) != 1)
        rc = 1;
    printf("chain %s: %s\n", rc == 0 ? mtnt_chain_name(chain) : "-", mtnt_code_name(rc));
    mtnt_chain_free(chain);
    return rc == 0 ? 0 : 1;
}
