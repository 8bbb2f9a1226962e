/* Migrations as folders of SQL files, merged into a chain by their number. */
#ifndef MTNT_CONFIG_NATIVE_FOLDER_H
#define MTNT_CONFIG_NATIVE_FOLDER_H

#include "mtnt/chain.h"

/* An empty folder adds nothing; one that is not there neither, and is told by *ret_missing. CONFIG (names, files, a number or name that the
 * chain has already), IO, NOMEM. */
int mtnt__native_folder_load(mtnt_chain *chain, const char *folder, bool *ret_missing, mtnt_error *err);

#endif
