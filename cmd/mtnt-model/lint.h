/* What the linter says of a chain's SQL, kept to be shown: warnings and locks. */
#ifndef MTNT_COMMAND_LINT_H
#define MTNT_COMMAND_LINT_H

#include <jansson.h>

#include "work.h"

typedef struct mtnt__finding {
    bool is_lock;
    mtnt_lint_warning warning; /* its table is owned; texts of the chain are the chain's */
    const char *mode;          /* of a lock: then rule, why and instead are NULL */
    char *table;
} mtnt__finding;

/* Zero it before use. */
typedef struct mtnt__findings {
    mtnt__finding *items;
    size_t count, size, warnings;
} mtnt__findings;

/* As mtnt_chain_lint; a warning that is there already, at the same place, is not added again. 0 or an exit code. */
int mtnt__findings_add(mtnt__work *work, mtnt__findings *findings, const size_t *indices, size_t count,
                       int model_backend, int controller_backend);
void mtnt__findings_release(mtnt__findings *findings);

/* Of the controller that is set, by its DSN. */
int mtnt__findings_controller_backend(const mtnt__work *work);

/* Of one operation, below its SQL: "        locks       …", "        warning     …". */
void mtnt__findings_put(const mtnt__work *work, const mtnt__findings *findings, int64_t order);
/* All warnings, each a block of its own. */
void mtnt__findings_put_warnings(const mtnt__work *work, const mtnt__findings *findings);
/* Arrays of objects; order < 0: of all operations. */
json_t *mtnt__findings_describe_warnings(const mtnt__findings *findings, int64_t order);
json_t *mtnt__findings_describe_locks(const mtnt__findings *findings, int64_t order);

/* `text` from column `at` of a line on, broken between words at the screen's width (at most 100), each further line `indent` columns in; and a newline. */
void mtnt__lint_put_wrapped(const mtnt__screen *screen, FILE *out, int at, int indent, const char *text);

#endif
