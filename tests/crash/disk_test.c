/* A disk that is really full: a small tmpfs of the test's own, for the models or for the controller, with a little more room left each time, so that it
 * gets full at another step of the migration. In a mount namespace of its own; without the right to make one (root) nothing is tested, and
 * that is said.
 *
 * Nothing lost: see whole.h. A migration that has no room fails, takes back what it has written, and gets through once there is room; one that
 * could not be written down in the controller is settled by the next. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "whole.h"

#define STEP 8192

static char disk[100], filler[120];

static bool mount_disk(void)
{
    const char *where = getenv("TMPDIR");

    snprintf(disk, sizeof(disk), "%s/mtnt-disk-XXXXXX", where != NULL && strlen(where) < 60 ? where : "/tmp");
    if (mkdtemp(disk) == NULL || unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", disk, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0700") != 0) {
        fprintf(stderr,
                "crash.disk: a full disk is not tested: no file system can be mounted here (%s); it takes root\n",
                strerror(errno));
        rmdir(disk);
        return false;
    }
    snprintf(filler, sizeof(filler), "%s/filler", disk);
    return true;
}

static void unmount_disk(void)
{
    umount(disk);
    rmdir(disk);
}

/* Everything but so many bytes is taken. */
static void fill(size_t room)
{
    static char block[4096];
    int file = open(filler, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    off_t size = 0;
    ssize_t written;

    assert_true(file >= 0);
    while ((written = write(file, block, sizeof(block))) > 0)
        size += written;
    assert_int_equal(errno, ENOSPC);
    assert_true(size > (off_t)room);
    assert_int_equal(ftruncate(file, size - (off_t)room), 0);
    close(file);
}

static void remove_leftovers(void)
{
    static const char *const names[] = {"t1.db", "controller.db", "filler"};
    static const char *const endings[] = {"", "-journal", "-wal", "-shm"};
    char path[200];

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        for (size_t k = 0; k < sizeof(endings) / sizeof(*endings); k++) {
            snprintf(path, sizeof(path), "%s/%s%s", disk, names[i], endings[k]);
            unlink(path);
        }
}

/* Returns whether there was room enough. */
static bool migrate_with(pair which, const whole *w, size_t room)
{
    fleet *f = fleet_new(which, 1, !w->creates);
    char when[80];
    int rc;

    snprintf(when, sizeof(when), "%u bytes left", (unsigned)room);
    whole_add_chain(f, w,
                    (body){.model_up = f->model_backend == MTNT_SQLITE
                                           ? "CREATE TABLE b (a BLOB); INSERT INTO b VALUES (zeroblob(50000))"
                                           : NULL,
                           .controller_up = f->controller_backend == MTNT_SQLITE
                                                ? "INSERT INTO notes VALUES ('t1', 'b'); "
                                                  "INSERT INTO notes VALUES ('other', zeroblob(50000))"
                                                : NULL});
    fill(room);
    rc = fleet_perform(f, 0, NULL);
    if (rc != 0 && rc != MTNT_E_IO && rc != MTNT_E_DATABASE && rc != MTNT_E_IN_DOUBT)
        fail_msg("%s: %s: %s", when, mtnt_code_name(rc), f->err.message);
    if (room == 0 && (rc == 0 || strstr(f->err.message, "full") == NULL))
        fail_msg("%s: it is not said that the disk is full: %s", when, f->err.message);
    assert_int_equal(unlink(filler), 0);
    if (fleet_recover(f, 0) != 0)
        fail_msg("%s: there is room again, and it cannot be recovered: %s", when, f->err.message);
    whole_check(f, 0, w, rc == 0, when);
    whole_finish(f, 0, w, when);
    fleet_free(f);
    remove_leftovers();
    return rc == 0;
}

static void fill_up(pair which, whole w)
{
    size_t room = 0;

    while (!migrate_with(which, &w, room)) {
        room += getenv("MTNT_TEST_CRASH_ALL") != NULL ? STEP / 2 : STEP * 2;
        assert_true(room < 800 * 1024);
    }
    assert_true(room > 0);
}

static void models(pair which)
{
    fleet_settings.models_in = disk;
    fill_up(which, (whole){.writes = WRITES_BOTH});
    fleet_settings.models_in = NULL;
}

static void models_created(pair which)
{
    fleet_settings.models_in = disk;
    fill_up(which, (whole){.writes = WRITES_BOTH, .creates = true});
    fleet_settings.models_in = NULL;
}

static void controller(pair which)
{
    fleet_settings.controller_in = disk;
    fill_up(which, (whole){.writes = WRITES_BOTH});
    fleet_settings.controller_in = NULL;
}

int main(void)
{
    static const bare_test tests[] = {
        {"models", models, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE)},
        {"models_created", models_created, ON(PAIR_SQLITE) | ON(PAIR_POSTGRES_SQLITE)},
        {"controller", controller, ON(PAIR_SQLITE) | ON(PAIR_SQLITE_POSTGRES)},
    };
    int failed;

    if (!mount_disk())
        return 77;
    failed = run_bare_tests("disk", tests, sizeof(tests) / sizeof(*tests));
    unmount_disk();
    return failed;
}
