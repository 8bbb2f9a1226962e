/* The one replaceable seam to the machine: time, sleep, randomness, identity of this process. */
#ifndef MTNT_BASE_SYSTEM_H
#define MTNT_BASE_SYSTEM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "mtnt/error.h"

typedef struct mtnt__system {
    int64_t (*boot_ms)(void *data); /* CLOCK_BOOTTIME: deadlines, goes on during suspend */
    int64_t (*wall_ms)(void *data); /* Unix time, for people only, never for decisions */
    void (*sleep_ms)(void *data, int64_t ms);
    int (*random)(void *data, void *ret_bytes, size_t size); /* 0 or MTNT_E_IO */
    void *data;
} mtnt__system;

/* The real one: const, shared by all threads. */
const mtnt__system *mtnt__system_default(void);

/* A point on boot_ms's clock; 0 = none. */
typedef int64_t mtnt__deadline_ms;
mtnt__deadline_ms mtnt__deadline_in(const mtnt__system *system, int64_t timeout_ms); /* timeout 0 = none */
/* Milliseconds left, at least 0; -1 = no deadline (what poll takes). */
int mtnt__deadline_left(const mtnt__system *system, mtnt__deadline_ms deadline);
mtnt__deadline_ms mtnt__deadline_earlier(mtnt__deadline_ms a, mtnt__deadline_ms b);

/* 32 lower-case hex digits of randomness + NUL: ids of controllers, models, migrations. */
#define MTNT__ID_SIZE 33
int mtnt__random_id(const mtnt__system *system, char ret_id[MTNT__ID_SIZE], mtnt_error *err);

/* RFC 3339 in UTC with milliseconds ("2026-11-21T10:04:12.345Z") + NUL; thread-safe. */
#define MTNT__TIME_SIZE 32
void mtnt__time_text(int64_t wall_ms, char ret_text[MTNT__TIME_SIZE]);

/* Which process this is: pid alone is recycled, pid + its start time + boot id is not, and within a container a pid means
 * something else than outside. "<host>/<boot id>/<pid namespace>/<pid>/<start>". */
#define MTNT__PROCESS_SIZE 256
int mtnt__process_self(char ret_text[MTNT__PROCESS_SIZE], mtnt_error *err);
typedef enum mtnt__process_state {
    MTNT__PROCESS_UNKNOWN,
    MTNT__PROCESS_ALIVE,
    MTNT__PROCESS_STOPPED,
    MTNT__PROCESS_DEAD
} mtnt__process_state;
/* UNKNOWN: of another host or pid namespace, or no such text. Same host with another boot id: DEAD. STOPPED: by a signal or a debugger; it may
 * go on later. */
mtnt__process_state mtnt__process_look(const char *text);
/* Whether that process, alive and of this pid namespace, holds a lock on the file, as SQLite takes them. */
bool mtnt__process_locks(const char *text, const char *path);
/* Kills it (SIGKILL) and waits until it is gone, 5 s at most; never another one that has its pid by now. 0: it is gone, or was. REFUSED: it is
 * this process, of another host or pid namespace, or another user's. BUSY: not gone yet. Blocks. */
int mtnt__process_end(const char *text, mtnt_error *err);

#endif
