/* What the built-in operations share. Like anybody's operations they know the public headers only. */
#ifndef MTNT_OPERATIONS_COMMON_H
#define MTNT_OPERATIONS_COMMON_H

#include "mtnt/operations.h"

/* The entry that the chain gets, as far as the caller has said it; the operation adds what it decides itself. */
mtnt_entry mtnt__operations_entry(const mtnt_entry *said);

/* CONFIG at the entry's file and line: "operation `NAME`: …", NAME being `kind` when the entry has none. */
int mtnt__operations_refuse(mtnt_error *err, const mtnt_entry *said, const char *kind, const char *format, ...)
    MTNT_PRINTF(4, 5);
/* Adds which operation it was, and where it is defined unless the error has a place already. */
void mtnt__operations_blame(mtnt_error *err, const mtnt_entry *said, const char *kind);

int mtnt__operations_nomem(mtnt_error *err);

/* NULL, empty, or white space only. */
bool mtnt__operations_blank(const char *text);

/* Copies `length` bytes, cut between UTF-8 characters to fit; always NUL-terminated. */
void mtnt__operations_copy_cut(char *target, size_t size, const char *text, size_t length);

/* A growing text on the heap; NULL = nothing yet. Once an allocation has failed the text is given up and `failed` stays set. */
typedef struct mtnt__operations_text {
    char *text;
    bool failed;
} mtnt__operations_text;
void mtnt__operations_append(mtnt__operations_text *text, const char *format, ...) MTNT_PRINTF(2, 3);
/* One part of a checksum's text: its length stands before the value, so that no two lists of parts read alike, and NULL is
 * told from the empty text. White space around SQL does not count: SQL that moves into a file of its own gains a newline. */
void mtnt__operations_append_part(mtnt__operations_text *text, const char *key, const char *value);
void mtnt__operations_append_sql(mtnt__operations_text *text, const char *key, const char *sql);

/* A copy that is released by _sql_release; NOMEM. A blank text becomes none. */
int mtnt__operations_sql_copy(mtnt_sql_text *ret_copy, const mtnt_sql_text *text, mtnt_error *err);
void mtnt__operations_sql_release(mtnt_sql_text *text);

/* The text as a script; model NULL = no names are known. */
mtnt_script mtnt__operations_script(const mtnt_sql_text *text, const mtnt_model *model);

/* What can be said of SQL without a database and a tenant. `which` is one of the choices below; SQL for either backend has to
 * be right for one of them: their quotes differ, and it may never meet the other. */
int mtnt__operations_sql_check(const mtnt_sql_text *text, int which, mtnt_error *err);

/* SQL for one purpose: a text for either backend, a text for one of them, which comes first there. In a chain file they stand
 * under `<name><suffix>`, `<name>_sqlite<suffix>` and `<name>_postgres<suffix>`; name and suffix are static. */
enum { MTNT__CHOICE_ANY, MTNT__CHOICE_SQLITE, MTNT__CHOICE_POSTGRES, MTNT__CHOICES };
typedef struct mtnt__operations_choice {
    const char *name, *suffix;
    mtnt_sql_text texts[MTNT__CHOICES]; /* owned */
} mtnt__operations_choice;

/* Copies the three texts into *choice, which has its name and is zero otherwise, and is to be released also on failure. CONFIG:
 * without a position when a text is blank and `required`, with one when a text is wrong. */
int mtnt__operations_choice_fill(mtnt__operations_choice *choice, const mtnt_sql_text *any, const mtnt_sql_text *sqlite,
                                 const mtnt_sql_text *postgres, bool required, mtnt_error *err);
void mtnt__operations_choice_release(mtnt__operations_choice *choice);
bool mtnt__operations_choice_empty(const mtnt__operations_choice *choice);
/* Runs the text for the handle's backend; NOT_IMPLEMENTED, naming the keys, when there is none. pass_over_missing: see mtnt_script. */
int mtnt__operations_choice_run(const mtnt__operations_choice *choice, mtnt_db *db, const mtnt_model *model,
                                bool pass_over_missing, mtnt_error *err);
/* Whether the SQL, or one of the texts, uses a :'name': then it may say something else for each tenant. */
bool mtnt__operations_sql_names(const char *sql);
bool mtnt__operations_choice_names(const mtnt__operations_choice *choice);
/* Whether there is a text for the handle's backend. */
bool mtnt__operations_choice_has(const mtnt__operations_choice *choice, const mtnt_db *db);
void mtnt__operations_choice_append_checksum(const mtnt__operations_choice *choice, mtnt__operations_text *checksum);
/* Adds the texts that there are to `sql`, which has room for MTNT__CHOICES more. */
void mtnt__operations_choice_list(const mtnt__operations_choice *choice, bool on_controller, mtnt_entry_sql *sql,
                                  size_t *count);
/* For people: the text as it is when it is the only one, else each after a comment with its key. */
void mtnt__operations_choice_append_shown(const mtnt__operations_choice *choice, mtnt__operations_text *shown);

/* A NULL-terminated list on the heap, of copies; NULL stays NULL. NOMEM. */
int mtnt__operations_list_copy(char ***ret_copy, const char *const *list, mtnt_error *err);
void mtnt__operations_list_free(char **list);

#endif
