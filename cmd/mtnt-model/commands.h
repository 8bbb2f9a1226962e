/* The commands: one table, one file each. */
#ifndef MTNT_COMMAND_COMMANDS_H
#define MTNT_COMMAND_COMMANDS_H

#include "lanes.h"
#include "options.h"
#include "work.h"

/* What a shell sees. */
enum {
    MTNT__EXIT_OK = 0,
    MTNT__EXIT_FAILED = 1,  /* some tenants failed */
    MTNT__EXIT_FATAL = 2,   /* nothing trustworthy was done */
    MTNT__EXIT_PENDING = 3, /* with --exit-code; recover --audit: something was ahead */
    MTNT__EXIT_BUDGET = 4,  /* more tenants failed than may; the rest is untouched */
    MTNT__EXIT_USAGE = 64,
    MTNT__EXIT_CONFIG = 78,
    MTNT__EXIT_SIGNAL = 128 /* + the signal's number */
};

struct mtnt__command {
    const char *name, *alias;     /* alias: NULL = none */
    const char *argument;         /* "NAME": required; "[NAME]": may be there; NULL = none */
    uint32_t takes;               /* MTNT__TAKES_… */
    mtnt__lanes_order lanes;      /* which lanes it runs for, and in which order */
    int (*run)(mtnt__work *work); /* the exit code; has said what went wrong */
    const char *summary;          /* for the list */
    const char *about, *examples; /* for its own help; lines of at most 80 columns */
};

/* NULL-terminated by a row without a name. */
extern const mtnt__command mtnt__commands[];

/* By name or alias; NULL = unknown. */
const mtnt__command *mtnt__commands_find(const char *name);
/* Commands of COMMANDS that a later version brings. */
bool mtnt__commands_is_later(const char *name);
/* A name near to `name`, or NULL. */
const char *mtnt__commands_nearest(const char *name);

int mtnt__command_migrate(mtnt__work *work);
int mtnt__command_rewind(mtnt__work *work);
int mtnt__command_do(mtnt__work *work);
int mtnt__command_undo(mtnt__work *work);
int mtnt__command_reset(mtnt__work *work);
int mtnt__command_join(mtnt__work *work);
int mtnt__command_baseline(mtnt__work *work);
int mtnt__command_recover(mtnt__work *work);
int mtnt__command_resolve(mtnt__work *work);
int mtnt__command_adopt(mtnt__work *work);
int mtnt__command_import_project(mtnt__work *work);
int mtnt__command_pending(mtnt__work *work);
int mtnt__command_executed(mtnt__work *work);
int mtnt__command_status(mtnt__work *work);
int mtnt__command_plan(mtnt__work *work);
int mtnt__command_wait(mtnt__work *work);
int mtnt__command_verify(mtnt__work *work);
int mtnt__command_checksums(mtnt__work *work);
int mtnt__command_new(mtnt__work *work);
int mtnt__command_export(mtnt__work *work);
int mtnt__command_validate(mtnt__work *work);
int mtnt__command_doctor(mtnt__work *work);
int mtnt__command_help(mtnt__work *work);

#endif
