/* The whole command line in a binary of your own: link libmtnt-command. */
#ifndef MTNT_COMMAND_H
#define MTNT_COMMAND_H

#include "mtnt/chain.h"

MTNT_BEGIN_DECLS

/* The command mtnt-model with this chain (operations in C first; `chain:` and `plugin:` of the project file add to it). Takes the chain over and
 * frees it; NULL = only what the files say. Returns the exit code of COMMANDS. Uses stdin, stdout, stderr and signals: call it from main. */
MTNT_API int mtnt_command_main(int argc, char **argv, mtnt_chain *chain);
/* Prints err as the command does and returns the exit code for it (78 for CONFIG …). */
MTNT_API int mtnt_command_fail(const mtnt_error *err);

MTNT_END_DECLS

#endif
