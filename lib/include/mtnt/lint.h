/* What the SQL of a chain would do to a database in use: locks, and warnings of known dangers. Read from the words of its statements alone. */
#ifndef MTNT_LINT_H
#define MTNT_LINT_H

#include "mtnt/chain.h"

MTNT_BEGIN_DECLS

/* Everything is borrowed during the callback, but for rule, why and instead, which are static. */
typedef struct mtnt_lint_warning {
    const char *rule;    /* its name, for `-- mtnt:allow NAME` in the SQL, which silences it for one statement */
    const char *why;     /* what is dangerous about it */
    const char *instead; /* what to do */
    const char *operation;
    int64_t order;
    bool on_controller;
    const char *table; /* "" = none, or not known */
    const char *file;  /* NULL = in C */
    uint32_t line;     /* of the statement, or of the part of it that is meant; 0 = unknown */
} mtnt_lint_warning;

/* A lock that an operation takes on something that was there before, once for each table: the strongest. */
typedef struct mtnt_lint_lock {
    const char *operation;
    int64_t order;
    bool on_controller;
    /* "ACCESS EXCLUSIVE" …; SQLite: "EXCLUSIVE", of the whole file; "unknown" where the text does not tell. */
    const char *mode;
    const char *table; /* "" = the whole file; where the mode is unknown, how the statement begins */
} mtnt_lint_lock;

/* Zero it, or leave out what is not wanted. Not 0 from a callback ends the call with that code. */
typedef struct mtnt_lint_reader {
    int (*warning)(void *data, const mtnt_lint_warning *warning, mtnt_error *err);
    int (*lock)(void *data, const mtnt_lint_lock *lock, mtnt_error *err);
    void *data;
} mtnt_lint_reader;

/* Reads the SQL that `count` operations of the chain (by index, in the order of running; NULL = all that are not disabled) have for these two
 * backends (0: that side is left out), and gives first the warnings of an operation, then its locks. What runs in one go is read in one call: nothing is said of tables that
 * one of these operations has made itself, because nobody else sees them yet. Operations in C without SQL say nothing. A rule is silenced for one statement by a comment
 * in it, before it, or behind it on its last line:   -- mtnt:allow rule, other-rule
 * Any thread, does not block. INVALID: an index that is none; NOMEM; what a callback returns. */
MTNT_API int mtnt_chain_lint(const mtnt_chain *chain, const size_t *indices, size_t count, int model_backend,
                             int controller_backend, const mtnt_lint_reader *reader, mtnt_error *err);

/* The rules, from 0: name, why and instead are set. false: there are no more. */
MTNT_API bool mtnt_lint_rule(size_t index, mtnt_lint_warning *ret_rule);

MTNT_END_DECLS

#endif
