/* A disk that fails at a chosen call, and that knows what of it would be there after a power loss.
 *
 * Whatever changes a file of one folder is counted and written down: by SQLite through fault_vfs.c, by the library itself through
 * fault_wrap.c. All of it is in memory that outlives the process: a test begins, lets one process after another work in the folder, each
 * with a fault of its own or none, and looks, or takes the power away, when they have ended.
 *
 * Durable is: of a file, what was written to it before an fsync of it that succeeded; of a folder, the names made, removed and renamed in it
 * before an fsync of it that succeeded. Of the rest a power loss leaves what the test chooses: nothing, all, or some sectors of some
 * writes and some of the names. After an fsync that failed, what it should have made durable stays visible and is never written again,
 * whatever later fsyncs say: so the kernel treats it. Shared memory (-shm) is never durable. */
#ifndef MTNT_TESTS_FAULT_DISK_H
#define MTNT_TESTS_FAULT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum fault_kind {
    FAULT_NONE = 0,
    FAULT_KILL,    /* SIGKILL before the call: the kernel keeps what was written */
    FAULT_POWER,   /* the same for the process; the test calls fault_power_loss after it */
    FAULT_IO,      /* the call fails with an I/O error, of a write half is done */
    FAULT_IO_KILL, /* the same, and SIGKILL before the next call */
    FAULT_BROKEN,  /* it and all after it fail */
    FAULT_FULL,    /* from this call on files can be made and written, and do not grow */
    FAULT_KINDS
} fault_kind;
const char *fault_kind_name(fault_kind kind);

/* What a power loss leaves of what was not synced. */
typedef enum fault_keep {
    FAULT_KEEP_NOTHING = 0,
    FAULT_KEEP_ALL,
    FAULT_KEEP_SOME /* by the seed; what a file grew by and lost is zeros or junk */
} fault_keep;

/* From now on the folder is watched; what is in it is durable. It is flat, its path absolute and without symbolic links. */
void fault_disk_begin(const char *folder);
void fault_disk_end(void);

/* This process meets the fault at its at-th call from now on (1 = the next; 0 = never), until fault_disarm or its end. */
void fault_arm(fault_kind kind, int at);
void fault_disarm(void);
/* Calls of the process that was armed last, also when it is dead, and what the at-th was: "t1.db-journal sync". */
int fault_calls(void);
const char *fault_place(void);

/* With no process in the folder: it becomes what a power loss would leave, all of it durable. */
void fault_power_loss(fault_keep contents, fault_keep names, unsigned int seed);

/* ---- for fault_vfs.c and fault_wrap.c ---- */

typedef enum fault_call {
    FAULT_CALL_CREATE = 1,
    FAULT_CALL_WRITE,
    FAULT_CALL_TRUNCATE,
    FAULT_CALL_SYNC,
    FAULT_CALL_DELETE,
    FAULT_CALL_RENAME,
    FAULT_CALL_SYNC_FOLDER
} fault_call;

typedef enum fault_verdict {
    FAULT_GO = 0, /* do it, then note it */
    FAULT_FAIL,
    FAULT_NO_ROOM /* only for what makes a file grow */
} fault_verdict;

/* Between enter and leave nobody else calls: asking, doing and noting are one step. */
void fault_enter(void);
void fault_leave(void);
/* The name within the folder, NULL when it is not one that is watched. Valid as long as the path. */
const char *fault_name_of(const char *path);
/* Whether a folder is the one that is watched. */
bool fault_is_folder(const char *path);
/* The file of that name; 0 = there is none. */
uint32_t fault_file_of(const char *name);
/* Counts a call, and dies here when that is the fault. */
fault_verdict fault_ask(fault_call call, const char *name, bool grows);
bool fault_is_full(void);
/* What has been done. create returns the new file. sync with ok false: it failed. */
uint32_t fault_note_create(const char *name);
void fault_note_write(uint32_t file, const void *bytes, size_t size, uint64_t at);
void fault_note_truncate(uint32_t file, uint64_t size);
void fault_note_sync(uint32_t file, bool ok);
void fault_note_delete(const char *name);
void fault_note_rename(const char *from, const char *to);
void fault_note_sync_folder(void);

#endif
