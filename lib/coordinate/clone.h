/* A new model as a copy of a sealed template; see templates.h. The protocol is that of every new model: the copy stands under the provisional name until
 * the decision. Part of the attempt. */
#ifndef MTNT_COORDINATE_CLONE_H
#define MTNT_COORDINATE_CLONE_H

#include "coordinate/attempt.h"

/* In place of the operations, once everything else is ready for them: attempt->clone.done says whether the model is there, its operations counted as
 * done. Without a template, or with one that is no use: 0, nothing is left of it, and the operations have to run. Errors: what would have failed them too. */
int mtnt__clone_model(mtnt__attempt *attempt, mtnt_error *err);
/* After the operations of a new model have run, in their transaction: reads what they have made, when that is worth knowing. */
int mtnt__clone_witness(mtnt__attempt *attempt, mtnt_error *err);
/* The new model is committed under its provisional name, and nobody has it open. What goes wrong is no failure of the migration. */
void mtnt__clone_make(mtnt__attempt *attempt);
/* Whatever has become of the attempt: others may do what it has not. */
void mtnt__clone_release(mtnt__attempt *attempt);

/* With what the name of every template begins that the controller's chain has for models at this place. NOMEM. */
int mtnt__clone_prefix(const char *controller, const char *chain, const mtnt_model *model,
                       char ret_prefix[MTNT__TEMPLATE_PREFIX + 1], mtnt_error *err);
/* The template's file as DSN, or its database's; malloc'ed, NULL = out of memory. */
char *mtnt__clone_template_dsn(const mtnt__attempt *attempt, const char *name);
/* "mtnt_template_<name>", static text added to; for PostgreSQL. */
#define MTNT__TEMPLATE_DATABASE "mtnt_template_"
#define MTNT__TEMPLATE_DATABASE_SIZE (sizeof(MTNT__TEMPLATE_DATABASE) + MTNT__TEMPLATE_NAME_SIZE)
#define MTNT__TEMPLATE_FILE ".mtnt-template-"
/* It is no use any more; one that is not there is fine. */
int mtnt__clone_remove_template(const mtnt__attempt *attempt, const mtnt__template *template, mtnt_error *err);
/* The key of the row of mtnt_meta that makes a template whole: its digest. */
#define MTNT__TEMPLATE_KEY "template"

#endif
