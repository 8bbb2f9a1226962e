/* dbmate: DIGITS….sql with `-- migrate:up` and `-- migrate:down` sections. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/formats/reader.h"

/* One file: pairs of sections, of which most files have one. */
typedef struct parse {
    mtnt__folder *folder;
    const mtnt__folder_file *file;
    enum { BEFORE, UP, DOWN } section;
    const char *start; /* of the section at hand */
    uint32_t line, marker;
    int pairs;
    mtnt__buffer up, down;       /* several pairs: the ups in order, the downs in reverse */
    uint32_t up_line, down_line; /* 0 = from several places */
    bool up_alone, down_alone;
} parse;

static bool recognises(const char *name)
{
    return mtnt__digits(name) > 0 && mtnt__ends_with(name, ".sql");
}

/* ---- markers ---- */

/* Where the options of `-- migrate:WORD` begin in the line; NULL = it is none. */
static const char *marker_options(const mtnt__line *line, const char *word)
{
    const char *at = line->text + 2, *end = line->text + line->length;

    if (line->length < 2 || strncmp(line->text, "--", 2) != 0)
        return NULL;
    while (at < end && mtnt__blank(*at))
        at++;
    if ((size_t)(end - at) < strlen(word) || strncmp(at, word, strlen(word)) != 0)
        return NULL;
    at += strlen(word);
    return at == end || mtnt__blank(*at) ? at : NULL;
}

/* transaction:false; options that dbmate does not know are nothing to it. */
static bool runs_alone(const char *options, const char *end)
{
    static const char option[] = "transaction:";
    bool alone = false;

    while (options < end) {
        size_t length = 0;

        while (options < end && mtnt__blank(*options))
            options++;
        while (options + length < end && !mtnt__blank(options[length]))
            length++;
        if (length > strlen(option) && strncmp(options, option, strlen(option)) == 0)
            alone = length == strlen("transaction:false") && strncmp(options, "transaction:false", length) == 0;
        options += length;
    }
    return alone;
}

/* ---- sections ---- */

static void append(mtnt__buffer *text, const char *start, size_t length)
{
    mtnt__buffer_add(text, start, length);
    mtnt__buffer_add(text, "\n", 1);
}

/* In front of what is there. */
static void prepend(mtnt__buffer *text, const char *start, size_t length)
{
    mtnt__buffer joined = {0};

    append(&joined, start, length);
    mtnt__buffer_add(&joined, mtnt__buffer_text(text), text->length);
    joined.failed = joined.failed || text->failed;
    mtnt__buffer_release(text);
    *text = joined;
}

static void end_section(parse *p, const char *end)
{
    size_t length = (size_t)(end - p->start);

    if (p->section == UP)
        append(&p->up, p->start, length);
    else if (p->section == DOWN)
        prepend(&p->down, p->start, length);
}

static int begin_up(parse *p, const mtnt__line *line, const char *options)
{
    if (p->section == UP)
        return mtnt__found_refuse(p->folder, p->file, p->marker,
                                  "`-- migrate:up` without a `-- migrate:down` after it");
    end_section(p, line->text);
    p->section = UP;
    p->pairs++;
    p->up_line = p->pairs == 1 ? line->number + 1 : 0;
    p->up_alone = runs_alone(options, line->text + line->length) || p->up_alone;
    return 0;
}

static int begin_down(parse *p, const mtnt__line *line, const char *options)
{
    if (p->section != UP)
        return mtnt__found_refuse(p->folder, p->file, line->number,
                                  "`-- migrate:down` without a `-- migrate:up` before it");
    end_section(p, line->text);
    p->section = DOWN;
    p->down_line = p->pairs == 1 ? line->number + 1 : 0;
    p->down_alone = runs_alone(options, line->text + line->length) || p->down_alone;
    return 0;
}

static int take_line(parse *p, const mtnt__line *line)
{
    const char *up = marker_options(line, "migrate:up"), *down = marker_options(line, "migrate:down");
    size_t blanks = 0;
    int rc;

    if (up || down) {
        rc = up ? begin_up(p, line, up) : begin_down(p, line, down);
        p->start = line->text + line->whole;
        p->marker = line->number;
        return rc;
    }
    if (p->section != BEFORE || mtnt__line_is_blank(line))
        return 0;
    while (blanks < line->length && mtnt__blank(line->text[blanks]))
        blanks++;
    if (line->length >= blanks + 2 && strncmp(line->text + blanks, "--", 2) == 0)
        return 0;
    return mtnt__found_refuse(p->folder, p->file, line->number, "SQL before `-- migrate:up`");
}

static int read_sections(parse *p)
{
    mtnt__line line = {0};
    int rc = 0;

    while (rc == 0 && mtnt__line_next(&line, p->file->text))
        rc = take_line(p, &line);
    if (rc == 0 && p->section == BEFORE)
        rc = mtnt__found_refuse(p->folder, p->file, 1, "there is no `-- migrate:up` in it");
    if (rc == 0 && p->section == UP)
        rc = mtnt__found_refuse(p->folder, p->file, p->marker, "`-- migrate:up` without a `-- migrate:down` after it");
    if (rc == 0 && p->start)
        end_section(p, p->start + strlen(p->start));
    return rc == 0 && (p->up.failed || p->down.failed) ? mtnt__found_nomem(p->folder) : rc;
}

static int keep(parse *p, mtnt__migration *m)
{
    mtnt__found_sql *sql = m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY];
    int rc = mtnt__found_sql_set(p->folder, &sql[MTNT__FOUND_UP], p->file, mtnt__buffer_text(&p->up), p->up.length,
                                 p->up_line);

    if (rc == 0)
        rc = mtnt__found_sql_set(p->folder, &sql[MTNT__FOUND_DOWN], p->file, mtnt__buffer_text(&p->down),
                                 p->down.length, p->down_line);
    sql[MTNT__FOUND_UP].alone = p->up_alone;
    sql[MTNT__FOUND_DOWN].alone = p->down_alone;
    return rc;
}

static int read(mtnt__folder *folder, const mtnt__folder_file *file)
{
    mtnt__migration *m = mtnt__found_new(folder, file->name, mtnt__digits(file->name), file->name,
                                         strlen(file->name) - strlen(".sql"), file->path);
    parse p = {.folder = folder, .file = file};
    int rc = m ? read_sections(&p) : MTNT_E_NOMEM;

    if (rc == 0)
        rc = keep(&p, m);
    mtnt__buffer_release(&p.up);
    mtnt__buffer_release(&p.down);
    return rc;
}

/* By the files' names; a version is a row of its table, so there cannot be two of it. */
static int compare(const mtnt__migration *a, const mtnt__migration *b)
{
    return strcmp(a->version, b->version) == 0 ? 0 : strcmp(a->name, b->name);
}

const mtnt__reader mtnt__reader_dbmate = {
    .name = "dbmate",
    .files = "DIGITS_name.sql",
    .recognises = recognises,
    .read = read,
    .compare = compare,
};
