#include <sqlite3.h>

#include "mtnt/process.h"

int mtnt_process_prepare(mtnt_error *err)
{
    int code = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);

    if (code != SQLITE_OK)
        return mtnt_error_set(err, MTNT_E_INVALID, "mtnt_process_prepare has to come before anything uses SQLite: %s",
                              sqlite3_errstr(code));
    return MTNT_OK;
}
