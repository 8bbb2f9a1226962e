#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "state/catalogue.h"

#define LINES_MOST 3000 /* of one definition; a longer one is shown whole */

typedef struct diff {
    size_t most, count;
    mtnt__diff_line_fn each;
    void *data;
} diff;

static void put(diff *d, char sign, const char *text, size_t length)
{
    if (d->each != NULL && d->count < d->most)
        d->each(d->data, sign, text, length);
    d->count++;
}

static size_t head_length(const char *line)
{
    return strcspn(line, "\t");
}

/* The same head: the same kind and name. */
static int compare_heads(const char *a, const char *b)
{
    size_t length_a = head_length(a), length_b = head_length(b);
    int order = memcmp(a, b, length_a < length_b ? length_a : length_b);

    return order != 0 ? order : (length_a > length_b) - (length_a < length_b);
}

/* A definition without a text ends with its tab. */
static void put_definition(diff *d, char sign, const char *line)
{
    size_t length = strlen(line);

    while (length > 0 && (line[length - 1] == '\t' || line[length - 1] == '\n'))
        length--;
    for (const char *end; length > 0 && (end = memchr(line, '\n', length)) != NULL; line = end + 1) {
        put(d, sign, line, (size_t)(end - line));
        length -= (size_t)(end - line) + 1;
    }
    if (length > 0)
        put(d, sign, line, length);
}

/* ---- two texts of several lines ---- */

typedef struct lines {
    const char **starts;
    size_t count;
} lines;

static bool split(const char *text, lines *ret_lines)
{
    size_t count = 1;

    for (const char *c = text; *c != '\0'; c++)
        count += *c == '\n';
    ret_lines->count = 0;
    if (count > LINES_MOST)
        return false;
    ret_lines->starts = calloc(count, sizeof(*ret_lines->starts));
    while (ret_lines->starts != NULL && *text != '\0') {
        ret_lines->starts[ret_lines->count++] = text;
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return ret_lines->starts != NULL;
}

static bool equal_lines(const char *a, const char *b)
{
    size_t length = strcspn(a, "\n");

    return length == strcspn(b, "\n") && memcmp(a, b, length) == 0;
}

/* table[i * (to.count + 1) + j]: how many lines from[i …] and to[j …] have in common. */
static uint16_t *common_lines(const lines *from, const lines *to)
{
    size_t width = to->count + 1;
    uint16_t *table = calloc((from->count + 1) * width, sizeof(*table));

    for (size_t i = from->count; table != NULL && i > 0; i--)
        for (size_t j = to->count; j > 0; j--) {
            uint16_t *here = table + (i - 1) * width + (j - 1);

            if (equal_lines(from->starts[i - 1], to->starts[j - 1]))
                *here = (uint16_t)(here[width + 1] + 1);
            else
                *here = here[width] >= here[1] ? here[width] : here[1];
        }
    return table;
}

static void put_changes(diff *d, const lines *from, const lines *to, const uint16_t *table)
{
    size_t width = to->count + 1, i = 0, j = 0;

    while (i < from->count || j < to->count) {
        if (i < from->count && j < to->count && equal_lines(from->starts[i], to->starts[j])) {
            i++, j++;
        } else if (j == to->count || (i < from->count && table[(i + 1) * width + j] >= table[i * width + j + 1])) {
            put(d, '-', from->starts[i], strcspn(from->starts[i], "\n"));
            i++;
        } else {
            put(d, '+', to->starts[j], strcspn(to->starts[j], "\n"));
            j++;
        }
    }
}

/* false: it was not to be had, and nothing was put. */
static bool put_line_by_line(diff *d, const char *from, const char *to)
{
    const char *text_from = from + head_length(from), *text_to = to + head_length(to);
    lines a = {NULL, 0}, b = {NULL, 0};
    uint16_t *table = NULL;

    if (strchr(text_from, '\n') == NULL || strchr(text_to, '\n') == NULL)
        return false;
    if (split(text_from + 1, &a) && split(text_to + 1, &b) && (table = common_lines(&a, &b)) != NULL) {
        put(d, ' ', from, head_length(from));
        put_changes(d, &a, &b, table);
    }
    free(a.starts);
    free(b.starts);
    free(table);
    return table != NULL;
}

/* ---- definitions ---- */

/* Definitions of one head. */
typedef struct group {
    char **lines;
    size_t count;
} group;

static group take_group(const mtnt__catalogue *catalogue, size_t at, const char *head)
{
    group g = {catalogue->lines + at, 0};

    while (at + g.count < catalogue->count && compare_heads(catalogue->lines[at + g.count], head) == 0)
        g.count++;
    return g;
}

/* The lines of `a` that `b` lacks; with `d` they are put. Both are sorted. */
static size_t lacking(const group *a, const group *b, diff *d, char sign, const char **ret_last)
{
    size_t count = 0;

    for (size_t i = 0, j = 0; i < a->count; i++) {
        while (j < b->count && strcmp(b->lines[j], a->lines[i]) < 0)
            j++;
        if (j < b->count && strcmp(b->lines[j], a->lines[i]) == 0) {
            j++;
            continue;
        }
        count++;
        *ret_last = a->lines[i];
        if (d != NULL)
            put_definition(d, sign, a->lines[i]);
    }
    return count;
}

static void compare_groups(diff *d, const group *from, const group *to)
{
    const char *removed = NULL, *added = NULL;
    size_t removals = lacking(from, to, NULL, '-', &removed), additions = lacking(to, from, NULL, '+', &added);

    if (removals == 1 && additions == 1 && put_line_by_line(d, removed, added))
        return;
    lacking(from, to, d, '-', &removed);
    lacking(to, from, d, '+', &added);
}

size_t mtnt__catalogue_diff(const mtnt__catalogue *from, const mtnt__catalogue *to, size_t most,
                            mtnt__diff_line_fn each, void *data)
{
    diff d = {most, 0, each, data};
    size_t i = 0, j = 0;

    while (i < from->count || j < to->count) {
        const char *head = i < from->count ? from->lines[i] : to->lines[j];
        group of_from, of_to;

        if (i < from->count && j < to->count && compare_heads(to->lines[j], head) < 0)
            head = to->lines[j];
        of_from = take_group(from, i, head);
        of_to = take_group(to, j, head);
        compare_groups(&d, &of_from, &of_to);
        i += of_from.count;
        j += of_to.count;
    }
    return d.count;
}
