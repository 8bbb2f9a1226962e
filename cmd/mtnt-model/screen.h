/* The terminal, or what stands in for it: width, colours, characters, and the one line that is redrawn. */
#ifndef MTNT_COMMAND_SCREEN_H
#define MTNT_COMMAND_SCREEN_H

#include "words.h"

typedef enum mtnt__style {
    MTNT__STYLE_PLAIN = 0,
    MTNT__STYLE_GOOD,
    MTNT__STYLE_BAD,
    MTNT__STYLE_FAINT,
    MTNT__STYLE_STRONG
} mtnt__style;

typedef struct mtnt__screen {
    FILE *out, *err; /* results; progress, messages and logs */
    bool colour_out, colour_err;
    bool utf8;       /* decorations beyond ASCII may be used */
    bool live;       /* err is a terminal that can redraw a line */
    bool line_shown; /* a line is there that is not ended */
} mtnt__screen;

void mtnt__screen_init(mtnt__screen *screen, FILE *out, FILE *err, bool quiet);

/* Columns of the terminal at hand, now; 80 when there is none. At least 20. */
int mtnt__screen_width(const mtnt__screen *screen);

/* `utf8` or `ascii`, as the locale allows. */
const char *mtnt__screen_sign(const mtnt__screen *screen, const char *utf8, const char *ascii);

/* A literal text in a style on stdout or stderr; escaped. */
void mtnt__screen_put(const mtnt__screen *screen, FILE *to, mtnt__style style, const char *text);

/* A bar of `columns` with done/total of it filled. */
void mtnt__screen_bar(const mtnt__screen *screen, FILE *to, int columns, int64_t done, int64_t total);

/* Shows `line` (no longer than the terminal is wide) instead of the one shown before; NULL takes it away.
 * Does nothing where no line can be redrawn. Whoever prints in between takes it away first. */
void mtnt__screen_line(mtnt__screen *screen, const char *line);

#endif
