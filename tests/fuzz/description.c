/* Model descriptions, as bytes: what the reader takes is whole, and libcyaml takes it too. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/formats.h"
#include "mtnt/description.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int look(void *context, const mtnt_described_rows *rows, mtnt_error *err)
{
    (void)context;
    (void)err;
    for (size_t i = 0; i < rows->row_count * rows->column_count; i++)
        if (!rows->values[i].bytes || rows->values[i].bytes[rows->values[i].length] != '\0' ||
            rows->values[i].line == 0)
            abort();
    for (size_t i = 0; i < rows->column_count; i++)
        if (rows->columns[i][0] == '\0')
            abort();
    return 0;
}

static void load_whole(const char *text, size_t length)
{
    mtnt_error err = MTNT_ERROR_INIT;
    void *loaded = NULL;

    if (mtnt__yaml_load(&mtnt__description_format, "fuzz.yaml", text, length, &loaded, &err) != 0)
        abort();
    mtnt__yaml_free(&mtnt__description_format, loaded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int file = memfd_create("description", MFD_CLOEXEC), rc;
    mtnt_description *description = NULL;
    mtnt_error err = MTNT_ERROR_INIT;
    char path[64];

    if (file < 0 || write(file, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    rc = mtnt_description_open(&description, path, &err);
    if ((rc == 0) != (description != NULL) || (rc != 0 && (err.code != rc || err.message[0] == '\0')))
        abort();
    if (rc == 0) {
        if (mtnt_description_read(description, look, NULL, &err) != 0)
            abort();
        load_whole((const char *)data, size);
    }
    mtnt_description_close(description);
    close(file);
    return 0;
}
