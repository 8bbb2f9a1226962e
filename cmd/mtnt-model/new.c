#include "commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "append.h"
#include "disk.h"
#include "template.h"

/* A new operation on its way into the chain; texts are malloc'ed. */
typedef struct birth {
    mtnt__work *work;
    const char *name;
    int64_t order;
    char stem[160];
    char *chain;     /* the chain file, links resolved */
    char *up, *down; /* the two SQL files */
    bool written;    /* they are there */
} birth;

static int fail_errno(const birth *new, const char *what, const char *path, int error)
{
    return mtnt__work_fail(new->work, MTNT__EXIT_FATAL, "cannot %s %s: %s", what, path, strerrordesc_np(error));
}

static int out_of_memory(const birth *new)
{
    return mtnt__work_fail(new->work, MTNT__EXIT_FATAL, "out of memory");
}

static int check_name(const birth *new)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *name = new->name;

    if (*name == '\0' || strlen(name) > 100 || name[strspn(name, allowed)] != '\0' || *name == '.' || *name == '-')
        return mtnt__work_fail(new->work, MTNT__EXIT_USAGE,
                               "'%s' is no name for an operation: up to 100 of A-Z a-z 0-9 . _ - and neither . nor - "
                               "at the start",
                               name);
    if (mtnt_chain_find(new->work->chain, name) >= 0)
        return mtnt__work_fail(new->work, MTNT__EXIT_FATAL, "the chain %s has an operation %s already",
                               mtnt_chain_name(new->work->chain), name);
    return 0;
}

/* One more than the highest, plugins included. */
static void number(birth *new)
{
    mtnt_entry_info info;
    size_t count = mtnt_chain_len(new->work->chain);

    new->order = count > 0 && mtnt_chain_get(new->work->chain, count - 1, &info) ? info.order + 1 : 1;
    snprintf(new->stem, sizeof new->stem, "%04" PRId64 "_%s", new->order, new->name);
}

static int find_files(birth *new)
{
    char name[192];

    new->chain = realpath(new->work->settings.chain, NULL);
    if (new->chain == NULL)
        return fail_errno(new, "find", new->work->settings.chain, errno);
    snprintf(name, sizeof name, "sql/%s.up.sql", new->stem);
    new->up = mtnt__disk_sibling(new->work->settings.chain, name);
    snprintf(name, sizeof name, "sql/%s.down.sql", new->stem);
    new->down = mtnt__disk_sibling(new->work->settings.chain, name);
    return new->up == NULL || new->down == NULL ? out_of_memory(new) : 0;
}

/* templates/operation.up.sql beside the chain when it is there, else our own. */
static int fill(const birth *new, const char *file, const char *own, char **ret_text)
{
    char *path = mtnt__disk_sibling(new->work->settings.chain, file), *template = NULL;
    int error, exit_code = 0;

    if (path == NULL)
        return out_of_memory(new);
    error = mtnt__disk_read(path, &template);
    if (error != 0 && error != ENOENT && error != ENOTDIR) {
        exit_code = fail_errno(new, "read the template", path, error);
    } else {
        *ret_text = mtnt__template_fill(error == 0 ? template : own, new->name, new->order);
        exit_code = *ret_text == NULL ? out_of_memory(new) : 0;
    }
    free(template);
    free(path);
    return exit_code;
}

static int create(birth *new, const char *path, const char *text)
{
    int error = mtnt__disk_create(path, text);

    if (error == EEXIST)
        return mtnt__work_fail(new->work, MTNT__EXIT_FATAL, "%s exists already; nothing is overwritten", path);
    return error == 0 ? 0 : fail_errno(new, "write", path, error);
}

static int make_folder(const birth *new)
{
    char *folder = mtnt__disk_sibling(new->work->settings.chain, "sql");
    int exit_code = 0;

    if (folder == NULL)
        return out_of_memory(new);
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        exit_code = fail_errno(new, "make the folder", folder, errno);
    free(folder);
    return exit_code;
}

static int write_sql(birth *new)
{
    char *up = NULL, *down = NULL;
    int exit_code = fill(new, "templates/operation.up.sql", mtnt__template_up, &up);

    if (exit_code == 0)
        exit_code = fill(new, "templates/operation.down.sql", mtnt__template_down, &down);
    if (exit_code == 0)
        exit_code = make_folder(new);
    if (exit_code == 0)
        exit_code = create(new, new->up, up);
    if (exit_code == 0) {
        exit_code = create(new, new->down, down);
        if (exit_code != 0)
            unlink(new->up);
    }
    new->written = exit_code == 0;
    free(up);
    free(down);
    return exit_code;
}

/* Whether `after` is `before` and the new operation at its end, and nothing else. */
static bool only_adds(const mtnt_chain *before, const mtnt_chain *after, const birth *new)
{
    size_t count = mtnt_chain_len(before);
    mtnt_entry_info old, now;

    if (mtnt_chain_len(after) != count + 1 || strcmp(mtnt_chain_name(before), mtnt_chain_name(after)) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!mtnt_chain_get(before, i, &old) || !mtnt_chain_get(after, i, &now) || old.order != now.order ||
            strcmp(old.name, now.name) != 0 || strcmp(old.checksum, now.checksum) != 0 || old.disabled != now.disabled)
            return false;
    return mtnt_chain_get(after, count, &now) && now.order == new->order &&strcmp(now.name, new->name) == 0;
}

static bool loads_well(const birth *new, const char *candidate)
{
    mtnt_chain *before = NULL, *after = NULL;
    bool well = mtnt_chain_new(&before, "default", NULL) == 0 && mtnt_chain_new(&after, "default", NULL) == 0 &&
                mtnt_chain_load_yaml(before, new->chain, NULL) == 0 &&
                mtnt_chain_load_yaml(after, candidate, NULL) == 0 && only_adds(before, after, new);

    mtnt_chain_free(before);
    mtnt_chain_free(after);
    return well;
}

/* 0: the chain file has the entry. EINVAL: it cannot be added in this way. Else an errno. */
static int try_append(const birth *new, const char *text, int64_t order)
{
    char *added = mtnt__append_entry(text, new->name, new->stem, order), *beside = NULL;
    int error;

    if (added == NULL)
        return EINVAL;
    error = mtnt__disk_write_beside(new->chain, added, &beside);
    if (error == 0 && !loads_well(new, beside))
        error = EINVAL;
    if (error == 0)
        error = mtnt__disk_replace(new->chain, beside);
    if (error != 0 && beside != NULL)
        unlink(beside);
    free(beside);
    free(added);
    return error;
}

static int ask_for_hands(const birth *new)
{
    char *shown = mtnt__append_shown(new->name, new->stem, new->order);

    if (shown == NULL)
        return out_of_memory(new);
    mtnt__work_fail(new->work, MTNT__EXIT_CONFIG,
                    "%s is laid out in a way that no entry can be added to safely. The SQL files are written; add this "
                    "at the end of its operations:",
                    new->work->settings.chain);
    fprintf(new->work->screen.err, "\n%s", shown);
    free(shown);
    return MTNT__EXIT_CONFIG;
}

static int add_to_chain(birth *new)
{
    char *text = NULL;
    int error = mtnt__disk_read(new->chain, &text);

    if (error == 0)
        error = try_append(new, text, 0);
    if (error == EINVAL && text != NULL)
        error = try_append(new, text, new->order);
    free(text);
    if (error == EINVAL)
        return ask_for_hands(new);
    return error == 0 ? 0 : fail_errno(new, "change", new->work->settings.chain, error);
}

int mtnt__command_new(mtnt__work *work)
{
    birth new = {.work = work, .name = work->settings.argument};
    int exit_code = mtnt__work_load_chain(work);

    if (exit_code == 0 && work->settings.chain == NULL)
        exit_code = mtnt__work_fail(work, MTNT__EXIT_CONFIG,
                                    "there is no chain file to add to: give --chain FILE, or write `chain:` into "
                                    "mtnt.yaml");
    if (exit_code == 0)
        exit_code = check_name(&new);
    if (exit_code != 0)
        return exit_code;
    number(&new);
    exit_code = find_files(&new);
    if (exit_code == 0)
        exit_code = write_sql(&new);
    if (exit_code == 0)
        exit_code = add_to_chain(&new);
    if (new.written && exit_code == MTNT__EXIT_FATAL) {
        unlink(new.up);
        unlink(new.down);
    }
    if (exit_code == 0)
        fprintf(work->screen.out, "%s\n%s\n%s: operation %" PRId64 " %s added\n", new.up, new.down,
                work->settings.chain, new.order, new.name);
    free(new.chain);
    free(new.up);
    free(new.down);
    return exit_code;
}
