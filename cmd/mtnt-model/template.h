/* What a new operation's SQL files begin as. */
#ifndef MTNT_COMMAND_TEMPLATE_H
#define MTNT_COMMAND_TEMPLATE_H

#include <stdint.h>

/* `template` with {name} and {order} filled in; malloc'ed, NULL = out of memory. */
char *mtnt__template_fill(const char *template, const char *name, int64_t order);

extern const char mtnt__template_up[], mtnt__template_down[];

#endif
