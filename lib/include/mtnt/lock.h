/* A lock file: what has been released of a chain, a line for each operation, to be kept beside the chain under version control. Whoever changes history
 * afterwards is told before any database is opened. */
#ifndef MTNT_LOCK_H
#define MTNT_LOCK_H

#include "mtnt/chain.h"

MTNT_BEGIN_DECLS

typedef enum mtnt_lock_state {
    MTNT_LOCK_NONE = 0, /* there is no such file */
    MTNT_LOCK_CURRENT,  /* all operations are in it, as they are */
    MTNT_LOCK_STALE     /* … and further ones have been added after them since */
} mtnt_lock_state;

/* Where the lock file of a chain file is: its name with ".lock" after it. To be freed with mtnt_free; NULL = out of memory. */
MTNT_API char *mtnt_lock_path(const char *chain_file);

/* The text of the lock file, to be freed with mtnt_free. A line for each operation, in the chain's order: order ("-" where it follows from the place), checksum, name.
 * Repeatable operations are not in it: they may change. NOMEM. Any thread, does not block. */
MTNT_API int mtnt_lock_text(const mtnt_chain *chain, char **ret_text, mtnt_error *err);

/* Compares the chain (all of it: not a lane) with the lock file at `path`. CONFIG, with the file and the line in it: an operation that is locked has
 * another checksum or order, another name, or is gone; or one was added before the last that is locked, unless allow_out_of_order; the
 * message shows what was and what is, a line each. Also CONFIG: it is no lock file, or another chain's. IO, NOMEM. Blocks on the file system. */
MTNT_API int mtnt_lock_check(const mtnt_chain *chain, const char *path, bool allow_out_of_order,
                             mtnt_lock_state *ret_state, mtnt_error *err);

/* Writes it, durably, over what is there. IO, NOMEM. */
MTNT_API int mtnt_lock_write(const mtnt_chain *chain, const char *path, mtnt_error *err);

MTNT_END_DECLS

#endif
