/* An error with its place: file, line, the line of SQL, and a caret under the column. */
#ifndef MTNT_COMMAND_EXCERPT_H
#define MTNT_COMMAND_EXCERPT_H

#include <mtnt.h>

#include "screen.h"

/* "mtnt-model: file:line: message", then the line of SQL where there is one. */
void mtnt__excerpt_put_error(const mtnt__screen *screen, FILE *to, const mtnt_error *err);

/* "<indent>file:line   INSERT INTO …" and the caret below; nothing when err has no place. */
void mtnt__excerpt_put_place(const mtnt__screen *screen, FILE *to, int indent, const mtnt_error *err);

/* `message` without the "execute operation NAME: " that the coordinator begins it with; within `message`. */
const char *mtnt__excerpt_without_operation(const char *message, const char *operation);

/* A text of several lines, escaped, each further line indented. No newline at its end. */
void mtnt__excerpt_put_lines(FILE *to, int indent, const char *text);

#endif
