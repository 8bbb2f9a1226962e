#include "append.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char key[] = "operations:";

/* Length of the line at `text` without its end; *ret_next: where the next begins. */
static size_t line_of(const char *text, const char **ret_next)
{
    size_t length = strcspn(text, "\n");

    *ret_next = text + length + (text[length] == '\n');
    return length > 0 && text[length - 1] == '\r' ? length - 1 : length;
}

static size_t indent_of(const char *line, size_t length)
{
    size_t indent = strspn(line, " ");

    return indent < length ? indent : length;
}

/* Nothing, or a comment. */
static bool is_empty(const char *line, size_t length)
{
    size_t at = strspn(line, " \t");

    return at >= length || line[at] == '#';
}

static bool is_item(const char *line, size_t length)
{
    size_t indent = indent_of(line, length);

    return indent < length && line[indent] == '-' && (indent + 1 == length || line[indent + 1] == ' ');
}

/* "---" and "...": more than one document is more than is understood here. */
static bool is_marker(const char *line, size_t length)
{
    return length >= 3 && (strncmp(line, "---", 3) == 0 || strncmp(line, "...", 3) == 0);
}

/* The line with the key at the top level, after which nothing but a comment, or an empty list, stands. */
static const char *find_key(const char *text, bool *ret_empty_list)
{
    const char *found = NULL, *next;

    for (const char *line = text; *line != '\0'; line = next) {
        size_t length = line_of(line, &next), at = sizeof key - 1;

        if (is_marker(line, length) && !(line == text && length == 3))
            return NULL;
        if (length < at || strncmp(line, key, at) != 0)
            continue;
        at += strspn(line + at, " \t");
        *ret_empty_list = strncmp(line + at, "[]", 2) == 0;
        at += *ret_empty_list ? 2 : 0;
        at += strspn(line + at, " \t");
        if (found != NULL || (at < length && line[at] != '#'))
            return NULL;
        found = line;
    }
    return found;
}

/* Where the block that begins after `from` ends: behind its last line that says something. Comments that
 * follow at the top level belong to what comes next. *ret_indent: of its items; SIZE_MAX = there are none. */
static const char *find_end(const char *from, size_t *ret_indent)
{
    const char *end = from, *next;

    *ret_indent = SIZE_MAX;
    for (const char *line = from; *line != '\0'; line = next) {
        size_t length = line_of(line, &next), indent = indent_of(line, length);

        if (is_empty(line, length))
            continue;
        if (*ret_indent == SIZE_MAX && is_item(line, length))
            *ret_indent = indent;
        if (indent == 0 && !(is_item(line, length) && *ret_indent == 0))
            break;
        end = next;
    }
    return end;
}

/* Whether YAML could take the name for something else than a text. */
static bool needs_quotes(const char *name)
{
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(name, words[i]) == 0)
            return true;
    return !((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z'));
}

static void put_entry(FILE *out, size_t indent, const char *end_of_line, const char *name, const char *stem,
                      int64_t order)
{
    int columns = (int)indent;

    fprintf(out, needs_quotes(name) ? "%*s- name: \"%s\"%s" : "%*s- name: %s%s", columns, "", name, end_of_line);
    if (order > 0)
        fprintf(out, "%*s  order: %" PRId64 "%s", columns, "", order, end_of_line);
    fprintf(out, "%*s  sql:%s", columns, "", end_of_line);
    fprintf(out, "%*s    model: {up_file: sql/%s.up.sql, down_file: sql/%s.down.sql}%s", columns, "", stem, stem,
            end_of_line);
}

char *mtnt__append_entry(const char *text, const char *name, const char *stem, int64_t order)
{
    const char *end_of_line = strstr(text, "\r\n") != NULL ? "\r\n" : "\n";
    bool empty_list = false;
    const char *line = find_key(text, &empty_list), *after, *end;
    size_t indent, size;
    char *result = NULL;
    FILE *out;

    if (line == NULL)
        return NULL;
    (void)line_of(line, &after);
    end = find_end(after, &indent);
    if (empty_list && indent != SIZE_MAX)
        return NULL;
    out = open_memstream(&result, &size);
    if (out == NULL)
        return NULL;
    if (empty_list) {
        const char *list = strstr(line, "[]");

        fwrite(text, 1, (size_t)(list - text), out);
        fwrite(list + 2, 1, (size_t)(end - list - 2), out);
    } else {
        fwrite(text, 1, (size_t)(end - text), out);
    }
    if (end > text && end[-1] != '\n')
        fputs(end_of_line, out);
    put_entry(out, indent == SIZE_MAX ? 2 : indent, end_of_line, name, stem, order);
    fputs(end, out);
    if (fclose(out) != 0) {
        free(result);
        return NULL;
    }
    return result;
}

char *mtnt__append_shown(const char *name, const char *stem, int64_t order)
{
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);

    if (out == NULL)
        return NULL;
    put_entry(out, 2, "\n", name, stem, order);
    if (fclose(out) != 0) {
        free(result);
        return NULL;
    }
    return result;
}
