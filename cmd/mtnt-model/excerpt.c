#include "excerpt.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

const char *mtnt__excerpt_without_operation(const char *message, const char *operation)
{
    static const char *const phases[] = {"setup", "before hook", "execute", "after hook", "verify", "rollback"};
    char prefix[256];

    for (size_t i = 0; operation != NULL && i < sizeof phases / sizeof phases[0]; i++) {
        snprintf(prefix, sizeof prefix, "%s operation %s: ", phases[i], operation);
        if (strncmp(message, prefix, strlen(prefix)) == 0)
            return message + strlen(prefix);
    }
    return message;
}

void mtnt__excerpt_put_lines(FILE *to, int indent, const char *text)
{
    size_t length = strlen(text);

    while (length > 0 && text[length - 1] == '\n')
        length--;
    while (length > 0) {
        size_t line = strcspn(text, "\n");

        if (line > length)
            line = length;
        mtnt__words_put_bytes(to, text, line);
        text += line;
        length -= line;
        if (length > 0) {
            text++;
            length--;
            fprintf(to, "\n%*s", indent, "");
        }
    }
}

/* Leaves out whole characters at the start of *text until what is before `column` (a byte, from 0) takes at
 * most `room` columns. Returns the byte that `column` has become. */
static size_t cut_start(const char **text, size_t column, int room)
{
    while (column > 0 && mtnt__words_width(*text, column) > room) {
        int width;
        size_t step = mtnt__words_glyph(*text, &width);

        if (step == 0)
            step = 1;
        if (step > column)
            step = column;
        *text += step;
        column -= step;
    }
    return column;
}

/* How many bytes of text fit into `room` columns, whole characters only. */
static size_t cut_end(const char *text, int room)
{
    size_t length = 0;

    while (text[length] != '\0') {
        int width;
        size_t step = mtnt__words_glyph(text + length, &width);

        if (step == 0)
            step = 1;
        if (mtnt__words_width(text, length + step) > room)
            break;
        length += step;
    }
    return length;
}

static void put_statement(const mtnt__screen *screen, FILE *to, int indent, const mtnt_error *err)
{
    const char *line = err->statement;
    size_t blank = strspn(line, " \t"), length;
    size_t column = err->column > 0 ? err->column - 1 : 0;
    bool caret = err->column > 0 && column <= strlen(line);
    /* A terminal's lines are cut, a file's are whole. */
    int room = isatty(fileno(to)) ? mtnt__screen_width(screen) - indent - 2 : INT_MAX / 2;

    if (room < 20)
        room = 20;
    column = caret && column >= blank ? column - blank : 0;
    line += blank;
    column = cut_start(&line, column, room - 8);
    length = cut_end(line, room);
    mtnt__words_put_bytes(to, line, length);
    if (line[length] != '\0')
        fputs(mtnt__screen_sign(screen, "…", "..."), to);
    fputc('\n', to);
    if (caret) {
        fprintf(to, "%*s", indent + mtnt__words_width(line, column), "");
        mtnt__screen_put(screen, to, MTNT__STYLE_BAD, "^");
        fputc('\n', to);
    }
}

void mtnt__excerpt_put_place(const mtnt__screen *screen, FILE *to, int indent, const mtnt_error *err)
{
    char place[560] = "";

    if (err->file[0] != '\0' && err->line > 0)
        snprintf(place, sizeof place, "%s:%u", err->file, err->line);
    else if (err->file[0] != '\0')
        snprintf(place, sizeof place, "%s", err->file);
    if (place[0] == '\0' && err->statement[0] == '\0')
        return;
    fprintf(to, "%*s", indent, "");
    mtnt__words_put(to, place);
    if (err->statement[0] == '\0') {
        fputc('\n', to);
        return;
    }
    if (place[0] != '\0') {
        int used = indent + mtnt__words_width(place, strlen(place));

        /* A long path leaves the line of SQL no room beside it. */
        if (used > mtnt__screen_width(screen) / 2) {
            fprintf(to, "\n%*s", indent + 2, "");
            indent += 2;
        } else {
            fputs("   ", to);
            indent = used + 3;
        }
    }
    put_statement(screen, to, indent, err);
}

void mtnt__excerpt_put_error(const mtnt__screen *screen, FILE *to, const mtnt_error *err)
{
    mtnt_error place = *err;

    fputs("mtnt-model: ", to);
    if (err->file[0] != '\0') {
        mtnt__words_put(to, err->file);
        if (err->line > 0)
            fprintf(to, ":%u", err->line);
        fputs(": ", to);
    }
    mtnt__excerpt_put_lines(to, 2, err->message);
    fputc('\n', to);
    place.file[0] = '\0';
    mtnt__excerpt_put_place(screen, to, 4, &place);
}
