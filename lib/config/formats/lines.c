#include <string.h>

#include "config/formats/reader.h"

bool mtnt__blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

bool mtnt__line_next(mtnt__line *line, const char *text)
{
    const char *at = line->number == 0 ? text : line->text + line->whole;

    if (*at == '\0')
        return false;
    line->text = at;
    line->length = strcspn(at, "\n");
    line->whole = line->length + (at[line->length] == '\n');
    if (line->length > 0 && at[line->length - 1] == '\r')
        line->length--;
    line->number++;
    return true;
}

bool mtnt__line_is_blank(const mtnt__line *line)
{
    for (size_t i = 0; i < line->length; i++)
        if (!mtnt__blank(line->text[i]))
            return false;
    return true;
}

bool mtnt__ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}
