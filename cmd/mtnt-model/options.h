/* Options: one table says of each its flag, environment variable, place in the project file, help and the
 * commands that take it. Precedence: flag > environment > project file > default. */
#ifndef MTNT_COMMAND_OPTIONS_H
#define MTNT_COMMAND_OPTIONS_H

#include <stdio.h>

#include <mtnt.h>

typedef struct mtnt__command mtnt__command;

/* Texts of a repeatable option, NULL-terminated. */
typedef struct mtnt__list {
    const char **items; /* NULL = none */
    size_t count;
} mtnt__list;

typedef enum mtnt__format { MTNT__FORMAT_TEXT = 0, MTNT__FORMAT_JSON, MTNT__FORMAT_JSONL } mtnt__format;

enum { MTNT__OPTION_ROWS_MAX = 128, MTNT__OPTIONS_LATER_MAX = 20 };

/* What the user asked for. Texts are borrowed from argv, the environment and the project. */
typedef struct mtnt__settings {
    const char *config;
    const char *controller, *tenants, *chain, *plugin;
    mtnt__list only, where, exclude;
    mtnt__list lanes, environments;
    int64_t workers;
    const char *to, *run;
    const char *as, *reason, *from;
    bool as_renamed;
    const char *from_dir, *from_format, *server, *glob, *database_like, *schema_like, *name;
    int64_t steps;
    const char *atomicity, *on_failure, *on_error, *mode, *backup, *fingerprint;
    const char *output, *output_dir;
    bool allow_out_of_order, accept_checksums, keep_in_step, yes, force, repair, write_lock, check_lock, isolate, audit;
    int64_t deadline_ms, operation_timeout_ms, unlock_deadline_ms, lock_timeout_ms, statement_timeout_ms;
    int64_t heartbeat_ms, heartbeat_retries;
    int64_t timeout_ms;
    int64_t canary, retries, per_server, connections, soak_ms, retry_pause_ms, controller_wait_ms;
    const char *waves, *max_failures, *rate;
    const char *format_name;
    mtnt__format format;
    bool rehearse;
    const char *save, *plan;
    bool quiet, verbose, exit_code, help, version;
    const char *log_file;
    bool given[MTNT__OPTION_ROWS_MAX];   /* for each row of the table: flag or environment said it */
    bool flagged[MTNT__OPTION_ROWS_MAX]; /* a flag said it */
    const mtnt__command *command;        /* NULL = none was named */
    const char *argument;                /* the word after the command; NULL = none */
    mtnt__list owned;                    /* copies of environment variables, taken apart */
} mtnt__settings;

/* Which commands take an option; mtnt__command.takes has the same bits. */
enum {
    MTNT__TAKES_ALL = 1u << 0,        /* every command */
    MTNT__TAKES_FILES = 1u << 1,      /* whatever reads the project */
    MTNT__TAKES_CONTROLLER = 1u << 2, /* whatever opens the controller */
    MTNT__TAKES_TENANTS = 1u << 3,    /* whatever selects tenants */
    MTNT__TAKES_RUN = 1u << 4,        /* whatever migrates */
    MTNT__TAKES_TO = 1u << 5,
    MTNT__TAKES_STEPS = 1u << 6,
    MTNT__TAKES_OF_RUN = 1u << 7,
    MTNT__TAKES_YES = 1u << 8,
    MTNT__TAKES_FORWARD = 1u << 9,
    MTNT__TAKES_EXIT_CODE = 1u << 10,
    MTNT__TAKES_FORMAT = 1u << 11,
    MTNT__TAKES_WORD = 1u << 12,   /* resolve */
    MTNT__TAKES_LANE = 1u << 13,   /* whatever goes by lanes */
    MTNT__TAKES_WAIT = 1u << 14,   /* wait */
    MTNT__TAKES_OUTPUT = 1u << 15, /* export */
    MTNT__TAKES_BASELINE = 1u << 16,
    MTNT__TAKES_REASON = 1u << 17, /* what leaves an audit row */
    MTNT__TAKES_ADOPT = 1u << 18,  /* adopt */
    MTNT__TAKES_IMPORT = 1u << 19, /* import-project */
    MTNT__TAKES_VERIFY = 1u << 20,
    MTNT__TAKES_LOCK = 1u << 21,  /* checksums */
    MTNT__TAKES_SAVE = 1u << 22,  /* plan */
    MTNT__TAKES_PLAN = 1u << 23,  /* migrate */
    MTNT__TAKES_AUDIT = 1u << 24, /* recover */
};

/* What a command line says by itself. 0, or an exit code after a message on `errors`. */
int mtnt__options_parse(mtnt__settings *settings, int argc, char **argv, FILE *errors);
/* Adds what the environment says and no flag did, for the options that settings->command takes. */
int mtnt__options_environment(mtnt__settings *settings, FILE *errors);
/* Adds what the project file says and nobody did, then the defaults. */
void mtnt__options_project(mtnt__settings *settings, const mtnt_project *project);
/* Whether the flag of this name was given. */
bool mtnt__options_is_flagged(const mtnt__settings *settings, const char *name);
void mtnt__options_release(mtnt__settings *settings);

#endif
