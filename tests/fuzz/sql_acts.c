/* What statements do: any bytes. Nothing may be read outside of the text, names are whole, and places lie within it. */
#include <stdlib.h>
#include <string.h>

#include "base/sql_acts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)   \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

typedef struct seen {
    size_t length, statement, start;
} seen;

static void check_name(const char *name)
{
    MUST(memchr(name, '\0', MTNT__ACT_NAME_SIZE) != NULL);
}

static int check(void *data, const mtnt__sql_act *act, mtnt_error *err)
{
    seen *all = data;

    (void)err;
    MUST(act->kind >= MTNT__ACT_UNKNOWN && act->kind <= MTNT__ACT_PRAGMA);
    MUST(act->start < all->length);
    MUST(act->statement >= all->statement && act->start >= all->start);
    all->statement = act->statement;
    all->start = act->start;
    check_name(act->table);
    check_name(act->other);
    for (size_t i = 0; i < act->allowed_count; i++)
        MUST(act->allowed_start[i] + act->allowed_length[i] <= all->length);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mtnt_error err = MTNT_ERROR_INIT;
    seen all = {0};
    char *text;

    if (size < 1 || !(text = malloc(size)))
        return 0;
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    all.length = strlen(text);
    MUST(mtnt__sql_acts(text, data[0] & 1 ? MTNT_POSTGRES : MTNT_SQLITE, check, &all, &err) == 0);
    free(text);
    return 0;
}
