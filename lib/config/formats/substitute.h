/* Names in texts that other tools fill in before they read the SQL. Their values come from lists that chain.yaml gives. */
#ifndef MTNT_CONFIG_FORMATS_SUBSTITUTE_H
#define MTNT_CONFIG_FORMATS_SUBSTITUTE_H

#include "base/text.h"

/* goose's ENVSUB: $NAME, ${NAME}, ${NAME-word}, ${NAME:-word}, ${NAME?word}; \$ and $$ are a dollar. A name that is not one of `allowed` (NULL = none) is
 * refused: false, with what it is about and why (static text). */
bool mtnt__substitute_env(mtnt__buffer *target, const char *text, size_t length, const char *const *allowed,
                          char ret_name[80], const char **ret_why);

#endif
