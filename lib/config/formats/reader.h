/* Folders of migrations, as other tools and we have them: a reader for each format, found in one table. A reader is given the
 * folder's files one by one, as texts, and says which operations they make; everything else is the same for all. */
#ifndef MTNT_CONFIG_FORMATS_READER_H
#define MTNT_CONFIG_FORMATS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/versions.h"
#include "mtnt/chain.h"

typedef enum mtnt__found_side { MTNT__FOUND_MODEL, MTNT__FOUND_CONTROLLER, MTNT__FOUND_SIDES } mtnt__found_side;
typedef enum mtnt__found_for {
    MTNT__FOUND_ANY,
    MTNT__FOUND_SQLITE,
    MTNT__FOUND_POSTGRES,
    MTNT__FOUND_BACKENDS
} mtnt__found_for;
typedef enum mtnt__found_direction {
    MTNT__FOUND_UP,
    MTNT__FOUND_DOWN,
    MTNT__FOUND_VERIFY,
    MTNT__FOUND_DIRECTIONS
} mtnt__found_direction;

/* SQL that a file has for one direction. */
typedef struct mtnt__found_sql {
    char *text, *file; /* text NULL = none */
    uint32_t line;     /* of the text's first character */
    bool alone;        /* its tool runs it outside a transaction */
} mtnt__found_sql;

/* What becomes an operation. */
typedef struct mtnt__migration {
    char *version;                  /* as its tool writes it: never a number, some have more digits than fit */
    char *name;                     /* of the operation: version and description, as the file has them */
    char *file;                     /* the first that it was found in, for errors */
    int64_t order;                  /* its own; 0 = its place among the others */
    const char *lane, *environment; /* borrowed; NULL = none was said */
    char *cannot;                   /* why it cannot be run here; NULL = it can */
    char *source;                   /* what its checksum is of; NULL = of the SQL */
    char *title, *id, *script, *checksum, *detail; /* for its tool's table: see chain/origin.h */
    bool repeatable;                               /* runs again when its checksum changes */
    bool verbatim;                                 /* nothing is filled in */
    int transaction;                               /* what is said of it: 1 inside, -1 outside, 0 nothing */
    mtnt__found_sql sql[MTNT__FOUND_SIDES][MTNT__FOUND_BACKENDS][MTNT__FOUND_DIRECTIONS];
} mtnt__migration;

/* What chain.yaml says of a folder. Lists end with NULL, and may be NULL. */
typedef struct mtnt__folder_options {
    const char *const *env;          /* names of the environment that files may ask for */
    const char *const *placeholders; /* name=value */
    bool verbatim;                   /* nothing is filled in */
    bool unverified;                 /* what looks whether it has worked is not run */
    bool mixed;                      /* a script may have both what a transaction can hold and what none can */
} mtnt__folder_options;

typedef struct mtnt__reader mtnt__reader;

/* The migrations found so far, in one folder or in several that belong together. */
typedef struct mtnt__folder {
    const mtnt__reader *reader;
    const mtnt__folder_options *options; /* of the folder at hand */
    const char *table;                   /* of the tool, when it has another name than usual */
    bool keep_in_step;                   /* that table follows what is done here */
    mtnt_chain *chain;                   /* that warnings go to, and in the end the operations */
    mtnt__migration *items;
    size_t count, size, finished; /* those before `finished` are of folders that have been read */
    void *state;                  /* of the reader, for one folder */
    void (*state_free)(void *state);
    mtnt_error *err;
} mtnt__folder;

/* Borrowed by the reader during a call. */
typedef struct mtnt__folder_file {
    const char *path; /* for people, and for errors */
    const char *name; /* as seen from the folder: "0007_plans/up.sql"; ends with a slash for a folder */
    const char *text; /* without a byte order mark; "" for a folder */
} mtnt__folder_file;

struct mtnt__reader {
    const char *name;  /* `format:` in chain.yaml */
    const char *files; /* what it takes, for people: "NUMBER_name.sql" */
    int depth;         /* how many folders below the folder are looked into */
    bool takes_all;    /* a file that it does not recognise is its to refuse */
    /* By its name alone. */
    bool (*recognises)(const char *name);
    /* Adds what the file has to the folder. CONFIG at the file's line, NOMEM. */
    int (*read)(mtnt__folder *folder, const mtnt__folder_file *file);
    /* Once all files of a folder have been read. NULL = there is nothing to do. */
    int (*finish)(mtnt__folder *folder);
    /* The tool's own order: < 0, 0 for what may not stand twice, > 0. NULL = each has its order. */
    int (*compare)(const mtnt__migration *a, const mtnt__migration *b);
};

/* readers.c. NULL: there is none of that name; no more. */
const mtnt__reader *mtnt__reader_find(const char *name);
const mtnt__reader *mtnt__reader_at(size_t index);

extern const mtnt__reader mtnt__reader_native, mtnt__reader_goose, mtnt__reader_dbmate, mtnt__reader_golang_migrate,
    mtnt__reader_morph, mtnt__reader_flyway, mtnt__reader_diesel, mtnt__reader_pop, mtnt__reader_sqitch;

/* folder.c: reads the files below `dir`. *ret_missing: it is not there, and nothing was read. CONFIG, IO, NOMEM. */
int mtnt__folder_read(mtnt__folder *folder, const char *dir, bool *ret_missing);
/* The same for a file that is at hand; what the reader does not recognise is passed over. */
int mtnt__folder_take(mtnt__folder *folder, const mtnt__folder_file *file);
void mtnt__folder_forget_state(mtnt__folder *folder);
void mtnt__folder_release(mtnt__folder *folder);

/* found.c: what readers build the migrations with. */
/* A new one, or NULL: out of memory, which err says. */
mtnt__migration *mtnt__found_new(mtnt__folder *folder, const char *version, size_t version_length, const char *name,
                                 size_t name_length, const char *path);
mtnt__migration *mtnt__found_named(mtnt__folder *folder, const char *name, size_t length);
/* Copies a stretch of a file, whose first character is on `line`, without the blank lines around it. One that is nothing but blanks becomes a comment:
 * it is there, and there is nothing to do. */
int mtnt__found_sql_set(mtnt__folder *folder, mtnt__found_sql *sql, const mtnt__folder_file *file, const char *text,
                        size_t length, uint32_t line);
/* CONFIG at a line of the file; 0 = of the file as a whole. */
int mtnt__found_refuse(mtnt__folder *folder, const mtnt__folder_file *file, uint32_t line, const char *format, ...)
    MTNT_PRINTF(4, 5);
/* Something that is passed over, and has to be said. */
int mtnt__found_warn(mtnt__folder *folder, const mtnt__folder_file *file, uint32_t line, const char *format, ...)
    MTNT_PRINTF(4, 5);
static inline int mtnt__found_nomem(mtnt__folder *folder)
{
    return mtnt_error_set(folder->err, MTNT_E_NOMEM, "out of memory");
}

/* lines.c: texts line by line, and what names of files are made of. */
typedef struct mtnt__line {
    const char *text;
    size_t length; /* without the end of the line */
    size_t whole;  /* with it */
    uint32_t number;
} mtnt__line;
/* Zero it, set `text`, then go on until false. */
bool mtnt__line_next(mtnt__line *line, const char *text);
bool mtnt__line_is_blank(const mtnt__line *line);
bool mtnt__ends_with(const char *text, const char *end);
bool mtnt__blank(char c); /* a blank, a tab, an end of a line … */

/* merge.c: puts the migrations in order and makes operations of them, from `order` on (0 = one more than the highest that the chain has). CONFIG,
 * NOMEM. */
int mtnt__folder_merge(mtnt__folder *folder, int64_t order);

/* transactions.c: a script with a BEGIN … COMMIT of its own loses it, because it gets a transaction from us; and one that is to run outside a
 * transaction is let into one when it asks for no more than what ours gives. What cannot be is left as it is. NOMEM. */
int mtnt__transactions_settle(mtnt__folder *folder, mtnt__found_direction direction, mtnt__found_sql *sql);

/* shell.c: leaves out commands of psql and sqlite3 that change nothing but what is shown; returns how many. */
int mtnt__shell_commands_drop(char *text);
/* The first that is left, in the text; NULL = none. */
const char *mtnt__shell_command(char *text);

/* For formats in which a file does not say how it has to run. */
typedef struct mtnt__found_kinds {
    size_t statements;
    size_t outside;       /* how many no transaction can hold: CREATE INDEX CONCURRENTLY, VACUUM … */
    size_t first_outside; /* where the first of them begins */
    size_t settings;      /* PRAGMA foreign_keys and its like */
} mtnt__found_kinds;
/* PostgreSQL: the first value, with its quotes, that ALTER TYPE … ADD VALUE adds; NULL = none. It cannot be used before it is committed. */
const char *mtnt__transactions_added_value(const char *text, size_t *ret_length);
/* NOMEM. */
int mtnt__transactions_look(mtnt__folder *folder, const char *text, mtnt__found_kinds *ret_kinds);

#endif
