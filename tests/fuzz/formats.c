/* Folders of migrations as bytes. The first chooses the format; then come files, each as its name, a line end, its text, and a byte 0 when
 * another follows. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "chain/chain.h"
#include "config/formats/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

static int take(mtnt__folder *folder, char *bytes)
{
    char *text = strchr(bytes, '\n');
    mtnt__folder_file file = {bytes, bytes, text ? text + 1 : ""};

    if (text)
        *text = '\0';
    return mtnt__folder_take(folder, &file);
}

/* What is found has a name and a text that begins on a line of its file; an error says something. */
static void check(const mtnt__folder *folder, int rc)
{
    MUST(rc == 0 || (folder->err->code == rc && folder->err->message[0] != '\0'));
    for (size_t i = 0; i < folder->count; i++) {
        const mtnt__found_sql *up = &folder->items[i].sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][MTNT__FOUND_UP];

        MUST(folder->items[i].name && folder->items[i].version && folder->items[i].file);
        MUST(!up->text || ((up->text[0] != '\0' || folder->reader->takes_all) && up->file));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const placeholders[] = {"a=1", NULL}, *const env[] = {"HOME", NULL};
    const mtnt__folder_options options = {
        .env = env, .placeholders = placeholders, .mixed = size > 0 && (data[0] & 16)};
    mtnt_error err = MTNT_ERROR_INIT;
    mtnt__folder folder = {.options = &options, .err = &err};
    char *copy, *at, *next, *end;
    int rc = 0;

    if (size < 1 || !mtnt__reader_at(data[0] & 15) || !(copy = malloc(size)))
        return 0;
    memcpy(copy, data + 1, size - 1);
    copy[size - 1] = '\0';
    end = copy + size - 1;
    MUST(mtnt_chain_new(&folder.chain, "fuzz", &err) == 0);
    folder.reader = mtnt__reader_at(data[0] & 15);
    for (at = copy; rc == 0 && at <= end; at = next) {
        next = at + strlen(at) + 1;
        rc = take(&folder, at);
    }
    if (rc == 0 && folder.reader->finish)
        rc = folder.reader->finish(&folder);
    check(&folder, rc);
    if (rc == 0)
        check(&folder, mtnt__folder_merge(&folder, 0));
    mtnt__folder_release(&folder);
    mtnt_chain_free(folder.chain);
    free(copy);
    return 0;
}
