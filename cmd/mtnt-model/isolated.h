/* What a child of --isolate is told, and says first. */
#ifndef MTNT_COMMAND_ISOLATED_H
#define MTNT_COMMAND_ISOLATED_H

#include "work.h"

/* "<socket>,<pid of the supervisor>" in the environment of a child: not meant for people. */
#define MTNT__ISOLATED_BY "MTNT_ISOLATED_BY"
enum { MTNT__ISOLATED_FD = 3 };
/* One byte, as a message. */
enum { MTNT__ISOLATED_LOADED = 'l', MTNT__ISOLATED_NOT_LOADED = 'n' };

/* The socket to its supervisor, taken out of the environment; -1 = this is no child. */
int mtnt__isolated_socket(void);
/* Loads the chain, and serves. Does not return: main might go on with what is the supervisor's to do. */
_Noreturn void mtnt__isolated_serve(mtnt__work *work, int argc, char **argv, int fd);

#endif
