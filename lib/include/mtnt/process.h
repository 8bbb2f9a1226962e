/* For a program that has its process to itself. */
#ifndef MTNT_PROCESS_H
#define MTNT_PROCESS_H

#include "mtnt/error.h"

MTNT_BEGIN_DECLS

/* Tells SQLite, for the whole process, not to count its memory: the counter is one lock that all threads meet at every allocation, and costs a
 * fleet of SQLite models half of its speed on two processors. sqlite3_memory_used() and the soft heap limit stop working. Call it
 * from main, before threads and before anything uses SQLite; never needed. mtnt_command_main does it. INVALID: too late. */
MTNT_API int mtnt_process_prepare(mtnt_error *err);

MTNT_END_DECLS

#endif
