/* Whose migrations a folder holds: it is read as each format, with all that can be wrong with it. */
#include <string.h>
#include <sys/stat.h>

#include "chain/chain.h"
#include "config/formats/reader.h"
#include "mtnt/discover.h"

static int read_as(const mtnt__reader *reader, const char *dir, size_t *ret_count, mtnt_error *err)
{
    mtnt__folder folder = {.reader = reader, .err = err};
    const mtnt__folder_options options = {.env = NULL};
    bool missing = false;
    int rc = mtnt_chain_new(&folder.chain, "discovered", err);

    folder.options = &options;
    if (rc == 0)
        rc = mtnt__folder_read(&folder, dir, &missing);
    *ret_count = folder.count;
    if (rc == 0)
        rc = mtnt__folder_merge(&folder, 0);
    mtnt__folder_release(&folder);
    mtnt_chain_free(folder.chain);
    return rc;
}

int mtnt_discover_formats(const char *dir, mtnt_discover_format_fn each, void *data, mtnt_error *err)
{
    struct stat status;
    const mtnt__reader *reader;

    if (stat(dir, &status) != 0 || !S_ISDIR(status.st_mode))
        return mtnt_error_set(err, MTNT_E_NOT_FOUND, "there is no folder %s", dir);
    for (size_t i = 0; (reader = mtnt__reader_at(i)); i++) {
        mtnt_error why = MTNT_ERROR_INIT;
        size_t count = 0;
        int rc = read_as(reader, dir, &count, &why);

        if (rc == MTNT_E_NOMEM || rc == MTNT_E_IO) {
            if (err)
                *err = why;
            return rc;
        }
        /* What is wrong in a file stands in a file of that format; that there is none does not. */
        if ((rc == 0 && count > 0) || (rc != 0 && (count > 0 || why.file[0] != '\0')))
            each(data, reader->name, count, rc == 0 ? NULL : &why);
    }
    return 0;
}
