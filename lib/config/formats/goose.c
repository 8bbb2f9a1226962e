/* goose: NUMBER_name.sql with annotations on lines of their own. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/formats/reader.h"
#include "config/formats/substitute.h"

static const char marker[] = "+goose";

/* One file. Both sections are collected line by line, because ENVSUB may change lines. */
typedef struct parse {
    mtnt__folder *folder;
    const mtnt__folder_file *file;
    enum { BEFORE, UP, DOWN } section;
    struct section {
        bool there;
        uint32_t line; /* of its first */
        uint32_t open; /* where a statement begins that has not ended; 0 = none */
        mtnt__buffer text;
    } up, down;
    uint32_t block; /* the StatementBegin that is open; 0 = none */
    bool alone, substitutes;
} parse;

static bool recognises(const char *name)
{
    size_t digits = mtnt__digits(name);
    int64_t version;
    char number[24];

    if (digits == 0 || digits >= sizeof(number) || name[digits] != '_' ||
        !(mtnt__ends_with(name, ".sql") || (mtnt__ends_with(name, ".go") && !mtnt__ends_with(name, "_test.go"))))
        return false;
    memcpy(number, name, digits);
    number[digits] = '\0';
    return mtnt__parse_int(number, 1, INT64_MAX, &version);
}

/* ---- annotations ---- */

static bool contains(const mtnt__line *line, const char *word)
{
    return memmem(line->text, line->length, word, strlen(word)) != NULL;
}

static bool is_comment(const mtnt__line *line)
{
    size_t at = 0;

    while (at < line->length && mtnt__blank(line->text[at]))
        at++;
    return at + 1 < line->length && line->text[at] == '-' && line->text[at + 1] == '-';
}

/* What stands after the marker: without dashes and the blanks around it. */
static void annotation_of(const mtnt__line *line, char ret_word[40])
{
    const char *found = memmem(line->text, line->length, marker, strlen(marker));
    size_t used = 0, end = line->length;

    for (size_t i = (size_t)(found - line->text) + strlen(marker); i < end && used + 1 < 40; i++) {
        if (line->text[i] == '-' && i + 1 < end && line->text[i + 1] == '-')
            i++;
        else if (used > 0 || !mtnt__blank(line->text[i]))
            ret_word[used++] = line->text[i];
    }
    while (used > 0 && mtnt__blank(ret_word[used - 1]))
        used--;
    ret_word[used] = '\0';
}

static int begin_up(parse *p, const mtnt__line *line)
{
    if (p->section != BEFORE)
        return mtnt__found_refuse(p->folder, p->file, line->number, "a second `-- +goose Up`");
    p->section = UP;
    p->up.there = true;
    p->up.line = line->number + 1;
    return 0;
}

static int unended(parse *p, uint32_t line)
{
    return mtnt__found_refuse(p->folder, p->file, line,
                              "the statement that begins here does not end: goose wants a `;` at the end of a line, or "
                              "`-- +goose StatementBegin` and `-- +goose StatementEnd` around it");
}

static int begin_down(parse *p, const mtnt__line *line)
{
    if (p->section != UP || p->block)
        return mtnt__found_refuse(p->folder, p->file, line->number,
                                  "`-- +goose Down` stands after `-- +goose Up`, once, and not within a statement");
    if (p->up.open)
        return unended(p, p->up.open);
    p->section = DOWN;
    p->down.there = true;
    p->down.line = line->number + 1;
    return 0;
}

static int begin_block(parse *p, const mtnt__line *line)
{
    if (p->section == BEFORE || p->block)
        return mtnt__found_refuse(p->folder, p->file, line->number,
                                  "`-- +goose StatementBegin` stands after `-- +goose Up` or `-- +goose Down`, and not "
                                  "within another");
    p->block = line->number;
    return 0;
}

static int end_block(parse *p, const mtnt__line *line)
{
    if (!p->block)
        return mtnt__found_refuse(p->folder, p->file, line->number,
                                  "`-- +goose StatementEnd` without `-- +goose StatementBegin` before it");
    p->block = 0;
    if (p->section == UP)
        p->up.open = 0;
    else
        p->down.open = 0;
    return 0;
}

static int annotation(parse *p, const mtnt__line *line)
{
    char word[40];

    annotation_of(line, word);
    if (line->text[0] == ' ' || line->text[0] == '\t')
        return mtnt__found_refuse(p->folder, p->file, line->number, "goose's annotations begin at the line's start");
    if (strcasecmp(word, "Up") == 0)
        return begin_up(p, line);
    if (strcasecmp(word, "Down") == 0)
        return begin_down(p, line);
    if (strcasecmp(word, "StatementBegin") == 0)
        return begin_block(p, line);
    if (strcasecmp(word, "StatementEnd") == 0)
        return end_block(p, line);
    if (strcasecmp(word, "NO TRANSACTION") == 0)
        p->alone = true;
    else if (strcasecmp(word, "ENVSUB ON") == 0)
        p->substitutes = true;
    else if (strcasecmp(word, "ENVSUB OFF") == 0)
        p->substitutes = false;
    else
        return mtnt__found_refuse(p->folder, p->file, line->number,
                                  "`%s` is no annotation of goose: Up, Down, StatementBegin, StatementEnd, "
                                  "NO TRANSACTION, ENVSUB ON, ENVSUB OFF",
                                  word);
    return 0;
}

/* ---- SQL ---- */

/* The last word before one that begins with two dashes ends in a semicolon. */
static bool ends_statement(const mtnt__line *line)
{
    char last = '\0';

    for (size_t at = 0; at < line->length;) {
        while (at < line->length && mtnt__blank(line->text[at]))
            at++;
        if (at + 1 < line->length && line->text[at] == '-' && line->text[at + 1] == '-')
            break;
        for (; at < line->length && !mtnt__blank(line->text[at]); at++)
            last = line->text[at];
    }
    return last == ';';
}

static int add_line(parse *p, struct section *section, const mtnt__line *line)
{
    const char *why = NULL;
    char name[80];

    if (!p->substitutes)
        mtnt__buffer_add(&section->text, line->text, line->length);
    else if (!mtnt__substitute_env(&section->text, line->text, line->length, p->folder->options->env, name, &why))
        return mtnt__found_refuse(p->folder, p->file, line->number, "ENVSUB: `%s` %s", name, why);
    mtnt__buffer_add(&section->text, "\n", 1);
    return section->text.failed ? mtnt__found_nomem(p->folder) : 0;
}

static int take_line(parse *p, const mtnt__line *line)
{
    struct section *section = p->section == UP ? &p->up : &p->down;

    if (p->section == BEFORE) {
        if (is_comment(line) || mtnt__line_is_blank(line))
            return 0;
        return mtnt__found_refuse(p->folder, p->file, line->number, "SQL before `-- +goose Up`");
    }
    if (!section->open && !mtnt__line_is_blank(line) && !is_comment(line))
        section->open = line->number;
    if (section->open && !p->block && ends_statement(line))
        section->open = 0;
    return add_line(p, section, line);
}

static int read_lines(parse *p)
{
    mtnt__line line = {0};
    int rc = 0;

    while (rc == 0 && mtnt__line_next(&line, p->file->text)) {
        if (!is_comment(&line) || !contains(&line, marker)) {
            rc = take_line(p, &line);
            continue;
        }
        rc = annotation(p, &line);
        /* Lines stay where they are in the file. */
        if (rc == 0 && p->section == UP && line.number >= p->up.line)
            mtnt__buffer_add(&p->up.text, "\n", 1);
        if (rc == 0 && p->section == DOWN && line.number >= p->down.line)
            mtnt__buffer_add(&p->down.text, "\n", 1);
    }
    return rc;
}

/* What does not end stops the direction that it stands in; a bad way back is none. */
static int check_end(parse *p)
{
    if (p->section == BEFORE)
        return mtnt__found_refuse(p->folder, p->file, 1, "there is no `-- +goose Up` in it");
    if (p->block)
        return mtnt__found_refuse(p->folder, p->file, p->block,
                                  "`-- +goose StatementBegin` without `-- +goose StatementEnd` after it");
    if (p->up.open)
        return unended(p, p->up.open);
    if (!p->down.open)
        return 0;
    p->down.there = false;
    return mtnt__found_warn(p->folder, p->file, p->down.open,
                            "the statement that begins here does not end: this migration has no way back");
}

static int keep(parse *p, mtnt__migration *m)
{
    mtnt__found_sql *sql = m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY];
    int rc = mtnt__found_sql_set(p->folder, &sql[MTNT__FOUND_UP], p->file, mtnt__buffer_text(&p->up.text),
                                 p->up.text.length, p->up.line);

    if (rc == 0 && p->down.there)
        rc = mtnt__found_sql_set(p->folder, &sql[MTNT__FOUND_DOWN], p->file, mtnt__buffer_text(&p->down.text),
                                 p->down.text.length, p->down.line);
    sql[MTNT__FOUND_UP].alone = sql[MTNT__FOUND_DOWN].alone = p->alone;
    return rc;
}

static int read(mtnt__folder *folder, const mtnt__folder_file *file)
{
    bool code = mtnt__ends_with(file->name, ".go");
    size_t length = strlen(file->name) - (code ? 3 : 4);
    mtnt__migration *m = mtnt__found_new(folder, file->name, mtnt__digits(file->name), file->name, length, file->path);
    parse p = {.folder = folder, .file = file};
    int rc = m ? 0 : MTNT_E_NOMEM;

    if (rc == 0 && code) {
        m->cannot = strdup("is a program in Go, which only the binary that it was built into can run");
        return m->cannot ? 0 : mtnt__found_nomem(folder);
    }
    if (rc == 0)
        rc = read_lines(&p);
    if (rc == 0)
        rc = check_end(&p);
    if (rc == 0)
        rc = keep(&p, m);
    mtnt__buffer_release(&p.up.text);
    mtnt__buffer_release(&p.down.text);
    return rc;
}

static int compare(const mtnt__migration *a, const mtnt__migration *b)
{
    return mtnt__digits_compare(a->version, b->version);
}

const mtnt__reader mtnt__reader_goose = {
    .name = "goose",
    .files = "NUMBER_name.sql",
    .recognises = recognises,
    .read = read,
    .compare = compare,
};
