#include "base/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TAIL_SIZE ((size_t)256 * 1024)

static int out_of_memory(mtnt_error *err)
{
    return mtnt_error_set(err, MTNT_E_NOMEM, "out of memory");
}

static int fail(const mtnt__spill *spill, mtnt_error *err)
{
    char reason[128];

    return mtnt_error_set(err, MTNT_E_IO, "the temporary file of %s: %s", spill->what,
                          strerror_r(errno, reason, sizeof(reason)));
}

void mtnt__spill_release(mtnt__spill *spill)
{
    if (spill->file)
        close(spill->file - 1);
    mtnt__buffer_release(&spill->tail);
    spill->file = 0;
    spill->written = 0;
}

uint64_t mtnt__spill_size(const mtnt__spill *spill)
{
    return spill->written + spill->tail.length;
}

/* ---- writing ---- */

static int open_nameless(mtnt__spill *spill, mtnt_error *err)
{
    const char *folder = getenv("TMPDIR");
    char name[4096];
    int file;

    if (!folder || folder[0] != '/')
        folder = P_tmpdir;
    file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) { /* not every file system has O_TMPFILE */
        snprintf(name, sizeof(name), "%s/mtnt-XXXXXX", folder);
        file = mkostemp(name, O_CLOEXEC);
        if (file >= 0)
            unlink(name);
    }
    if (file < 0)
        return fail(spill, err);
    spill->file = file + 1;
    return 0;
}

static int write_tail(mtnt__spill *spill, mtnt_error *err)
{
    size_t done = 0;
    int rc;

    if (!spill->file && (rc = open_nameless(spill, err)))
        return rc;
    while (done < spill->tail.length) {
        ssize_t written = write(spill->file - 1, spill->tail.bytes + done, spill->tail.length - done);

        if (written < 0 && errno != EINTR)
            return fail(spill, err);
        done += written > 0 ? (size_t)written : 0;
    }
    spill->written += done;
    mtnt__buffer_clear(&spill->tail);
    return 0;
}

int mtnt__spill_add(mtnt__spill *spill, const void *bytes, size_t length, mtnt_error *err)
{
    int rc;

    if (spill->tail.length > 0 && spill->tail.length + length > TAIL_SIZE && (rc = write_tail(spill, err)))
        return rc;
    mtnt__buffer_add(&spill->tail, bytes, length);
    return spill->tail.failed ? out_of_memory(err) : 0;
}

/* ---- reading ---- */

int mtnt__spill_read(const mtnt__spill *spill, uint64_t offset, void *bytes, size_t length, size_t *ret_got,
                     mtnt_error *err)
{
    uint64_t left = offset < mtnt__spill_size(spill) ? mtnt__spill_size(spill) - offset : 0;
    size_t wanted = left < length ? (size_t)left : length, done = 0;

    while (done < wanted && offset + done < spill->written) {
        uint64_t there = spill->written - offset - done;
        size_t most = there < wanted - done ? (size_t)there : wanted - done;
        ssize_t got = pread(spill->file - 1, (char *)bytes + done, most, (off_t)(offset + done));

        if (got == 0)
            errno = EIO; /* somebody has made it shorter */
        if (got == 0 || (got < 0 && errno != EINTR))
            return fail(spill, err);
        done += got > 0 ? (size_t)got : 0;
    }
    if (done < wanted)
        memcpy((char *)bytes + done, spill->tail.bytes + (offset + done - spill->written), wanted - done);
    *ret_got = wanted;
    return 0;
}

void mtnt__spill_reader_release(mtnt__spill_reader *reader)
{
    mtnt__buffer_release(&reader->held);
    reader->taken = 0;
}

/* Room for `length` bytes from the first that has not been taken on. */
static char *make_room(mtnt__spill_reader *reader, size_t length)
{
    mtnt__buffer *held = &reader->held;
    size_t left = held->length - reader->taken;

    if (left > 0)
        memmove(held->bytes, held->bytes + reader->taken, left);
    held->length = left;
    reader->taken = 0;
    if (held->size < length) {
        char *grown = realloc(held->bytes, length);

        if (!grown)
            return NULL;
        held->bytes = grown;
        held->size = length;
    }
    return held->bytes + left;
}

static int fill(mtnt__spill_reader *reader, size_t length, mtnt_error *err)
{
    size_t size = length > reader->block ? length : reader->block, got = 0, wanted;
    char *room = make_room(reader, size);
    int rc;

    if (!room)
        return out_of_memory(err);
    wanted = size - reader->held.length;
    if (wanted > reader->end - reader->at)
        wanted = (size_t)(reader->end - reader->at);
    rc = mtnt__spill_read(reader->spill, reader->at, room, wanted, &got, err);
    if (rc)
        return rc;
    reader->held.length += got;
    reader->at += got;
    if (reader->held.length >= length)
        return 0;
    errno = EIO;
    return fail(reader->spill, err);
}

int mtnt__spill_take(mtnt__spill_reader *reader, size_t length, const char **ret_bytes, mtnt_error *err)
{
    int rc = reader->held.length - reader->taken < length ? fill(reader, length, err) : 0;

    if (rc)
        return rc;
    *ret_bytes = reader->held.bytes + reader->taken;
    reader->taken += length;
    return 0;
}
