/* The files that users write, as bytes: the first byte says which format they are read as. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(const mtnt__yaml_format *format, const char *text, size_t length)
{
    mtnt_error err = MTNT_ERROR_INIT;
    void *loaded = NULL;
    int rc = mtnt__yaml_load(format, "fuzz.yaml", text, length, &loaded, &err);

    /* What the check lets pass is loaded, and an error always says something. */
    if ((rc == 0) != (loaded != NULL) || (rc != 0 && (err.code != rc || err.message[0] == '\0')))
        abort();
    if (strncmp(err.message, "libcyaml: ", 10) == 0)
        abort(); /* libcyaml has found what the check has not */
    mtnt__yaml_free(format, loaded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const mtnt__yaml_format *formats[] = {&mtnt__project_format, &mtnt__tenants_format, &mtnt__chain_format};

    if (size > 0)
        load(formats[data[0] % 3], (const char *)data + 1, size - 1);
    return 0;
}
