#include "mtnt/lock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/text.h"
#include "chain/chain.h"

#define MAX_SHOWN 12
#define SHORT 12 /* digits of a checksum in messages */

static const char head[] =
    "# What has been released of this chain: order, checksum, name. Written by   mtnt-model checksums --write\n";

static int no_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

char *mtnt_lock_path(const char *chain_file)
{
    mtnt__buffer path = {0};

    mtnt__buffer_add_text(&path, chain_file);
    mtnt__buffer_add_text(&path, ".lock");
    return mtnt__buffer_take(&path);
}

/* ---- writing ---- */

static bool is_locked(const mtnt__chain_entry *entry)
{
    return (entry->flags & MTNT_OPERATION_REPEATABLE) == 0;
}

static bool is_by_place(const mtnt__chain_entry *entry)
{
    return (entry->flags & MTNT_OPERATION_BY_PLACE) != 0;
}

int mtnt_lock_text(const mtnt_chain *chain, char **ret_text, mtnt_error *err)
{
    mtnt__buffer text = {0};
    char *taken;

    mtnt__buffer_add_text(&text, head);
    mtnt__buffer_add_format(&text, "chain %s\n", mtnt_chain_name(chain));
    for (const mtnt__chain_entry *entry = chain->entries; entry < chain->entries + chain->count; entry++) {
        if (!is_locked(entry))
            continue;
        if (is_by_place(entry))
            mtnt__buffer_add_text(&text, "-");
        else
            mtnt__buffer_add_format(&text, "%" PRId64, entry->order);
        mtnt__buffer_add_format(&text, " %s %s\n", entry->checksum, entry->name);
    }
    taken = mtnt__buffer_take(&text);
    if (taken == NULL)
        return no_memory(err);
    *ret_text = taken;
    return 0;
}

int mtnt_lock_write(const mtnt_chain *chain, const char *path, mtnt_error *err)
{
    char *text = NULL;
    int rc = mtnt_lock_text(chain, &text, err);

    if (rc == 0)
        rc = mtnt__file_write(path, text, strlen(text), true, err);
    free(text);
    return rc;
}

/* ---- reading ---- */

typedef struct locked {
    char order[24], checksum[MTNT__CHECKSUM_SIZE];
    const char *name;
    uint32_t line;
} locked;

typedef struct lock {
    const char *path;
    char *text; /* lines are cut in it */
    const char *chain;
    locked *entries;
    size_t count;
} lock;

static int bad_line(const lock *l, uint32_t line, const char *what, mtnt_error *err)
{
    mtnt_error_set(err, MTNT_E_CONFIG, "%s: a lock file has   ORDER CHECKSUM NAME   in a line, after   chain NAME",
                   what);
    return mtnt_error_at(err, l->path, line, 0);
}

/* Cuts the word off and returns what follows it; NULL = there is no blank after it. */
static char *after_word(char *word)
{
    char *blank = strchr(word, ' ');

    if (blank == NULL)
        return NULL;
    *blank = '\0';
    return blank + 1;
}

static bool is_checksum(const char *text)
{
    return strlen(text) == MTNT__CHECKSUM_SIZE - 1 && strspn(text, "0123456789abcdef") == MTNT__CHECKSUM_SIZE - 1;
}

static int read_entry(lock *l, char *text, uint32_t line, mtnt_error *err)
{
    char *order = text, *checksum = after_word(order), *name = checksum == NULL ? NULL : after_word(checksum);
    int64_t number;
    locked *entry = l->entries + l->count;

    if (name == NULL || name[0] == '\0' || !is_checksum(checksum) ||
        (strcmp(order, "-") != 0 && !mtnt__parse_int(order, 1, INT64_MAX, &number)))
        return bad_line(l, line, "this is no operation", err);
    mtnt__text_copy(entry->order, sizeof(entry->order), order);
    mtnt__text_copy(entry->checksum, sizeof(entry->checksum), checksum);
    entry->name = name;
    entry->line = line;
    l->count++;
    return 0;
}

static int read_line(lock *l, char *text, uint32_t line, mtnt_error *err)
{
    char *word = text;

    if (text[0] == '#' || text[0] == '\0')
        return 0;
    if (l->chain != NULL)
        return read_entry(l, text, line, err);
    l->chain = after_word(word);
    return l->chain != NULL && strcmp(word, "chain") == 0 ? 0 : bad_line(l, line, "this names no chain", err);
}

static size_t count_lines(const char *text)
{
    size_t count = 1;

    for (const char *c = text; *c != '\0'; c++)
        count += *c == '\n';
    return count;
}

/* A merge leaves its marks where two have added something: that is a line that is none, and is said. */
static int read_lock(lock *l, mtnt_error *err)
{
    uint32_t line = 0;
    char *at, *end;
    int rc = 0;

    for (at = l->text; at != NULL && rc == 0; at = end) {
        end = strchr(at, '\n');
        if (end != NULL)
            *end++ = '\0';
        if (at[0] != '\0' && at[strlen(at) - 1] == '\r')
            at[strlen(at) - 1] = '\0';
        rc = read_line(l, at, ++line, err);
    }
    return rc == 0 && l->chain == NULL ? bad_line(l, 0, "this is no lock file", err) : rc;
}

/* ---- comparing ---- */

typedef struct comparison {
    const lock *lock;
    const mtnt_chain *chain;
    mtnt__buffer text;
    size_t count;
    uint32_t first_line;
    const char *file; /* where one of them is now */
} comparison;

/* What is shown of one: was and is, either may be missing. */
static void note(comparison *c, const locked *was, const mtnt__chain_entry *is, const char *why)
{
    if (c->count++ == 0)
        c->first_line = was == NULL ? 0 : was->line;
    if (c->file == NULL && is != NULL)
        c->file = is->file;
    if (c->count > MAX_SHOWN)
        return;
    if (was != NULL)
        mtnt__buffer_add_format(&c->text, "\n- %s %.*s %s", was->order, SHORT, was->checksum, was->name);
    if (is != NULL)
        mtnt__buffer_add_format(&c->text, "\n+ %" PRId64 " %.*s %s", is->order, SHORT, is->checksum, is->name);
    mtnt__buffer_add_format(&c->text, "   (%s", why);
    if (is != NULL && is->file != NULL)
        mtnt__buffer_add_format(&c->text, ", %s", is->file);
    if (is != NULL && is->file != NULL && is->line > 0) /* 0: the file as a whole, as in folders of migrations */
        mtnt__buffer_add_format(&c->text, ":%" PRIu32, is->line);
    mtnt__buffer_add_text(&c->text, ")");
}

static const locked *find_locked(const lock *l, const char *name)
{
    for (const locked *entry = l->entries; entry < l->entries + l->count; entry++)
        if (entry->name != NULL && strcmp(entry->name, name) == 0)
            return entry;
    return NULL;
}

/* One that nobody has locked, and that does the same: it was given another name. */
static const mtnt__chain_entry *find_renamed(const comparison *c, const locked *was)
{
    for (const mtnt__chain_entry *entry = c->chain->entries; entry < c->chain->entries + c->chain->count; entry++) {
        char order[24];

        snprintf(order, sizeof(order), "%" PRId64, entry->order);
        if (is_locked(entry) && find_locked(c->lock, entry->name) == NULL &&
            (strcmp(entry->checksum, was->checksum) == 0 || strcmp(order, was->order) == 0))
            return entry;
    }
    return NULL;
}

static void compare_entry(comparison *c, const locked *was, const mtnt__chain_entry *is, ptrdiff_t *last)
{
    char order[24];

    snprintf(order, sizeof(order), "%" PRId64, is->order);
    if (!is_locked(is))
        return; /* made repeatable since: its checksum says nothing any more */
    if (strcmp(is->checksum, was->checksum) != 0)
        note(c, was, is, "changed");
    else if (!is_by_place(is) && strcmp(was->order, "-") != 0 && strcmp(order, was->order) != 0)
        note(c, was, is, "another order");
    else if (is - c->chain->entries < *last)
        note(c, was, is, "another place");
    if (is - c->chain->entries > *last)
        *last = is - c->chain->entries;
}

static void compare_all(comparison *c, bool allow_out_of_order, bool *ret_stale)
{
    ptrdiff_t last = -1;

    for (size_t i = 0; i < c->lock->count; i++) {
        const locked *was = c->lock->entries + i;
        ptrdiff_t at = mtnt_chain_find(c->chain, was->name);
        const mtnt__chain_entry *renamed = at >= 0 ? NULL : find_renamed(c, was);

        if (at >= 0)
            compare_entry(c, was, c->chain->entries + at, &last);
        else
            note(c, was, renamed, renamed == NULL ? "gone" : "another name");
    }
    for (size_t i = 0; i < c->chain->count; i++) {
        const mtnt__chain_entry *entry = c->chain->entries + i;

        if (!is_locked(entry) || find_locked(c->lock, entry->name) != NULL)
            continue;
        *ret_stale = true;
        if ((ptrdiff_t)i < last && !allow_out_of_order && c->count == 0)
            note(c, NULL, entry, "out of order: others after it are locked");
    }
}

static int tell(comparison *c, mtnt_error *err)
{
    if (c->text.failed)
        return no_memory(err);
    mtnt_error_set(
        err, MTNT_E_CONFIG,
        "the history of chain %s is not what was locked:%s%s\nRestore it, and add further operations for what is "
        "new. What has changed:   git log -p -- %s   If it was applied nowhere:   mtnt-model checksums --write --yes",
        mtnt_chain_name(c->chain), mtnt__buffer_text(&c->text), c->count > MAX_SHOWN ? "\n… and more" : "",
        c->file == NULL ? c->lock->path : c->file);
    return mtnt_error_at(err, c->lock->path, c->first_line, 0);
}

static int compare(const lock *l, const mtnt_chain *chain, bool allow_out_of_order, mtnt_lock_state *ret_state,
                   mtnt_error *err)
{
    comparison c = {.lock = l, .chain = chain};
    bool stale = false;
    int rc = 0;

    if (strcmp(l->chain, mtnt_chain_name(chain)) != 0) {
        mtnt_error_set(
            err, MTNT_E_CONFIG,
            "this locks the chain %s, and the chain is called %s: what is applied is recorded under its name", l->chain,
            mtnt_chain_name(chain));
        return mtnt_error_at(err, l->path, 0, 0);
    }
    compare_all(&c, allow_out_of_order, &stale);
    if (c.count > 0)
        rc = tell(&c, err);
    else
        *ret_state = stale ? MTNT_LOCK_STALE : MTNT_LOCK_CURRENT;
    mtnt__buffer_release(&c.text);
    return rc;
}

int mtnt_lock_check(const mtnt_chain *chain, const char *path, bool allow_out_of_order, mtnt_lock_state *ret_state,
                    mtnt_error *err)
{
    mtnt_error own = MTNT_ERROR_INIT;
    lock l = {.path = path};
    locked *entries = NULL;
    size_t length;
    int rc = mtnt__file_read(path, &l.text, &length, &own);

    if (rc == MTNT_E_NOT_FOUND) {
        *ret_state = MTNT_LOCK_NONE;
        return 0;
    }
    if (rc == 0 && (entries = calloc(count_lines(l.text), sizeof(*entries))) == NULL)
        rc = no_memory(&own);
    l.entries = entries;
    if (rc == 0)
        rc = read_lock(&l, &own);
    if (rc == 0)
        rc = compare(&l, chain, allow_out_of_order, ret_state, &own);
    free(entries);
    free(l.text);
    if (rc != 0 && err != NULL)
        *err = own;
    return rc;
}
