/* The table of options. */
#ifndef MTNT_COMMAND_OPTION_ROWS_H
#define MTNT_COMMAND_OPTION_ROWS_H

#include "options.h"

typedef enum mtnt__option_kind {
    MTNT__OPTION_FLAG,     /* bool */
    MTNT__OPTION_TEXT,     /* const char * */
    MTNT__OPTION_LIST,     /* mtnt__list; in the environment separated by commas */
    MTNT__OPTION_INT,      /* int64_t */
    MTNT__OPTION_DURATION, /* int64_t, in ms */
    MTNT__OPTION_CHOICE,   /* const char *, one of `choices` */
    MTNT__OPTION_CHECKED   /* const char *, as `check` takes it */
} mtnt__option_kind;

typedef struct mtnt__option_row {
    const char *name;
    char letter; /* 0 = none */
    mtnt__option_kind kind;
    const char *value;   /* what the value is called in the help; NULL = takes none */
    size_t setting;      /* offset in mtnt__settings */
    size_t project;      /* offset in mtnt_project; 0 = not there */
    int64_t least, most; /* of INT and DURATION */
    int64_t zero;        /* INT and DURATION: what a 0 stands for */
    const char *const *choices;
    int (*check)(const char *text, mtnt_error *err);
    uint32_t takes;
    const char *help;
} mtnt__option_row;

/* In the order of the help; ends with a row without a name. mtnt__settings.given has a place for each. */
extern const mtnt__option_row mtnt__option_rows[];

/* Named in the contract of the command, and brought by later versions; NULL-terminated. */
extern const char *const mtnt__options_later[];

#endif
