/* sqitch: sqitch.plan says the changes and their order, deploy/, revert/ and verify/ have a script for each. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/formats/reader.h"
#include "config/formats/sqitch.h"

static const char plan_name[] = "sqitch.plan";

/* A script that has been read, until the plan says whose it is. */
typedef struct script {
    char *name; /* "deploy/users@v1.sql" */
    char *path, *text;
    char hash[MTNT__SHA1_SIZE]; /* of the file */
    bool used;
} script;

typedef mtnt__sqitch_line line;

typedef struct plan {
    mtnt__folder *folder;
    char *path, *text;
    script *scripts;
    size_t script_count;
    mtnt__sqitch_plan said;
} plan;

static void plan_free(void *state)
{
    plan *p = state;

    if (!p)
        return;
    for (size_t i = 0; i < p->script_count; i++) {
        free(p->scripts[i].name);
        free(p->scripts[i].path);
        free(p->scripts[i].text);
    }
    free(p->scripts);
    mtnt__sqitch_plan_release(&p->said);
    free(p->path);
    free(p->text);
    free(p);
}

/* ---- files ---- */

static bool is_script(const char *name)
{
    return (strncmp(name, "deploy/", 7) == 0 || strncmp(name, "revert/", 7) == 0 || strncmp(name, "verify/", 7) == 0) &&
           mtnt__ends_with(name, ".sql");
}

static bool recognises(const char *name)
{
    return strcmp(name, plan_name) == 0 || is_script(name);
}

static plan *plan_of(mtnt__folder *folder)
{
    if (!folder->state) {
        folder->state = calloc(1, sizeof(plan));
        folder->state_free = plan_free;
    }
    return folder->state;
}

static int keep_script(plan *p, mtnt__folder *folder, const mtnt__folder_file *file)
{
    script *scripts = reallocarray(p->scripts, p->script_count + 1, sizeof(*scripts)), *made;

    if (!scripts)
        return mtnt__found_nomem(folder);
    p->scripts = scripts;
    made = &scripts[p->script_count++];
    *made = (script){.name = strdup(file->name), .path = strdup(file->path), .text = strdup(file->text)};
    if (!made->name || !made->path || !made->text)
        return mtnt__found_nomem(folder);
    return mtnt__sha1(made->hash, file->text, strlen(file->text), folder->err);
}

static int read(mtnt__folder *folder, const mtnt__folder_file *file)
{
    plan *p = plan_of(folder);

    if (!p)
        return mtnt__found_nomem(folder);
    if (is_script(file->name))
        return keep_script(p, folder, file);
    free(p->path);
    free(p->text);
    p->path = strdup(file->path);
    p->text = strdup(file->text);
    return p->path && p->text ? 0 : mtnt__found_nomem(folder);
}

/* ---- the plan ---- */

static int refuse(const plan *p, uint32_t number, const char *format, ...) MTNT_PRINTF(3, 4);
static int refuse(const plan *p, uint32_t number, const char *format, ...)
{
    const mtnt__folder_file file = {p->path, plan_name, ""};
    va_list arguments;
    char text[500];

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return mtnt__found_refuse(p->folder, &file, number, "%s", text);
}

static size_t skip_blanks(const char *text, size_t at, size_t end)
{
    while (at < end && mtnt__blank(text[at]))
        at++;
    return at;
}

static void line_release(line *made)
{
    free(made->name);
    free(made->needs);
    free(made->planner);
    free(made->email);
    free(made->note);
}

/* Takes what the line owns. */
static int add_line(plan *p, line *made)
{
    line *lines = made->name && made->planner && made->email
                      ? reallocarray(p->said.lines, p->said.line_count + 1, sizeof(*lines))
                      : NULL;

    if (!lines) {
        line_release(made);
        return mtnt__found_nomem(p->folder);
    }
    p->said.lines = lines;
    lines[p->said.line_count++] = *made;
    return 0;
}

/* "2026-01-01T00:00:00Z", and somebody after it. */
static bool take_signature(line *made, const char *text, size_t at, size_t end)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    const char *open, *close;

    for (size_t i = 0; i < strlen(form); i++) {
        bool digit = at + i < end && text[at + i] >= '0' && text[at + i] <= '9';

        if (at + i >= end || (form[i] == '0' ? !digit : text[at + i] != form[i]))
            return false;
    }
    snprintf(made->when, sizeof(made->when), "%.*s", (int)strlen(form), text + at);
    at = skip_blanks(text, at + strlen(form), end);
    open = memchr(text + at, '<', end - at);
    close = open ? memchr(open, '>', end - (size_t)(open - text)) : NULL;
    if (!close)
        return false;
    made->email = strndup(open + 1, (size_t)(close - open) - 1);
    while (open > text + at && mtnt__blank(open[-1]))
        open--;
    made->planner = strndup(text + at, (size_t)(open - text) - at);
    return true;
}

/* What is meant by a backslash and this character; '\0' = it is none of those. */
static char escaped(char c)
{
    switch (c) {
    case '\\': return '\\';
    case 'n': return '\n';
    case 'r': return '\r';
    default: return '\0';
    }
}

/* Without the blanks around it. false: out of memory. */
static bool take_note(line *made, const char *note, size_t length)
{
    size_t used = 0, at = skip_blanks(note, 0, length);

    while (length > at && mtnt__blank(note[length - 1]))
        length--;
    if (length == at)
        return true;
    made->note = malloc(length - at + 1);
    if (!made->note)
        return false;
    for (; at < length; at++) {
        char other = '\0';

        if (note[at] == '\\' && at + 1 < length)
            other = escaped(note[at + 1]);
        made->note[used++] = note[at];
        if (other == '\0')
            continue;
        made->note[used - 1] = other;
        at++;
    }
    made->note[used] = '\0';
    return true;
}

/* %project=NAME and %uri=URI say whose history it is. */
static int take_pragma(plan *p, const char *text, size_t at, size_t end)
{
    const char *equals = memchr(text + at, '=', end - at);
    size_t name = skip_blanks(text, at, end), name_end, value;
    char **target = NULL;

    if (!equals)
        return 0;
    for (name_end = (size_t)(equals - text); name_end > name && mtnt__blank(text[name_end - 1]); name_end--)
        ;
    if (name_end - name == 7 && strncmp(text + name, "project", 7) == 0)
        target = &p->said.project;
    else if (name_end - name == 3 && strncmp(text + name, "uri", 3) == 0)
        target = &p->said.uri;
    else
        return 0;
    value = skip_blanks(text, (size_t)(equals - text) + 1, end);
    while (end > value && mtnt__blank(text[end - 1]))
        end--;
    free(*target);
    *target = strndup(text + value, end - value);
    return *target ? 0 : mtnt__found_nomem(p->folder);
}

/* NAME [dependencies] time name <address> # note */
static int take_line(plan *p, const mtnt__line *at_line)
{
    const char *text = at_line->text, *note = memchr(text, '#', at_line->length), *close;
    size_t end = note ? (size_t)(note - text) : at_line->length, at = skip_blanks(text, 0, end), start;
    line made = {.number = at_line->number};

    if (at == end)
        return 0;
    if (text[at] == '%')
        return take_pragma(p, text, at + 1, end);
    made.is_tag = text[at] == '@';
    if (text[at] == '-')
        return refuse(p, at_line->number, "the plan takes a change back here, which is not for this version");
    if (made.is_tag || text[at] == '+')
        at = skip_blanks(text, at + 1, end);
    for (start = at; at < end && !mtnt__blank(text[at]) && text[at] != '['; at++)
        ;
    if (at == start || memchr(text + start, '@', at - start) || memchr(text + start, ':', at - start) ||
        memchr(text + start, '\\', at - start))
        return refuse(p, at_line->number, "`%.*s` is no name of a change or tag", (int)(at - start), text + start);
    made.name = strndup(text + start, at - start);
    at = skip_blanks(text, at, end);
    if (at < end && text[at] == '[') {
        close = memchr(text + at, ']', end - at);
        if (!close || made.is_tag) {
            line_release(&made);
            return refuse(p, at_line->number, "dependencies stand in [ ], and tags have none");
        }
        made.needs = strndup(text + at + 1, (size_t)(close - text) - at - 1);
        at = skip_blanks(text, (size_t)(close - text) + 1, end);
    }
    if (!take_signature(&made, text, at, end)) {
        line_release(&made);
        return refuse(p, at_line->number,
                      "a change or tag is followed by a time such as 2026-01-01T00:00:00Z, a name and "
                      "an <address>");
    }
    if (note && !take_note(&made, note + 1, at_line->length - (size_t)(note + 1 - text))) {
        line_release(&made);
        return mtnt__found_nomem(p->folder);
    }
    return add_line(p, &made);
}

/* [!][project:][change][@tag] */
static int check_need(const plan *p, size_t index, const char *need, size_t length)
{
    uint32_t number = p->said.lines[index].number;
    bool conflict = need[0] == '!';
    const char *name = need + conflict, *end = need + length, *tag = memchr(name, '@', (size_t)(end - name));
    size_t name_length = (size_t)((tag ? tag : end) - name);
    const mtnt__folder_file file = {p->path, plan_name, ""};
    const line *change = mtnt__sqitch_earlier(&p->said, index, false, name, name_length);

    if (memchr(name, ':', name_length))
        return mtnt__found_warn(p->folder, &file, number, "`%.*s` is of another project, which is not looked at",
                                (int)length, need);
    if (conflict)
        return change ? refuse(p, number, "change `%s` is in conflict with `%.*s`, which comes before it",
                               p->said.lines[index].name, (int)(end - name), name)
                      : 0;
    if (name_length > 0 && !change)
        return refuse(p, number, "change `%s` requires `%.*s`, which does not come before it",
                      p->said.lines[index].name, (int)name_length, name);
    if (tag && !mtnt__sqitch_earlier(&p->said, index, true, tag + 1, (size_t)(end - tag) - 1))
        return refuse(p, number, "change `%s` requires the tag `%.*s`, which does not come before it",
                      p->said.lines[index].name, (int)(end - tag), tag);
    return 0;
}

static int check_needs(const plan *p, size_t index)
{
    const char *at = p->said.lines[index].needs;
    int rc = 0;

    while (rc == 0 && at && *at) {
        size_t length = strcspn(at, " \t");

        if (length > 0)
            rc = check_need(p, index, at, length);
        at += length + (at[length] != '\0');
    }
    return rc;
}

static int read_plan(plan *p)
{
    mtnt__line at_line = {0};
    int rc = 0;

    while (rc == 0 && mtnt__line_next(&at_line, p->text))
        rc = take_line(p, &at_line);
    for (size_t i = 0; rc == 0 && i < p->said.line_count; i++) {
        line *l = &p->said.lines[i];
        const line *twin = mtnt__sqitch_earlier(&p->said, i, l->is_tag, l->name, strlen(l->name));

        for (size_t k = i; twin && !l->is_tag && k > 0; k--) /* a tag between the two makes it a rework */
            if (p->said.lines[k - 1].is_tag)
                twin = &p->said.lines[k - 1] > twin ? NULL : twin;
        rc = twin ? refuse(p, l->number, "%s `%s` stands on line %u already", l->is_tag ? "tag" : "change", l->name,
                           twin->number)
                  : check_needs(p, i);
    }
    return rc;
}

/* ---- changes ---- */

static script *script_called(const plan *p, const char *folder, const char *change, const char *tag)
{
    size_t prefix = strlen(folder), length = strlen(change);

    for (size_t i = 0; i < p->script_count; i++) {
        const char *name = p->scripts[i].name;

        if (strncmp(name, folder, prefix) != 0 || strncmp(name + prefix, change, length) != 0)
            continue;
        name += prefix + length;
        if (tag && *name == '@' && strncmp(name + 1, tag, strlen(tag)) == 0 &&
            strcmp(name + 1 + strlen(tag), ".sql") == 0)
            return &p->scripts[i];
        if (!tag && strcmp(name, ".sql") == 0)
            return &p->scripts[i];
    }
    return NULL;
}

/* The scripts of a change that has been reworked since bear a tag from between: the latest for which there is one. */
static const char *tag_of(const plan *p, size_t index)
{
    const char *name = p->said.lines[index].name;
    size_t next = index + 1;

    while (next < p->said.line_count && (p->said.lines[next].is_tag || strcmp(p->said.lines[next].name, name) != 0))
        next++;
    for (size_t i = next; next < p->said.line_count && i > index + 1; i--)
        if (p->said.lines[i - 1].is_tag && script_called(p, "deploy/", name, p->said.lines[i - 1].name))
            return p->said.lines[i - 1].name;
    return NULL;
}

static int check_commands(const plan *p, const mtnt__folder_file *file, char *text)
{
    const char *command = mtnt__shell_command(text);
    uint32_t number = 1;

    for (const char *c = text; command && c < command; c++)
        number += *c == '\n';
    return command ? mtnt__found_refuse(
                         p->folder, file, number,
                         "`%.*s` is a command of %s, which is not run here: only SQL can be part of a change",
                         (int)strcspn(command, " \t\r\n;"), command, *command == '.' ? "sqlite3's shell" : "psql")
                   : 0;
}

static int take_script(plan *p, script *from, mtnt__found_sql *sql)
{
    const mtnt__folder_file file = {from->path, from->name, from->text};
    mtnt__found_kinds kinds;
    int rc;

    from->used = true;
    mtnt__shell_commands_drop(from->text);
    rc = check_commands(p, &file, from->text);
    if (rc == 0)
        rc = mtnt__transactions_look(p->folder, from->text, &kinds);
    if (rc == 0)
        rc = mtnt__found_sql_set(p->folder, sql, &file, from->text, strlen(from->text), 1);
    /* Without a transaction of its own each statement is by itself: all of them together are no less. */
    if (rc == 0)
        sql->alone = kinds.outside > 0;
    return rc;
}

/* A change that is reworked is another operation, and the first keeps its name. */
static size_t instance(const plan *p, size_t index)
{
    size_t count = 1;

    for (size_t i = 0; i < index; i++)
        count += !p->said.lines[i].is_tag && strcmp(p->said.lines[i].name, p->said.lines[index].name) == 0;
    return count;
}

/* What its registry will say of it. */
static int keep_identity(const plan *p, size_t index, const script *deploy, mtnt__migration *m)
{
    line *l = &p->said.lines[index];

    snprintf(l->script_hash, sizeof(l->script_hash), "%s", deploy->hash);
    m->title = strdup(l->name);
    m->script = strdup(deploy->name);
    m->checksum = strdup(deploy->hash);
    if (p->said.project) {
        m->id = strdup(l->id);
        m->detail = mtnt__sqitch_detail(&p->said, index);
    }
    return m->title && m->script && m->checksum && (!p->said.project || (m->id && m->detail))
               ? 0
               : mtnt__found_nomem(p->folder);
}

static int add_change(plan *p, size_t index)
{
    const char *change = p->said.lines[index].name, *tag = tag_of(p, index);
    script *deploy = script_called(p, "deploy/", change, tag), *revert = script_called(p, "revert/", change, tag),
           *verify = script_called(p, "verify/", change, tag);
    char name[300], place[24];
    mtnt__migration *m;
    mtnt__found_sql *sql;
    int rc;

    if (!deploy)
        return refuse(p, p->said.lines[index].number, "there is no deploy/%s.sql", change);
    snprintf(name, sizeof(name), instance(p, index) > 1 ? "%s (%zu)" : "%s", change, instance(p, index));
    snprintf(place, sizeof(place), "%zu", p->folder->count + 1);
    m = mtnt__found_new(p->folder, place, strlen(place), name, strlen(name), deploy->path);
    if (!m)
        return MTNT_E_NOMEM;
    sql = m->sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY];
    rc = keep_identity(p, index, deploy, m);
    if (rc == 0)
        rc = take_script(p, deploy, &sql[MTNT__FOUND_UP]);
    if (rc == 0 && revert)
        rc = take_script(p, revert, &sql[MTNT__FOUND_DOWN]);
    if (verify)
        verify->used = true;
    if (rc == 0 && verify && !p->folder->options->unverified)
        rc = take_script(p, verify, &sql[MTNT__FOUND_VERIFY]);
    return rc;
}

static int finish(mtnt__folder *folder)
{
    plan *p = folder->state;
    int rc;

    if (!p)
        return 0;
    p->folder = folder;
    if (!p->path)
        return mtnt_error_set(folder->err, MTNT_E_CONFIG, "there are scripts of sqitch, and no %s", plan_name);
    if (folder->finished > 0)
        return refuse(p, 0, "there is another plan already: a chain has one of sqitch's");
    rc = read_plan(p);
    if (rc == 0)
        rc = mtnt__sqitch_reckon(&p->said, folder->err);
    for (size_t i = 0; rc == 0 && i < p->said.line_count; i++)
        if (!p->said.lines[i].is_tag)
            rc = add_change(p, i);
    for (size_t i = 0; rc == 0 && i < p->script_count; i++) {
        const mtnt__folder_file file = {p->scripts[i].path, p->scripts[i].name, ""};

        if (!p->scripts[i].used)
            rc = mtnt__found_warn(folder, &file, 0, "the plan has no change that it belongs to");
    }
    folder->finished = folder->count;
    return rc;
}

static int compare(const mtnt__migration *a, const mtnt__migration *b)
{
    return mtnt__digits_compare(a->version, b->version);
}

const mtnt__reader mtnt__reader_sqitch = {
    .name = "sqitch",
    .files = "sqitch.plan, deploy/change.sql, revert/change.sql, verify/change.sql",
    .depth = 16,
    .recognises = recognises,
    .read = read,
    .finish = finish,
    .compare = compare,
};
