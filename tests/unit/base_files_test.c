/* Files: whole, durable, never over one that must stay. */
#include <dirent.h>
#include <fcntl.h>

#include "scratch.h"

#include "base/files.h"

static int files_in(const char *folder)
{
    DIR *listing = opendir(folder);
    int count = 0;

    assert_non_null(listing);
    for (struct dirent *entry = readdir(listing); entry; entry = readdir(listing))
        count += entry->d_name[0] != '.';
    closedir(listing);
    return count;
}

static void expect_text(const char *path, const char *expected)
{
    char *text;
    size_t length;

    assert_int_equal(mtnt__file_read(path, &text, &length, NULL), 0);
    assert_string_equal(text, expected);
    assert_int_equal(length, strlen(expected));
    free(text);
}

static void reads(void **state)
{
    scratch *s = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    char *text = NULL, *large = malloc(100001);
    size_t length;

    expect_text(scratch_write(s, "empty", ""), "");
    expect_text(scratch_write(s, "a", "one\ntwo"), "one\ntwo");
    assert_non_null(large);
    memset(large, 'x', 100000);
    large[100000] = '\0';
    expect_text(scratch_write(s, "large", large), large);
    free(large);
    assert_int_equal(mtnt__file_read(scratch_path(s, "none"), &text, &length, &err), MTNT_E_NOT_FOUND);
    assert_non_null(strstr(err.message, "none"));
    assert_int_equal(mtnt__file_read(s->folder, &text, &length, &err), MTNT_E_IO);
    assert_null(text);
}

static void a_nul_is_no_text(void **state)
{
    scratch *s = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    char *text = NULL;

    assert_int_equal(mtnt__file_write(scratch_path(s, "nul"), "a\0b", 3, false, NULL), 0);
    assert_int_equal(mtnt__file_read(scratch_path(s, "nul"), &text, NULL, &err), MTNT_E_CONFIG);
    assert_string_equal(err.file, scratch_path(s, "nul"));
    assert_null(text);
}

static void writes_without_overwriting(void **state)
{
    scratch *s = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    char path[256];

    snprintf(path, sizeof(path), "%s", scratch_path(s, "a"));
    assert_int_equal(mtnt__file_write(path, "1", 1, false, &err), 0);
    assert_int_equal(mtnt__file_write(path, "2", 1, false, &err), MTNT_E_EXISTS);
    expect_text(path, "1");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(mtnt__file_write(path, "3", 1, true, &err), 0);
    expect_text(path, "3");
    assert_int_equal(files_in(s->folder), 1); /* no temporary file is left */
}

static void replacing_keeps_permissions_and_links(void **state)
{
    scratch *s = *state;
    char target[256], link_path[256];
    struct stat status;

    snprintf(target, sizeof(target), "%s", scratch_write(s, "target", "1"));
    snprintf(link_path, sizeof(link_path), "%s", scratch_path(s, "link"));
    assert_int_equal(chmod(target, 0640), 0);
    assert_int_equal(symlink("target", link_path), 0);
    assert_int_equal(mtnt__file_write(link_path, "2", 1, true, NULL), 0);
    expect_text(target, "2");
    assert_int_equal(lstat(link_path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat(target, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
}

static void writing_where_it_cannot(void **state)
{
    scratch *s = *state;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt__file_write(scratch_path(s, "none/a"), "1", 1, false, &err), MTNT_E_NOT_FOUND);
    scratch_write(s, "file", "x");
    assert_int_equal(mtnt__file_write(scratch_path(s, "file/a"), "1", 1, true, &err), MTNT_E_NOT_FOUND);
    assert_int_equal(files_in(s->folder), 1);
}

static void renames_without_overwriting(void **state)
{
    scratch *s = *state;
    mtnt_error err = MTNT_ERROR_INIT;
    char from[256], to[256];

    snprintf(from, sizeof(from), "%s", scratch_write(s, "from", "1"));
    snprintf(to, sizeof(to), "%s", scratch_write(s, "to", "2"));
    assert_int_equal(mtnt__file_rename_new(from, to, &err), MTNT_E_EXISTS);
    expect_text(from, "1");
    expect_text(to, "2");
    assert_int_equal(mtnt__file_remove(to, &err), 0);
    assert_int_equal(mtnt__file_remove(to, &err), 0);
    assert_int_equal(mtnt__file_rename_new(from, to, &err), 0);
    expect_text(to, "1");
    assert_int_equal(mtnt__file_rename_new(from, to, &err), MTNT_E_NOT_FOUND);
    assert_int_equal(mtnt__file_remove(s->folder, &err), MTNT_E_IO);
}

static void syncs(void **state)
{
    scratch *s = *state;
    mtnt_error err = MTNT_ERROR_INIT;

    assert_int_equal(mtnt__file_sync(scratch_write(s, "a", "1"), &err), 0);
    assert_int_equal(mtnt__folder_sync_of(scratch_path(s, "a"), &err), 0);
    assert_int_equal(mtnt__folder_sync_of("no-folder-in-it", &err), 0);
    assert_int_equal(mtnt__file_sync(scratch_path(s, "none"), &err), MTNT_E_NOT_FOUND);
    assert_int_equal(mtnt__folder_sync_of(scratch_path(s, "none/a"), &err), MTNT_E_NOT_FOUND);
}

static void paths_beside(void **state)
{
    static const struct {
        const char *base, *path, *expected;
    } cases[] = {{"/etc/mtnt.yaml", "chain.yaml", "/etc/chain.yaml"},
                 {"mtnt.yaml", "chain.yaml", "chain.yaml"},
                 {"a/b/mtnt.yaml", "../x", "a/b/../x"},
                 {"/etc/mtnt.yaml", "/abs", "/abs"},
                 {"/mtnt.yaml", "x", "/x"},
                 {NULL, "x", "x"}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *path = mtnt__path_beside(cases[i].base, cases[i].path);

        assert_string_equal(path, cases[i].expected);
        free(path);
    }
}

static void descriptors_do_not_leak(void **state)
{
    scratch *s = *state;
    int before = open("/dev/null", O_RDONLY | O_CLOEXEC), after;
    char *text;

    close(before);
    for (int i = 0; i < 20; i++) {
        mtnt__file_write(scratch_path(s, "x"), "1", 1, true, NULL);
        if (mtnt__file_read(scratch_path(s, "x"), &text, NULL, NULL) == 0)
            free(text);
        mtnt__file_read(s->folder, &text, NULL, NULL);
    }
    after = open("/dev/null", O_RDONLY | O_CLOEXEC);
    close(after);
    assert_int_equal(before, after);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

static void folders_on_the_way(void **state)
{
    char path[300], inside[400];
    mtnt_error err = MTNT_ERROR_INIT;
    struct stat status;

    snprintf(path, sizeof(path), "%s/a/b/c", ((scratch *)*state)->folder);
    assert_int_equal(mtnt__folder_make(path, &err), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_true(S_ISDIR(status.st_mode));
    assert_int_equal(mtnt__folder_make(path, &err), 0);
    snprintf(inside, sizeof(inside), "%s/file", path);
    assert_int_equal(mtnt__file_make_private(inside, &err), 0);
    assert_int_equal(mtnt__file_make_private(inside, &err), MTNT_E_EXISTS);
    assert_int_equal(stat(inside, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(mtnt__folder_make(inside, &err), MTNT_E_IO);
    snprintf(inside, sizeof(inside), "%s/file/further", path);
    assert_int_equal(mtnt__folder_make(inside, &err), MTNT_E_IO);
    assert_non_null(strstr(err.message, "is not a folder"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads),
        TEST(a_nul_is_no_text),
        TEST(writes_without_overwriting),
        TEST(replacing_keeps_permissions_and_links),
        TEST(writing_where_it_cannot),
        TEST(renames_without_overwriting),
        TEST(syncs),
        TEST(folders_on_the_way),
        TEST(paths_beside),
        TEST(descriptors_do_not_leak),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
