/* What people copy from the screen into a shell, and paths as they would name them. */
#ifndef MTNT_COMMAND_QUOTE_H
#define MTNT_COMMAND_QUOTE_H

#include "work.h"

/* The results are the caller's to free; NULL = out of memory. */

/* A word for a POSIX shell, in single quotes where it needs them. */
char *mtnt__quote_word(const char *word);
/* The flags of this call that another one needs to see the same files: "" or " --config x --tenants y". */
char *mtnt__quote_context(const mtnt__work *work);
/* A DSN or a path without the working directory before it, where it is below. */
char *mtnt__quote_near(const char *dsn);

#endif
