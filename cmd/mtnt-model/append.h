/* Adds an entry at the end of a chain file's `operations`, as text: its comments and its layout stay. */
#ifndef MTNT_COMMAND_APPEND_H
#define MTNT_COMMAND_APPEND_H

#include <stdbool.h>
#include <stdint.h>

/* `text` with an entry for the files sql/STEM.up.sql and sql/STEM.down.sql; order 0 = by its position.
 * malloc'ed. NULL: the file's shape is one that text cannot be added to safely (or there is no memory).
 * What comes out still has to be loaded and compared: this knows the layout of YAML, not YAML. */
char *mtnt__append_entry(const char *text, const char *name, const char *stem, int64_t order);

/* The entry by itself, for people to add by hand. malloc'ed; NULL = out of memory. */
char *mtnt__append_shown(const char *name, const char *stem, int64_t order);

#endif
