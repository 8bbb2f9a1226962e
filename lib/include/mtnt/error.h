/* Errors: a code to act on and a text to show.
 *
 * Every function that can fail returns 0 or one of the negative codes below and fills the caller's mtnt_error, its last
 * argument (`err` may be NULL where only the code matters). An mtnt_error is plain memory: it may live on the stack, be
 * copied, and cross threads; nothing in it is allocated, so that "out of memory" can always be reported.
 * The idea of an error owned by the caller, and of a code of its own for a commit whose answer was lost, is dqlite's.
 */
#ifndef MTNT_ERROR_H
#define MTNT_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "mtnt/export.h"

MTNT_BEGIN_DECLS

typedef enum mtnt_code {
    MTNT_OK = 0,
    MTNT_E_INVALID = -1,    /* an argument, or a call at the wrong time: the caller's mistake */
    MTNT_E_NOMEM = -2,      /* out of memory */
    MTNT_E_CONFIG = -3,     /* a file that the user wrote is wrong; `file` and `line` say where */
    MTNT_E_IO = -4,         /* the file system: permissions, disk full, missing folder */
    MTNT_E_NOT_FOUND = -5,  /* a database, file or name does not exist */
    MTNT_E_EXISTS = -6,     /* the name is taken */
    MTNT_E_CONNECT = -7,    /* no connection to a server, or a file that cannot be opened as a database */
    MTNT_E_DATABASE = -8,   /* a statement failed; `state` has the SQLSTATE or the SQLite result name */
    MTNT_E_CORRUPT = -9,    /* a file that is no database, truncated, or damaged */
    MTNT_E_BUSY = -10,      /* a lock or a lease is held by somebody else */
    MTNT_E_DEADLINE = -11,  /* the time allowed was used up */
    MTNT_E_CANCELLED = -12, /* a cancel was asked for */
    MTNT_E_IN_DOUBT = -13,  /* COMMIT or PREPARE was sent and its answer lost: neither done nor failed; recover first */
    MTNT_E_HISTORY = -14,   /* what the model records and what the chain holds disagree; nothing was changed */
    MTNT_E_REFUSED = -15,   /* the guarantee cannot be given for this chain, pair or setting; nothing was changed */
    MTNT_E_NEWER = -16,     /* tables, plugin or options of a newer version than this library knows */
    MTNT_E_FOREIGN = -17,   /* the model belongs to another controller, or is not the model that was expected */
    MTNT_E_OPERATION = -18, /* an operation's own code said no */
    MTNT_E_NOT_IMPLEMENTED = -19, /* an operation without setup or execute, or something this version does not do */
    MTNT_E_BLOCKED = -20,         /* a person has to decide before this tenant can go on */
    MTNT_E_LEASE = -21 /* the tenant's lease was lost while it was being migrated; what was done was rolled back */
} mtnt_code;

#define MTNT_ERROR_MESSAGE_SIZE 4096

/* Zero it, or use MTNT_ERROR_INIT, before the first use. Texts are UTF-8, NUL-terminated, cut on overflow with "…". */
typedef struct mtnt_error {
    int code;              /* an mtnt_code */
    bool retryable;        /* the same call may succeed later without a change (deadlock, lost connection
                                                before COMMIT …); decided once, in the database layer. Never with IN_DOUBT. */
    uint32_t line, column; /* position in `file`, both from 1; 0 = unknown */
    char state[48];        /* SQLSTATE ("23505") or SQLite extended result name; "" = none */
    char file[512];        /* the file that the position is in, as the user named it; "" = none */
    char statement[256];   /* the line of SQL at the position, cut; "" = none */
    char message[MTNT_ERROR_MESSAGE_SIZE]; /* what went wrong, outermost circumstance first; DSNs are redacted */
} mtnt_error;

#define MTNT_ERROR_INIT                \
    {                                  \
        0, false, 0, 0, "", "", "", "" \
    }

/* Back to MTNT_OK and empty texts. */
MTNT_API void mtnt_error_clear(mtnt_error *err);

/* Replaces the whole error and returns `code`, so that `return mtnt_error_set(err, …)` reads well. `format` is printf's;
 * texts from outside go through "%s". Arguments may point into `err` itself. Never fails, never allocates. */
MTNT_API int mtnt_error_set(mtnt_error *err, int code, const char *format, ...) MTNT_PRINTF(3, 4);
MTNT_API int mtnt_error_setv(mtnt_error *err, int code, const char *format, va_list arguments) MTNT_PRINTF(3, 0);

/* Puts "<format>: " before the message, keeps everything else, returns err's code (MTNT_E_INVALID when err is NULL: what it was is
 * not known then, and a failure must not turn into success). */
MTNT_API int mtnt_error_wrap(mtnt_error *err, const char *format, ...) MTNT_PRINTF(2, 3);

/* Adds `other` to `err` so that no error is lost: "<other>: <err>", other being the later one (an error while cleaning up
 * after the first). Code, state and position stay those of `err`, the first failure. Does nothing when other is MTNT_OK. */
MTNT_API void mtnt_error_keep(mtnt_error *err, const mtnt_error *other);

/* Where in a user's file the error is; NULL or 0 = leave as it is. Returns as mtnt_error_wrap does. */
MTNT_API int mtnt_error_at(mtnt_error *err, const char *file, uint32_t line, uint32_t column);

/* "MTNT_E_BUSY" for MTNT_E_BUSY; never NULL. Static text. */
MTNT_API const char *mtnt_code_name(int code);

MTNT_END_DECLS

#endif
