#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "chain/chain.h"

typedef int (*plugin_load_fn)(mtnt_chain *chain, mtnt_error *err);

/* A name without a slash would be looked for along the search path of libraries, where it does not belong. */
static int check_path(const char *path, mtnt_error *err)
{
    if (!path || !strchr(path, '/'))
        return mtnt_error_set(err, MTNT_E_INVALID, "the plugin `%s` needs a path with a slash in it, such as ./%s",
                              path ? path : "", path ? path : "operations.so");
    if (access(path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "the plugin %s does not exist", path);
    return 0;
}

static int find_load(void *handle, const char *path, plugin_load_fn *ret_load, mtnt_error *err)
{
    const unsigned int *abi_version = dlsym(handle, "mtnt_plugin_abi_version");
    void *load = dlsym(handle, "mtnt_plugin_load");

    if (!abi_version || !load)
        return mtnt_error_set(err, MTNT_E_CONFIG,
                              "%s is no plugin: it lacks the symbol %s; define its operations with "
                              "MTNT_CHAIN_PLUGIN(chain) { … }",
                              path, abi_version ? "mtnt_plugin_load" : "mtnt_plugin_abi_version");
    if (*abi_version != MTNT_ABI_VERSION)
        return mtnt_error_set(
            err, MTNT_E_NEWER,
            "the plugin %s was compiled for version %u of the plugin interface, and this is version %u: "
            "compile it again with this version's headers",
            path, *abi_version, (unsigned int)MTNT_ABI_VERSION);
    memcpy(ret_load, &load, sizeof(load));
    return 0;
}

/* From here on the object stays loaded until the chain is freed: classes that live in it are in the chain. */
static int keep_handle(mtnt_chain *chain, void *handle, mtnt_error *err)
{
    void **plugins = reallocarray(chain->plugins, chain->plugin_count + 1, sizeof(*plugins));

    if (!plugins)
        return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
    plugins[chain->plugin_count++] = handle;
    chain->plugins = plugins;
    return 0;
}

static int run_load(mtnt_chain *chain, plugin_load_fn load, const char *path, mtnt_error *err)
{
    mtnt_error said = MTNT_ERROR_INIT;
    int rc = load(chain, &said);

    if (rc == 0)
        return 0;
    if (said.code == MTNT_OK)
        mtnt_error_set(&said, rc < 0 ? rc : MTNT_E_OPERATION, "refused to load (%d) and gave no reason", rc);
    mtnt_error_wrap(&said, "the plugin %s", path);
    if (err)
        *err = said;
    return said.code;
}

int mtnt_chain_load_plugin(mtnt_chain *chain, const char *path, mtnt_error *err)
{
    plugin_load_fn load = NULL;
    const char *why;
    void *handle;
    int rc = check_path(path, err);

    if (rc)
        return rc;
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        why = dlerror();
        return mtnt_error_set(err, MTNT_E_CONFIG, "the plugin %s cannot be loaded: %s", path,
                              why ? why : "no reason given");
    }
    if ((rc = find_load(handle, path, &load, err)) || (rc = keep_handle(chain, handle, err))) {
        dlclose(handle);
        return rc;
    }
    return run_load(chain, load, path, err);
}
