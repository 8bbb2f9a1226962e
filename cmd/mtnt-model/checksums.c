#include "commands.h"

#include <stdlib.h>
#include <string.h>

#include "encode.h"

static int put_json(mtnt__work *work)
{
    json_t *operations = json_array();
    mtnt_entry_info info;

    for (size_t i = 0; mtnt_chain_get(work->chain, i, &info); i++)
        json_array_append_new(operations, json_pack("{sI so ss sb}", "order", (json_int_t)info.order, "name",
                                                    mtnt__encode_text(info.name), "checksum", info.checksum,
                                                    "repeatable", (info.flags & MTNT_OPERATION_REPEATABLE) != 0));
    mtnt__encode_put(work->screen.out,
                     json_pack("{ss so}", "chain", mtnt_chain_name(work->chain), "operations", operations),
                     work->settings.format == MTNT__FORMAT_JSONL);
    return 0;
}

static int put_text(mtnt__work *work)
{
    mtnt_error err = MTNT_ERROR_INIT;
    char *text = NULL;

    if (mtnt_lock_text(work->chain, &text, &err) != 0)
        return mtnt__work_fail_error(work, &err);
    fputs(text, work->screen.out);
    mtnt_free(text);
    return 0;
}

static int check(mtnt__work *work, const char *path)
{
    mtnt_lock_state state = MTNT_LOCK_NONE;
    int exit_code = mtnt__work_check_lock(work, path, &state);

    if (exit_code != 0)
        return exit_code;
    if (state == MTNT_LOCK_CURRENT) {
        fprintf(work->screen.out, "%s is up to date\n", path);
        return 0;
    }
    return mtnt__work_fail(work, MTNT__EXIT_PENDING,
                           state == MTNT_LOCK_NONE ? "%s is not there: mtnt-model checksums --write"
                                                   : "%s lacks operations of the chain: mtnt-model checksums --write",
                           path);
}

/* A lock that history has left is written over only by somebody's word. */
static int write_lock(mtnt__work *work, const char *path)
{
    mtnt_lock_state state = MTNT_LOCK_NONE;
    mtnt_error err = MTNT_ERROR_INIT;
    int exit_code = work->settings.yes ? 0 : mtnt__work_check_lock(work, path, &state);

    if (exit_code != 0)
        return exit_code;
    if (mtnt_lock_write(work->chain, path, &err) != 0)
        return mtnt__work_fail_error(work, &err);
    fprintf(work->screen.out, "%s: %zu operation%s\n", path, mtnt_chain_len(work->chain),
            mtnt_chain_len(work->chain) == 1 ? "" : "s");
    return 0;
}

int mtnt__command_checksums(mtnt__work *work)
{
    const mtnt__settings *settings = &work->settings;
    char *path;
    int exit_code;

    if (settings->write_lock && settings->check_lock)
        return mtnt__work_fail(work, MTNT__EXIT_USAGE,
                               "--write makes the lock file, and --check looks at it: one of them");
    work->without_lock = true;
    exit_code = mtnt__work_load_chain(work);
    if (exit_code != 0)
        return exit_code;
    if (!settings->write_lock && !settings->check_lock)
        return settings->format == MTNT__FORMAT_TEXT ? put_text(work) : put_json(work);
    if (settings->chain == NULL)
        return mtnt__work_fail(
            work, MTNT__EXIT_CONFIG,
            "there is no chain file to put a lock file beside: give --chain FILE, or write `chain:` into mtnt.yaml");
    path = mtnt_lock_path(settings->chain);
    if (path == NULL)
        return mtnt__work_fail(work, MTNT__EXIT_FATAL, "out of memory");
    exit_code = settings->write_lock ? write_lock(work, path) : check(work, path);
    mtnt_free(path);
    return exit_code;
}
