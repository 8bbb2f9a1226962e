/* Readers of folders, given files as texts: what they find, and where they refuse. */
#ifndef MTNT_TESTS_FOUND_H
#define MTNT_TESTS_FOUND_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "chain/chain.h"
#include "config/formats/reader.h"

typedef struct found {
    mtnt_error err;
    mtnt__folder_options options;
    mtnt__folder folder;
} found;

static inline int found_setup(void **state)
{
    found *f = calloc(1, sizeof(*f));

    if (!f || mtnt_chain_new(&f->folder.chain, "found", &f->err))
        return -1;
    f->folder.err = &f->err;
    f->folder.options = &f->options;
    *state = f;
    return 0;
}

static inline int found_teardown(void **state)
{
    found *f = *state;

    mtnt__folder_release(&f->folder);
    mtnt_chain_free(f->folder.chain);
    free(f);
    return 0;
}

/* The file as its format's reader takes it; `name` as seen from the folder. */
static inline int found_try(found *f, const char *name, const char *text)
{
    char path[300];
    const mtnt__folder_file file = {path, name, text};

    snprintf(path, sizeof(path), "dir/%s", name);
    mtnt_error_clear(&f->err);
    return mtnt__folder_take(&f->folder, &file);
}

static inline void found_take(found *f, const char *name, const char *text)
{
    if (found_try(f, name, text))
        fail_msg("%s:%u: %s", f->err.file, f->err.line, f->err.message);
}

static inline void found_finish(found *f)
{
    if (f->folder.reader->finish && f->folder.reader->finish(&f->folder))
        fail_msg("%s:%u: %s", f->err.file, f->err.line, f->err.message);
}

/* Refused there; `says` is found in the text. */
static inline void found_refused(found *f, int rc, const char *path, uint32_t line, const char *says)
{
    assert_int_equal(rc, MTNT_E_CONFIG);
    if (!strstr(f->err.message, says))
        fail_msg("`%s` does not say `%s`", f->err.message, says);
    assert_string_equal(f->err.file, path);
    assert_int_equal(f->err.line, line);
}

static inline void found_merge(found *f)
{
    found_finish(f);
    if (mtnt__folder_merge(&f->folder, 0))
        fail_msg("%s:%u: %s", f->err.file, f->err.line, f->err.message);
}

static inline const mtnt__found_sql *found_sql(const found *f, size_t index, mtnt__found_direction direction)
{
    assert_true(index < f->folder.count);
    return &f->folder.items[index].sql[MTNT__FOUND_MODEL][MTNT__FOUND_ANY][direction];
}

/* The one file's SQL. */
static inline void assert_sql(const found *f, mtnt__found_direction direction, const char *text, uint32_t line)
{
    const mtnt__found_sql *sql = found_sql(f, f->folder.count - 1, direction);

    if (!text) {
        assert_null(sql->text);
        return;
    }
    assert_non_null(sql->text);
    assert_string_equal(sql->text, text);
    assert_int_equal(sql->line, line);
}

/* The operations' names, in order, with blanks between them. */
static inline void assert_operations(const found *f, const char *names)
{
    char all[1000] = "";
    mtnt_entry_info info;

    for (size_t i = 0; mtnt_chain_get(f->folder.chain, i, &info); i++)
        snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? " " : "", info.name);
    assert_string_equal(all, names);
}

static inline mtnt_entry_info found_operation(const found *f, const char *name)
{
    ptrdiff_t index = mtnt_chain_find(f->folder.chain, name);
    mtnt_entry_info info = {0};

    if (index < 0 || !mtnt_chain_get(f->folder.chain, (size_t)index, &info))
        fail_msg("there is no operation %s", name);
    return info;
}

static inline bool goes_back(mtnt_entry_info info)
{
    return info.operation_class->rollback != NULL;
}

#endif
