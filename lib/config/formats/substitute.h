/* Names in texts that other tools fill in before they read the SQL. Their values come from lists that chain.yaml gives. */
#ifndef MTNT_CONFIG_FORMATS_SUBSTITUTE_H
#define MTNT_CONFIG_FORMATS_SUBSTITUTE_H

#include "base/text.h"

/* goose's ENVSUB: $NAME, ${NAME}, ${NAME-word}, ${NAME:-word}, ${NAME?word}; \$ and $$ are a dollar. A name that is not one of `allowed` (NULL = none) is
 * refused: false, with what it is about and why (static text). */
bool mtnt__substitute_env(mtnt__buffer *target, const char *text, size_t length, const char *const *allowed,
                          char ret_name[80], const char **ret_why);

/* Flyway's ${name}, wherever it stands. false for the first name that has no value (NULL), with its offset. */
bool mtnt__substitute_placeholders(mtnt__buffer *target, const char *text,
                                   const char *(*value)(const void *data, const char *name, size_t length),
                                   const void *data, char ret_name[80], size_t *ret_at);

#endif
