/* The formats that there are. A new one is a file with its reader, and a line here. */
#include <string.h>

#include "config/formats/reader.h"

static const mtnt__reader *const readers[] = {
    &mtnt__reader_native, &mtnt__reader_goose,  &mtnt__reader_dbmate, &mtnt__reader_golang_migrate, &mtnt__reader_morph,
    &mtnt__reader_flyway, &mtnt__reader_diesel, &mtnt__reader_pop,    &mtnt__reader_sqitch,         NULL,
};

const mtnt__reader *mtnt__reader_at(size_t index)
{
    for (size_t i = 0; readers[i]; i++)
        if (i == index)
            return readers[i];
    return NULL;
}

const mtnt__reader *mtnt__reader_find(const char *name)
{
    const mtnt__reader *reader;

    for (size_t i = 0; (reader = mtnt__reader_at(i)); i++)
        if (strcmp(reader->name, name) == 0)
            return reader;
    return NULL;
}
