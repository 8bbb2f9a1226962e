/* A service with a database for each customer: whoever is to be served is brought up to date first, at his first request after a release.
 * on_access CONTROLLER CHAIN.YAML FOLDER CUSTOMER…     e.g.   on_access sqlite:shop.db chain.yaml customers acme globex */
#include <mtnt.h>
#include <stdio.h>

static int serve(mtnt_ensure *shop, const char *folder, const char *customer, mtnt_error *err)
{
    mtnt_model_options options = MTNT_MODEL_OPTIONS_INIT;
    mtnt_model *model = NULL;
    char dsn[1000];
    int rc;

    snprintf(dsn, sizeof(dsn), "sqlite:%s/%s.db", folder, customer);
    options.id = customer;
    options.dsn = dsn;
    rc = mtnt_model_new(&model, &options, err);
    if (rc == 0)
        rc = mtnt_ensure_current(shop, model, err); /* from any number of threads */
    if (rc == 0)
        printf("%s is served\n", customer);
    mtnt_model_free(model);
    return rc;
}

int main(int argc, char **argv)
{
    mtnt_ensure_counts counts = {0};
    mtnt_chain *chain = NULL;
    mtnt_ensure *shop = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    int failed = 0;

    if (argc < 5)
        return 64;
    if (mtnt_chain_new(&chain, "shop", &err) || mtnt_chain_load_yaml(chain, argv[2], &err) ||
        mtnt_ensure_new(&shop, argv[1], chain, NULL, &err)) {
        fprintf(stderr, "on_access: %s\n", err.message);
        mtnt_chain_free(chain);
        return 1;
    }
    for (int i = 4; i < argc; i++)
        if (serve(shop, argv[3], argv[i], &err) != 0) {
            fprintf(stderr, "%s: %s\n", argv[i],
                    err.message); /* and nothing of it was done: the next request tries again */
            failed = 1;
        }
    mtnt_ensure_count(shop, &counts);
    printf("%lld migrated, %lld remembered\n", (long long)counts.migrated, (long long)counts.remembered);
    mtnt_ensure_free(shop);
    mtnt_chain_free(chain);
    return failed;
}
