/* A folder of a test's own, with the files that it writes. */
#ifndef MTNT_TESTS_SCRATCH_H
#define MTNT_TESTS_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

typedef struct scratch {
    char folder[128]; /* absolute, without symbolic links */
    char path[256];   /* of what was named last */
} scratch;

/* Valid until the next call. */
static inline const char *scratch_path(scratch *s, const char *name)
{
    snprintf(s->path, sizeof(s->path), "%s/%s", s->folder, name);
    return s->path;
}

/* Folders on the way are made. Returns its path, valid until the next call. */
static inline const char *scratch_write(scratch *s, const char *name, const char *text)
{
    const char *path = scratch_path(s, name);
    FILE *file;

    for (char *slash = strchr(s->path + strlen(s->folder) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(s->path, 0700);
        *slash = '/';
    }
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline int scratch_remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

/* cmocka's setup and teardown: *state is a scratch. */
static inline int scratch_setup(void **state)
{
    const char *where = getenv("TMPDIR");
    scratch *s = calloc(1, sizeof(*s));
    char made[100];

    assert_non_null(s);
    snprintf(made, sizeof(made), "%s/mtnt-test-XXXXXX", where && strlen(where) < 80 ? where : "/tmp");
    assert_non_null(mkdtemp(made));
    assert_non_null(realpath(made, s->path));
    snprintf(s->folder, sizeof(s->folder), "%.127s", s->path);
    *state = s;
    return 0;
}

static inline int scratch_teardown(void **state)
{
    scratch *s = *state;

    nftw(s->folder, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(s);
    return 0;
}

#endif
