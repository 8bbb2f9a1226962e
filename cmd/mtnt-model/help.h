/* Help, 80 columns wide. */
#ifndef MTNT_COMMAND_HELP_H
#define MTNT_COMMAND_HELP_H

#include "options.h"

/* NULL: the list of commands and all options. */
void mtnt__help_put(FILE *out, const mtnt__command *command);
void mtnt__help_put_version(FILE *out);

#endif
